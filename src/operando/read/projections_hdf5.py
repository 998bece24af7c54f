"""Projections in HDF5 files: Data Exchange (`/exchange/data`) and NXtomo (`image_key`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..core.digest import digest as digest_of
from ..core.errors import ReadError
from .eiger import optional, parse_time, value
from .hdf5 import Files, attribute, damage_told
from .hdf5_chunks import values
from .projections_time import projection_times

LENGTHS_UM = {"m": 1e6, "cm": 1e4, "mm": 1e3, "um": 1.0, "micron": 1.0, "microns": 1.0, "µm": 1.0, "nm": 1e-3}
ENERGIES_KEV = {"kev": 1.0, "ev": 1e-3, "mev": 1e3}


@dataclass(frozen=True, eq=False)
class Hdf5Stack:
    """`core.ImageStack` over some images of one dataset (images, rows, columns). Opens the file in `read` only."""

    path: Path
    dataset: str
    shape: tuple[int, int, int]
    dtype: np.dtype
    digest: str
    which: np.ndarray | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """File and dataset, for messages."""
        return f"{self.path}::{self.dataset}"

    def read(self, images: slice | Sequence[int] = slice(None), rows: slice = slice(None)) -> np.ndarray:
        """Images and rows as stored. Raises `ReadError` for a damaged file."""
        numbers = np.arange(self.shape[0])[images]
        numbers = numbers if self.which is None else self.which[numbers]
        with Files() as files, damage_told(self.path):
            data = files.find(self.path, self.dataset)
            return _gather(data, numbers, rows, self.dtype)


def _gather(data, numbers: np.ndarray, rows: slice, dtype: np.dtype) -> np.ndarray:
    """Images in the order asked for, runs of neighbours read at once."""
    start, stop, _ = rows.indices(data.shape[1])
    out = np.empty((len(numbers), stop - start, data.shape[2]), dtype)
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    for run in np.split(np.arange(len(numbers)), breaks):
        if len(run):
            first = int(numbers[run[0]])
            out[run[0] : run[-1] + 1] = values(data, slice(first, first + len(run)), slice(start, stop))
    return out


def stack(files: Files, path: Path, name: str, which: np.ndarray | None = None) -> Hdf5Stack:
    """The dataset `name`, or some of its images. Raises `ReadError` where it holds no images."""
    data = files.find(path, name)
    if getattr(data, "ndim", 0) == 2:
        raise ReadError(
            f"{name} is one image, not a stack", where=str(path), fix="Save it as (1, rows, columns)."
        )
    if getattr(data, "ndim", 0) != 3 or data.dtype.kind not in "uif":
        raise ReadError(
            f"{name} is no stack of images", where=str(path), fix="Images are (image, row, column)."
        )
    count = data.shape[0] if which is None else len(which)
    status = path.stat()
    key = digest_of(path.name, status.st_size, status.st_mtime_ns, name, which)
    shape = (int(count), int(data.shape[1]), int(data.shape[2]))
    return Hdf5Stack(path, name, shape, _usual(data.dtype), key, which)


def _usual(dtype: np.dtype) -> np.dtype:
    """The type in which images are handed on: in this machine's byte order, half precision as single."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype.newbyteorder("=")


def is_data_exchange(files: Files, path: Path) -> bool:
    """Whether an HDF5 file is Data Exchange."""
    return optional(files, path, "/exchange/data") is not None


def data_exchange(files: Files, path: Path) -> dict[str, Any]:
    """Facts of a Data Exchange file, under the names of `Projections`; angles with the unit that the file says."""
    facts: dict[str, Any] = {"name": f"{path}::/exchange", "images": stack(files, path, "/exchange/data")}
    for kind, name in (("flats", "data_white"), ("darks", "data_dark")):
        found = optional(files, path, f"/exchange/{name}")
        empty = found is None or found.shape[0] == 0
        facts[kind] = None if empty else stack(files, path, f"/exchange/{name}")
    facts["angles"], facts["angle_unit"] = _angles(files, path, "/exchange/theta")
    facts["pixel_um"] = _first_number(files, path, PIXEL_DX, LENGTHS_UM, "um")
    facts["energy_keV"] = _first_number(files, path, ENERGY_DX, ENERGIES_KEV, "kev")
    distance = _first_number(files, path, DISTANCE_DX, LENGTHS_UM, "mm")
    facts["distance_mm"] = None if distance is None else distance * 1e-3
    for place in (
        "/process/acquisition/start_date",
        "/exchange/start_date",
        "/file_creation_datetime",
        "/start_time",
    ):
        text = value(files, path, place)
        if text is not None and (started := parse_time(text, str(path))) is not None:
            facts["started_s"] = started
            break
    facts["time_s"] = projection_times(
        files, path, "/exchange/time", "/process/acquisition/end_date", facts.get("started_s"),
        facts["images"].shape[0], None,
    )  # fmt: skip
    return facts


PIXEL_DX = (
    "/measurement/instrument/detector/pixel_size", "/measurement/instrument/detection_system/objective/resolution",
    "/measurement/instrument/detector/x_actual_pixel_size", "/exchange/pixel_size",
)  # fmt: skip
ENERGY_DX = (
    "/measurement/instrument/monochromator/energy", "/measurement/instrument/source/energy",
    "/measurement/instrument/beam/energy",
)  # fmt: skip
DISTANCE_DX = ("/measurement/instrument/detector/distance", "/measurement/instrument/camera_motor_stack/setup/distance",
               "/measurement/instrument/detector_motor_stack/setup/z")  # fmt: skip


def _angles(files: Files, path: Path, name: str) -> tuple[np.ndarray | None, str | None]:
    found = optional(files, path, name)
    if found is None:
        return None, None
    return np.asarray(found[()], float).reshape(-1), unit_of(found)


def unit_of(dataset) -> str | None:
    """The unit that a dataset states, None where it states none."""
    unit = attribute(dataset, "units", attribute(dataset, "unit"))
    if isinstance(unit, np.ndarray) and unit.size == 1:
        unit = unit.reshape(-1)[0]
    return unit.decode() if isinstance(unit, bytes) else None if unit is None else str(unit)


def _first_number(files, path, places, units: dict[str, float], default: str) -> float | None:
    """The first number found, in the base unit of `units`; None where there is none or its unit is not known."""
    for place in places:
        found = optional(files, path, place)
        number = value(files, path, place)
        if isinstance(number, (int, float, np.number)) and np.isfinite(number) and number > 0:
            factor = units.get((unit_of(found) or default).strip().lower())
            return None if factor is None else float(number) * factor
    return None


def nxtomo_entry(files: Files, path: Path) -> str | None:
    """Name of the first entry with an image key, or None."""
    for entry in files.file(path):
        for place in KEYS:
            if optional(files, path, f"/{entry}/{place}") is not None:
                return f"/{entry}"
    return None


KEYS = ("instrument/detector/image_key", "tomo_entry/instrument/detector/image_key")


def nxtomo(files: Files, path: Path, entry: str) -> dict[str, Any]:
    """Facts of an NXtomo entry: images sorted by key (0 projection, 1 flat, 2 dark, others left out).

    Raises `ReadError` where keys and images differ in number or there is no projection.
    """
    key_name = next(f"{entry}/{k}" for k in KEYS if optional(files, path, f"{entry}/{k}") is not None)
    detector = key_name.rsplit("/", 1)[0]
    root = detector.removesuffix("/instrument/detector")
    keys = np.asarray(files.find(path, key_name)[()]).reshape(-1)
    data = files.find(path, f"{detector}/data")
    name = f"{path}::{root}"
    if len(keys) != data.shape[0]:
        raise ReadError(
            f"{len(keys)} image keys for {data.shape[0]} images: was the scan cut short?", where=name,
            fix="The file is not whole: copy it again, or repair image_key.",
        )  # fmt: skip
    of = {
        kind: np.flatnonzero(keys == number) for kind, number in (("images", 0), ("flats", 1), ("darks", 2))
    }
    if not len(of["images"]):
        raise ReadError("no image has key 0 (projection)", where=name, fix="Was it a scan of flats only?")
    facts: dict[str, Any] = {"name": name}
    for kind, which in of.items():
        facts[kind] = stack(files, path, f"{detector}/data", which) if len(which) else None
    facts["flat_after"] = np.searchsorted(of["images"], of["flats"]) if len(of["flats"]) else None
    angles, facts["angle_unit"] = _angles(files, path, f"{root}/sample/rotation_angle")
    facts["angles"] = angles[of["images"]] if angles is not None and len(angles) == len(keys) else angles
    facts["pixel_um"] = _nx_pixel(files, path, root, detector)
    facts["energy_keV"] = _first_number(files, path, (f"{root}/instrument/beam/energy", f"{root}/beam/energy",
        f"{root}/beam/incident_energy", f"{root}/instrument/beam/incident_energy"), ENERGIES_KEV, "kev")  # fmt: skip
    distance = _first_number(files, path, (f"{detector}/distance",), LENGTHS_UM, "m")
    facts["distance_mm"] = None if distance is None else distance * 1e-3
    facts["started_s"] = parse_time(value(files, path, f"{root}/start_time"), name)
    facts["time_s"] = projection_times(files, path, f"{detector}/time", f"{root}/end_time", facts["started_s"],
                                       len(of["images"]), of["images"])  # fmt: skip
    return facts


def _nx_pixel(files: Files, path: Path, root: str, detector: str) -> float | None:
    """Pixel of the sample's plane where given, else of the detector divided by its magnification."""
    at_sample = _first_number(files, path, (f"{root}/sample/x_pixel_size",), LENGTHS_UM, "m")
    if at_sample is not None:
        return at_sample
    pixel = _first_number(files, path, (f"{detector}/x_pixel_size",), LENGTHS_UM, "m")
    times = value(files, path, f"{detector}/magnification")
    return pixel if pixel is None or times is None else pixel / float(times)
