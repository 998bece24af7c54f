"""Image files one after the other: TIFF, CBF and EDF through fabio."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from ..core.digest import digest as digest_of
from ..core.errors import ReadError
from ..core.frames import FrameBlock
from ..core.moments import recorded_moments
from ..core.scan import Scan
from .hdf5_frames import dead_value
from .image_file import open_image, pixels
from .image_headers import ImageHeader, read_header

log = logging.getLogger(__name__)

POSITIONS = (r"horizontal|s(am(ple)?)?_?x", r"vertical|s(am(ple)?)?_?[yz]")  # usual names along x and z
SUFFIXES = (".tif", ".tiff", ".cbf", ".edf")


@dataclass(frozen=True, eq=False)
class ImageFrames:
    """`core.Frames` over image files; `places` is (path, frame in that file) of each frame.

    Pilatus images are signed: negative pixels (-1 gap, -2 bad) are dead, `stream` excludes every negative pixel.
    """

    name: str
    shape: tuple[int, int]
    dtype: np.dtype
    places: tuple[tuple[Path, int], ...] = field(repr=False)
    dead_value: int | None = None
    mask: np.ndarray | None = None
    time_s: np.ndarray | None = field(default=None, repr=False)
    monitor: np.ndarray | None = field(default=None, repr=False)
    digest: str = ""

    def __len__(self) -> int:
        return len(self.places)

    def blocks(self, start: int = 0, stop: int | None = None, size: int = 32) -> Iterator[FrameBlock]:
        """Frames `start` to `stop` in blocks of at most `size`, decoded on `load`."""
        stop = len(self) if stop is None else min(stop, len(self))
        for first in range(start, stop, size):
            part = slice(first, min(first + size, stop))
            yield FrameBlock(
                index=np.arange(part.start, part.stop), shape=self.shape, dtype=self.dtype,
                load=partial(self._load, self.places[part]),
                time_s=None if self.time_s is None else self.time_s[part],
                monitor=None if self.monitor is None else self.monitor[part],
            )  # fmt: skip

    def _load(self, places: tuple[tuple[Path, int], ...]) -> np.ndarray:
        out = np.empty((len(places), *self.shape), self.dtype)
        held = image = None
        for i, (path, frame) in enumerate(places):
            if image is None or path != held:
                held, image = path, open_image(path)
            data = pixels(image, frame, path)
            if data.shape != self.shape:
                raise _other_shape(path, data.shape, self.places[0][0], self.shape)
            out[i] = data
        return out


def open_images(
    paths: list[Path], *, motors: tuple[str, str] | None = None, monitor: str | None = None
) -> Scan:
    """All image files as one scan, in the order given.

    Raises `ReadError` for an unreadable file or one of another shape or pixel type.
    """
    headers = [read_header(path) for path in paths]
    _check_same(paths, headers)
    places = tuple(
        (path, i) for path, header in zip(paths, headers, strict=True) for i in range(header.frames)
    )
    per_frame = [header for header in headers for _ in range(header.frames)]
    shape, dtype = headers[0].shape, headers[0].dtype
    name = str(paths[0]) if len(paths) == 1 else f"{paths[0].parent} ({len(paths)} {paths[0].suffix} files)"
    time_s = recorded_moments(_column([h.time_s if h.frames == 1 else None for h in per_frame]), name)
    counts = None if monitor is None else _named(per_frame, monitor, paths)
    motors = motors or guess_motors(headers)
    x_um, z_um = (None, None) if motors is None else (1e3 * _named(per_frame, m, paths) for m in motors)
    if motors is not None:
        log.info("%s: %s taken as x and %s as z, from the image headers, in mm", name, *motors)
    frames = ImageFrames(
        name, shape, dtype, places, dead_value(dtype), None, time_s, counts, _digest(paths, time_s, counts)
    )
    started = float(np.nanmin(time_s)) if time_s is not None else None
    return Scan(name, frames, x_um, z_um, started)


def guess_motors(headers: list[ImageHeader]) -> tuple[str, str] | None:
    """Names of the horizontal and the vertical sample position, where headers have both and one of them moves."""
    numbers = [header.numbers for header in headers]
    names = [name for name in numbers[0] if all(name in held for held in numbers)]
    pair = tuple(
        next((n for n in names if re.fullmatch(usual, n, re.IGNORECASE)), None) for usual in POSITIONS
    )
    if None in pair or all(len({held[name] for held in numbers}) == 1 for name in pair if name):
        return None
    return pair[0] or "", pair[1] or ""


def _column(values: list[float | None]) -> np.ndarray | None:
    if all(value is None for value in values):
        return None
    return np.array([np.nan if value is None else value for value in values], float)


def _named(headers: list[ImageHeader], name: str, paths: list[Path]) -> np.ndarray:
    """The number `name` of every header. Raises `ReadError` listing the names that there are."""
    column = _column([header.numbers.get(name) for header in headers])
    if column is None:
        there = ", ".join(sorted(headers[0].numbers)) or "none"
        raise ReadError(f"no number {name!r} in the header", where=str(paths[0]), fix=f"There are: {there}.")
    return column


def _check_same(paths: list[Path], headers: list[ImageHeader]) -> None:
    for path, header in zip(paths, headers, strict=True):
        if header.shape != headers[0].shape:
            raise _other_shape(path, header.shape, paths[0], headers[0].shape)
        if header.dtype != headers[0].dtype:
            raise ReadError(
                f"pixels are {header.dtype}, in {paths[0].name} {headers[0].dtype}", where=str(path),
                fix="Give the files of one detector and one setting, with a glob such as raw/map_*.tif.",
            )  # fmt: skip


def _other_shape(path: Path, shape, first: Path, expected) -> ReadError:
    return ReadError(
        f"an image of {shape[0]} x {shape[1]} pixels among images of {expected[0]} x {expected[1]} ({first.name})",
        where=str(path), fix="Move it away, or give the images with a glob such as raw/map_*.tif.",
    )  # fmt: skip


def _digest(paths: list[Path], *beside: object) -> str:
    """Names, sizes and times of all files, and the contents of the first, middle and last."""
    state = hashlib.blake2b(digest_size=16)
    for path in paths:
        status = os.stat(path)
        state.update(f"{path.name} {status.st_size} {status.st_mtime_ns} ".encode())
    for i in sorted({0, len(paths) // 2, len(paths) - 1}):
        with open(paths[i], "rb") as file:
            state.update(file.read(1 << 22))
    return digest_of(state.hexdigest(), *beside)
