"""From a dataset to the runs of frames behind it, through links and virtual datasets."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .hdf5 import Files, linked_file, missing_link
from .sources import Source, absent, check_images, cut, stored_frames

if TYPE_CHECKING:
    import h5py

log = logging.getLogger(__name__)

UNLIMITED = 2**40


def resolve(files: Files, path: str | Path, name: str) -> list[Source]:
    """The runs of frames behind a dataset, in order, through links and virtual datasets.

    Raises `ReadError` when a file on the way is missing, or the dataset is not a stack of images.
    """
    dataset = files.find(path, name)
    check_images(dataset)
    if dataset.is_virtual:
        return _virtual(files, dataset)
    return [stored_frames(dataset)]


def _virtual(files: Files, dataset: h5py.Dataset) -> list[Source]:
    """Take a virtual dataset apart into its sources; as one piece where it maps anything but whole frames."""
    path, shape = Path(dataset.file.filename), dataset.shape
    known: dict[tuple[str, str], Behind] = {}
    pieces: list[tuple[int, Source]] | None = []
    for mapping in dataset.virtual_sources():
        behind = _behind(files, path, dataset, mapping, known)
        into = _whole_frames(mapping.vspace, shape)
        taken = _whole_frames(mapping.src_space, behind.shape)
        if None in (into, taken) or behind.shape[-2:] != shape[-2:] or behind.dtype != dataset.dtype:
            pieces = None
        if pieces is None or into is None or taken is None:
            continue
        first = into[0]
        for source in cut(behind.sources, taken[0], min(taken[1], into[1])):
            pieces.append((first, source))
            first += source.count
    if pieces is None or dataset.ndim != 3 or _overlap(pieces):
        return [_stored_virtual(dataset, [source for held in known.values() for source in held.sources])]
    return _fill_gaps(pieces, int(shape[0]), dataset.name)


@dataclass(frozen=True, eq=False)
class Behind:
    """What lies behind one mapping of a virtual dataset."""

    sources: list[Source]
    shape: tuple[int, ...]
    dtype: np.dtype


def _behind(files: Files, path: Path, dataset: h5py.Dataset, mapping, known: dict) -> Behind:
    """Resolve the source of a mapping, once a dataset; other files are closed again, there may be thousands."""
    key = (mapping.file_name, mapping.dset_name)
    if key not in known:
        if mapping.file_name == ".":
            target = files.find(path, mapping.dset_name)
            known[key] = Behind(resolve(files, path, mapping.dset_name), target.shape, target.dtype)
        else:
            found = linked_file(path, mapping.file_name)
            if found is None:
                raise missing_link(path, dataset.name, mapping.file_name)
            with Files() as inner:
                target = inner.find(found, mapping.dset_name)
                known[key] = Behind(resolve(inner, found, mapping.dset_name), target.shape, target.dtype)
    return known[key]


def _stored_virtual(dataset: h5py.Dataset, behind: list[Source]) -> Source:
    """A virtual dataset to be read through HDF5, which gives its fill value where no file holds anything."""
    log.warning(
        "%s::%s maps pieces of frames: read through HDF5, where pieces never written look like %s",
        dataset.file.filename, dataset.name, dataset.fillvalue,
    )  # fmt: skip
    leading = tuple(int(n) for n in dataset.shape[:-2]) or (1,)
    count = math.prod(leading)
    return Source(
        Path(dataset.file.filename), dataset.name, leading, 0, count, np.zeros(count, bool),
        stored=sum(source.stored for source in behind),
        also=tuple(dict.fromkeys(source.path for source in behind if source.path is not None)),
    )  # fmt: skip


def _overlap(pieces: list[tuple[int, Source]]) -> bool:
    ordered = sorted((first, first + source.count) for first, source in pieces)
    return any(end > start for (_, end), (start, _) in pairwise(ordered))


def _whole_frames(space, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """(first, count) of a selection of consecutive whole frames of a dataset of `shape`, else None."""
    import h5py

    if len(shape) != 3:
        return (0, 1) if len(shape) == 2 and space.get_select_type() == h5py.h5s.SEL_ALL else None
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return 0, int(shape[0])
    if space.get_select_type() != h5py.h5s.SEL_HYPERSLABS or not space.is_regular_hyperslab():
        return None
    start, stride, count, block = space.get_regular_hyperslab()
    if tuple(start[1:]) != (0, 0):
        return None
    for axis in (1, 2):
        if count[axis] * block[axis] != shape[axis] or (count[axis] > 1 and stride[axis] != block[axis]):
            return None
    if count[0] > 1 and stride[0] != block[0]:
        return None
    length = UNLIMITED if max(count[0], block[0]) > UNLIMITED else count[0] * block[0]
    return int(start[0]), int(max(0, min(length, shape[0] - start[0])))


def _fill_gaps(pieces: list[tuple[int, Source]], length: int, name: str) -> list[Source]:
    """Order sources by the frame they begin at; frames between them that no file holds are absent."""
    chain: list[Source] = []
    done = 0
    for first, source in sorted(pieces, key=lambda piece: piece[0]):
        if first > done:
            chain.append(absent(first - done, name))
        chain.append(source)
        done = first + source.count
    if done < length:
        chain.append(absent(length - done, name))
    return chain
