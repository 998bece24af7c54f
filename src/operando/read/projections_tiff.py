"""Projections as image files of a folder, with flats, darks and a file of angles beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import NUMPY_DAMAGE, ReadError
from ..core.projections import ArrayStack, ImageStack
from ..core.trust import reads
from .hdf5 import natural
from .images import SUFFIXES, open_images

ANGLE_FILES = ("angles.txt", "angles.csv", "angles.dat", "theta.txt", "angles.npy")


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """`core.ImageStack` over image files (TIFF, EDF, CBF; one image or many a file)."""

    frames: Any = field(repr=False)

    @property
    def name(self) -> str:
        """Folder of the images, for messages."""
        return self.frames.name

    @property
    def shape(self) -> tuple[int, int, int]:
        """Images, rows, columns."""
        return (len(self.frames), *self.frames.shape)

    @property
    def dtype(self) -> np.dtype:
        """Of the pixels as read."""
        return self.frames.dtype

    @property
    def digest(self) -> str:
        """Changes when the files change."""
        return self.frames.digest

    def read(self, images: slice | Sequence[int] = slice(None), rows: slice = slice(None)) -> np.ndarray:
        """Images and rows as stored. Raises `ReadError` for a damaged file."""
        numbers = np.arange(len(self.frames))[images]
        out = [next(self.frames.blocks(int(i), int(i) + 1, 1)).load()[0, rows] for i in numbers]
        return np.stack(out) if out else np.empty((0, *self.frames.shape), self.dtype)[:, rows]


def image_stack(paths: Sequence[Path]) -> tuple[ImageFiles, Any]:
    """Image files as a stack, and their scan (times). Raises `ReadError` for files that do not belong together."""
    scan = open_images(list(paths))
    return ImageFiles(scan.frames), scan


def folder(path: Path) -> dict[str, Any]:
    """Facts of a folder of images: projections, and those called flat*, white*, ref*, dark*, dc*; a file of angles.

    Projections lie in the folder, or in its only subfolder of images. Raises `ReadError` where there is none.
    """
    flats, darks, others = _sorted_images(path)
    home = path
    if not others:
        below = [d for d in sorted(path.iterdir(), key=natural) if d.is_dir() and _kind(d.name) == ""]
        below = [d for d in below if _sorted_images(d)[2]]
        if len(below) != 1:
            raise ReadError(
                "no images of projections" if not below else f"{len(below)} folders of images", where=str(path),
                fix="Give the folder that holds the projections.",
            )  # fmt: skip
        home = below[0]
        others = _sorted_images(home)[2]
    for kind, files in (("flat", flats), ("dark", darks)):
        for place in {path, home, home.parent if not flats and home == path else path}:
            for sub in sorted(d for d in place.iterdir() if d.is_dir() and _kind(d.name) == kind):
                files += [f for f in sorted(sub.iterdir(), key=natural) if f.suffix.lower() in SUFFIXES]
    images, scan = image_stack(others)
    facts: dict[str, Any] = {"name": str(home), "images": images, "started_s": scan.started_s}
    facts["time_s"] = scan.frames.time_s
    facts["flats"] = image_stack(flats)[0] if flats else None
    facts["darks"] = image_stack(darks)[0] if darks else None
    angles = next((p / n for p in (home, path) for n in ANGLE_FILES if (p / n).exists()), None)
    facts["angles"] = None if angles is None else read_angles(angles)
    return facts


def _kind(name: str) -> str:
    low = name.lower()
    if low.startswith(("flat", "white", "ref", "ff_", "open")):
        return "flat"
    return "dark" if low.startswith(("dark", "dc_", "df_")) else ""


def _sorted_images(path: Path) -> tuple[list[Path], list[Path], list[Path]]:
    files = sorted(
        (p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.name[0] != "."), key=natural
    )
    return tuple([p for p in files if _kind(p.name) == kind] for kind in ("flat", "dark", ""))  # type: ignore[return-value]


@reads("this list of angles")
def read_angles(path: Path) -> np.ndarray:
    """Numbers of a text file (one a line; of several columns the last) or a .npy file. Raises `ReadError`."""
    try:
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False).astype(float).reshape(-1)
        lines = [line.replace(",", " ").replace(";", " ").split() for line in path.read_text().splitlines()]
        rows = [line for line in lines if line and not line[0].startswith("#")]
        if rows and not _is_number(rows[0][-1]):
            rows = rows[1:]  # a heading
        return np.array([float(row[-1]) for row in rows])
    except NUMPY_DAMAGE as error:
        raise ReadError(
            f"no file of angles ({error})", where=str(path), fix="One angle a line, in degrees."
        ) from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def as_stack(given: object, kind: str) -> ImageStack:
    """Flats or darks that a user gives: a stack, an array, a file or a folder of images."""
    if isinstance(given, ImageStack):
        return given
    if isinstance(given, np.ndarray):
        return ArrayStack(given if given.ndim == 3 else given[None], kind)
    path = Path(str(given))
    if path.is_dir():
        return image_stack([p for p in sorted(path.iterdir(), key=natural) if p.suffix.lower() in SUFFIXES])[
            0
        ]
    return image_stack([path])[0]
