"""Effective elastic constants of periodic voxel volumes: full stiffness, Young's moduli along x, y, z."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import xarray as xr

from operando.core.errors import InputError
from operando.core.flags import Flag, flag_variable

from . import _elastic
from ._input import look_up, spacing_of, volume_array

VOIGT = ("xx", "yy", "zz", "yz", "xz", "xy")


def isotropic_stiffness(young: float, poisson: float) -> np.ndarray:
    """Stiffness (6, 6) of an isotropic solid, Voigt order xx yy zz yz xz xy with engineering shear strains."""
    if young < 0 or not -1 < poisson < 0.5:
        raise InputError(
            f"Young's modulus {young} and Poisson's ratio {poisson} are not those of a stable solid",
            where="isotropic_stiffness", fix="Modulus of zero (pore) or more, ratio between -1 and 0.5.",
        )  # fmt: skip
    shear = young / (2 * (1 + poisson))
    lame = young * poisson / ((1 + poisson) * (1 - 2 * poisson))
    stiffness = np.diag([2 * shear] * 3 + [shear] * 3)
    stiffness[:3, :3] += lame
    return stiffness


def effective_stiffness(
    labels: np.ndarray | xr.DataArray, moduli: Mapping[int, tuple[float, float] | np.ndarray], *,
    voxel: float | Sequence[float] = 1.0, tolerance: float = 1e-4, units: str = "GPa", precision: str = "float32",
    most: int = 1000, workers: int = 2,
) -> xr.Dataset:  # fmt: skip
    """Effective elastic constants of a volume that repeats itself on all sides.

    div(C : (E + grad u)) = 0 with periodic u for six mean strains E; the mean stresses are the columns of the effective
    stiffness. Rotated scheme of Willot, so pores and odd or even grids converge; conjugate gradients on the
    displacement with the Green operator of a uniform medium (FFT) as preconditioner.

    labels     (z, y, x)
    moduli     of each label: (Young's modulus, Poisson's ratio) or a stiffness (6, 6), in `units`; pores: (0, 0)
    voxel      edge, or edges along z, y, x
    tolerance  relative error of the energy at which to stop
    precision  of the fields, "float32" or "float64"; sums are float64

    Returns `stiffness` over (i, j), Voigt order xx yy zz yz xz xy with engineering shear; over `direction`
    `young_modulus` (uniaxial stress); each with its numerical error `_err`; `anisotropy` (largest over smallest Young's
    modulus), `steps`, `flag` over load. A volume that carries no load has modulus 0 and `carries_load` False.
    An image that does not repeat itself has false contacts at its faces: the share of them is that of its surface.
    Raises `InputError` for NaN, labels without moduli, moduli that are infinite or not stable.
    Source: Willot, C. R. Mecanique 343 (2015) 232; Zeman et al., J. Comput. Phys. 229 (2010) 8065 (gradients).
    """
    where = "effective_stiffness"
    values, spacing = volume_array(labels, where), spacing_of(voxel, where)
    known = sorted(moduli)
    index = look_up(values, {label: n for n, label in enumerate(known)}, where).astype(np.uint16)
    table = np.stack([_phase_stiffness(moduli[label], where) for label in known])
    peak = np.abs(table[np.unique(index)]).max() or 1.0
    dtype = _dtype_of(precision, where)
    grid = _elastic.make_grid(np.ascontiguousarray(index), table / peak, spacing, dtype, workers=1)
    with ThreadPoolExecutor(max(1, workers)) as pool:
        found = list(pool.map(lambda load: _elastic.respond(grid, load, tolerance, most), np.eye(6)))
    return _as_dataset(found, peak, units)


def _phase_stiffness(given, where: str) -> np.ndarray:
    array = np.asarray(given, float)
    if array.shape == (2,):
        return isotropic_stiffness(*array) if np.isfinite(array).all() else _refuse(given, where)
    if array.shape != (6, 6) or not np.isfinite(array).all():
        _refuse(given, where)
    if not np.allclose(array, array.T, rtol=1e-6, atol=1e-9 * np.abs(array).max()):
        raise InputError("a stiffness matrix must be symmetric", where=where)
    if np.linalg.eigvalsh(array).min() < -1e-9 * np.abs(array).max():
        raise InputError("a stiffness matrix must not have negative eigenvalues", where=where)
    return array


def _refuse(given, where: str):
    raise InputError(
        f"moduli {given!r} are not (Young's modulus, Poisson's ratio) or a (6, 6) matrix of finite numbers",
        where=where, fix="A rigid phase: use 10^4 times the next modulus; a pore: (0, 0).",
    )  # fmt: skip


def _dtype_of(precision: str, where: str):
    if precision not in ("float32", "float64"):
        raise InputError(f"unknown precision {precision!r}", where=where, fix="float32 or float64.")
    return np.float32 if precision == "float32" else np.float64


def _as_dataset(found, peak: float, units: str) -> xr.Dataset:
    c = np.array([response.stress for response in found])
    c = (c + c.T) / 2
    diagonal = np.array([response.err for response in found])
    err = np.sqrt(np.outer(diagonal, diagonal))
    young, young_err = _young(c, err)
    carries = young > 3 * young_err
    young = np.where(carries, young, 0.0)
    flags = [int(Flag.OK if response.converged else Flag.NOT_CONVERGED) for response in found]
    meta = {"units": units}
    with np.errstate(divide="ignore", invalid="ignore"):
        anisotropy = young.max() / young.min()
    return xr.Dataset(
        {
            "stiffness": (("i", "j"), c * peak, {**meta, "long_name": "effective stiffness, Voigt"}),
            "stiffness_err": (("i", "j"), err * peak, {**meta, "long_name": "numerical error of the solver"}),
            "young_modulus": ("direction", young * peak, {**meta, "long_name": "Young's modulus"}),
            "young_modulus_err": (
                "direction",
                young_err * peak,
                {**meta, "long_name": "its numerical error"},
            ),
            "anisotropy": (
                (),
                anisotropy,
                {"units": "1", "long_name": "largest over smallest Young's modulus"},
            ),
            "carries_load": ("direction", carries, {"units": "1", "long_name": "modulus above its error"}),
            "steps": ("load", [r.steps for r in found], {"units": "1", "long_name": "steps"}),
            "flag": flag_variable(np.array(flags), ("load",)),
        },
        coords={"i": list(VOIGT), "j": list(VOIGT), "direction": ["x", "y", "z"], "load": list(VOIGT)},
        attrs={"voigt": "xx yy zz yz xz xy, engineering shear strains"},
    )


def _young(c: np.ndarray, err: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Young's moduli 1 / S_ii along x, y, z; errors E_i^2 |S| err |S| (aligned, so the largest), 1e-5 of the stiffest.

    Axes that carry nothing are left out of the inverse (their rows are zero too); nothing is softer than a tenth of
    that error, so that the inverse exists.
    """
    floor = 1e-6 * max(float(np.abs(c).max()), 1e-6)
    kept = np.flatnonzero(np.diag(c) > 10 * floor)
    young, young_err = np.zeros(6), np.full(6, 10 * floor)
    if len(kept):
        value, vector = np.linalg.eigh(c[np.ix_(kept, kept)])
        s = (vector / np.maximum(value, floor)) @ vector.T
        change = np.abs(s) @ err[np.ix_(kept, kept)] @ np.abs(s)
        young[kept] = 1 / np.diag(s)
        young_err[kept] += young[kept] ** 2 * np.diag(change)
    return young[:3], young_err[:3]
