# mypy: disable-error-code="call-arg"
"""The engine for pixel splitting: pyFAI's shares, our own product, on compressed and on decoded frames."""

from __future__ import annotations

import numpy as np

from ..core import FrameBlock
from . import _kernels_fused as fused
from . import _kernels_raw as raw
from ._kernels_spread import turn_shares
from ._vector import LANES
from .engine_fused import Group, Tiles, join
from .engine_raw import Dead, Part, images, scratch
from .split import Split


def reduce_split(split: Split, block: FrameBlock, dead_value: int | None) -> Part:
    """Share every pixel of a block of decoded images among its bins, in float64."""
    counts = images(block)
    signal, variance = np.zeros((2, len(counts), split.target.bins))
    gone = {f: _share(split, image, dead_value, signal[f], variance[f]) for f, image in enumerate(counts)}
    return _finish(split, signal, variance, gone)


def reduce_split_fused(split: Split, tiles: Tiles, block: FrameBlock) -> Part:
    """The same from compressed frames, 32 at a time, in single precision. Raises `ReadError` for a damaged chunk."""
    return join([_group(split, tiles, block, first) for first in range(0, len(block), LANES)])


def _group(split: Split, tiles: Tiles, block: FrameBlock, first: int) -> Part:
    group = Group(block, first, tiles, split.first.size - 1)
    sums = scratch("shares", (split.target.bins, 2, LANES), np.float32)
    entries = (split.first, split.bins, split.share)
    fused.fused_split(*group.source(), *entries, *group.space(), sums, *group.state())
    notes, left = group.outcome()
    signal, variance = scratch(
        f"signal {split.target.name} {first}", (2, group.n, split.target.bins), np.float32
    )
    turn_shares(sums, signal, variance)
    gone = {}
    for frame, (pixel, value) in notes.items():
        alive = value >= 0
        entry, owner = split.entries(pixel[alive])
        part = split.share[entry] * value[alive][owner].astype(np.float64)
        np.add.at(signal[frame], split.bins[entry], part)
        np.add.at(variance[frame], split.bins[entry], part * split.share[entry])
        gone[frame] = pixel[~alive].copy()
    for frame, image in left.items():
        exact = np.zeros((2, split.target.bins))
        gone[frame] = _share(split, image, None, *exact)
        signal[frame], variance[frame] = exact
    return _finish(split, signal, variance, gone)


def _share(split: Split, image, dead_value, signal, variance) -> np.ndarray:
    """Add one flat image; returns the dead pixels among those wanted."""
    lost = scratch("lost", image.size, np.int32)
    dead = Dead.of(image.dtype, dead_value).typed(image.dtype)
    count = raw.share_pixels(image, split.first, split.bins, split.share, *dead, signal, variance, lost)
    return lost[:count].astype(np.int64)


def _finish(split: Split, signal, variance, gone: dict[int, np.ndarray]) -> Part:
    target = split.target
    lost = {f: split.lost(pixels, target.weight) for f, pixels in gone.items() if pixels.size}
    if target.dark is not None and target.dark_sum is not None:
        for frame in range(len(signal)):
            dark = target.dark_sum
            if frame in lost:
                dark = dark - split.lost(gone[frame], target.dark)
            signal[frame] -= dark * target.dark.step
            variance[frame] += dark * target.dark.step
    return Part(signal.astype(np.float32, copy=False), variance.astype(np.float32, copy=False), lost)
