"""ESRF BLISS files: one entry a scan, with counters and motors beside the frames."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from ..core.scan import Scan
from .eiger import fit_monitor, optional, parse_time, pixel_mask, value
from .hdf5 import Files, attribute, natural
from .hdf5_frames import make_frames
from .virtual import resolve

log = logging.getLogger(__name__)

MONITORS = (r"i_?0\w*", r"mon\w*", r"ct\d+\w*", r"pico\w*", r"p\d{3}\w*", r"diode\w*", r"ibs\w*")
TO_UM = {"m": 1e6, "mm": 1e3, "um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0, "microns": 1.0, "nm": 1e-3}


def is_bliss(files: Files, path: str | Path, entry: str) -> bool:
    """Whether an HDF5 file was written by BLISS."""
    return optional(files, path, f"{entry}/measurement") is not None


def image_datasets(files: Files, path: str | Path, entry: str) -> list[str]:
    """Datasets of images in `measurement`. A link to a missing file counts: opening it tells what is missing."""
    import h5py

    group = files.find(path, f"{entry}/measurement")
    found = []
    for name in sorted(group, key=natural):
        full = f"{entry}/measurement/{name}"
        try:
            member = files.find(path, full)
        except ReadError:
            found.append(full)
            continue
        if isinstance(member, h5py.Dataset) and member.ndim >= 3 and member.dtype.kind in "uif":
            found.append(full)
    return found


def open_entry(
    files: Files, path: Path, entry: str, dataset: str, motors: tuple[str, str] | None = None,
    monitor: str | None = None,
) -> Scan:  # fmt: skip
    """The scan of one BLISS entry whose frames are `dataset`. Raises `ReadError`, as `sources.resolve` does."""
    name = f"{path}::{dataset}"
    sources = resolve(files, path, dataset)
    count = sum(source.count for source in sources)
    columns = Columns(files, path, entry, count)
    x_um, z_um = columns.positions(motors)
    frames = make_frames(
        files, name, sources, mask=pixel_mask(files, path, entry), time_s=columns.times(dataset),
        monitor=columns.monitor(monitor), like=(path, dataset),
    )  # fmt: skip
    return Scan(name, frames, x_um, z_um, parse_time(value(files, path, f"{entry}/start_time"), name))


class Columns:
    """What a BLISS entry recorded beside `count` frames: one value a frame, NaN where the record ends early."""

    def __init__(self, files: Files, path: str | Path, entry: str, count: int) -> None:
        self.files, self.path, self.entry, self.count = files, path, entry, count
        self.where = f"{path}::{entry}"

    def _value(self, name: str):
        return value(self.files, self.path, f"{self.entry}/{name}")

    def recorded(self, group: str) -> dict[str, np.ndarray]:
        """Every numeric array of `group` with one value a frame (or a record cut short), by name."""
        import h5py

        members = optional(self.files, self.path, f"{self.entry}/{group}")
        arrays = {}
        for name in sorted(members, key=natural) if isinstance(members, h5py.Group) else ():
            member = optional(self.files, self.path, f"{self.entry}/{group}/{name}")
            if (
                isinstance(member, h5py.Dataset)
                and member.ndim == 1
                and member.dtype.kind in "uif"
                and (len(member) > 1 or self.count == 1)
            ):
                arrays[name] = member[()]
        return arrays

    def monitor(self, name: str | None) -> np.ndarray | None:
        """The counter `name`, or the first of the usual names, (count,) float64; None where there is none."""
        counters = self.recorded("measurement")
        if name is None:
            name = usual_monitor(counters)
            if name is None:
                log.info("%s: no monitor among the counters %s", self.where, ", ".join(counters) or "(none)")
                return None
            log.info("%s: counter %s taken as beam monitor", self.where, name)
        if name not in counters:
            raise ReadError(
                f"no counter {name!r}", where=self.where, fix=f"There are: {', '.join(counters) or 'none'}."
            )
        return fit_monitor(counters[name], self.count, f"{self.where}/measurement/{name}")

    def times(self, dataset: str) -> np.ndarray | None:
        """Middle of each exposure, s since the epoch: `epoch`, or start and `elapsed_time`, plus half an exposure."""
        started = parse_time(self._value("start_time"), self.where)
        epoch, elapsed = (self._timer(name) for name in ("epoch", "elapsed_time"))
        if epoch is None and elapsed is not None and started is not None:
            epoch = started + elapsed
        if epoch is None:
            log.info("%s: no epoch and no elapsed_time: times of single frames are unknown", self.where)
            return None
        exposure = self._exposure(dataset.rsplit("/", 1)[-1])
        return fit_monitor(epoch, self.count, f"{self.where}/measurement/epoch") + 0.5 * exposure

    def _timer(self, name: str) -> np.ndarray | None:
        for place in (f"measurement/{name}", f"instrument/{name}/value", f"instrument/{name}/data"):
            array = self._value(place)
            if isinstance(array, np.ndarray) and array.ndim == 1:
                return array.astype(float)
        return None

    def _exposure(self, detector: str) -> float:
        for place in (
            f"instrument/{detector}/acq_parameters/acq_expo_time", f"instrument/{detector}/acquisition/exposure_time",
            f"instrument/{detector}/exposure_time", "scan_parameters/count_time",
        ):  # fmt: skip
            seconds = self._value(place)
            if isinstance(seconds, (int, float, np.number)):
                return float(seconds)
        log.info("%s: exposure time unknown: frames are dated at their start", self.where)
        return 0.0

    def positions(self, motors: tuple[str, str] | None) -> tuple[np.ndarray | None, np.ndarray | None]:
        """x and z of every frame in um, from the motors named (x first), the title, or the two that move.

        Raises `ReadError` when a motor that was named has no record.
        """
        moving = self.moving()
        if motors is None:
            motors = self.guess_motors(moving)
            if motors is None:
                return None, None
        x_um, z_um = (self._motor(name, moving) for name in motors)
        return x_um, z_um

    def moving(self) -> dict[str, np.ndarray]:
        """Every counter and motor that was recorded with each frame, by name."""
        return self.recorded("measurement") | self.recorded("instrument/positioners")

    def guess_motors(self, moving: dict[str, np.ndarray]) -> tuple[str, str] | None:
        """Two motors, x first. The names in the title decide, else the only two positioners that move."""
        known = set(self._names("instrument/positioners"))
        scanned = [
            word for word in str(self._value("title") or "").split() if word in known and word in moving
        ]
        if not scanned:
            scanned = [n for n, v in moving.items() if n in known and _spread(v) > 0]
            scanned.sort(key=lambda n: -np.abs(np.diff(moving[n][: self.count])).sum() / _spread(moving[n]))
        scanned = [name for name in dict.fromkeys(scanned) if self._scale(name) is not None]
        if len(scanned) != 2:
            log.info(
                "%s: %d moving motors (%s): name two with motors=",
                self.where,
                len(scanned),
                ", ".join(scanned),
            )
            return None
        first, second = scanned
        upward = {name: bool(re.search(r"z|vert", name, re.I)) for name in scanned}
        pair = (second, first) if upward[first] and not upward[second] else (first, second)
        log.info("%s: motors %s taken as x and %s as z", self.where, *pair)
        return pair

    def _names(self, group: str) -> list[str]:
        members = optional(self.files, self.path, f"{self.entry}/{group}")
        return [] if members is None else list(members)

    def _scale(self, name: str) -> float | None:
        """Factor from the motor's unit to um; None for an angle."""
        for group in ("instrument/positioners", "measurement"):
            member = optional(self.files, self.path, f"{self.entry}/{group}/{name}")
            unit = None if member is None else attribute(member, "units")
            if unit is not None:
                unit = unit.decode() if isinstance(unit, bytes) else str(unit)
                return TO_UM.get(unit.strip())
        log.info("%s: motor %s has no unit: taken as mm", self.where, name)
        return TO_UM["mm"]

    def _motor(self, name: str, moving: dict[str, np.ndarray]) -> np.ndarray:
        recorded = next((moving[n] for n in (name, f"{name}_center", f"{name}_trig") if n in moving), None)
        still = self._value(f"instrument/positioners/{name}")
        if recorded is None and isinstance(still, (int, float, np.number)):
            recorded = np.full(self.count, float(still))
        if recorded is None:
            raise ReadError(
                f"motor {name!r} was not recorded", where=self.where,
                fix=f"Recorded with every frame: {', '.join(moving) or 'nothing'}.",
            )  # fmt: skip
        scale = self._scale(name)
        if scale is None:
            raise ReadError(
                f"motor {name!r} is not in a unit of length", where=self.where, fix="Name another motor."
            )
        return fit_monitor(recorded, self.count, f"{self.where}, motor {name}") * scale


def usual_monitor(counters: Iterable[str]) -> str | None:
    """The first name that a beam monitor usually has."""
    names = list(counters)
    return next(
        (name for usual in MONITORS for name in names if re.fullmatch(usual, name, re.IGNORECASE)), None
    )


def _spread(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max() - finite.min()) if len(finite) else 0.0
