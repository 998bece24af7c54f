"""Scans while a detector writes them: which files can be opened by now, and which of their frames are whole."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import ReadError
from ..core.frames import Frames
from ..core.scan import Scan
from .hdf5 import SUFFIXES
from .hdf5_frames import Hdf5Frames
from .images import ImageFrames, open_images
from .scans import Paths, _in_order, _without_data_files, expand, open_file
from .stored import Mark, base_frames, mark_of

#: opened again for so long after the last change: times of files are coarse, s
ONCE_MORE_S = 1.0
#: so long a file that could be read before may fail to be, s
PATIENCE_S = 5.0


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
        before = {known: mark_of(known) for known in {path, *file.marks}}
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
        before, now = file.marks.get(path, (0, 0, 0)), mark_of(path)
        if not file.scans or now[0] != before[0] or now[1] < before[1]:
            return False
        file.failing = self.now() if file.failing is None else file.failing
        return self.now() - file.failing < PATIENCE_S

    def _pictures(self, paths: list[Path]) -> list[Scan]:
        """Image files as one scan. The newest is left out until a later one is there or it is as long as the rest."""
        marks = {path: mark_of(path) for path in paths}
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


def _paths(frames: Frames) -> list[Path]:
    """The files that frames are read from."""
    if isinstance(frames, Hdf5Frames):
        return [path for s in frames.sources if s.path is not None for path in (s.path, *s.also)]
    return [Path("images")] if isinstance(frames, ImageFrames) else []
