"""Orientation maps of EBSD: .ang (EDAX), .ctf and .cpr/.crc (Oxford), H5OINA, to one Dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from operando.core.errors import InputError, ReadError
from operando.core.trust import reads

from . import ebsd_ang, ebsd_ctf, ebsd_h5oina
from .ebsd_points import LAUE, Crystal, Points

#: radian: Bunge angles are below 2 pi, a little more is rounding
LARGEST_ANGLE = 2 * np.pi + 0.1


@reads("this orientation map")
def orientation_map(path: str | Path, *, laue: Mapping[str, str] | None = None) -> xr.Dataset:
    """An EBSD file as a Dataset over (y, x) in um, y down the image.

    laue  Laue group of phases by name ("m-3m"), for files that do not give it; beats what the file gives

    Variables: `phase` (0 not indexed, else the number of the crystal), `euler` over (y, x, angle) (radians, Bunge; the
    crystal's x along a, z along c*; NaN where not indexed), the file's own measures of quality under its names, and
    over `crystal`: `name`, `laue`, `cell`. attrs: `format`, `grid` ("square" or "hexagonal": odd rows are shifted by
    half a step). Raises `ReadError` for a file that is cut short or of no known format, `InputError` for a phase
    without symmetry.
    """
    path = Path(path)
    points = read_points(path)
    return _dataset(points, _with_symmetry(points, laue or {}, path), path)


def read_points(path: Path) -> Points:
    """Points and crystals of an orientation map. Raises `ReadError` as `orientation_map` does."""
    points = _reader(path)(path)
    if len(points.phase) != points.rows * points.columns:
        raise ReadError(
            f"{len(points.phase):,} points, but the header says {points.rows} rows of {points.columns}",
            where=str(path), fix="The file is cut short or mixed up: export it again.",
        )  # fmt: skip
    if points.phase.max(initial=0) > len(points.crystals):
        raise ReadError(f"a point of phase {points.phase.max()}, but only {len(points.crystals)} are described",
                        where=str(path), fix="Export the file again with all phases.")  # fmt: skip
    steps = points.step_y_um, points.step_x_um
    if not all(np.isfinite(step) and step > 0 for step in steps):
        raise ReadError(
            f"steps of {steps[0]:g} x {steps[1]:g} um", where=str(path), fix="Export the file again."
        )
    used = points.euler[points.phase > 0]
    if not np.isfinite(used).all():
        raise ReadError(
            "indexed points without angles",
            where=str(path),
            fix="Export the file again, or mark them as not indexed.",
        )
    if np.abs(used).max(initial=0) > LARGEST_ANGLE:
        raise ReadError(
            f"angles up to {np.abs(used).max():.4g} rad: are they in degrees?", where=str(path),
            fix="Export the file again in the units of its format.",
        )  # fmt: skip
    return points


def _reader(path: Path):
    readers = {
        ".ang": ebsd_ang.read_ang, ".ctf": ebsd_ctf.read_ctf, ".cpr": ebsd_ctf.read_crc, ".crc": ebsd_ctf.read_crc,
        ".h5oina": ebsd_h5oina.read_h5oina, ".oina": ebsd_h5oina.read_h5oina,
    }  # fmt: skip
    if not path.is_file():
        raise ReadError("no such file", where=str(path), fix="Check the path.")
    if path.suffix.lower() not in readers:
        raise ReadError(f"no orientation map is known by the ending {path.suffix!r}", where=str(path),
                        fix=f"Known are {', '.join(readers)}.")  # fmt: skip
    return readers[path.suffix.lower()]


def _with_symmetry(points: Points, given: Mapping[str, str], path: Path) -> list[Crystal]:
    names = [crystal.name for crystal in points.crystals]
    for name, group in given.items():
        if name not in names:
            raise InputError(
                f"no phase is called {name!r}", where=str(path), fix=f"The file has {', '.join(names)}."
            )
        if group not in LAUE:
            raise InputError(
                f"unknown Laue group {group!r}", where=str(path), fix=f"Known are {', '.join(LAUE)}."
            )
    crystals = [replace(c, laue=given.get(c.name, c.laue)) for c in points.crystals]
    for number, crystal in enumerate(crystals, 1):
        if not crystal.laue and (points.phase == number).any():
            raise InputError(
                f"phase {crystal.name!r} has no symmetry, without which no misorientation is defined", where=str(path),
                fix=f'Give it: laue = {{ "{crystal.name}" = "m-3m" }}.',
            )  # fmt: skip
    return crystals


def _dataset(points: Points, crystals: list[Crystal], path: Path) -> xr.Dataset:
    shape = (points.rows, points.columns)
    phase = points.phase.reshape(shape).astype(np.int16)
    euler = np.where((phase > 0)[..., None], points.euler.reshape(*shape, 3), np.nan)
    data: dict = {
        "phase": (("y", "x"), phase, {"units": "1", "long_name": "number of the crystal, 0 where not indexed"}),
        "euler": (("y", "x", "angle"), euler, {"units": "rad", "long_name": "Bunge Euler angles"}),
        "name": ("crystal", [c.name for c in crystals]), "laue": ("crystal", [c.laue for c in crystals]),
        "cell": (("crystal", "parameter"), np.array([c.cell for c in crystals]).reshape(-1, 6)),
    }  # fmt: skip
    for name, values in points.quality.items():
        data[name] = (("y", "x"), values.reshape(shape), {"units": "1"})
    return xr.Dataset(
        data,
        coords={
            "y": ("y", np.arange(points.rows) * points.step_y_um, {"units": "um"}),
            "x": ("x", np.arange(points.columns) * points.step_x_um, {"units": "um"}),
            "crystal": np.arange(1, len(crystals) + 1), "angle": ["phi1", "Phi", "phi2"],
            "parameter": ["a", "b", "c", "alpha", "beta", "gamma"],
        },
        attrs={"format": points.format, "grid": "hexagonal" if points.hexagonal else "square", "source": path.name},
    )  # fmt: skip
