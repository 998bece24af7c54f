"""What is stored of frames by now: which are whole, under which name they are known while their file grows."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..core.frames import Frames
from ..core.scan import Scan
from .hdf5 import SUFFIXES, Files
from .hdf5_frames import Hdf5Frames
from .sources import Source

#: what tells one state of a file from the next: inode, size, time of the last change
Mark = tuple[int, int, int]


def mark_of(path: Path) -> Mark:
    """State of a file now; zeros where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return status.st_ino, status.st_size, status.st_mtime_ns


def base_frames(frames: Frames) -> tuple[Frames, int]:
    """The frames of the file behind ranges and other views of it, and the index there of their first frame."""
    first = 0
    while hasattr(frames, "source"):
        first += getattr(frames, "start", 0)
        frames = frames.source
    return frames, first


def present(frames: Frames, settled: bool) -> np.ndarray:
    """(n,) bool: frames that are whole on disk. `settled`: the files do not change any more.

    Where a chunk of the file is not one frame, nobody can tell how much of it has been written: until the file is
    settled such frames count as written when the detector has gone on to a later chunk.
    """
    base, first = base_frames(frames)
    count = len(frames)
    if not isinstance(base, Hdf5Frames):
        return np.ones(count, bool)
    there = np.concatenate([~s.missing if settled else _present(s) for s in base.sources])
    return there[first : first + count]


def _present(source: Source) -> np.ndarray:
    there = ~source.missing
    if source.offset is not None or source.path is None:
        return there
    with Files() as files:
        dataset = files.find(source.path, source.dataset)
        chunks = dataset.chunks
    lead = int(np.prod(chunks[:-2])) if chunks is not None and len(chunks) > 2 else 0
    if lead == 1:
        return there
    last = int(np.flatnonzero(there)[-1]) if there.any() else -1
    open_from = last // lead * lead if lead else 0
    return there & (np.arange(source.count) < open_from)


def identity_of(frames: Frames, start: int, stop: int) -> str:
    """Cheap and honest name of frames `start` to `stop`, the same while the file grows behind them.

    Places, lengths and order of all stored frames, and the content of the first, middle and last of them.
    """
    from ..core.digest import digest

    base, first = base_frames(frames)
    facts: list[object] = [
        type(frames).__name__,
        frames.shape,
        str(frames.dtype),
        start,
        stop,
        frames.dead_value,
    ]
    if isinstance(base, Hdf5Frames):
        from .sources import cut

        for source in cut(list(base.sources), first + start, stop - start):
            facts += [str(source.path), source.dataset, source.start, source.count, source.missing]
            facts += [source.offset, source.size]
    for i in sorted({start, (start + stop) // 2, stop - 1}):
        (block,) = frames.blocks(i, i + 1)
        facts.append(block.load() if block.chunks is None else np.frombuffer(block.chunks[0], np.uint8))
    return digest(*facts)


def first_stored(frames: Frames) -> str:
    """What tells one writing of a file from the next: the file itself, and how its first frame is stored."""
    base, _ = base_frames(frames)
    if not isinstance(base, Hdf5Frames):
        return ""
    source = base.sources[0]
    if source.path is None or source.offset is None or source.missing[0]:
        return ""
    from ..core.digest import digest

    (block,) = base.blocks(0, 1)
    assert block.chunks is not None
    stored = np.frombuffer(block.chunks[0], np.uint8)
    return digest(os.stat(source.path).st_ino, int(source.offset[0]), stored[:65536])


#: where a detector says from how many counts on a pixel is not to be believed
LIMITS = (
    "saturation_value",
    "detectorSpecific/saturation_value",
    "detectorSpecific/countrate_correction_count_cutoff",
)


def first_limit(frames: Frames) -> float | None:
    """Counts from which on the detector's own file calls a pixel saturated; None where it does not say."""
    path = Path(base_frames(frames)[0].name.split("::")[0].split(",")[0])
    return _limit(path, mark_of(path)[0]) if path.suffix.lower() in SUFFIXES and path.exists() else None


@lru_cache(maxsize=64)
def _limit(path: Path, inode: int) -> float | None:
    from .eiger import value

    with Files() as files:
        for entry in ("/entry", "/entry_0000"):
            for name in LIMITS:
                told = value(files, path, f"{entry}/instrument/detector/{name}")
                if isinstance(told, (int, float, np.number)) and told > 0:
                    return float(told)
    return None


def shortened(scan: Scan, count: int) -> Scan:
    """The first `count` frames of a scan, with what was recorded beside them."""
    from ..core.frames import FrameRange

    def cut(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[:count]

    if count == len(scan.frames):
        return scan
    return replace(scan, frames=FrameRange(scan.frames, 0, count), x_um=cut(scan.x_um), z_um=cut(scan.z_um))
