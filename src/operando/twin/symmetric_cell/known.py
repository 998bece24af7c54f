"""Truth: what is behind the volumes and projections of a symmetric cell, kept beside them as `truth.h5`."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.core.errors import ReadError

from .cell import SymmetricCell
from .measures import displacement, map_variables, scan_variables, void_table

GROUPS = ("scans", "maps", "voids", "displacement")


@dataclass(frozen=True)
class Truth:
    """The known truth of an experiment. `electrode` is bottom or top, `surface` one of eight from below.

    cell   the settings

    scans  over time: charge, current, voltage, stack_thickness, collector_rise, section_area, exposed (edge: first
           and last moment), drift (axis: of the whole sample, um), theta and axis_shift (projection: as they were);
           and electrode: contact_area_fraction, contact_area, void_volume, void_count, lithium_volume,
           lithium_thickness, interphase_volume, interphase_thickness, effective_current_density; and surface: R_a,
           R_q (mean plane removed); alone: centre, stripping_fraction, plating_fraction, nominal_current_density,
           interphase_li_molar_volume
    maps   over time y x: surface_height (and surface; um above the floor of the volume), contact (and electrode;
           share of the pixel, 1 is contact), void_thickness, lithium_thickness, interphase_thickness; over
           interval y x: current_density (and electrode; mA/cm2 of Li metal between two scans, positive where it
           grows: F dh / (V_m dt)), current_density_prescribed (the same without what voids took or gave back);
           inside (y x): share of the pixel in the pellet. NaN outside of the pellet.
    voids  one row a void and scan: time, electrode, volume, area, thickness (mean), thickest, x, y, z (centre)
    displacement  rise (um; time z y x) of the electrolyte, by its position at the start; NaN where there is none or
           interphase has consumed it; not including the drift of the sample. On every n-th voxel.
    """

    cell: SymmetricCell
    scans: xr.Dataset
    maps: xr.Dataset
    voids: xr.Dataset
    displacement: xr.Dataset

    @classmethod
    def of(cls, cell: SymmetricCell) -> Truth:
        """Compute the truth of a cell."""
        return cls(cell, scan_variables(cell), map_variables(cell), void_table(cell), displacement(cell))

    def save(self, folder: str | Path) -> Path:
        """Write `truth.h5` into a folder."""
        import h5py

        path = Path(folder) / "truth.h5"
        with h5py.File(path, "w") as file:
            file.attrs["cell"] = json.dumps(dataclasses.asdict(self.cell))
            for name in GROUPS:
                _write(file.create_group(name), getattr(self, name))
        return path

    @classmethod
    def load(cls, folder: str | Path) -> Truth:
        """Read `truth.h5` from a folder. Raises `ReadError` when there is none."""
        import h5py

        path = Path(folder) / "truth.h5"
        if not path.exists():
            raise ReadError("no truth here", where=str(path), fix="Only simulated experiments have one.")
        with h5py.File(path, "r", locking=False) as file:
            values: dict[str, Any] = json.loads(file.attrs["cell"])
            tuples: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
            return cls(SymmetricCell(**tuples), *(_read(file[name]) for name in GROUPS))


def truth(cell: SymmetricCell) -> Truth:
    """The truth of a cell, in memory: `Truth.of(cell)`."""
    return Truth.of(cell)


def _write(group: Any, data: xr.Dataset) -> None:
    for name, variable in data.variables.items():
        values = variable.values
        if values.dtype.kind in "UO":
            values = np.array([str(v).encode() for v in values.ravel()]).reshape(values.shape)
        packed = {"compression": "gzip", "compression_opts": 1} if values.size > 1000 else {}
        dataset = group.create_dataset(str(name), data=values, track_times=False, **packed)
        dataset.attrs["dims"] = json.dumps(variable.dims)
        dataset.attrs["coordinate"] = name in data.coords
        dataset.attrs["attrs"] = json.dumps(variable.attrs)


def _read(group: Any) -> xr.Dataset:
    data: dict[str, tuple] = {}
    coords: dict[str, tuple] = {}
    for name, dataset in group.items():
        values = dataset[()]
        if isinstance(values, np.ndarray) and values.dtype.kind == "S":
            values = values.astype(str)
        entry = (tuple(json.loads(dataset.attrs["dims"])), values, json.loads(dataset.attrs["attrs"]))
        (coords if dataset.attrs["coordinate"] else data)[name] = entry
    return xr.Dataset(data, coords)
