"""CoinTruth: every number behind the spectra of a coin cell, kept beside the raw files as `truth.h5`."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from operando.core.errors import ReadError

from . import measure, structure
from .cell import CoinCell, State
from .spectra import SCATTERERS


@dataclass(frozen=True)
class CoinTruth:
    """The known truth of a Compton experiment.

    cell     the settings
    states   dim state: x (mean over the cathode by mass), angle, scale, hour, reference
    maps     dims (state) region component y x, upright: `x_li`, `fraction` (share of the sheet), `transmission`,
             `seen` (grams in the beam times light through the pinhole, of each scatterer), `cathode` (which places)
    pixels   dims y x, as stored (inverted): gain, offset, dead, noisy, angle
    """

    cell: CoinCell
    states: xr.Dataset
    maps: xr.Dataset
    pixels: xr.Dataset

    @classmethod
    def of(cls, cell: CoinCell) -> CoinTruth:
        """Compute the truth of a cell."""
        return cls(cell, _states(cell), _maps(cell), _pixels(cell))

    def volume_fractions(self, where: np.ndarray | None = None) -> tuple[float, float, float]:
        """alpha, beta (share of region 3's anode signal in regions 2 and 1) and gamma (separator, region 1 over 2).

        where  (y, x) upright mask of the pixels that are summed; left out: all. Weighted as the detector sees them.
        """
        seen = self.maps["seen"].values
        chosen = seen if where is None else seen * where
        total = chosen.sum((-2, -1))
        anode, separator = SCATTERERS.index("anode"), SCATTERERS.index("separator")
        alpha, beta = total[1, anode] / total[2, anode], total[0, anode] / total[2, anode]
        gamma = total[0, separator] / total[1, separator] if total[1, separator] > 0 else 1.0
        return float(alpha), float(beta), float(gamma)

    def save(self, folder: str | Path) -> Path:
        """Write `truth.h5` into a folder."""
        import h5py

        path = Path(folder) / "truth.h5"
        with h5py.File(path, "w") as file:
            file.attrs["cell"] = json.dumps(dataclasses.asdict(self.cell))
            for name in ("states", "maps", "pixels"):
                _write(file.create_group(name), getattr(self, name))
        return path

    @classmethod
    def load(cls, folder: str | Path) -> CoinTruth:
        """Read `truth.h5` from a folder. Raises `ReadError` when there is none."""
        import h5py

        path = Path(folder) / "truth.h5"
        if not path.exists():
            raise ReadError("no truth here", where=str(path), fix="Only simulated experiments have one.")
        with h5py.File(path, "r", locking=False) as file:
            values = json.loads(file.attrs["cell"])
        for key in ("cathode_centre_mm", "tomogram_um", "tomogram_shift_mm"):
            values[key] = tuple(values[key])
        values["lines"] = tuple((name, share) for name, share in values["lines"])
        values["states"] = tuple(State(**state) for state in values["states"])
        return cls.of(CoinCell(**values))


def _write(group, dataset: xr.Dataset) -> None:
    for name in map(str, dataset.variables):
        variable = dataset[name]
        values = variable.values
        stored = group.create_dataset(name, data=values.astype("S") if values.dtype.kind in "UO" else values)
        stored.attrs["dims"] = json.dumps(list(variable.dims))
        stored.attrs.update(variable.attrs)


def _units(dims, values, units: str, long_name: str) -> tuple:
    return dims, np.asarray(values), {"units": units, "long_name": long_name}


def _names(cell: CoinCell) -> list[str]:
    return [state.name for state in cell.states]


def _states(cell: CoinCell) -> xr.Dataset:
    of = ("state",)
    rows = cell.states
    data = {
        "x": _units(of, [s.x for s in rows], "1", "Li content of the cathode, mean by mass"),
        "angle": _units(of, [s.angle_deg for s in rows], "degree", "drift of the scattering angle"),
        "scale": _units(of, [s.scale for s in rows], "1", "relative drift of the energy scale"),
        "hour": _units(of, [s.hour for s in rows], "h", "since the start"),
        "reference": _units(of, [s.reference for s in rows], "1", "x of this state is told"),
    }
    return xr.Dataset(data, {"state": _names(cell)})


def _maps(cell: CoinCell) -> xr.Dataset:
    line = structure.lateral_mm(cell)
    y, x = np.meshgrid(line, line, indexing="ij")
    number = structure.OVERSAMPLE
    shape = (cell.pixels, number, cell.pixels, number)
    by_part = ("region", "component", "y", "x")
    fraction = structure.fractions(cell).reshape(3, 3, *shape).mean((3, 5))
    light = structure.transmissions(cell).reshape(3, *shape).mean((2, 4))
    data = {
        "x_li": _units(("state", "y", "x"), [structure.li_content(cell, s) for s in cell.states], "1", "Li content x"),
        "fraction": _units(by_part, fraction, "1", "share of the sheet, mean over the pixel"),
        "transmission": _units(by_part[1:], light, "1", "beam in and photons out"),
        "seen": _units(
            ("region", "scatterer", "y", "x"), [measure.amounts(cell, cell.states[0], r) for r in range(3)],
            "g sr", "grams in the beam times light times solid angle, through the pinhole",
        ),
        "cathode": _units(("y", "x"), structure.inside(cell, "cathode", x, y), "1", "the cathode is here"),
    }  # fmt: skip
    coords = {
        "state": _names(cell), "region": [1, 2, 3], "component": list(structure.COMPONENTS),
        "scatterer": list(SCATTERERS), "x": _units(("x",), line, "mm", "to the right, looking downstream"),
        "y": _units(("y",), line, "mm", "along the beam"),
    }  # fmt: skip
    return xr.Dataset(data, coords)


def _pixels(cell: CoinCell) -> xr.Dataset:
    found = measure.detector(cell)
    of = ("y", "x")
    return xr.Dataset({
        "gain": _units(of, found.gain, "keV", "energy a channel"),
        "offset": _units(of, found.offset, "keV", "energy of the lower edge of channel 0"),
        "dead": _units(of, found.dead, "1", "dead pixels"),
        "noisy": _units(of, found.noisy, "1", "noisy pixels"),
        "angle": _units(of, measure.angles_deg(cell), "degree", "scattering angle without drift"),
    })  # fmt: skip
