"""Values of HDF5 datasets, bitshuffle-LZ4 chunks of any shape decoded here: the filter of HDF5 may crash on damage."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.bitshuffle import decode_bslz4
from ..core.errors import ReadError
from .sources import BITSHUFFLE, LZ4, bitshuffle_codec, filters

if TYPE_CHECKING:
    import h5py

#: a chunk that was not written through the first filter of its dataset
UNFILTERED = 1


def values(dataset: h5py.Dataset, *selection: slice) -> np.ndarray:
    """`dataset[selection]` for slices of step 1, the first axes first.

    Where bitshuffle-LZ4 is the only filter, no damaged byte reaches the HDF5 filter. Raises `OSError` for what is
    damaged, as h5py does.
    """
    if not decoded_here(dataset):
        return dataset[selection] if selection else dataset[()]
    whole = (*selection, *[slice(None)] * (dataset.ndim - len(selection)))
    bounds = [part.indices(int(n))[:2] for part, n in zip(whole, dataset.shape, strict=True)]
    out = np.full([max(b - a, 0) for a, b in bounds], dataset.fillvalue, dataset.dtype)
    if out.size:
        for place in _corners(dataset.chunks, bounds):
            _place(dataset, place, bounds, out)
    return out


def check_written(dataset: h5py.Dataset, path: str | Path, *, sparse: bool = False) -> None:
    """Raise `ReadError` where chunks of an array were never written: HDF5 would fill them up with one value.

    sparse   what was not written means 0 (labels of some slices): only an array without any chunk is refused
    """
    if dataset.chunks is None or dataset.is_virtual:
        return
    due = math.prod(-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
    there = dataset.id.get_num_chunks()
    if there < (min(due, 1) if sparse else due):
        raise ReadError(
            f"{dataset.name.lstrip('/')} holds {there:,} of its {due:,} chunks: the rest was never written",
            where=str(path), fix="Wait until it is written, or write it again.",
        )  # fmt: skip


def decoded_here(dataset: h5py.Dataset) -> bool:
    """Whether all that stands between the file and the numbers is bitshuffle-LZ4."""
    if dataset.chunks is None or dataset.is_virtual or dataset.dtype.kind not in "uif":
        return False
    held = filters(dataset)
    return list(held) == [BITSHUFFLE] and bitshuffle_codec(held) == LZ4


def _corners(chunks: tuple[int, ...], bounds: list[tuple[int, int]]) -> Iterator[tuple[int, ...]]:
    """First element of each chunk that a selection touches."""
    steps = [range(a // c * c, b, c) for (a, b), c in zip(bounds, chunks, strict=True)]
    return itertools.product(*steps)


def _place(
    dataset: h5py.Dataset, corner: tuple[int, ...], bounds: list[tuple[int, int]], out: np.ndarray
) -> None:
    """Put the part of one chunk that was asked for where it belongs; nothing for a chunk that was never written."""
    chunk = _chunk(dataset, corner)
    if chunk is None:
        return
    into, of = [], []
    for first, (a, b), size in zip(corner, bounds, chunk.shape, strict=True):
        low, high = max(first, a), min(first + size, b)
        into.append(slice(low - a, high - a))
        of.append(slice(low - first, high - first))
    out[tuple(into)] = chunk[tuple(of)]


def _chunk(dataset: h5py.Dataset, corner: tuple[int, ...]) -> np.ndarray | None:
    """One chunk, decoded; None where none was written. Raises `OSError` for a damaged one."""
    if dataset.id.get_chunk_info_by_coord(corner).byte_offset is None:
        return None
    try:
        mask, stored = dataset.id.read_direct_chunk(corner)
    except (RuntimeError, ValueError) as error:
        raise OSError(str(error)) from error
    shape, dtype = dataset.chunks, dataset.dtype
    if mask & UNFILTERED:
        if len(stored) != math.prod(shape) * dtype.itemsize:
            raise OSError(f"the chunk at {corner} has {len(stored)} bytes, which is not its size")
        return np.frombuffer(stored, dtype).reshape(shape)
    found = decode_bslz4(stored, shape, dtype)
    if found is None:
        raise OSError(f"the compressed chunk at {corner} is damaged")
    return found
