"""DECTRIS Eiger master files: frames in `data_000001`, ..., the pixel mask, and times."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.scan import Scan
from .hdf5 import Files, natural
from .hdf5_chunks import values
from .hdf5_frames import make_frames
from .virtual import resolve

log = logging.getLogger(__name__)

DETECTOR = "instrument/detector"
MASKS = tuple(
    f"{DETECTOR}/{place}pixel_mask"
    for place in ("detectorSpecific/", "", "detectorSpecific/detectorModule_000/")
)


def frame_datasets(files: Files, path: str | Path, entry: str) -> list[str]:
    """Names of the datasets that hold an Eiger entry's frames in order; empty where it is no Eiger entry."""
    import h5py

    group = optional(files, path, f"{entry}/data")
    if not isinstance(group, h5py.Group):
        return []
    numbered = sorted((name for name in group if re.fullmatch(r"data_\d+", name)), key=natural)
    names = numbered or (["data"] if "data" in group else [])
    return [f"{entry}/data/{name}" for name in names]


def open_entry(files: Files, path: Path, entry: str, datasets: list[str], monitor: str | None = None) -> Scan:
    """The scan of one Eiger or NeXus entry whose frames are in `datasets`, one after the other.

    Raises `ReadError` when a linked file is missing or the datasets are not images of one kind.
    """
    name = f"{path}::{entry or '/'}"
    sources = [source for dataset in datasets for source in resolve(files, path, dataset)]
    _check_same(files, path, datasets)
    count = sum(source.count for source in sources)
    started, time_s = times(files, path, entry, count)
    frames = make_frames(
        files, name, sources, mask=pixel_mask(files, path, entry), time_s=time_s,
        monitor=read_monitor(files, path, entry, monitor, count), like=(path, datasets[0]),
    )  # fmt: skip
    return Scan(name, frames, started_s=started)


def _check_same(files: Files, path: Path, datasets: list[str]) -> None:
    first = files.find(path, datasets[0])
    for name in datasets[1:]:
        other = files.find(path, name)
        if other.shape[-2:] != first.shape[-2:] or other.dtype != first.dtype:
            raise ReadError(
                f"{name} holds {other.shape[-2:]} {other.dtype}, {datasets[0]} {first.shape[-2:]} {first.dtype}",
                where=str(path), fix="Data files of two measurements lie beside one master: restore the right ones.",
            )  # fmt: skip


def optional(files: Files, path: str | Path, name: str):
    """An object of a file, or None where it is not there."""
    try:
        return files.find(path, name)
    except ReadError:
        return None


def value(files: Files, path: str | Path, name: str):
    """A number, text or array of a file, or None where it is not there."""
    import h5py

    found = optional(files, path, name)
    if not isinstance(found, h5py.Dataset):
        return None
    data = values(found)
    if isinstance(data, np.ndarray) and data.size == 1:
        data = data.reshape(-1)[0]
    return data.decode(errors="replace") if isinstance(data, bytes) else data


def pixel_mask(files: Files, path: str | Path, entry: str) -> np.ndarray | None:
    """(rows, columns) bool, True where the file's pixel mask is not zero; None where it has none."""
    for place in MASKS:
        mask = value(files, path, f"{entry}/{place}")
        if isinstance(mask, np.ndarray) and mask.ndim == 2:
            return mask != 0
    return None


def parse_time(text: object, name: str) -> float | None:
    """Seconds since the epoch of an ISO 8601 text; a text without a time zone is taken as UTC, and logged."""
    if not isinstance(text, str) or not text.strip():
        return None
    cleaned = re.sub(r"(\.\d{6})\d+", r"\1", text.strip().replace(" ", "T", 1))
    try:
        moment = datetime.fromisoformat(cleaned)
    except ValueError:
        log.warning("%s: the time %r is not ISO 8601: left out", name, text)
        return None
    if moment.tzinfo is None:
        log.info("%s: the time %s has no time zone: taken as UTC", name, text)
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def times(files: Files, path: Path, entry: str, count: int) -> tuple[float | None, np.ndarray | None]:
    """Start of the entry and middle of each exposure: start + i frame_time + count_time / 2.

    With several triggers only the start is known: the waits between them are not in the file.
    """
    detector = f"{entry}/{DETECTOR}"
    specific = f"{detector}/detectorSpecific"
    started = parse_time(value(files, path, f"{specific}/data_collection_date"), str(path))
    if started is None:
        started = parse_time(value(files, path, f"{entry}/start_time"), str(path))
    period, exposure = (value(files, path, f"{detector}/{key}") for key in ("frame_time", "count_time"))
    triggers = value(files, path, f"{specific}/ntrigger")
    if started is None or period is None:
        return started, None
    if triggers is not None and int(triggers) > 1:
        log.info("%s: %d triggers: exposure times are not in the file", path, int(triggers))
        return started, None
    half = 0.5 * float(exposure if exposure is not None else period)
    return started, started + float(period) * np.arange(count) + half


def read_monitor(files: Files, path: Path, entry: str, name: str | None, count: int) -> np.ndarray | None:
    """The beam monitor `name` of an entry as (count,) float64. Raises `ReadError` where it does not fit."""
    if name is None:
        return None
    data = files.find(path, name if name.startswith("/") else f"{entry}/{name}")[()]
    return fit_monitor(np.asarray(data), count, f"{path}::{name}")


def fit_monitor(data: np.ndarray, count: int, where: str) -> np.ndarray:
    """A counter as (count,) float64; NaN where the record is shorter than the frames."""
    data = np.asarray(data, float).reshape(-1)
    if len(data) < count:
        log.warning("%s: %d values for %d frames: the rest is NaN", where, len(data), count)
        data = np.concatenate([data, np.full(count - len(data), np.nan)])
    return data[:count]
