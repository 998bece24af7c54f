"""From settings to a folder that looks like one brought home from the beamline, and its truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from operando.core.errors import InputError

from .beside import write_beside
from .cell import FilmCell
from .raw import SCANS, Layout, write_map
from .truth import Truth


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
    if (folder / "raw").exists() or (folder / "experiment.toml").exists():
        raise InputError("there is an experiment here already", where=str(folder), fix="Choose a new folder.")
    (folder / "raw").mkdir(parents=True)
    write_beside(cell, folder, known)
    truth = Truth.of(cell)
    truth.save(folder)
    written, total = 0, cell.maps * cell.points

    def done(frames: int) -> None:
        nonlocal written
        written += frames
        if progress is not None:
            progress(written, total)

    for map_index in range(cell.maps):
        write_map(cell, map_index, folder / "raw", known, done)
    return truth
