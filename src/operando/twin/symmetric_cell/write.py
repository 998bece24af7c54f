"""From settings to a folder that looks like one brought home from the beamline, and its truth."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import cast

from operando.core.errors import InputError

from .beside import write_beside
from .cell import SymmetricCell
from .known import Truth
from .raw import SCANS, Layout, write_scan

#: what an experiment consists of
WRITTEN = ("ct", "echem", "experiment.toml", "truth.h5")


def simulate(
    cell: SymmetricCell, folder: str | Path, layout: str = "dxchange", *,
    progress: Callable[[int, int], None] | None = None,
) -> Truth:  # fmt: skip
    """Write a whole experiment into `folder` and return its truth.

    layout    "dxchange" (Data Exchange: /exchange/data, data_white, data_dark, theta) or "nxtomo" (image_key)
    progress  called with (rows written, rows in all scans)

    Writes ct/ (one file a scan), echem/cell.csv, experiment.toml and truth.h5. The same cell gives the same bytes.
    Raises `InputError` for an unknown layout, a block (it has no outside), or a folder that holds an experiment.
    """
    if layout not in SCANS:
        raise InputError(f"unknown layout {layout!r}", where="simulate", fix=f"One of: {', '.join(SCANS)}.")
    if cell.diameter_um is None:
        raise InputError("a block has no projections", where="simulate", fix="Set diameter_um.")
    folder = Path(folder)
    if any((folder / name).exists() for name in WRITTEN):
        raise InputError("there is an experiment here already", where=str(folder), fix="Choose a new folder.")
    try:
        (folder / "ct").mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"no folder can be made here: {error.strerror}", where=str(folder), fix="Choose another folder."
        ) from error
    try:
        return _fill(cell, folder, cast(Layout, layout), progress)
    except BaseException:  # half an experiment would look like a whole one
        for name in WRITTEN:
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).unlink(missing_ok=True)
        raise


def _fill(
    cell: SymmetricCell, folder: Path, layout: Layout, progress: Callable[[int, int], None] | None
) -> Truth:
    truth = Truth.of(cell)
    truth.save(folder)
    write_beside(cell, folder, layout)
    written, total = 0, cell.scans * cell.height

    def done(rows: int) -> None:
        nonlocal written
        written += rows
        if progress is not None:
            progress(written, total)

    for scan in range(cell.scans):
        write_scan(cell, scan, folder / "ct", layout, done)
    return truth
