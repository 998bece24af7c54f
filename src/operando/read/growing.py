"""Scans while a detector writes them: which files can be opened by now, and which of their frames are whole."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.frames import Frames
from ..core.scan import Scan
from .hdf5 import SUFFIXES, Files
from .hdf5_frames import Hdf5Frames
from .images import ImageFrames, open_images
from .scans import Paths, _in_order, _without_data_files, expand, open_file
from .sources import Source

#: opened again for so long after the last change: times of files are coarse, s
ONCE_MORE_S = 1.0
#: so long a file that could be read before may fail to be, s
PATIENCE_S = 5.0
#: what tells one state of a file from the next: inode, size, time of the last change
Mark = tuple[int, int, int]


@dataclass
class _File:
    """A raw file as it was when it was opened last."""

    scans: list[Scan] = field(default_factory=list)
    why: str = ""
    marks: dict[Path, Mark] = field(default_factory=dict)
    changed: float = 0.0
    failing: float | None = None


@dataclass
class GrowingScans:
    """Opens the scans behind `paths` again and again, and only those files that changed in between.

    paths, dataset, motors, monitor   as `open_scans`
    now                               a monotonic clock, s
    """

    paths: Paths
    dataset: str | None = None
    motors: tuple[str, str] | None = None
    monitor: str | None = None
    now: Callable[[], float] = time.monotonic
    files: dict[Path, _File] = field(default_factory=dict)

    def look(self) -> list[Scan]:
        """The scans that can be opened now, in order of start time; `waiting` tells of the other files."""
        found: list[Path] = []
        for one in [self.paths] if isinstance(self.paths, (str, os.PathLike)) else self.paths:
            with suppress(ReadError):  # nothing matches yet
                found += expand(one)
        pictures = [path for path in found if path.suffix.lower() not in SUFFIXES]
        if pictures:
            return self._pictures(pictures)
        self.files = {path: self.files.get(path, _File()) for path in found}
        for path, file in self.files.items():
            self._again(path, file)
        return _in_order(_without_data_files([scan for file in self.files.values() for scan in file.scans]))

    @property
    def waiting(self) -> dict[Path, str]:
        """Why files that match cannot be opened (yet)."""
        return {path: file.why for path, file in self.files.items() if file.why}

    def quiet_s(self, scan: Scan) -> float:
        """How long the files of a scan have not changed, s."""
        base = base_frames(scan.frames)[0]
        held = set(_paths(base))
        changed = [f.changed for f in self.files.values() if held & set(f.marks)]
        return self.now() - max(changed, default=self.now())

    def _again(self, path: Path, file: _File) -> None:
        before = {known: _mark(known) for known in {path, *file.marks}}
        if file.scans and before == file.marks and self.now() - file.changed > ONCE_MORE_S:
            return
        try:
            scans, why = open_file(path, self.dataset, motors=self.motors, monitor=self.monitor), ""
        except (ReadError, OSError) as error:
            scans, why = [], error.what if isinstance(error, ReadError) else str(error)
        if not scans and self._passing(path, file):
            return
        file.failing = None
        held = {path, *(p for scan in scans for p in _paths(base_frames(scan.frames)[0]))}
        # as they were before they were opened: what is written meanwhile is to be seen the next time
        marks = {p: before.get(p, (0, 0, 0)) for p in held}
        if marks != file.marks:
            file.changed = self.now()
        file.scans, file.why, file.marks = scans, why, marks

    def _passing(self, path: Path, file: _File) -> bool:
        """Whether a file that could be read is likely to be readable again: its writer was at work in between.

        A reader may see lengths and chunks of two moments. A file that is another or shorter has a new writer.
        """
        before, now = file.marks.get(path, (0, 0, 0)), _mark(path)
        if not file.scans or now[0] != before[0] or now[1] < before[1]:
            return False
        file.failing = self.now() if file.failing is None else file.failing
        return self.now() - file.failing < PATIENCE_S

    def _pictures(self, paths: list[Path]) -> list[Scan]:
        """Image files as one scan. The newest is left out until a later one is there or it is as long as the rest."""
        marks = {path: _mark(path) for path in paths}
        file = self.files.setdefault(Path("images"), _File())
        if marks == file.marks and file.scans and self.now() - file.changed < 1.0:
            return file.scans
        if marks != file.marks:
            file.marks, file.changed = marks, self.now()
        quiet = self.now() - file.changed
        whole = paths if quiet > 1.0 or marks[paths[-1]][1] == marks[paths[0]][1] > 0 else paths[:-1]
        try:
            file.scans, file.why = [open_images(whole, motors=self.motors, monitor=self.monitor)], ""
        except (ReadError, IndexError) as error:
            file.scans, file.why = [], getattr(error, "what", "no image is complete yet")
        return file.scans


def _mark(path: Path) -> Mark:
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return status.st_ino, status.st_size, status.st_mtime_ns


def _paths(frames: Frames) -> list[Path]:
    """The files that frames are read from."""
    if isinstance(frames, Hdf5Frames):
        return [path for s in frames.sources if s.path is not None for path in (s.path, *s.also)]
    return [Path("images")] if isinstance(frames, ImageFrames) else []


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
    return _limit(path, _mark(path)[0]) if path.suffix.lower() in SUFFIXES and path.exists() else None


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
