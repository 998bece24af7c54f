"""What is known of an experiment while it is measured, as results: maps, the map that grows, and how far it is."""

from __future__ import annotations

import logging
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr

from operando.core import ScanGrid, digest
from operando.core.errors import GridError, OperandoError

from .echem_record import record_groups
from .facts import phases
from .gather import join_maps, reflections
from .lithium import plating_groups
from .microxrd import map_calls, ring_groups
from .notes import look_at
from .results import Process, Results, describe_machine
from .running import Run
from .timeline import clock_groups
from .watch_grid import live_grid
from .watch_maps import LiveMap, given
from .watch_state import Watch

log = logging.getLogger("operando.flow")

#: looks at the lag that the results keep
KEPT = 1000
#: groups that are large, change with every map, and wait for the end
LATER = ("points",)

Groups = dict[str, xr.Dataset]


@dataclass
class Fitted:
    """What was made of a map in one state (`key`), and the digest of the files under which its stages are kept."""

    key: str
    made: list[Groups]
    kept: str = ""


@dataclass
class LiveResults:
    """Makes results of a watch, fitting again only the maps that changed.

    history   utc, frames seen, frames done, lag (s) at each time that results were written
    """

    maps: dict[str, Fitted] = field(default_factory=dict)
    like: ScanGrid | None = None
    echem: tuple[int, Groups] = (0, {})
    history: list[tuple[float, int, int, float]] = field(default_factory=list)
    state: tuple[Any, ...] = ()
    begun: float = field(default_factory=time.time)

    def changed(self, watched: Watch) -> bool:
        """Whether there is something to tell since the last time."""
        return self._state(watched) != self.state

    def wrote(self, watched: Watch) -> None:
        self.state = self._state(watched)

    def _state(self, watched: Watch) -> tuple[Any, ...]:
        alerts = tuple(np.isnan(alert.ended) for alert in watched.alerts.told)
        settled = tuple(one.settled for one in watched.maps.values())
        return watched.seen, watched.done, alerts, settled, id(watched.cell.table)

    def results(self, watched: Watch, command: str | None) -> Results:
        """All groups that can be had now, `live` and `alerts` among them."""
        job = watched.job
        job.notes.clear()
        groups = dict(self._echem(watched))
        try:
            self._xrd(watched, groups)
        except GridError as error:
            job.notes.append(f"no maps yet: {error.what}")
        groups |= self.told(watched)
        waiting = watched.scans.waiting
        job.notes.extend(f"{path.name} cannot be read now: {why}" for path, why in waiting.items())
        process = Process("watch", "1", time.time() - self.begun, detail=f"{watched.done} frames so far")
        return Results(
            job.experiment.title, job.experiment.model_dump(mode="json", exclude_none=True), groups, [process],
            list(job.notes), describe_machine(), command or shlex.join(["operando", *sys.argv[1:]]),
        )  # fmt: skip

    def _echem(self, watched: Watch) -> Groups:
        """The cycler's record and what is found in it, again only when it was read again."""
        table = watched.cell.table
        if table is None:
            return {}
        if self.echem[0] != id(table):
            cell = watched.job.experiment.cell
            groups = {"echem": table}
            _try(
                watched.job,
                "echem",
                lambda: record_groups(table, area_cm2=cell.area_cm2 if cell else None)[0],
                groups,
            )
            self.echem = (id(table), groups)
        return self.echem[1]

    def _xrd(self, watched: Watch, groups: Groups) -> None:
        job, plan, xrd = watched.job, watched.plan, watched.job.experiment.xrd
        self.maps = {name: held for name, held in self.maps.items() if name in watched.maps}
        shown = [one for one in watched.maps.values() if one.done]
        if plan is None or xrd is None or not shown:
            return
        maps, scans, grids = [], [], []
        for one in shown:
            scan = one.so_far()
            grid = live_grid(xrd, scan, self.like)
            if one.complete and self.like is None:
                self.like = grid
            maps.append(self._map(watched, one, grid))
            scans.append(scan)
            grids.append(grid)
        groups |= join_maps(maps, scans, grids)
        q = groups["xrd/pattern"]["q"].values
        groups["xrd/reflections"] = reflections(plan.rings, phases(job.experiment), (q[0], q[-1]))
        _try(job, "rings", lambda: ring_groups(groups, plan, xrd), groups)
        table = groups.get("echem")
        if table is not None:
            _try(job, "clock", lambda: clock_groups(job, table, groups), groups)
            if "clock" in groups:
                _try(job, "plating", lambda: plating_groups(groups, job.experiment.model_dump()), groups)
        job.notes.extend(look_at(groups))

    def _map(self, watched: Watch, one: LiveMap, grid: ScanGrid) -> Groups:
        """The groups of one map: by the stages of a run where it is finished, else by the same functions."""
        plan, job = watched.plan, watched.job
        assert plan is not None
        scan = one.so_far()
        monitor = scan.frames.monitor
        key = digest(one.writing, one.done, bool(one.open), plan.reference, grid, monitor)
        calls = map_calls(job, plan, scan, grid)[1]
        finished = one.complete and one.settled and one.done == len(one.scan.frames) and not one.open
        held = self.maps.get(scan.name)
        if held is None or held.key != key:
            if finished:
                one.keep(plan, watched.live)
                made = [job.stages.get(call) for call in calls]
                job.stages.loaded = None
            else:
                reduced = one.reduced(plan)
                made = [call.function(reduced=reduced, **call.settings) for call in calls]
            held = self.maps[scan.name] = Fitted(key, made)
        if finished and held.kept != one.scan.frames.digest:
            one.keep(plan, watched.live)
            for call, groups in zip(calls, held.made, strict=True):
                job.stages.ensure(replace(call, function=given(call.function, groups)))
            held.kept = one.kept
            if plan.points:  # large, and safe now
                held.made = [{n: g for n, g in groups.items() if n not in LATER} for groups in held.made]
        return {n: g for groups in held.made for n, g in groups.items() if n not in LATER}

    def told(self, watched: Watch) -> Groups:
        """`live`: frames on disk and frames analysed, and how far apart, each time results were written; `alerts`."""
        watched.arrivals.saw(watched.on_disk())
        lag = watched.arrivals.since(watched.done)
        self.history = [
            *self.history[-KEPT + 1 :],
            (time.time(), watched.arrivals.counts[-1], watched.done, lag),
        ]
        utc, seen, done, lags = (np.array(column) for column in zip(*self.history, strict=True))
        live = xr.Dataset(
            {
                "frames_seen": ("look", seen, {"units": "1", "long_name": "frames on disk"}),
                "frames_done": ("look", done, {"units": "1", "long_name": "frames in these results"}),
                "lag": ("look", lags, {"units": "s", "long_name": "age of the oldest frame not in these results"}),
                "utc": ("look", utc, {"units": "s", "long_name": "since 1970-01-01 UTC"}),
            },
            attrs={
                "updated": datetime.now(UTC).isoformat(timespec="milliseconds"), "lag_s": float(lag),
                "lag_frames": int(seen[-1] - done[-1]), "frames_seen": int(seen[-1]), "frames_done": int(done[-1]),
                "maps": len(watched.maps), "maps_complete": sum(one.complete for one in watched.maps.values()),
                "complete": int(watched.complete), "interval_s": watched.how.interval_s,
            },
        )  # fmt: skip
        return {"live": live, "alerts": watched.alerts.group()}


def _try(job: Run, name: str, make: Callable[[], Groups], groups: Groups) -> None:
    """Add what half an experiment allows, or note why not: a watch goes on whatever a recipe says of it."""
    try:
        groups |= make()
    except OperandoError as error:
        job.notes.append(f"{name}: not yet: {error.what}")
    except (ValueError, IndexError, KeyError, ZeroDivisionError, FloatingPointError) as error:
        log.info("%s: not yet", name, exc_info=True)
        job.notes.append(f"{name}: not yet ({error})")
