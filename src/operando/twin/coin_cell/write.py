"""From settings to a folder like one brought home from the beamline: spectra, tomogram, cycler record, truth."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from operando.core.errors import InputError

from . import structure
from .beside import cycler_csv, experiment_text
from .cell import CoinCell
from .measure import coin_cell_cube
from .truth import CoinTruth

WRITTEN = ("raw", "tomogram.h5", "echem", "experiment.toml", "truth.h5")


def raw_name(state: int, region: int) -> str:
    """File of one exposure, regions counted from 0 here and from 1 in the name."""
    return f"raw/state_{state:02d}_region_{region + 1}.h5"


def simulate_coin_cell(
    cell: CoinCell, folder: str | Path, *, progress: Callable[[int, int], None] | None = None
) -> CoinTruth:
    """Write a whole experiment into `folder` and return its truth.

    progress  called with (exposures written, exposures in all)

    Writes raw/state_SS_region_R.h5 (histograms y, x, channel with nominal energies in keV), tomogram.h5 (labels),
    echem/cell.csv, experiment.toml and truth.h5. The same cell gives the same data, to the bit. Raises `InputError`
    for a folder that holds an experiment.
    """
    folder = Path(folder)
    if any((folder / name).exists() for name in WRITTEN):
        raise InputError("there is an experiment here already", where=str(folder), fix="Choose a new folder.")
    try:
        for name in ("raw", "echem"):
            (folder / name).mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"no folder can be made here: {error.strerror}", where=str(folder), fix="Choose another folder."
        ) from error
    try:
        return _fill(cell, folder, progress)
    except BaseException:  # half an experiment would look like a whole one
        for name in WRITTEN:
            shutil.rmtree(folder / name, ignore_errors=True)
            if (folder / name).is_file():
                (folder / name).unlink()
        raise


def _fill(cell: CoinCell, folder: Path, progress: Callable[[int, int], None] | None) -> CoinTruth:
    truth = CoinTruth.of(cell)
    truth.save(folder)
    write_tomogram(cell, folder / "tomogram.h5")
    (folder / "echem" / "cell.csv").write_text(cycler_csv(cell))
    (folder / "experiment.toml").write_text(experiment_text(cell, raw_name))
    total = 3 * len(cell.states)
    for state in range(len(cell.states)):
        for region in range(3):
            write_histogram(coin_cell_cube(cell, state, region), folder / raw_name(state, region))
            if progress is not None:
                progress(3 * state + region + 1, total)
    return truth


def write_histogram(cube: xr.Dataset, path: Path) -> None:
    """One exposure as NeXus: entry/data with `counts` (y, x, channel) and `energy`; exposure and monitor beside it."""
    import h5py
    import hdf5plugin

    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs.update(NX_class="NXentry", default="data")
        entry["title"] = f"{cube.attrs['state']}, region {cube.attrs['region']}"
        data = entry.create_group("data")
        data.attrs.update(NX_class="NXdata", signal="counts", axes=[".", ".", "energy"])
        counts = cube["counts"].values
        kind = np.uint16 if counts.max(initial=0) < 65536 else np.uint32
        chunks = (max(1, counts.shape[0] // 8), counts.shape[1], counts.shape[2])
        stored = data.create_dataset(
            "counts", data=counts.astype(kind), chunks=chunks, **hdf5plugin.Bitshuffle(cname="lz4")
        )
        stored.attrs.update(units="counts", interpretation="spectrum")
        data.create_dataset("energy", data=cube["energy"].values).attrs["units"] = "keV"
        for name, value, units in (
            ("exposure", cube.attrs["exposure_s"], "s"),
            ("monitor", cube.attrs["monitor"], "1/mm2"),
        ):
            entry.create_dataset(name, data=value).attrs["units"] = units


def write_tomogram(cell: CoinCell, path: Path) -> None:
    """The segmented tomogram: labels (z, y, x) with the places of its voxels in um and the names of the labels."""
    import h5py

    lateral, vertical = cell.tomogram_um
    labels = structure.tomogram(cell)
    with h5py.File(path, "w") as file:
        stored = file.create_dataset("labels", data=labels, compression="gzip")
        stored.attrs.update(voxel_um=(vertical, lateral, lateral), axes=["z", "y", "x"])
        for name, value in structure.LABELS.items():
            stored.attrs[f"label_{name}"] = value
        file.create_dataset("z", data=structure.tomogram_z_um(cell)).attrs["units"] = "um"
