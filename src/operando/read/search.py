"""What an HDF5 file holds: its entries, and the datasets that could be frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import ReadError
from .hdf5 import Files, attribute, natural

if TYPE_CHECKING:
    import h5py

SMALLEST_SIDE = 16  # fewer rows or columns make no image
DEEPEST = 8


@dataclass(frozen=True, eq=False)
class Candidate:
    """A dataset that could be frames, under the first name it was met by."""

    name: str
    dataset: h5py.Dataset

    @property
    def interpretation(self) -> str:
        """NeXus `interpretation`: image, spectrum, or nothing."""
        text = attribute(self.dataset, "interpretation", "")
        return text.decode() if isinstance(text, bytes) else str(text)


def describe(candidate: Candidate) -> str:
    """A candidate with its shape and type, for messages."""
    shape = " x ".join(map(str, candidate.dataset.shape))
    return f"{candidate.name}  {shape} {candidate.dataset.dtype}"


def entries(files: Files, path: str | Path) -> list[str]:
    """Names of the groups at the top of a file, in natural order. A dead link there is an error where it is used."""
    import h5py

    names = []
    for name in sorted(files.file(path), key=natural):
        link = files.file(path).get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink) or isinstance(files.file(path).get(name), h5py.Group):
            names.append(f"/{name}")
    return names


def candidates(files: Files, path: str | Path) -> list[Candidate]:
    """Numeric datasets of two dimensions and more with image-like sides, each once however many links lead to it."""
    import h5py

    found: list[Candidate] = []
    seen: set[tuple[int, int]] = set()

    def visit(name: str, depth: int) -> None:
        try:
            here = files.find(path, name)
        except ReadError:
            return
        info = h5py.h5o.get_info(here.id)
        key = (info.fileno, info.addr)
        if key in seen or depth > DEEPEST:
            return
        seen.add(key)
        if isinstance(here, h5py.Group):
            for member in sorted(here, key=natural):
                visit(f"{name.rstrip('/')}/{member}", depth + 1)
        elif here.ndim >= 2 and here.dtype.kind in "uif" and min(here.shape[-2:]) >= SMALLEST_SIDE:
            found.append(Candidate(name, here))

    visit("/", 0)
    return found
