"""A watch in progress: how it is done, what is on disk, what is reduced, and whom it tells."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from operando.core import Scan
from operando.read.growing import GrowingScans
from operando.read.stored import present

from .microxrd import _counted
from .plan import Plan
from .results import Results
from .running import Run
from .stage import Stages
from .watch_alerts import Alerts, Arrivals
from .watch_cell import Cell
from .watch_grid import live_maps
from .watch_maps import LiveMap


@dataclass(frozen=True)
class Watching:
    """How to watch.

    interval_s      results are written no more often than this, s
    maps            how many maps there will be; None where the person ends the watch
    until_complete  end when all expected frames are there
    at_map_end      called with the results when a map is complete, after they are written
    stop            asked between two steps whether to end now
    """

    interval_s: float = 5.0
    maps: int | None = None
    until_complete: bool = False
    at_map_end: Callable[[Results, Path], None] | None = None
    stop: Callable[[], bool] = lambda: False
    now: Callable[[], float] = time.monotonic


@dataclass
class Watch:
    """A watch in progress."""

    job: Run
    how: Watching
    scans: GrowingScans
    alerts: Alerts
    cell: Cell
    live: Stages
    arrivals: Arrivals = field(default_factory=Arrivals)
    maps: dict[str, LiveMap] = field(default_factory=dict)
    plan: Plan | None = None
    said: set[str] = field(default_factory=set)

    @property
    def seen(self) -> int:
        return sum(one.seen for one in self.maps.values())

    def found(self) -> list[Scan]:
        """The maps that can be opened now."""
        xrd = self.job.experiment.xrd
        assert xrd is not None
        return live_maps([_counted(scan, xrd) for scan in self.scans.look()], xrd)

    def on_disk(self) -> int:
        """Frames on disk at this moment, whatever was looked at before."""
        counts = {scan.name: int(present(scan.frames, False).sum()) for scan in self.found()}
        return max(self.seen, sum(counts.values()))

    @property
    def done(self) -> int:
        return sum(one.done for one in self.maps.values())

    @property
    def complete(self) -> bool:
        """Whether all maps that are expected are there, whole, reduced, and their files at rest."""
        maps = list(self.maps.values())
        if not maps or (self.how.maps is not None and len(maps) < self.how.maps):
            return False
        return all(m.complete and m.settled and m.done == len(m.scan.frames) for m in maps)
