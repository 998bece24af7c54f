# mypy: disable-error-code="call-arg"
"""The no-split engine on compressed frames: bitshuffle-LZ4 chunks straight into bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core import FrameBlock
from ..core._lz4 import SLACK
from ..core.bitshuffle import decode_bslz4
from ..core.errors import ReadError
from . import _kernels_fused as kernels
from ._kernels_blocks import DAMAGED, GOOD, LEAVE
from ._kernels_spread import spread, spread_wide
from ._vector import LANES
from .engine_raw import Part, atom_sums, finish, frame_name, scratch
from .plan import Plan, Target

#: noted pixels up to this may be added in 32 bits: 2048 of them, and the most that `spread` finds, fit
SMALL = 2**15


@dataclass(frozen=True, eq=False)
class Tiles:
    """The plan's runs, cut to fit bitshuffle blocks: see `_kernels_fused.fused`."""

    block: int
    valid: np.ndarray
    tile_of: np.ndarray
    tile_start: np.ndarray
    run_of: np.ndarray
    run_end: np.ndarray
    run_atom: np.ndarray

    @classmethod
    def of(cls, plan: Plan, block: int) -> Tiles:
        """Cut runs at tiles of `TILE` pixels and after `RUN` pixels; unwanted pixels go to one atom more."""
        pixels = plan.atom_of.size & -8
        atom = np.where(plan.atom_of >= 0, plan.atom_of, plan.atoms)[:pixels]
        tile = (
            np.arange(pixels) // block * -(-block // kernels.TILE) + np.arange(pixels) % block // kernels.TILE
        )
        edge = np.concatenate([[True], (atom[1:] != atom[:-1]) | (tile[1:] != tile[:-1])])
        start = np.flatnonzero(edge)
        length = np.diff(np.append(start, pixels))
        wanted = atom[start] < plan.atoms
        pieces = np.where(wanted, -(-length // kernels.RUN), 1)
        owner = np.repeat(np.arange(start.size), pieces)
        order = np.arange(owner.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        end = (
            np.where(wanted[owner], np.minimum((order + 1) * kernels.RUN, length[owner]), length[owner])
            + start[owner]
        )
        tiles = np.unique(tile[start[wanted]])  # those that hold a wanted pixel
        run_tile = tile[start[owner]]
        keep = np.isin(run_tile, tiles)
        first_pixel = np.searchsorted(tile, tiles)
        ends = end[keep] - np.repeat(
            first_pixel, np.bincount(np.searchsorted(tiles, run_tile[keep]), minlength=tiles.size)
        )
        blocks = -(-pixels // block)
        return cls(
            block, np.packbits(plan.atom_of >= 0, bitorder="little"),
            np.searchsorted(first_pixel // block, np.arange(blocks + 1)).astype(np.int64),
            (first_pixel % block).astype(np.int64),
            np.append(np.searchsorted(run_tile[keep], tiles), keep.sum()).astype(np.int64),
            ends.astype(np.uint16), atom[start[owner]][keep].astype(np.int32),
        )  # fmt: skip


def supports(block: FrameBlock) -> bool:
    """Whether these chunks can be summed without decoding them to images."""
    return (
        block.codec == "bslz4"
        and block.chunks is not None
        and np.dtype(block.dtype).str in ("|u1", "<u2", "<u4")
    )


def block_pixels(block: FrameBlock) -> int:
    """Pixels of one bitshuffle block of the first chunk; 0 if it has no header or an odd size."""
    head = bytes(memoryview(block.chunks[0])[8:12])  # type: ignore[index]
    size = (int.from_bytes(head, "big") if len(head) == 4 else 0) // np.dtype(block.dtype).itemsize
    return size if size >= 128 and size % kernels.TILE == 0 and size <= 2**16 else 0


def reduce_fused(plan: Plan, tiles: Tiles, block: FrameBlock) -> dict[str, Part]:
    """Sum a block of compressed frames, 32 at a time. Raises `ReadError` with the frame for a damaged chunk.

    The parts live in work space of this thread: they hold until its next block.
    """
    groups = [_group(plan, tiles, block, first) for first in range(0, len(block), LANES)]
    if len(groups) == 1:
        return groups[0]
    return {t.name: join([group[t.name] for group in groups]) for t in plan.targets}


def join(parts: list[Part]) -> Part:
    lost, first = {}, 0
    for part in parts:
        lost.update({frame + first: units for frame, units in part.lost.items()})
        first += len(part.signal)
    variance = None if parts[0].variance is None else np.concatenate([p.variance for p in parts])
    return Part(np.concatenate([p.signal for p in parts]), variance, lost)


@dataclass(eq=False)
class Group:
    """Up to 32 compressed frames on their way through a kernel, with its work space and what it says about each.

    notes   frame -> pixels and values too large for the fast path, -1 means dead
    left    frame -> decoded image, where the kernel left it to the engine for images
    """

    block: FrameBlock
    first: int
    tiles: Tiles
    pixels: int

    def __post_init__(self) -> None:
        chunks = self.block.chunks or ()
        self.buffers = [np.frombuffer(c, np.uint8) for c in chunks[self.first : self.first + LANES]]
        self.n, self.itemsize = len(self.buffers), np.dtype(self.block.dtype).itemsize
        self.status, self.noted = np.zeros(self.n, np.int64), np.zeros(self.n, np.int64)
        self.pixel = scratch("note pixel", (LANES, kernels.NOTES), np.int64)
        self.value = scratch("note value", (LANES, kernels.NOTES), np.int64)
        self.stride = self.tiles.block * self.itemsize + SLACK

    def source(self) -> tuple:
        """First arguments of both kernels."""
        return (
            np.array([b.ctypes.data for b in self.buffers], np.int64),
            np.array([b.size for b in self.buffers], np.int64),
            self.pixels, self.itemsize, self.tiles.block, self.tiles.valid, self.tiles.tile_of, self.tiles.tile_start,
        )  # fmt: skip

    def space(self) -> tuple:
        """Work space of both kernels."""
        return (
            scratch("work", LANES * self.stride + SLACK, np.uint8), self.stride,
            scratch("wide", kernels.TILE // 2 * LANES, np.uint8),
            scratch("sums", (kernels.TILE + 1) * LANES, np.uint8),
        )  # fmt: skip

    def state(self) -> tuple:
        """Last arguments of both kernels."""
        return (
            np.empty(LANES, np.int64), np.empty(LANES, np.int64), self.status, self.pixel, self.value, self.noted,
            int(np.iinfo(self.block.dtype).max),
        )  # fmt: skip

    def outcome(self) -> tuple[dict, dict]:
        """Notes and left frames. Raises `ReadError` for the first damaged one."""
        for frame in np.flatnonzero(self.status == DAMAGED):
            raise damaged(self.block, self.first + int(frame))
        good = np.flatnonzero((self.status == GOOD) & (self.noted > 0))
        notes = {int(f): (self.pixel[f, : self.noted[f]], self.value[f, : self.noted[f]]) for f in good}
        left = np.flatnonzero(self.status == LEAVE)
        return notes, {int(f): decode_chunk(self.buffers[f], self.block, self.first + int(f)) for f in left}


def _group(plan: Plan, tiles: Tiles, block: FrameBlock, first: int) -> dict[str, Part]:
    group = Group(block, first, tiles, plan.atom_of.size)
    total = scratch("atoms", (kernels.NIBBLES, plan.atoms + 1, LANES), np.uint16)
    runs = (tiles.run_of, tiles.run_end, tiles.run_atom)
    nibbles = kernels.fused(*group.source(), *runs, *group.space(), total, *group.state())
    notes, left = group.outcome()
    return {
        target.name: _part(plan, target, total, nibbles, group.n, notes, left, first)
        for target in plan.targets
    }


def _part(
    plan: Plan, target: Target, total, nibbles: int, n: int, notes: dict, left: dict, first: int
) -> Part:
    """Bins of one target: summed atoms, noted pixels one by one, and frames left to the other engine."""
    signal = scratch(f"signal {target.name} {first}", (n, target.bins), np.int64 if target.wide else np.int32)
    (spread_wide if target.wide else spread)(total, nibbles, *target.by_bin, signal)
    if left or any((value > SMALL).any() for _, value in notes.values()):
        signal = signal.astype(np.int64)
    lost: dict[int, np.ndarray] = {}
    lost_dark: dict[int, np.ndarray] = {}
    for frame, (pixel, value) in notes.items():
        atoms = plan.atom_of[pixel]
        bins = np.where(atoms >= 0, target.atoms[atoms], -1)
        alive = (bins >= 0) & (value >= 0)
        np.add.at(signal[frame], bins[alive], value[alive])
        _lose(plan, target, frame, pixel[value < 0], lost, lost_dark)
    for frame, image in left.items():
        sums, gone = atom_sums(plan, image, None)
        used = target.atoms >= 0
        signal[frame] = 0
        np.add.at(signal[frame], target.atoms[used], sums[used])
        _lose(plan, target, frame, gone, lost, lost_dark)
    return finish(target, signal, lost, lost_dark)


def _lose(plan: Plan, target: Target, frame: int, pixels, lost: dict, lost_dark: dict) -> None:
    if len(pixels):
        lost[frame] = target.lost(pixels, plan.atom_of, target.weight)
        if target.dark is not None:
            lost_dark[frame] = target.lost(pixels, plan.atom_of, target.dark)


def damaged(block: FrameBlock, frame: int) -> ReadError:
    return ReadError(
        "the compressed image is damaged", where=frame_name(block, frame),
        fix="Copy the file again from its source, or leave this frame out.",
    )  # fmt: skip


def decode_chunk(chunk, block: FrameBlock, frame: int) -> np.ndarray:
    """One bitshuffle-LZ4 chunk as a flat image. Raises `ReadError` with the frame if it is damaged."""
    image = decode_bslz4(chunk, (block.shape[0] * block.shape[1],), block.dtype)
    if image is None:
        raise damaged(block, frame)
    return image
