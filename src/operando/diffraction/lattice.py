"""From peak positions to spacings and lattice parameters, with errors."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core import Phase, Reflection
from ..core.errors import InputError

HEXAGONAL, CUBIC, TETRAGONAL = "hexagonal", "cubic", "tetragonal"


def d_spacing(fits: xr.Dataset) -> xr.Dataset:
    """d = 2 pi / q in angstrom and its error d q_err / q, from fits with `q`, `q_err` (1/angstrom)."""
    d = 2 * np.pi / fits["q"]
    return xr.Dataset({
        "d": d.assign_attrs(units="angstrom", long_name="distance of lattice planes"),
        "d_err": (d * fits["q_err"] / fits["q"]).assign_attrs(units="angstrom", long_name="1-sigma error of d"),
    })  # fmt: skip


def crystal_system(phase: Phase) -> str:
    """cubic, tetragonal, hexagonal (trigonal in hexagonal axes too), or other, by the cell itself."""
    right = all(abs(angle - 90) < 1e-6 for angle in (phase.alpha, phase.beta))
    if right and abs(phase.a - phase.b) < 1e-6 and abs(phase.gamma - 120) < 1e-6:
        return HEXAGONAL
    if right and abs(phase.gamma - 90) < 1e-6 and abs(phase.a - phase.b) < 1e-6:
        return CUBIC if abs(phase.a - phase.c) < 1e-6 else TETRAGONAL
    return "other"


def _quadratic(system: str, hkl: tuple[int, int, int]) -> tuple[float, float]:
    """1/d^2 = u / a^2 + v / c^2: the pair (u, v); v is 0 for cubic."""
    h, k, l = hkl  # noqa: E741
    if system == CUBIC:
        return float(h * h + k * k + l * l), 0.0
    if system == TETRAGONAL:
        return float(h * h + k * k), float(l * l)
    if system == HEXAGONAL:
        return 4 / 3 * (h * h + h * k + k * k), float(l * l)
    raise InputError(
        "lattice parameters are derived for cubic, tetragonal and hexagonal (trigonal) cells",
        where="lattice_parameter", fix="Use the spacing d of each reflection instead.",
    )  # fmt: skip


def lattice_parameter(fits: xr.Dataset, reflection: Reflection, phase: Phase) -> xr.Dataset:
    """d, and the one lattice parameter that this reflection fixes: c = l d for (00l), a for (hk0) and for cubic cells.

    fits   Dataset with `q` and `q_err` (1/angstrom) over any dims, as from `fit_peaks`

    A mixed reflection of a hexagonal or tetragonal cell gives `d` only: see `lattice_from_pair`. Returns angstrom,
    each with `_err`.
    """
    found = d_spacing(fits)
    system = crystal_system(phase)
    if system == "other":
        return found
    u, v = _quadratic(system, reflection.hkl)
    if u and v:
        return found
    name, factor = ("a", np.sqrt(u)) if u else ("c", np.sqrt(v))
    return found.assign(_named(name, factor * found["d"], factor * found["d_err"]))


def lattice_from_pair(
    first: xr.Dataset,
    first_reflection: Reflection,
    second: xr.Dataset,
    second_reflection: Reflection,
    phase: Phase,
) -> xr.Dataset:
    """a and c of a hexagonal or tetragonal cell from two reflections: 1/d^2 = u / a^2 + v / c^2 solved for both.

    Errors from both q_err, taken as independent. Returns `a`, `c` (angstrom) with `_err`. Raises `InputError` when the
    two reflections do not fix both (parallel or equivalent).
    """
    system = crystal_system(phase)
    rows = np.array([_quadratic(system, r.hkl) for r in (first_reflection, second_reflection)])
    if system == CUBIC or abs(np.linalg.det(rows)) < 1e-9 * np.abs(rows).max() ** 2:
        raise InputError(
            f"{first_reflection.label} and {second_reflection.label} do not fix a and c of this {system} cell",
            where="lattice_from_pair", fix="Use one reflection with h or k and one with l.",
        )  # fmt: skip
    inverse = np.linalg.inv(rows)
    square = [(f["q"] / (2 * np.pi)) ** 2 for f in (first, second)]
    square_err = [2 * f["q"] * f["q_err"] / (2 * np.pi) ** 2 for f in (first, second)]
    found: dict[str, xr.DataArray] = {}
    for name, (one, two) in zip(("a", "c"), inverse, strict=True):
        reciprocal = one * square[0] + two * square[1]
        value = reciprocal.where(reciprocal > 0) ** -0.5
        error = 0.5 * value**3 * np.sqrt((one * square_err[0]) ** 2 + (two * square_err[1]) ** 2)
        found |= _named(name, value, error)
    return xr.Dataset(found)


def _named(name: str, value: xr.DataArray, error: xr.DataArray) -> dict[str, xr.DataArray]:
    return {
        name: value.assign_attrs(units="angstrom", long_name=f"lattice parameter {name}"),
        f"{name}_err": error.assign_attrs(units="angstrom", long_name=f"1-sigma error of {name}"),
    }
