"""When each projection was taken: from times of frames in the file, else evenly between start and end of the scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .eiger import optional, parse_time, value
from .hdf5 import Files, attribute

SECONDS = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "min": 60.0}
EPOCH = 1e8  # s: larger numbers count from 1970, not from the start of the scan
LONGEST_S = 7 * 86400.0  # of a scan


def projection_times(
    files: Files,
    path: Path,
    frames: str,
    end: str,
    started: float | None,
    count: int,
    which: np.ndarray | None,
) -> np.ndarray | None:
    """(count,) seconds since the epoch, or None where the file does not tell.

    frames   name of a dataset with a time for each image (`which` of them are projections) or each projection
    end      name of the end of the scan, as text; used where there are no such times
    started  of the scan, since the epoch
    """
    found = _of_frames(files, path, frames, count, which)
    if found is not None and np.median(found) > EPOCH:
        return found
    if started is None:
        return None
    if found is not None:
        return started + found
    text = value(files, path, end)
    stopped = None if text is None else parse_time(text, str(path))
    if stopped is None or not 0 < stopped - started < LONGEST_S:
        return None
    return started + (np.arange(count) + 0.5) * (stopped - started) / count


def _of_frames(
    files: Files, path: Path, name: str, count: int, which: np.ndarray | None
) -> np.ndarray | None:
    """Seconds of the projections as stored; None unless there are as many as images and they do not fall."""
    dataset = optional(files, path, name)
    if getattr(dataset, "ndim", 0) != 1 or dataset.dtype.kind not in "uif":
        return None
    unit = attribute(dataset, "units", "s")
    factor = SECONDS.get((unit.decode() if isinstance(unit, bytes) else str(unit)).strip().lower())
    if factor is None:
        return None
    times = np.asarray(dataset[()], float) * factor
    if which is not None and len(times) > count and which.max() < len(times):
        times = times[which]
    good = (
        len(times) == count and np.isfinite(times).all() and (np.diff(times) >= 0).all() and np.ptp(times) > 0
    )
    return times if good else None
