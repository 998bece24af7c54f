"""The no-split engine on decoded images of any integer or float type."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np

from ..core import FrameBlock
from ..core.errors import ReadError
from . import _kernels_raw as kernels
from .plan import Plan, Target

_SPACE = threading.local()


@dataclass(frozen=True)
class Part:
    """One reduction of one block.

    signal    (n, bins): int32 or int64 counts, or float64
    variance  (n, bins), or None: equal to the signal
    lost      frame -> (bins,) int64: weight, in units of the target's step, of pixels dead in that frame only
    """

    signal: np.ndarray
    variance: np.ndarray | None = None
    lost: dict[int, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Dead:
    """Which values mean "no measurement": NaN, anything below `low`, and `value`."""

    low: float
    value: float

    @classmethod
    def of(cls, dtype: np.dtype, dead_value: int | None) -> Dead:
        """Unsigned: the largest value of the type; signed: all negative ones; floats: NaN; and `dead_value`."""
        if dtype.kind == "u":
            return cls(0, int(np.iinfo(dtype).max) if dead_value is None else dead_value)
        return cls(0 if dtype.kind == "i" else -np.inf, np.nan if dead_value is None else dead_value)

    def typed(self, dtype: np.dtype) -> tuple:
        """`low` and `value` in a type that compares exactly and fast with pixels of `dtype`."""
        if dtype.kind == "f":
            return dtype.type(self.low), dtype.type(self.value)
        value = -1 if self.value != self.value else int(self.value)
        return np.int64(self.low), np.int64(value)


def scratch(name: str, shape, dtype) -> np.ndarray:
    """A work array of this thread, kept between calls, on a cache line's edge; contents undefined."""
    held: dict[tuple, np.ndarray] = _SPACE.__dict__.setdefault("held", {})
    key = (name, np.dtype(dtype))
    size = int(np.prod(shape)) * key[1].itemsize
    if key not in held or held[key].size < size:
        room = np.empty(size + 64, np.uint8)
        start = -room.ctypes.data % 64
        held[key] = room[start : start + size]
    return held[key][:size].view(dtype).reshape(shape)


def images(block: FrameBlock) -> np.ndarray:
    """The decoded block, (n, pixels). Raises `ReadError` if it is not what the block announced."""
    counts = block.load()
    if counts.shape != (len(block), *block.shape):
        raise ReadError(
            f"images came as {counts.shape}, expected {(len(block), *block.shape)}",
            where=frame_name(block, 0),
        )
    if counts.dtype.kind not in "uif" or not counts.dtype.isnative:
        counts = counts.astype(counts.dtype.newbyteorder("=") if counts.dtype.kind in "uif" else np.int64)
    if counts.dtype == np.float16:  # kernels know no half precision
        counts = counts.astype(np.float32)
    return np.ascontiguousarray(counts).reshape(len(block), -1)


def frame_name(block: FrameBlock, frame: int) -> str:
    return f"frame {int(block.index[frame])}"


def reduce_raw(plan: Plan, block: FrameBlock, dead_value: int | None) -> dict[str, Part]:
    """Sum a block of decoded images into the bins of every target."""
    counts = images(block)
    return assemble(plan, (atom_sums(plan, image, dead_value) for image in counts), len(block))


def atom_sums(plan: Plan, image: np.ndarray, dead_value: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Sums of one flat image over atoms (int64, or float64 for floats), and the dead pixels among those wanted."""
    total = scratch("total", plan.atoms, np.float64 if image.dtype.kind == "f" else np.int64)
    lost = scratch("lost", image.size, np.int32)
    total[:] = 0
    low, value = Dead.of(image.dtype, dead_value).typed(image.dtype)
    gone = kernels.sum_runs(image, *plan.runs, low, value, total, lost)
    return total, lost[:gone]


def assemble(plan: Plan, frames, n: int) -> dict[str, Part]:
    """Parts of every target from (atom sums, dead pixels) of `n` frames in order."""
    signals: dict[str, np.ndarray] = {}
    lost: dict[str, dict[int, np.ndarray]] = {t.name: {} for t in plan.targets}
    dark: dict[str, dict[int, np.ndarray]] = {t.name: {} for t in plan.targets}
    for frame, (total, gone) in enumerate(frames):
        for target in plan.targets:
            signal = signals.setdefault(target.name, np.empty((n, target.bins), total.dtype))
            kernels.gather(total, target.atoms, signal[frame])
            if gone.size:
                lost[target.name][frame] = target.lost(gone, plan.atom_of, target.weight)
                if target.dark is not None:
                    dark[target.name][frame] = target.lost(gone, plan.atom_of, target.dark)
    return {t.name: finish(t, signals[t.name], lost[t.name], dark[t.name]) for t in plan.targets}


def finish(target: Target, signal: np.ndarray, lost: dict, lost_dark: dict) -> Part:
    """Take off the dark, and hold integers in 32 bits where they fit."""
    lost = {frame: units for frame, units in lost.items() if units.any()}
    if target.dark is not None:
        dark = np.repeat(target.dark_sum[None], len(signal), 0)  # type: ignore[index]
        for frame, units in lost_dark.items():
            dark[frame] -= units
        return Part(signal - dark * target.dark.step, signal + dark * target.dark.step, lost)
    if signal.dtype.kind == "f":
        return Part(signal, np.abs(signal), lost)
    small = signal.dtype == np.int32 or signal.max(initial=0) <= np.iinfo(np.int32).max
    return Part(signal.astype(np.int32, copy=False) if small else signal, None, lost)
