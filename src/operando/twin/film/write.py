"""From settings to a folder that looks like one brought home from the beamline, and its truth."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import cast

from operando.core.errors import InputError

from .beside import write_beside
from .cell import FilmCell
from .raw import SCANS, Layout, write_map
from .truth import Truth

#: what an experiment consists of
WRITTEN = ("raw", "calib", "echem", "experiment.toml", "truth.h5")


def simulate(
    cell: FilmCell, folder: str | Path, layout: str = "bliss", *,
    progress: Callable[[int, int], None] | None = None,
) -> Truth:  # fmt: skip
    """Write a whole experiment into `folder` and return its truth.

    layout    "bliss" (ESRF, Lima files behind virtual datasets), "eiger" (Dectris master and data files), or
              "single" (one file with every scan)
    progress  called with (frames written, frames in all)

    Writes raw/, calib/ (PONI, mask), echem/ (csv and EC-Lab text), experiment.toml and truth.h5. The same cell gives
    the same data, to the bit. Raises `InputError` for an unknown layout or a folder that holds an experiment.
    """
    if layout not in SCANS:
        raise InputError(f"unknown layout {layout!r}", where="simulate", fix=f"One of: {', '.join(SCANS)}.")
    known: Layout = cast(Layout, layout)
    folder = Path(folder)
    if any((folder / name).exists() for name in WRITTEN):
        raise InputError("there is an experiment here already", where=str(folder), fix="Choose a new folder.")
    try:
        (folder / "raw").mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"no folder can be made here: {error.strerror}", where=str(folder), fix="Choose another folder."
        ) from error
    try:
        return _fill(cell, folder, known, progress)
    except BaseException:  # half an experiment would look like a whole one
        for name in WRITTEN:
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).unlink(missing_ok=True)
        raise


def _fill(cell: FilmCell, folder: Path, layout: Layout, progress: Callable[[int, int], None] | None) -> Truth:
    write_beside(cell, folder, layout)
    truth = Truth.of(cell)
    truth.save(folder)
    written, total = 0, cell.maps * cell.points

    def done(frames: int) -> None:
        nonlocal written
        written += frames
        if progress is not None:
            progress(written, total)

    for map_index in range(cell.maps):
        write_map(cell, map_index, folder / "raw", layout, done)
    return truth
