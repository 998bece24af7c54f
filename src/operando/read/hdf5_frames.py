"""Frames that lie in HDF5 files, handed on as stored where the fast engine can take them."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from ..core.bitshuffle import decode_bslz4
from ..core.digest import digest as digest_of
from ..core.errors import ReadError
from ..core.frames import FrameBlock
from ..core.moments import recorded_moments
from .hdf5 import Files
from .hdf5_chunks import values
from .sources import Source, cut

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Hdf5Frames:
    """`core.Frames` over a chain of sources. Holds paths and chunk places, never an open file.

    Frames that were never written come out filled with `dead_value` (unsigned), -1 (signed) or NaN: they have
    weight zero, as every negative pixel has in `stream`.
    """

    name: str
    shape: tuple[int, int]
    dtype: np.dtype
    sources: tuple[Source, ...] = field(repr=False)
    dead_value: int | None = None
    mask: np.ndarray | None = field(default=None, repr=False)
    time_s: np.ndarray | None = field(default=None, repr=False)
    monitor: np.ndarray | None = field(default=None, repr=False)
    digest: str = ""

    def __len__(self) -> int:
        return sum(source.count for source in self.sources)

    @property
    def missing(self) -> np.ndarray:
        """(n,) bool: frames that were never written."""
        return np.concatenate([source.missing for source in self.sources])

    @property
    def compressed(self) -> bool:
        """True where every frame that was written can be handed on as one bitshuffle-LZ4 chunk."""
        held = [source for source in self.sources if source.path is not None]
        return bool(held) and all(source.offset is not None for source in held)

    def blocks(self, start: int = 0, stop: int | None = None, size: int = 32) -> Iterator[FrameBlock]:
        """Frames `start` to `stop` in blocks of at most `size`, read as they are asked for.

        Raises `ReadError` when a file has become shorter or is gone since it was opened.
        """
        stop = len(self) if stop is None else min(stop, len(self))
        with _ByteReader() as reader:
            for first in range(start, stop, size):
                part = slice(first, min(first + size, stop))
                parts = cut(list(self.sources), part.start, part.stop - part.start)
                compressed = self.compressed
                yield FrameBlock(
                    index=np.arange(part.start, part.stop), shape=self.shape, dtype=self.dtype,
                    load=partial(load, parts, self.shape, self.dtype),
                    codec="bslz4" if compressed else "raw",
                    chunks=tuple(self._chunks(reader, parts)) if compressed else None,
                    time_s=None if self.time_s is None else self.time_s[part],
                    monitor=None if self.monitor is None else self.monitor[part],
                )  # fmt: skip

    def _chunks(self, reader: _ByteReader, parts: list[Source]) -> Iterator[bytes]:
        for source in parts:
            for i in range(source.count):
                if source.missing[i] or source.path is None or source.offset is None or source.size is None:
                    yield dead_chunk(self.shape, self.dtype.str)
                else:
                    yield reader.read(source.path, int(source.offset[i]), int(source.size[i]))


class _ByteReader:
    """Reads bytes of files, holding the last one open. HDF5 is not involved, so threads do not wait for it."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._descriptor = -1

    def __enter__(self) -> _ByteReader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._path is not None:
            os.close(self._descriptor)
            self._path = None

    def read(self, path: Path, offset: int, size: int) -> bytes:
        if path != self._path:
            self.__exit__()
            try:
                self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            except OSError as error:
                raise ReadError(f"cannot be read any more ({error.strerror})", where=str(path)) from error
            self._path = path
        data = os.pread(self._descriptor, size, offset)
        if len(data) < size:
            raise ReadError(
                f"{size} bytes should lie at byte {offset}, {len(data)} are there", where=str(path),
                fix="The file was cut or replaced since it was opened: copy it again and rerun.",
            )  # fmt: skip
        return data


def load(parts: list[Source], shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """Decode the frames of a chain of sources: (n, rows, columns), missing frames dead."""
    out = np.empty((sum(source.count for source in parts), *shape), dtype)
    first = 0
    with Files() as files, _ByteReader() as reader:
        for source in parts:
            into = out[first : first + source.count]
            if source.path is not None and not source.missing.all():
                if source.offset is None:
                    _read_into(files, source, into)
                else:
                    _decode_into(reader, source, into)
            into[source.missing] = dead_pixel(dtype)
            first += source.count
    return out


def _decode_into(reader: _ByteReader, source: Source, into: np.ndarray) -> None:
    """Chunks that are frames, decoded here: the filter of HDF5 may crash on a damaged one."""
    assert source.path is not None
    assert source.offset is not None
    assert source.size is not None
    for i in np.flatnonzero(~source.missing):
        chunk = reader.read(source.path, int(source.offset[i]), int(source.size[i]))
        image = decode_bslz4(chunk, into.shape[1:], into.dtype)
        if image is None:
            raise _undecodable(source, source.start + int(i), 1, "the compressed image is damaged")
        into[i] = image


def _undecodable(source: Source, first: int, count: int, why: object) -> ReadError:
    which = f"frame {first}" if count == 1 else f"frames {first} to {first + count - 1}"
    return ReadError(
        f"{which} cannot be decoded ({why})", where=f"{source.path}::{source.dataset}",
        fix="The file is damaged there: copy it again, or leave it out.",
    )  # fmt: skip


def _read_into(files: Files, source: Source, into: np.ndarray) -> None:
    dataset = files.file(source.path or "")[source.dataset]
    try:
        if dataset.ndim == 2:
            into[0] = values(dataset)
        elif dataset.ndim == 3:
            into[...] = values(dataset, slice(source.start, source.start + source.count))
        else:
            for i in range(source.count):
                at = np.unravel_index(source.start + i, source.leading)
                into[i] = values(dataset, *(slice(int(k), int(k) + 1) for k in at)).reshape(into.shape[1:])
    except OSError as error:
        raise _undecodable(source, source.start, source.count, error) from error


def dead_value(dtype: np.dtype) -> int | None:
    """What a counting detector writes for no measurement: the largest number its unsigned pixels hold."""
    return int(np.iinfo(dtype).max) if dtype.kind == "u" else None


def dead_pixel(dtype: np.dtype) -> float | int:
    """The pixel of a frame that was never written: the dead value, -1, or NaN."""
    value = dead_value(dtype)
    return value if value is not None else (-1 if dtype.kind == "i" else np.nan)


@lru_cache(maxsize=8)
def dead_chunk(shape: tuple[int, int], dtype: str) -> bytes:
    """One frame of dead pixels as a bitshuffle-LZ4 chunk, made by the filter itself in memory."""
    import h5py
    import hdf5plugin

    pixels = np.dtype(dtype)
    with h5py.File("dead", "w", driver="core", backing_store=False) as file:
        frame = np.full((1, *shape), dead_pixel(pixels), pixels)
        made = file.create_dataset("d", data=frame, chunks=(1, *shape), **hdf5plugin.Bitshuffle(cname="lz4"))
        return bytes(made.id.read_direct_chunk((0, 0, 0))[1])


def source_digest(sources: tuple[Source, ...], *beside: object) -> str:
    """Cheap and honest name of the data: sizes and times of the files, extents, a few stored pieces of each.

    A change inside a chunk that keeps the length and the time of its file goes unnoticed.
    """
    state = hashlib.blake2b(digest_size=16)
    with _ByteReader() as reader:
        for source in sources:
            state.update(f"{source.dataset} {source.leading} {source.start} {source.count} ".encode())
            state.update(np.packbits(source.missing).tobytes())
            if source.path is None:
                continue
            for path in (source.path, *source.also):
                status = os.stat(path)
                state.update(f"{path.name} {status.st_size} {status.st_mtime_ns} ".encode())
            for offset, size in source.samples:
                state.update(reader.read(source.path, offset, size))
    return digest_of(state.hexdigest(), *beside)


def make_frames(
    files: Files, name: str, sources: list[Source], *, mask: np.ndarray | None = None,
    time_s: np.ndarray | None = None, monitor: np.ndarray | None = None, like: tuple[str | Path, str],
) -> Hdf5Frames:  # fmt: skip
    """Put sources together, log what is missing, and take the digest. `like` is (file, dataset) for shape and type."""
    dataset = files.find(*like)
    shape, dtype = (int(dataset.shape[-2]), int(dataset.shape[-1])), dataset.dtype
    dead = dead_value(dtype)
    if mask is not None and mask.shape != shape:
        log.warning("%s: the mask in the file is %s, frames are %s: mask left out", name, mask.shape, shape)
        mask = None
    time_s = recorded_moments(time_s, name)
    frames = Hdf5Frames(
        name, shape, dtype, tuple(sources), dead, mask, time_s, monitor,
        source_digest(tuple(sources), shape, dtype.str, dead, mask, time_s, monitor),
    )  # fmt: skip
    missing = frames.missing
    if missing.any():
        log.warning(
            "%s: %d of %d frames were never written (first: frame %d): taken as missing, not as zero",
            name, missing.sum(), len(missing), int(missing.argmax()),
        )  # fmt: skip
    return frames
