"""Oxford H5OINA: HDF5 with one folder a slice, angles in radians, crystal x along a*."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from operando.core.errors import ReadError

from .ebsd_ctf import laue_of, turned
from .ebsd_points import Crystal, Points


def read_h5oina(path: Path) -> Points:
    """Points of the first slice of an H5OINA file."""
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            return _slice(file["1/EBSD"])
    except KeyError as error:
        raise ReadError(
            f"no EBSD data as H5OINA has it ({error})", where=str(path), fix="Export it again."
        ) from error
    except OSError as error:
        raise ReadError(
            f"not a whole HDF5 file ({error})", where=str(path), fix="Copy or export it again."
        ) from error


def _slice(group) -> Points:
    head, data = group["Header"], group["Data"]

    def one(name: str) -> float:
        return float(np.ravel(head[name][()])[0])

    phases = head["Phases"]
    crystals = [_crystal(phases[name]) for name in sorted(phases, key=int)]
    euler, phase = np.array(data["Euler"][()], float), np.array(data["Phase"][()], int).ravel()
    names = {"Mean Angular Deviation": "mean_angular_deviation", "Band Contrast": "band_contrast",
             "Band Slope": "band_slope", "Bands": "bands"}  # fmt: skip
    quality = {new: np.array(data[old][()], float).ravel() for old, new in names.items() if old in data}
    return Points(
        turned(euler, phase, crystals), phase, crystals, int(one("Y Cells")), int(one("X Cells")), one("X Step"),
        one("Y Step"), "Oxford H5OINA", False, quality,
    )  # fmt: skip


def _crystal(group) -> Crystal:
    name = np.ravel(group["Phase Name"][()])[0]
    lengths = np.ravel(group["Lattice Dimensions"][()])
    angles = np.degrees(np.ravel(group["Lattice Angles"][()]))
    laue = str(int(np.ravel(group["Laue Group"][()])[0])) if "Laue Group" in group else ""
    name = name.decode() if isinstance(name, bytes) else str(name)
    return Crystal(name, laue_of(laue), tuple(map(float, [*lengths, *angles])))  # type: ignore[arg-type]
