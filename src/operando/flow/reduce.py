"""From frames to small sums: the stage that every raw frame passes once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr

from operando import diffraction, stream
from operando.core import FrameRange, Scan, Sums, digest, merge
from operando.core.errors import ReadError
from operando.core.frames import Frames
from operando.core.sums import FRAME

from .facts import Ring
from .stage import Call, Stages, versioned
from .stage_file import DETAIL

#: frames that one stage reduces: a second or two of work, which is what a killed run can lose
PART = 512

KINDS = ("signal", "variance", "weight")


def parts_of(scan: Scan) -> list[tuple[int, int]]:
    """Ranges of frames that are reduced together."""
    count = len(scan.frames)
    return [(first, min(first + PART, count)) for first in range(0, count, PART)]


@versioned("1")
def reduce_frames(
    frames: Frames, *, reductions: Sequence[Any], rings: Sequence[Ring], start: int, stop: int
) -> xr.Dataset:
    """Frames `start` to `stop` as sums: totals, monitor and pattern of each frame, and of each ring

    - `<ring>_profile`: (frame, family, q), what the peak fits take,
    - `<ring>_ring`: (frame, q), the whole ring, what component maps take,
    - `<ring>_image`: (azimuth, q), summed over the frames.
    """
    begun = time.perf_counter()
    try:
        sums = stream.run(reductions, FrameRange(frames, start, stop))
    except ReadError as error:
        if frames.name in error.where:
            raise
        raise ReadError(error.what, where=f"{frames.name}, {error.where}", fix=error.fix) from error
    speed = (stop - start) / (time.perf_counter() - begun)
    return kept_sums(sums, rings).assign_attrs({DETAIL: f"{stop - start} frames at {speed:.0f} frames/s"})


def kept_sums(sums: Mapping[str, Sums], rings: Sequence[Ring]) -> xr.Dataset:
    """What is kept of the sums of one pass, as `reduce_frames` tells."""
    found: dict[str, xr.DataArray] = {}
    for name in ("total_counts", "monitor"):
        _put(found, name, sums[name])
    _put(found, "pattern", sums["pattern"])
    for ring in rings:
        for name, part in _of_ring(ring, sums[ring.name]):
            _put(found, f"{ring.name}_{name}", part)
    return xr.Dataset(found)


def _of_ring(ring: Ring, window: Sums) -> Iterator[tuple[str, Sums]]:
    families = ring.families or (("all", ()),)
    profiles = [
        diffraction.family_profile(window, azimuths, ring.half_width_deg) if azimuths else window.sum("azimuth")
        for _, azimuths in families
    ]  # fmt: skip
    names = xr.DataArray([name for name, _ in families], dims="family")
    yield "profile", Sums(*(xr.concat([getattr(p, kind) for p in profiles], names) for kind in KINDS))
    yield "ring", window.sum("azimuth")
    yield "image", window.sum(FRAME)


def _own(name: str, dims: Sequence[Any]) -> dict[Any, str]:
    """Every reduction has its own q axis, and its own families."""
    owner = name.rsplit("_", 1)[0] if name != "pattern" else name
    return {dim: f"{dim}_{owner}" for dim in dims if dim in ("q", "family")}


def _put(found: dict[str, xr.DataArray], name: str, sums: Sums) -> None:
    for kind in KINDS:
        array = getattr(sums, kind)
        found[f"{name}_{kind}"] = array.rename(_own(name, array.dims))


def take(reduced: xr.Dataset, name: str) -> Sums:
    """The sums called `name` in a reduced dataset, with plain dims."""
    arrays = []
    for kind in KINDS:
        array = reduced[f"{name}_{kind}"]
        back = {own: dim for dim, own in _own(name, ("q", "family")).items() if own in array.dims}
        arrays.append(array.rename(back))
    return Sums(*arrays)


def merge_parts(parts: Sequence[xr.Dataset], rings: Sequence[Ring]) -> xr.Dataset:
    """The parts of one scan as one: exact, whatever the cut."""
    names = ["total_counts", "monitor", "pattern"]
    names += [f"{ring.name}_{part}" for ring in rings for part in ("profile", "ring", "image")]
    found: dict[str, xr.DataArray] = {}
    for name in names:
        _put(found, name, merge([take(part, name) for part in parts]))
    return xr.Dataset(found)


@dataclass(frozen=True)
class Parts:
    """The reduced parts of one scan: an input of the stages that follow, read only where one of them is made."""

    calls: tuple[Call, ...]
    rings: tuple[Ring, ...]

    @property
    def digest(self) -> str:
        return digest([call.key for call in self.calls])

    def from_stages(self, stages: Stages) -> xr.Dataset:
        return merge_parts([stages.get(call) for call in self.calls], self.rings)
