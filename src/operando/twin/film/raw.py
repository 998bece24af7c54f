"""Raw files in the layouts of the beamlines: BLISS with Lima files, Eiger master with data files, one file.

Frames are bitshuffle-LZ4, one chunk each, as detectors write them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np

from . import protocol
from .cell import FilmCell
from .frames import FilmFrames, map_model, monitor

Layout = Literal["bliss", "eiger", "single"]
FRAMES_PER_FILE = 1000
SCANS = {"bliss": "raw/scan_*.h5", "eiger": "raw/scan_*_master.h5", "single": "raw/maps.h5"}


def write_map(cell: FilmCell, map_index: int, raw: Path, layout: Layout, done: Callable[[int], None]) -> None:
    """Write one map; `done(n)` is called as frames reach the disk."""
    {"bliss": _bliss, "eiger": _eiger, "single": _single}[layout](cell, map_index, raw, done)


def _bliss(cell: FilmCell, map_index: int, raw: Path, done: Callable[[int], None]) -> None:
    """A scan file with a virtual dataset over Lima files in a folder of its own."""
    import h5py

    name = f"scan_{map_index + 1:04d}"
    (raw / name).mkdir(parents=True, exist_ok=True)
    layout = h5py.VirtualLayout((cell.points, *cell.shape), np.uint32)
    for number, first in enumerate(range(0, cell.points, FRAMES_PER_FILE)):
        last = min(first + FRAMES_PER_FILE, cell.points)
        file_name = f"{name}/eiger_{number:04d}.h5"
        with h5py.File(raw / file_name, "w") as file:
            entry = file.create_group("entry_0000")
            entry.attrs["NX_class"] = "NXentry"
            dataset = _frame_dataset(entry, "measurement/data", last - first, cell.shape)
            _fill(dataset, cell, map_index, first, last, done)
            entry["instrument/eiger/image"] = h5py.SoftLink("/entry_0000/measurement/data")
        source = h5py.VirtualSource(
            file_name, "/entry_0000/measurement/data", (last - first, *cell.shape), np.uint32
        )
        layout[first:last] = source
    with h5py.File(raw / f"{name}.h5", "w") as file:
        scan = _scan_group(file, "1.1", cell, map_index)
        detector = scan.create_group("instrument/eiger")
        detector.attrs["NX_class"] = "NXdetector"
        detector.create_virtual_dataset("data", layout, fillvalue=0)
        detector["acq_parameters/acq_expo_time"] = cell.exposure_s
        scan["measurement/eiger"] = h5py.SoftLink("/1.1/instrument/eiger/data")


def _single(cell: FilmCell, map_index: int, raw: Path, done: Callable[[int], None]) -> None:
    """All maps in one file, scan 1.1, 2.1, ..., frames inside."""
    import h5py

    with h5py.File(raw / "maps.h5", "w" if map_index == 0 else "a") as file:
        scan = _scan_group(file, f"{map_index + 1}.1", cell, map_index)
        scan["instrument/eiger/acq_parameters/acq_expo_time"] = cell.exposure_s
        _fill(
            _frame_dataset(scan, "measurement/eiger", cell.points, cell.shape),
            cell,
            map_index,
            0,
            cell.points,
            done,
        )


def _scan_group(file, name: str, cell: FilmCell, map_index: int):
    """A BLISS scan with motors, counters, start time and title, without its images."""
    file.attrs.update({"NX_class": "NXroot", "creator": "operando.twin"})
    scan = file.create_group(name)
    scan.attrs["NX_class"] = "NXentry"
    slow, fast = f"{cell.step_z_um * 1e-3:g} {cell.rows}", f"{cell.step_x_um * 1e-3:g} {cell.columns}"
    scan["title"] = f"fscan2d sz 0 {slow} sx 0 {fast} {cell.exposure_s:g}"
    starts = protocol.frame_times(cell, map_index) - cell.exposure_s / 2
    scan["start_time"] = moment(cell, starts[0])
    scan["end_time"] = moment(cell, starts[-1] + cell.exposure_s)
    z, x = protocol.grid_um(cell)
    row, column = np.divmod(protocol.frame_points(cell), cell.columns)
    motors = scan.create_group("instrument/positioners")
    motors.attrs["NX_class"] = "NXcollection"
    for motor, values in (("sz", z[row]), ("sx", x[column])):
        motors[motor] = values * 1e-3
        motors[motor].attrs["units"] = "mm"
    measurement = scan.create_group("measurement")
    measurement.attrs["NX_class"] = "NXcollection"
    counters = {
        "epoch": cell.started_s + starts,
        "ct34": monitor(cell, map_index),
        "elapsed_time": starts - starts[0],
    }
    for counter, values in counters.items():
        measurement[counter] = values
    measurement["epoch"].attrs["units"] = measurement["elapsed_time"].attrs["units"] = "s"
    for motor in ("sz", "sx"):
        measurement[motor] = motors[motor]
    return scan


def _eiger(cell: FilmCell, map_index: int, raw: Path, done: Callable[[int], None]) -> None:
    """A Dectris master file with external links to data files, pixel mask inside."""
    import h5py

    name = f"scan_{map_index + 1:04d}"
    with h5py.File(raw / f"{name}_master.h5", "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        detector = entry.create_group("instrument/detector")
        specific = detector.create_group("detectorSpecific")
        specific["pixel_mask"] = FilmFrames(cell, map_index).mask.astype(np.uint32)
        specific["data_collection_date"] = moment(
            cell, protocol.frame_times(cell, map_index)[0] - cell.exposure_s / 2
        )
        specific["nimages"] = cell.points
        for key, value, units in (
            ("frame_time", cell.exposure_s, "s"), ("count_time", cell.exposure_s, "s"),
            ("x_pixel_size", cell.pixel_um * 1e-6, "m"), ("y_pixel_size", cell.pixel_um * 1e-6, "m"),
            ("detector_distance", cell.distance_m, "m"),
        ):  # fmt: skip
            detector[key] = value
            detector[key].attrs["units"] = units
        data = entry.create_group("data")
        data.attrs["NX_class"] = "NXdata"
        for number in range(1, -(-cell.points // FRAMES_PER_FILE) + 1):
            data[f"data_{number:06d}"] = h5py.ExternalLink(f"{name}_data_{number:06d}.h5", "/entry/data/data")
    for number, first in enumerate(range(0, cell.points, FRAMES_PER_FILE), start=1):
        last = min(first + FRAMES_PER_FILE, cell.points)
        with h5py.File(raw / f"{name}_data_{number:06d}.h5", "w") as file:
            dataset = _frame_dataset(file, "entry/data/data", last - first, cell.shape)
            dataset.attrs.update({"image_nr_low": first + 1, "image_nr_high": last})
            _fill(dataset, cell, map_index, first, last, done)


def _frame_dataset(parent, name: str, frames: int, shape: tuple[int, int]):
    import hdf5plugin

    return parent.create_dataset(
        name, (frames, *shape), np.uint32, chunks=(1, *shape), **hdf5plugin.Bitshuffle(nelems=0, cname="lz4")
    )


def _fill(
    dataset, cell: FilmCell, map_index: int, first: int, last: int, done: Callable[[int], None]
) -> None:
    for number, image in enumerate(_drawn(cell, map_index, first, last)):
        dataset[number] = image
        done(1)


def _drawn(cell: FilmCell, map_index: int, first: int, last: int, ahead: int = 3) -> Iterator[np.ndarray]:
    """Images in order, drawn in a second thread while the first compresses; an image is valid until the next."""
    from collections import deque
    from concurrent.futures import ThreadPoolExecutor

    model = map_model(cell, map_index)
    images = [np.empty(cell.shape, np.uint32) for _ in range(ahead + 1)]
    with ThreadPoolExecutor(1) as pool:
        waiting: deque = deque()
        for frame in range(first, last + ahead):
            if frame < last:
                waiting.append(pool.submit(model.image, frame, images[frame % (ahead + 1)]))
            if frame >= first + ahead:
                yield waiting.popleft().result()


def moment(cell: FilmCell, t_s: float) -> str:
    """ISO 8601, with the zone of `cell.start`, of a time since the start of the first map."""
    return (datetime.fromisoformat(cell.start) + timedelta(seconds=float(t_s))).isoformat(
        timespec="microseconds"
    )
