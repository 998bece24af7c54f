"""Neware `.nda` and `.ndax` files, by the NewareNDA library (BSD-3)."""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np

from operando.core.errors import ReadError, require_extra

from .tables import Recorded


def read_neware(path: str | Path) -> Recorded:
    """Columns of a Neware file, with the time of each step (which starts at zero) laid end to end.

    The dates of most files are local times of one second resolution without a zone; within each step the
    finer step time is used. Raises `ReadError` where the library cannot read the file, `ExtraMissing`
    where it is not installed.
    """
    library = require_extra("NewareNDA", "echem", f"reading {Path(path).name} (Neware)")
    with Path(path).open("rb") as file:
        magic = file.read(6)
    if not magic.startswith((b"NEWARE", b"PK")):
        raise ReadError(
            f"not a Neware file: it begins with {magic!r}", where=str(path),
            fix="A .nda file begins with NEWARE, a .ndax file is a zip archive.",
        )  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas, about the library's own code
            frame = library.read(str(path), log_level="CRITICAL")  # what it logs is in the error below
    except Exception as error:  # the library raises whatever its parsing meets
        raise ReadError(
            f"the Neware reader gave up ({type(error).__name__}: {error})", where=str(path),
            fix="Export the test from BTSDA as csv with units in the column names and give that.",
        ) from error  # fmt: skip
    columns = {
        _label(name): frame[name].to_numpy() for name in frame.columns if name not in ("Time", "Timestamp")
    }
    columns = {n: a.astype(str) if a.dtype == object else a for n, a in columns.items()}
    stamps = frame["Timestamp"]
    zoned = stamps.dt.tz is not None
    seconds = _epoch(stamps)
    step = frame["Step"].to_numpy()
    since_step = frame["Time"].to_numpy().astype(np.float64).round(3)
    absolute = lay_end_to_end(step, since_step, seconds)
    columns["step time / s"] = since_step
    columns["Test Time / s"] = (absolute - absolute[0]).round(4)
    if zoned:
        columns["Unix Time / s"] = absolute
    start = None if zoned else stamps.iloc[0].to_pydatetime()
    return Recorded(str(path), "Neware " + Path(path).suffix.lower().lstrip("."), columns, start)


def _label(name: str) -> str:
    return {"Voltage": "Voltage / V", "Step": "Step Count", "Step_Index": "step of the programme"}.get(
        name, name
    )


def _epoch(stamps) -> np.ndarray:
    import pandas as pd

    naive = stamps.dt.tz_convert("UTC").dt.tz_localize(None) if stamps.dt.tz is not None else stamps
    return (naive - pd.Timestamp("1970-01-01")).dt.total_seconds().to_numpy()


def lay_end_to_end(step: np.ndarray, since_step: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Seconds of each record: the start of its step (from whole-second dates) plus the time since then.

    The start of a step is the median of date minus step time over its records; it is never put before
    the last record of the step before.
    """
    first = np.flatnonzero(np.diff(step, prepend=step[0] - 1) != 0)
    bounds = np.append(first, len(step))
    result = np.empty(len(step))
    last = -np.inf
    for a, b in pairwise(bounds):
        start = max(float(np.median(seconds[a:b] - since_step[a:b])), last - float(since_step[a]))
        result[a:b] = start + since_step[a:b]
        last = float(result[b - 1])
    return result
