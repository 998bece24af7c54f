"""The thin-film cell: settings in, raw files and a Truth out.

cell = FilmCell.demo(seed=3)
truth = simulate(cell, "demo")            # raw/, calib/, echem/, experiment.toml, truth.h5
frames = film_frames(cell, map_index=0)   # the same frames in memory
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from operando.core import Frames
from operando.core.errors import InputError

from .film_cell import FilmCell
from .film_truth import Truth

__all__ = ["FilmCell", "Truth", "film_frames", "simulate"]


def simulate(
    cell: FilmCell,
    folder: str | Path,
    layout: str = "bliss",
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Truth:
    """Write a whole experiment into `folder`, which must be new or empty, and return its truth.

    layout    "bliss" (ESRF, Lima files behind virtual datasets), "eiger" (Dectris master and data files), or
              "single" (one file with every scan)
    progress  called with (frames written, frames in all)

    The same cell gives the same data, to the bit. Raises `InputError` for an unknown layout or a folder in use.
    """
    from . import film_beside, film_raw

    if layout not in film_raw.SCANS:
        raise InputError(
            f"unknown layout {layout!r}", where="simulate", fix=f"One of: {', '.join(film_raw.SCANS)}."
        )
    folder = Path(folder)
    if (folder / "raw").exists() or (folder / "experiment.toml").exists():
        raise InputError("there is an experiment here already", where=str(folder), fix="Choose a new folder.")
    (folder / "raw").mkdir(parents=True)
    film_beside.write_beside(cell, folder, layout)  # type: ignore[arg-type]
    truth = Truth.of(cell)
    truth.save(folder)
    written, total = 0, cell.maps * cell.points

    def done(frames: int) -> None:
        nonlocal written
        written += frames
        if progress is not None:
            progress(written, total)

    for map_index in range(cell.maps):
        film_raw.write_map(cell, map_index, folder / "raw", layout, done)  # type: ignore[arg-type]
    return truth


def film_frames(cell: FilmCell, map_index: int = 0) -> Frames:
    """The frames of one map in memory, drawn as they are asked for: codec "raw", the same counts as in the files."""
    from .film_frames import FilmFrames

    return FilmFrames(cell, map_index)
