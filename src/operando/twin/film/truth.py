"""Truth: every number behind the frames of a film cell, kept beside the raw files as `truth.h5`."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.core.errors import ReadError

from . import protocol, stack
from .cell import FilmCell
from .frames import map_model
from .grains import KINDS, grow_grains
from .stack import FAMILIES, LAYERS, PHASES

#: a pixel counts as LCO when this share of the beam is in it
LCO_SHARE = 0.02
#: a grain counts as seen in a map when its best frame is expected to hold more counts than this
SEEN_COUNTS = 1.0


@dataclass(frozen=True)
class Truth:
    """The known truth of an experiment.

    cell     the settings
    maps     dims time z x (layer, family, phase): share, transmission (as -ln), x, c, a, c_phase, a_phase,
             insulating, amount, frame_time; each row at the time at which it was recorded
    columns  dims time x: ti_z, ti_width, plated, front; and over time: charge, plated_mean, voltage, insulating_top
    grains   dim grain: where, when and how each Li grain diffracts; over time and grain: azimuth, counts_best,
             counts_total, seen; over time: total, new, vanished
    """

    cell: FilmCell
    maps: xr.Dataset
    columns: xr.Dataset
    grains: xr.Dataset

    @classmethod
    def of(cls, cell: FilmCell) -> Truth:
        """Compute the truth of a cell."""
        return cls(cell, _maps(cell), _columns(cell), _grains(cell))

    def save(self, folder: str | Path) -> Path:
        """Write `truth.h5` into a folder."""
        import h5py

        path = Path(folder) / "truth.h5"
        with h5py.File(path, "w") as file:
            file.attrs["cell"] = json.dumps(dataclasses.asdict(self.cell))
            for name in ("maps", "columns", "grains"):
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
            values = json.loads(file.attrs["cell"])
            settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
            cell = FilmCell(**settings)
            return cls(cell, *(_read(file[name]) for name in ("maps", "columns", "grains")))


def _write(group, dataset: xr.Dataset) -> None:
    for name in map(str, dataset.variables):
        variable = dataset[name]
        text = variable.dtype.kind in "UO"
        stored = group.create_dataset(name, data=variable.values.astype("S") if text else variable.values)
        stored.attrs["dims"] = json.dumps(list(variable.dims))
        stored.attrs["coordinate"] = name in dataset.coords
        for key, value in variable.attrs.items():
            stored.attrs[key] = value


def _read(group) -> xr.Dataset:
    data: dict[str, tuple] = {}
    coords: dict[str, tuple] = {}
    for name, stored in group.items():
        attrs = dict(stored.attrs)
        dims, coordinate = json.loads(attrs.pop("dims")), attrs.pop("coordinate")
        values = stored[()].astype(str) if stored.dtype.kind == "S" else stored[()]
        (coords if coordinate else data)[name] = (dims, values, attrs)
    return xr.Dataset(data, coords)


def _units(dims: tuple[str, ...], values, units: str, long_name: str) -> tuple:
    return dims, np.asarray(values), {"units": units, "long_name": long_name}


def frame_time_s(cell: FilmCell) -> np.ndarray:
    """(maps, rows, columns) time of each point, s since the start of the first map."""
    times = np.empty((cell.maps, cell.points))
    for number in range(cell.maps):
        times[number, protocol.frame_points(cell)] = protocol.frame_times(cell, number)
    return times.reshape(cell.maps, cell.rows, cell.columns)


def map_middle_s(cell: FilmCell) -> np.ndarray:
    """(maps,) middle of each map, between its first and last exposure."""
    times = frame_time_s(cell)
    return (times.min((1, 2)) + times.max((1, 2))) / 2


def _coords(cell: FilmCell) -> dict:
    z, x = protocol.grid_um(cell)
    return {
        "time": _units(
            ("time",), map_middle_s(cell), "s", "since the start of the first map, middle of each map"
        ),
        "z": _units(("z",), z, "um", "z, substrate to surface"),
        "x": _units(("x",), x, "um", "x, along the film"),
    }


def _maps(cell: FilmCell) -> xr.Dataset:
    times = frame_time_s(cell)
    z = np.broadcast_to(protocol.grid_um(cell)[0][:, None], times.shape[1:])
    column = np.broadcast_to(np.arange(cell.columns), times.shape[1:])
    now = stack.state(cell, z[None], column[None], times)
    lco = np.where(now.share[LAYERS.index("LCO")] > LCO_SHARE, 1.0, np.nan)
    parts = np.stack([now.insulating, 1 - now.insulating])
    dims = ("time", "z", "x")
    by_phase = ("family", "phase", *dims)
    data = {
        "share": _units(("layer", *dims), now.share, "1", "share of the beam in each layer"),
        "transmission": _units(dims, -np.log(now.transmission), "1", "-ln(I / I0)"),
        "x_li": _units(dims, now.x * lco, "1", "x in LixCoO2, mean of the phases"),
        "insulating": _units(dims, now.insulating * lco, "1", "fraction of the insulating phase"),
        "amount": _units(
            ("family", *dims), now.amount * lco, "1", "relative amount of an orientation; spot heights"
        ),
        "c": _units(("family", *dims), (now.c * parts).sum(1) * lco, "angstrom", "c, mean of the phases"),
        "a": _units(("family", *dims), (now.a * parts).sum(1) * lco, "angstrom", "a, mean of the phases"),
        "c_phase": _units(by_phase, now.c * lco, "angstrom", "c of each phase"),
        "a_phase": _units(by_phase, now.a * lco, "angstrom", "a of each phase"),
        "beam": _units(dims, now.beam, "1", "incoming beam relative to the start"),
        "frame_time": _units(dims, times, "s", "middle of the exposure"),
    }
    labels = {"layer": list(LAYERS), "family": list(FAMILIES), "phase": list(PHASES)}
    return xr.Dataset(data, {**_coords(cell), **labels})


def _columns(cell: FilmCell) -> xr.Dataset:
    middle = map_middle_s(cell)
    column = np.arange(cell.columns)[None]
    t = middle[:, None]
    plated = stack.plated_at(cell, column, t)
    edges = stack.edges_um(cell, plated)
    ti_z = (edges[4] + edges[3]) / 2 + stack.drift_um(cell, t)
    ti_width = np.sqrt(cell.ti_um**2 / 12 + cell.interface_um**2 + stack.bending_um(cell, plated) ** 2)
    dims = ("time", "x")
    coords = _coords(cell)
    coords.pop("z")
    return xr.Dataset(
        {
            "plated": _units(dims, plated, "um", "thickness of plated Li"),
            "ti_z": _units(dims, ti_z, "um", "height of the middle of the Ti layer"),
            "front": _units(
                dims, stack.front_um(cell, column, t), "um", "height of the phase front during charge"
            ),
            "ti_width": _units(dims, ti_width, "um", "standard deviation of Ti along z, without the beam"),
            "charge": _units(("time",), protocol.charge_density(cell, middle), "mAh/cm2", "net areal charge"),
            "plated_mean": _units(
                ("time",), protocol.plated_um(cell, middle), "um", "plated Li by Faraday's law"
            ),
            "insulating_top": _units(
                ("time",), stack.top_insulating(cell, middle), "1", "insulating fraction at the top"
            ),
            "voltage": _units(("time",), protocol.voltage(cell, middle), "V", "cell voltage"),
        },
        coords,
    )


def _grains(cell: FilmCell) -> xr.Dataset:
    grains = grow_grains(cell)
    shape = (cell.maps, len(grains))
    best, total = np.zeros(shape), np.zeros(shape)
    for number in range(cell.maps):
        model = map_model(cell, number)
        counts = model.grain_counts()
        best[number, model.number], total[number, model.number] = counts.max(0, initial=0), counts.sum(0)
    here = best > SEEN_COUNTS
    before = np.vstack([np.zeros((1, len(grains)), bool), here[:-1]])
    units = {"born_s": "s", "died_s": "s", "x_um": "um", "width_um": "um", "azimuth_deg": "degree",
             "rotation_deg_per_s": "degree/s", "q": "1/angstrom"}  # fmt: skip
    data = {
        name: _units(("grain",), getattr(grains, name), units.get(name, "1"), name.replace("_", " "))
        for name in (f.name for f in dataclasses.fields(grains)) if name not in ("kind", "epitaxial")
    }  # fmt: skip
    by_map = ("time", "grain")
    return xr.Dataset(
        {
            **data,
            "kind": (("grain",), np.array(KINDS)[grains.kind], {}),
            "epitaxial": (("grain",), grains.epitaxial, {}),
            "azimuth": _units(by_map, grains.azimuth_at(map_middle_s(cell)), "degree", "azimuth at mid-map"),
            "counts_best": _units(by_map, best, "counts", "expected counts in the best frame of each map"),
            "counts_total": _units(by_map, total, "counts", "expected counts in all frames of each map"),
            "seen": _units(by_map, here, "1", f"more than {SEEN_COUNTS:g} expected counts in the best frame"),
            "total": _units(("time",), here.sum(1), "1", "grains seen"),
            "new": _units(
                ("time",), (here & ~before).sum(1), "1", "grains seen that the map before did not see"
            ),
            "vanished": _units(("time",), (before & ~here).sum(1), "1", "grains of the map before not seen"),
        },
        {"time": _coords(cell)["time"]},
    )
