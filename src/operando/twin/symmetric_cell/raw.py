"""One scan as one HDF5 file: Data Exchange or NXtomo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .cell import SymmetricCell
from .detector import Exposures, projections
from .protocol import scan_start_s
from .rays import nominal_theta_deg

Layout = Literal["dxchange", "nxtomo"]
#: glob of the files of each layout
SCANS: dict[str, str] = {"dxchange": "ct/scan_*.h5", "nxtomo": "ct/scan_*.nxs"}
MOST_BYTES = 4 << 30  # of what one slab of rows needs
TILT = {"before": 0.0, "after": 180.0}  # angle at which flats are taken


def write_scan(
    cell: SymmetricCell, scan: int, folder: Path, layout: Layout, done: Callable[[int], None]
) -> Path:
    """Write one scan, slab by slab; `done` is called with the number of rows written."""
    import h5py

    path = folder / Path(SCANS[layout].replace("*", f"{scan:04d}")).name
    with h5py.File(path, "w", track_order=False) as file:
        write = _dxchange(cell, scan, file) if layout == "dxchange" else _nxtomo(cell, scan, file)
        for rows in slabs(cell):
            write(rows, projections(cell, scan, rows))
            done(rows[1] - rows[0])
    return path


def slabs(cell: SymmetricCell) -> Iterator[tuple[int, int]]:
    """Rows along z that are made together, in bounded memory."""
    row_bytes = 24 * cell.projections * cell.columns + 24 * cell.width**2
    size = max(MOST_BYTES // row_bytes, 1)
    for first in range(0, cell.height, size):
        yield first, min(first + size, cell.height)


def stored(cell: SymmetricCell, rows: tuple[int, int]) -> slice:
    """Where rows along z are in the stored images."""
    if cell.row_0 == "bottom":
        return slice(*rows)
    return slice(cell.height - rows[1], cell.height - rows[0])


def _turned(cell: SymmetricCell, images: np.ndarray) -> np.ndarray:
    return images if cell.row_0 == "bottom" else images[:, ::-1]


def _images(group: Any, name: str, cell: SymmetricCell, count: int) -> Any:
    shape = (count, cell.height, cell.columns)
    return group.create_dataset(name, shape, np.uint16, chunks=(1, *shape[1:]), track_times=False)


def scan_start(cell: SymmetricCell, scan: int) -> str:
    """Start of a scan on the detector's clock, ISO 8601."""
    moment = datetime.fromisoformat(cell.start) + timedelta(seconds=float(scan_start_s(cell)[scan]))
    return moment.isoformat(timespec="milliseconds")


def _put(file: Any, name: str, value: Any, units: str = "") -> None:
    file[name] = value
    if units:
        file[name].attrs["units"] = units


def _dxchange(cell: SymmetricCell, scan: int, file: Any) -> Callable[[tuple[int, int], Exposures], None]:
    exchange = file.create_group("exchange")
    targets = {
        "data": _images(exchange, "data", cell, cell.projections),
        "flats": _images(exchange, "data_white", cell, 2 * cell.flats),
        "darks": _images(exchange, "data_dark", cell, cell.darks),
    }
    for target in targets.values():
        target.attrs["units"], target.attrs["axes"] = "counts", "theta:y:x"
    _put(file, "implements", "exchange:measurement:process")
    _put(file, "exchange/theta", nominal_theta_deg(cell), "degree")
    first = cell.darks + cell.flats
    frame_s = (np.arange(cell.frames) + 0.5) * cell.exposure_s
    _put(file, "exchange/time", frame_s[first : first + cell.projections], "s")
    _put(file, "process/acquisition/start_date", scan_start(cell, scan))
    _put(file, "measurement/instrument/monochromator/energy", cell.energy_keV, "keV")
    _put(file, "measurement/instrument/detector/exposure_time", cell.exposure_s, "s")
    _put(file, "measurement/instrument/detector/pixel_size", cell.voxel_um, "um")
    _put(file, "measurement/instrument/detector/distance", cell.distance_mm, "mm")
    _put(file, "measurement/sample/name", cell.title)

    def write(rows: tuple[int, int], images: Exposures) -> None:
        for name, target in targets.items():
            target[:, stored(cell, rows)] = _turned(cell, getattr(images, name))

    return write


def _nxtomo(cell: SymmetricCell, scan: int, file: Any) -> Callable[[tuple[int, int], Exposures], None]:
    for path, kind in (
        ("entry", "NXentry"), ("entry/instrument", "NXinstrument"), ("entry/instrument/detector", "NXdetector"),
        ("entry/instrument/source", "NXsource"), ("entry/instrument/beam", "NXbeam"), ("entry/sample", "NXsample"),
        ("entry/data", "NXdata"),
    ):  # fmt: skip
        file.create_group(path).attrs["NX_class"] = kind
    counts = [cell.darks, cell.flats, cell.projections, cell.flats]
    images = _images(file["entry/instrument/detector"], "data", cell, cell.frames)
    angles = np.concatenate([
        np.zeros(cell.darks), np.full(cell.flats, TILT["before"]), nominal_theta_deg(cell),
        np.full(cell.flats, TILT["after"]),
    ])  # fmt: skip
    _put(file, "entry/definition", "NXtomo")
    _put(file, "entry/title", cell.title)
    _put(file, "entry/start_time", scan_start(cell, scan))
    _put(file, "entry/instrument/detector/image_key", np.repeat([2, 1, 0, 1], counts).astype(np.int8))
    _put(file, "entry/instrument/detector/count_time", np.full(cell.frames, cell.exposure_s), "s")
    _put(file, "entry/instrument/detector/time", (np.arange(cell.frames) + 0.5) * cell.exposure_s, "s")
    for axis in "xy":
        _put(file, f"entry/instrument/detector/{axis}_pixel_size", cell.voxel_um * 1e-6, "m")
    _put(file, "entry/instrument/detector/distance", cell.distance_mm * 1e-3, "m")
    _put(file, "entry/instrument/beam/incident_energy", cell.energy_keV, "keV")
    _put(file, "entry/sample/rotation_angle", angles, "degree")
    _put(file, "entry/sample/name", cell.title)
    for name, target in (("data", images), ("rotation_angle", file["entry/sample/rotation_angle"])):
        file[f"entry/data/{name}"] = target
    file["entry/data/image_key"] = file["entry/instrument/detector/image_key"]
    file["entry/data"].attrs["signal"] = "data"
    edges = np.cumsum(counts)

    def write(rows: tuple[int, int], made: Exposures) -> None:
        where = stored(cell, rows)
        flats = np.split(made.flats, 2)
        for end, count, part in zip(edges, counts, (made.darks, flats[0], made.data, flats[1]), strict=True):
            images[end - count : end, where] = _turned(cell, part)

    return write
