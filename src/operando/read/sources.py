"""Where frames truly lie: runs of frames in files, with the place of each compressed chunk."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import ReadError

if TYPE_CHECKING:
    import h5py

BITSHUFFLE, LZ4 = 32008, 2  # registered HDF5 filter, and its option for the codec behind the shuffle


@dataclass(frozen=True, eq=False)
class Source:
    """`count` frames from `start` of one dataset, its leading axes counted as one.

    path      the file; None for frames that a virtual dataset declares and no file holds
    leading   shape of the axes before rows and columns
    offset    (count,) byte of the file where the compressed frame begins, and
    size      (count,) its length; both None unless one bitshuffle-LZ4 chunk is one whole frame
    missing   (count,) bool: frames that were never written (HDF5 would invent its fill value for them)
    samples   (byte, length) of a few pieces of stored data: what a digest looks at
    stored    bytes on disk of the whole dataset
    also      further files that HDF5 reads these frames from
    """

    path: Path | None
    dataset: str
    leading: tuple[int, ...]
    start: int
    count: int
    missing: np.ndarray
    offset: np.ndarray | None = None
    size: np.ndarray | None = None
    samples: tuple[tuple[int, int], ...] = ()
    stored: int = 0
    also: tuple[Path, ...] = ()

    def part(self, start: int, count: int) -> Source:
        """Frames `start` to `start + count` of this run."""
        cut = slice(start, start + count)
        return replace(
            self, start=self.start + start, count=len(self.missing[cut]), missing=self.missing[cut],
            offset=None if self.offset is None else self.offset[cut],
            size=None if self.size is None else self.size[cut],
        )  # fmt: skip


def absent(count: int, dataset: str) -> Source:
    """Frames that are declared and held by no file."""
    return Source(None, dataset, (count,), 0, count, np.ones(count, bool))


def check_images(dataset: h5py.Dataset) -> None:
    """Raise `ReadError` unless the dataset holds numeric images that this machine can decode."""
    import h5py

    where = f"{dataset.file.filename}::{dataset.name}"
    if not isinstance(dataset, h5py.Dataset):
        raise ReadError("a group, not a dataset", where=where, fix="Name the dataset of frames inside it.")
    if dataset.ndim < 2 or dataset.dtype.kind not in "uif":
        raise ReadError(
            f"not a stack of images: shape {dataset.shape}, {dataset.dtype}", where=where,
            fix="Frames are numbers in 3 dimensions (frame, row, column) or more; name such a dataset.",
        )  # fmt: skip
    if 0 in dataset.shape:
        raise ReadError(f"no frames yet: shape {dataset.shape}", where=where, fix="Wait for the detector.")
    for code in filters(dataset):
        if not h5py.h5z.filter_avail(code):
            raise ReadError(
                f"compressed with HDF5 filter {code}, which is not installed", where=where,
                fix="Install the plugin for it, or set HDF5_PLUGIN_PATH.",
            )  # fmt: skip


def filters(dataset: h5py.Dataset) -> dict[int, tuple[int, ...]]:
    """Numbers of the HDF5 filters of a dataset, with their options."""
    plist = dataset.id.get_create_plist()
    found = (plist.get_filter(i) for i in range(plist.get_nfilters()))
    return {int(code): tuple(values) for code, _, values, _ in found}


def bitshuffle_codec(held: dict[int, tuple[int, ...]]) -> int:
    """The codec behind the bitshuffle filter: 0 none, 2 LZ4, 3 zstd."""
    options = held.get(BITSHUFFLE, ())
    return int(options[4]) if len(options) > 4 else 0


def is_frame_chunked_bslz4(dataset: h5py.Dataset) -> bool:
    """True where every chunk is one whole frame of native integers under bitshuffle-LZ4 alone."""
    options = filters(dataset)
    return (
        list(options) == [BITSHUFFLE]
        and bitshuffle_codec(options) == LZ4
        and dataset.chunks[-2:] == dataset.shape[-2:]
        and math.prod(dataset.chunks[:-2]) == 1
        and dataset.dtype.kind in "ui"
        and dataset.dtype.isnative
    )


def stored_frames(dataset: h5py.Dataset) -> Source:
    """The frames of a dataset that is not virtual."""
    import h5py

    leading = tuple(int(n) for n in dataset.shape[:-2]) or (1,)
    count = math.prod(leading)
    source = Source(
        Path(dataset.file.filename), dataset.name, leading, 0, count, np.zeros(count, bool),
        stored=int(dataset.id.get_storage_size()),
    )  # fmt: skip
    layout = dataset.id.get_create_plist().get_layout()
    if layout == h5py.h5d.CHUNKED:
        return _chunked(dataset, source)
    offset = dataset.id.get_offset()
    if layout == h5py.h5d.CONTIGUOUS and offset is None and not dataset.external:
        return replace(source, missing=np.ones(count, bool))
    if offset is None:
        return source
    step = dataset.nbytes // count
    places = sorted({0, count // 2, count - 1})
    return replace(source, samples=tuple((int(offset) + i * step, min(step, 1 << 20)) for i in places))


def _chunked(dataset: h5py.Dataset, source: Source) -> Source:
    """Add chunk places and find frames with a chunk that was never written."""
    chunks, shape = dataset.chunks, dataset.shape
    chunks, shape = ((1, *chunks), (1, *shape)) if dataset.ndim == 2 else (chunks, shape)
    held: list = []
    dataset.id.chunk_iter(held.append)
    n_lead = len(source.leading)
    cells = tuple(-(-s // c) for s, c in zip(shape[:n_lead], chunks[:n_lead], strict=True))
    per_cell = math.prod(-(-s // c) for s, c in zip(shape[n_lead:], chunks[n_lead:], strict=True))
    lead = np.array([(0, *c.chunk_offset)[-len(shape) :][:n_lead] for c in held], np.int64).reshape(
        -1, n_lead
    )
    if held and not ((lead >= 0) & (lead < np.array(shape[:n_lead]))).all():
        raise ReadError(
            "damaged HDF5 file: chunks lie outside the dataset", where=f"{source.path}::{source.dataset}",
            fix="Copy the file again, or leave it out.",
        )  # fmt: skip
    cell = np.ravel_multi_index(tuple((lead // np.array(chunks[:n_lead])).T), cells) if held else lead[:, 0]
    complete = (np.bincount(cell, minlength=math.prod(cells)) == per_cell).reshape(cells)
    for axis, (c, s) in enumerate(zip(chunks[:n_lead], source.leading, strict=True)):
        complete = np.repeat(complete, c, axis).take(np.arange(s), axis)
    some = [held[i] for i in sorted({0, len(held) // 2, len(held) - 1})] if held else []
    samples = tuple((int(c.byte_offset), min(int(c.size), 1 << 20)) for c in some)
    source = replace(source, missing=~complete.ravel(), samples=samples)
    if not is_frame_chunked_bslz4(dataset) or any(c.filter_mask for c in held):
        return source
    offset, size = np.zeros(source.count, np.int64), np.zeros(source.count, np.int64)
    offset[cell] = [c.byte_offset for c in held]
    size[cell] = [c.size for c in held]
    return replace(source, offset=offset, size=size)


def cut(sources: list[Source], start: int, count: int) -> list[Source]:
    """Frames `start` to `start + count` of a chain of sources."""
    parts, first = [], 0
    for source in sources:
        a, b = max(start - first, 0), min(start + count - first, source.count)
        if b > a:
            parts.append(source.part(a, b - a))
        first += source.count
    return parts
