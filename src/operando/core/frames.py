"""Frames: a restartable source of detector images. A file and a twin both satisfy it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, Protocol, runtime_checkable

import numpy as np

Codec = Literal["raw", "bslz4"]


@dataclass(frozen=True)
class FrameBlock:
    """A few consecutive frames, still compressed where the file allows it.

    index    (n,) int64: place of each frame in the order of acquisition, unique within its Frames
    shape    rows, columns of one image as stored in the file
    dtype    of the pixels
    codec    "bslz4": `chunks` holds one HDF5 bitshuffle-LZ4 chunk a frame, header included; "raw": none
    chunks   n byte buffers, or None
    load     gives the decoded counts, shape (n, rows, columns); called at most once, only when needed
    time_s   (n,) middle of each exposure, seconds since the epoch (UTC); NaN where unknown
    monitor  (n,) incoming or transmitted beam, counts; None where nothing was recorded
    """

    index: np.ndarray
    shape: tuple[int, int]
    dtype: np.dtype
    load: Callable[[], np.ndarray] = field(repr=False)
    codec: Codec = "raw"
    chunks: tuple[bytes, ...] | None = field(default=None, repr=False)
    time_s: np.ndarray | None = None
    monitor: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.index)


@runtime_checkable
class Frames(Protocol):
    """A restartable, picklable source of `FrameBlock`s. Holds paths, never open files.

    name        for messages: file and dataset
    shape       rows, columns of one image as stored
    dtype       of the pixels
    dead_value  what the detector writes for "no measurement" (2^32-1, 65535), or None
    mask        (rows, columns) bool, True where a pixel never measures; None if the source has none
    time_s      (n,) mid-exposure times, seconds since the epoch (UTC), or None
    monitor     (n,) or None
    digest      changes when the raw data change: part of every cache key
    """

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def dtype(self) -> np.dtype: ...
    @property
    def dead_value(self) -> int | None: ...
    @property
    def mask(self) -> np.ndarray | None: ...
    @property
    def time_s(self) -> np.ndarray | None: ...
    @property
    def monitor(self) -> np.ndarray | None: ...
    @property
    def digest(self) -> str: ...

    def __len__(self) -> int: ...

    def blocks(self, start: int = 0, stop: int | None = None, size: int = 32) -> Iterator[FrameBlock]:
        """Frames `start` to `stop` in blocks of at most `size`; may be called again at any time."""
        ...


@dataclass(frozen=True)
class ArrayFrames:
    """Frames held in memory: for scripts, notebooks and tests."""

    counts: np.ndarray
    name: str = "array"
    dead_value: int | None = None
    mask: np.ndarray | None = None
    time_s: np.ndarray | None = None
    monitor: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return (int(self.counts.shape[1]), int(self.counts.shape[2]))

    @property
    def dtype(self) -> np.dtype:
        return self.counts.dtype

    @property
    def digest(self) -> str:
        from .digest import digest

        return digest(self.counts, self.mask, self.time_s, self.monitor, self.dead_value)

    def __len__(self) -> int:
        return len(self.counts)

    def blocks(self, start: int = 0, stop: int | None = None, size: int = 32) -> Iterator[FrameBlock]:
        stop = len(self) if stop is None else min(stop, len(self))
        for first in range(start, stop, size):
            part = slice(first, min(first + size, stop))
            yield FrameBlock(
                index=np.arange(part.start, part.stop),
                shape=self.shape,
                dtype=self.dtype,
                load=partial(self.counts.__getitem__, part),
                time_s=None if self.time_s is None else self.time_s[part],
                monitor=None if self.monitor is None else self.monitor[part],
            )


@dataclass(frozen=True)
class _Derived:
    """What frames made from another source share with it."""

    source: Frames

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def shape(self) -> tuple[int, int]:
        return self.source.shape

    @property
    def dtype(self) -> np.dtype:
        return self.source.dtype

    @property
    def dead_value(self) -> int | None:
        return self.source.dead_value

    @property
    def mask(self) -> np.ndarray | None:
        return self.source.mask

    @property
    def time_s(self) -> np.ndarray | None:
        return self.source.time_s

    @property
    def monitor(self) -> np.ndarray | None:
        return self.source.monitor

    @property
    def digest(self) -> str:
        from .digest import digest

        facts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "source"}
        return digest(type(self).__name__, self.source.digest, facts)

    def __len__(self) -> int:
        return len(self.source)


@dataclass(frozen=True)
class FrameRange(_Derived):
    """Frames `start` to `stop` of another source; they keep their index in it."""

    start: int
    stop: int

    @property
    def time_s(self) -> np.ndarray | None:
        return None if self.source.time_s is None else self.source.time_s[self.start : self.stop]

    @property
    def monitor(self) -> np.ndarray | None:
        return None if self.source.monitor is None else self.source.monitor[self.start : self.stop]

    def __len__(self) -> int:
        return self.stop - self.start

    def blocks(self, start: int = 0, stop: int | None = None, size: int = 32) -> Iterator[FrameBlock]:
        stop = len(self) if stop is None else min(stop, len(self))
        return self.source.blocks(self.start + start, self.start + stop, size)


@dataclass(frozen=True)
class FrameCut(FrameRange):
    """Frames `start` to `stop` of another source as a scan of their own: counted from 0."""

    def blocks(self, start: int = 0, stop: int | None = None, size: int = 32) -> Iterator[FrameBlock]:
        for block in super().blocks(start, stop, size):
            yield dataclasses.replace(block, index=block.index - self.start)


@dataclass(frozen=True)
class DeadCounted(_Derived):
    """Another source in which every stored value counts, also what the detector writes for "no measurement".

    Only for comparison with integrations that were made so.
    """

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float64)

    @property
    def dead_value(self) -> int | None:
        return None

    @property
    def mask(self) -> np.ndarray | None:
        return None

    def blocks(self, start: int = 0, stop: int | None = None, size: int = 32) -> Iterator[FrameBlock]:
        for block in self.source.blocks(start, stop, size):
            yield dataclasses.replace(
                block, dtype=self.dtype, codec="raw", chunks=None, load=partial(_as_float, block.load)
            )


def _as_float(load: Callable[[], np.ndarray]) -> np.ndarray:
    return load().astype(np.float64)
