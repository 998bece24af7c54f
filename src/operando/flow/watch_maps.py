"""One map while it is measured: its frames reduced as they come, in the parts that a run reduces later."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any

import numpy as np
import xarray as xr

from operando import stream
from operando.core import FrameBlock, FrameRange, Scan, Sums, merge
from operando.read.stored import first_stored, identity_of, present, shortened

from .plan import Plan
from .reduce import KINDS, PART, kept_sums, merge_parts, parts_of, reduce_frames, take
from .stage import Call, Stages, versioned
from .stage_file import DETAIL, is_whole

#: a frame that is not there while later ones are counts as lost after so long, s
GAP_S = 5.0
#: every writing of a map has its own
WRITINGS = itertools.count(1)


@dataclass(frozen=True)
class Named:
    """Frames known by the name of what is stored of them, which does not change while the file grows."""

    digest: str


@dataclass
class LiveMap:
    """A map as far as it is on disk (`seen` frames) and reduced (`done`).

    expected  frames of the whole map, None where nobody knows
    parts     finished parts of at most 512 frames, as a run makes them
    open      the sums of the frames after them, pass by pass, and what is kept of each
    first     how its first frame was stored when it was read: another writer would store another
    writing   number of this writing of the map: what was made of an earlier one is not of it
    """

    scan: Scan
    expected: int | None
    seen: int = 0
    done: int = 0
    settled: bool = False
    parts: list[xr.Dataset] = field(default_factory=list)
    open: list[tuple[dict[str, Sums], xr.Dataset]] = field(default_factory=list)
    first: str = ""
    gap_since: float | None = None
    kept: str = ""  # digest of the frames whose stages have the names that a run looks for
    writing: int = field(default_factory=lambda: next(WRITINGS))

    @property
    def complete(self) -> bool:
        """Whether all frames of the map are on disk: as many as are expected, or no more coming."""
        count = len(self.scan.frames)
        if self.seen < count:
            return False
        return count >= self.expected if self.expected is not None else self.settled

    def update(self, scan: Scan, settled: bool, now: float) -> bool:
        """Take the map as it is on disk now. Returns False where its writer began anew: then nothing of it is kept."""
        there = present(scan.frames, settled)
        same = not self.done or (
            self._reach(there, now) >= self.done and first_stored(scan.frames) == self.first
        )
        if not same:
            self.parts, self.open, self.done, self.kept = [], [], 0, ""
            self.writing = next(WRITINGS)
        self.scan, self.settled, self.seen = scan, settled, self._reach(there, now)
        if (
            self.seen > self.done and self.done % PART and not self.open
        ):  # it was closed as the last part, and is not
            self.parts, self.done = self.parts[:-1], self.done // PART * PART
        return same

    def _reach(self, there: np.ndarray, now: float) -> int:
        """Frames up to the first that is not there; past it when the detector has gone on for `GAP_S`."""
        absent = np.flatnonzero(~there)
        written = np.flatnonzero(there)
        if not len(absent):
            self.gap_since = None
            return len(there)
        beyond = int(written[-1]) + 1 if len(written) else 0
        if beyond <= absent[0]:
            self.gap_since = None
            return int(absent[0])
        self.gap_since = now if self.gap_since is None else self.gap_since
        return beyond if now - self.gap_since > GAP_S else int(absent[0])

    def advance(self, plan: Plan, stages: Stages, most: int) -> int:
        """Reduce at most `most` of the frames that are new, or a whole part where one is there; returns how many."""
        self.close(plan, stages)
        start = self.done
        if not start and self.complete and self.settled and self._found(plan, stages):
            return self.done
        begin = start // PART * PART
        stop = min(self.seen, begin + PART)
        if stop <= start:
            return 0
        if not self.first:
            self.first = first_stored(self.scan.frames)
        ends = stop - begin == PART or (self.complete and stop == self.seen)
        if start == begin and ends:
            self.parts.append(self._part(plan, stages, start, stop))
        else:
            stop = min(stop, start + most)
            sums = stream.run(plan.reductions, FrameRange(self.scan.frames, start, stop))
            self.open.append((sums, kept_sums(sums, plan.rings)))
        self.done = stop
        self.close(plan, stages)
        return stop - start

    def close(self, plan: Plan, stages: Stages) -> None:
        """Join the passes of a part that is full, or is the last of the map, to what one pass would have given."""
        begin = self.done // PART * PART if self.done % PART else self.done - PART
        ends = self.done % PART == 0 or (self.complete and self.done == self.seen)
        if self.open and ends:
            passes = [sums for sums, _ in self.open]
            whole = {name: merge([one[name] for one in passes]) for name in passes[0]}
            found = kept_sums(whole, plan.rings)
            self.parts.append(self._part(plan, stages, begin, self.done, found))
            self.open = []

    def _part(
        self, plan: Plan, stages: Stages, start: int, stop: int, known: xr.Dataset | None = None
    ) -> xr.Dataset:
        """A finished part: found from an earlier watch, as `known`, or reduced now. Kept under a name that lasts."""
        frames = self.scan.frames

        @versioned(getattr(reduce_frames, "version", "1"))
        def live_part(frames: Named, **settings: Any) -> xr.Dataset:
            return known if known is not None else reduce_frames(self.scan.frames, **settings)

        settings = part_settings(plan, start, stop)
        return stages.stage(
            live_part, {"frames": Named(identity_of(frames, start, stop))}, settings, name="live"
        )

    def reduced(self, plan: Plan) -> xr.Dataset | None:
        """All that is reduced of the map by now, with the monitor as it is recorded by now; None for nothing."""
        held = [*self.parts, *(kept for _, kept in self.open)]
        if not held:
            return None
        counted, first = [], 0
        for part in held:
            counted.append(with_monitor(part, self.scan, first))
            first += part.sizes["frame"]
        return merge_parts(counted, plan.rings)

    def so_far(self) -> Scan:
        """The scan, as far as it is reduced."""
        return shortened(self.scan, self.done)

    def counts(self, first: int) -> Sums:
        """Total counts of the frames from `first` to the last that is reduced, all in one part."""
        last = self.open[-1][1] if self.open else self.parts[-1]
        return take(last.isel(frame=slice(first - self.done, None)), "total_counts")

    def keep(self, plan: Plan, stages: Stages) -> None:
        """Put the finished parts where a run looks for them: under the digest of the files as they are now.

        Parts whose frames have changed meanwhile are reduced again.
        """
        digest = self.scan.frames.digest
        if self.kept == digest:
            return
        for call in self._calls(plan):
            if not is_whole(stages.folder / call.file):
                start, stop = call.settings["start"], call.settings["stop"]
                known = with_monitor(self._part(plan, stages, start, stop), self.scan, start)
                known.attrs = {DETAIL: f"{stop - start} frames, while they were written"}
                stages.ensure(replace(call, function=given(call.function, known)))
        self.kept, self.parts = digest, []

    def _calls(self, plan: Plan) -> list[Call]:
        """The stages that a run asks for."""
        inputs = {"frames": self.scan.frames}
        ranges = parts_of(self.scan)
        return [Call(reduce_frames, inputs, part_settings(plan, *part), "reduce") for part in ranges]

    def _found(self, plan: Plan, stages: Stages) -> bool:
        """Whether a run, or an earlier watch, has reduced the whole map already."""
        if not all(is_whole(stages.folder / call.file) for call in self._calls(plan)):
            return False
        self.kept, self.done, self.first = self.scan.frames.digest, self.seen, first_stored(self.scan.frames)
        return True


def part_settings(plan: Plan, start: int, stop: int) -> dict[str, Any]:
    """Settings of the stage that reduces a part."""
    return {"reductions": plan.reductions, "rings": plan.rings, "start": start, "stop": stop}


def given(function: Callable, result: Any) -> Callable:
    """`function`, whose result is known already: under the same name and version, so that its stage is the same."""

    @wraps(function)
    def known(*_: Any, **__: Any) -> Any:
        return result

    return known


def with_monitor(reduced: xr.Dataset, scan: Scan, first: int) -> xr.Dataset:
    """The reduced frames from `first` of a scan with the monitor that is recorded by now: it may come after them."""
    index = reduced["frame"].values
    recorded = scan.frames.monitor
    monitor = None if recorded is None else recorded[first : first + len(index)]
    block = FrameBlock(index, scan.frames.shape, scan.frames.dtype, load=_never, monitor=monitor)
    sums = stream.Monitor()(block)
    found = {f"monitor_{kind}": getattr(sums, kind) for kind in KINDS}
    return reduced.assign(found).assign_attrs(reduced.attrs)


def _never() -> np.ndarray:
    raise AssertionError("the monitor needs no image")
