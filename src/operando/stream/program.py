"""A program: reductions compiled for one kind of image, and the engine that serves each."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from threading import Lock

import numpy as np
import xarray as xr

from ..core import FrameBlock, Sums, merge
from ..core.errors import InputError
from . import _kernels_raw as kernels
from .engine_fused import Tiles, block_pixels, reduce_fused, supports
from .engine_raw import Dead, Part, images, reduce_raw
from .engine_split import reduce_split, reduce_split_fused
from .plan import Plan, Target, compile_plan, labelled
from .reductions import Binned, FrameSum, TotalCounts
from .split import Split, compile_split
from .store import Column, Finished, Folder, Memory

LOG = logging.getLogger("operando.stream")


@dataclass(frozen=True, eq=False)
class Program:
    """What to do with each block.

    plan        all no-split binned reductions and total counts together
    frame_sums  names of sum images
    splits      reductions with pixel splitting, one by one
    others      reductions that are called as they are (Monitor, or a user's own)
    """

    shape: tuple[int, int]
    dtype: np.dtype
    dead_value: int | None
    plan: Plan | None
    frame_sums: tuple[str, ...]
    others: tuple
    splits: tuple[Split, ...] = ()
    cut: dict[tuple[Plan, int], Tiles] = field(default_factory=dict)
    said: set[bool] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)

    def parts(self, block: FrameBlock) -> dict[str, Part]:
        """Everything that is per frame and binned."""
        if self.plan is None and not self.splits:
            return {}
        size, why = self._fused(block)
        self._say(bool(size), why)
        if not size:
            parts = {} if self.plan is None else reduce_raw(self.plan, block, self.dead_value)
            return parts | {s.target.name: reduce_split(s, block, self.dead_value) for s in self.splits}
        parts = {} if self.plan is None else reduce_fused(self.plan, self.tiles(self.plan, size), block)
        return parts | {
            s.target.name: reduce_split_fused(s, self.tiles(s.plan, size), block) for s in self.splits
        }

    def _fused(self, block: FrameBlock) -> tuple[int, str]:
        """Pixels of a bitshuffle block if the fused engine can serve these frames, else 0; and why."""
        if not supports(block):
            return (
                0,
                f"{block.codec} {np.dtype(block.dtype)}: the fused engine needs bitshuffle-LZ4 of unsigned integers",
            )
        if self.dead_value not in (None, int(np.iinfo(self.dtype).max)):
            return 0, f"the dead value {self.dead_value} is not the largest of {self.dtype}"
        size = block_pixels(block)
        return size, "bitshuffle-LZ4, integers" if size else "a bitshuffle block of unusual size"

    def tiles(self, plan: Plan, size: int) -> Tiles:
        """A plan cut for bitshuffle blocks of `size` pixels, made once."""
        with self.lock:
            if (plan, size) not in self.cut:
                self.cut[plan, size] = Tiles.of(plan, size)
            return self.cut[plan, size]

    def _say(self, fused: bool, why: str) -> None:
        if fused in self.said:
            return
        self.said.add(fused)
        frames = "compressed" if fused else "decoded"
        if self.plan is not None:
            LOG.info(
                "no-split integer engine on %s frames (%s): %s",
                frames,
                why,
                ", ".join(t.name for t in self.plan.targets),
            )
        if self.splits:
            names = ", ".join(s.target.name for s in self.splits)
            LOG.info(
                "weighted engine on %s frames (pixel splitting was asked for; %s): %s", frames, why, names
            )

    def summed(self, block: FrameBlock) -> dict[str, Sums]:
        """Everything else, as Sums."""
        sums = {reduction.name: reduction(block) for reduction in self.others}
        if self.frame_sums:
            image = frame_sum(images(block), self.shape, self.dead_value)
            sums.update(dict.fromkeys(self.frame_sums, image))
        return sums

    @property
    def targets(self) -> dict[str, Target]:
        plain = () if self.plan is None else self.plan.targets
        return {t.name: t for t in (*plain, *(s.target for s in self.splits))}

    def columns(self) -> dict[str, Column]:
        """The large arrays of the result: int32 for integer counts, float32 for shared pixels, else float64."""
        columns = {}
        shared = {s.target.name for s in self.splits}
        for name, target in self.targets.items():
            exact = self.dtype.kind in "ui" and target.dark is None and name not in shared
            kind = np.dtype(np.int32 if exact else np.float32 if name in shared else np.float64)
            columns[f"{name}.signal"] = Column(f"{name}.signal", target.bins, kind)
            if not exact:
                columns[f"{name}.variance"] = Column(f"{name}.variance", target.bins, kind)
        return columns


def compile_program(reductions, shape, dtype, dead_value: int | None, gaps: np.ndarray | None) -> Program:
    """Compile reductions for images of `shape` and `dtype`. Raises `InputError` for repeated names and empty bins."""
    names = [reduction.name for reduction in reductions]
    if len(set(names)) != len(names):
        raise InputError(f"two reductions have the same name: {names}", fix="Give each a name of its own.")
    shared = [r for r in reductions if isinstance(r, Binned) and r.splitting == "bbox"]
    binned = [r for r in reductions if isinstance(r, (Binned, TotalCounts)) and r not in shared]
    return Program(
        tuple(shape), np.dtype(dtype), dead_value,
        compile_plan(binned, shape, gaps) if binned else None,
        tuple(r.name for r in reductions if isinstance(r, FrameSum)),
        tuple(r for r in reductions if not isinstance(r, (Binned, TotalCounts, FrameSum))),
        tuple(compile_split(r, shape, gaps) for r in shared),
    )  # fmt: skip


def once(block: FrameBlock) -> FrameBlock:
    """The block with its images decoded at most once."""
    held: list[np.ndarray] = []

    def load() -> np.ndarray:
        if not held:
            held.append(block.load())
        return held[0]

    return replace(block, load=load)


def frame_sum(counts: np.ndarray, shape: tuple[int, int], dead_value: int | None) -> Sums:
    """Sum image of (n, pixels) counts, with the number of frames in which each pixel was alive as weight."""
    total = np.zeros(counts.shape[1], np.float64 if counts.dtype.kind == "f" else np.int64)
    alive = np.zeros(counts.shape[1], np.int64)
    low, value = Dead.of(counts.dtype, dead_value).typed(counts.dtype)
    for image in counts:
        kernels.add_live(image, low, value, total, alive)

    def array(values, units):
        return xr.DataArray(values.reshape(shape), dims=("row", "column"), attrs={"units": units})

    return Sums(array(total, "counts"), array(np.abs(total), "counts^2"), array(alive, "frame"))


def result(program: Program, spans: list[Finished], store: Folder | Memory) -> dict[str, Sums]:
    """Put finished spans, in order, together into the `Sums` of the whole."""
    index = np.concatenate([done.index for done in spans])
    columns, n = program.columns(), len(index)
    out = {}
    for name, target in program.targets.items():
        signal = store.array(f"{name}.signal")
        rows = [done.big[name] for done in spans if name in done.big]
        if rows:
            signal = _exact(name, signal, np.concatenate(rows), store)
        variance = store.array(f"{name}.variance") if f"{name}.variance" in columns else signal
        lost = {frame: units for done in spans for frame, units in done.lost.get(name, {}).items()}
        weight = _weight(target, n, lost, store)
        shape = (n, *target.shape)
        out[name] = labelled(
            target, index, signal.reshape(shape), variance.reshape(shape),
            weight.reshape(shape if lost else target.shape),
        )  # fmt: skip
    for name in spans[0].sums:
        out[name] = merge([done.sums[name] for done in spans])
    return out


def _exact(name: str, signal: np.ndarray, rows: np.ndarray, store: Folder | Memory) -> np.ndarray:
    """The signal in 64 bits, with the sums that did not fit in 32 put in; 64 frames at a time."""
    exact = store.create(f"{name}.exact", Column(name, signal.shape[1], np.dtype(np.int64)))
    for first in range(0, len(signal), 64):
        exact[first : first + 64] = signal[first : first + 64]
    position, bins, value = rows.T
    exact[position, bins] = value
    return exact


def _weight(target: Target, n: int, lost: dict[int, np.ndarray], store: Folder | Memory) -> np.ndarray:
    """Weight of each bin; with a frame axis only if some pixel was dead in some frames but not in the mask."""
    if not lost:
        return target.weight_sum * target.weight.step
    weight = store.create(f"{target.name}.weight", Column(target.name, target.bins, np.dtype(np.float64)))
    for first in range(0, n, 64):
        weight[first : first + 64] = target.weight_sum * target.weight.step
    for frame, units in lost.items():
        weight[frame] = (target.weight_sum - units) * target.weight.step
    return weight
