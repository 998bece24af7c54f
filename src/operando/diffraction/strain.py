"""Strain: principal strains from changing lattice parameters, and the in-plane tensor from a ring's positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import xarray as xr

from ..core.errors import InputError
from ..core.flags import Flag, flag_variable

Definition = Literal["engineering", "lagrangian", "eulerian", "logarithmic"]
_STRAIN: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "engineering": lambda r: r - 1,
    "lagrangian": lambda r: (r**2 - 1) / 2,
    "eulerian": lambda r: (1 - r**-2) / 2,
    "logarithmic": np.log,
}


def principal_strains(
    cells: np.ndarray, along: np.ndarray, *, dim: str = "capacity", units: str = "mA h/g",
    cells_err: np.ndarray | None = None, reference: int = 0, definition: Definition = "engineering",
) -> xr.Dataset:  # fmt: skip
    """Principal strains and axes of a crystal against charge, time or anything else, from its cell.

    The deformation F takes the reference cell's vectors to the present ones; F = V R, and the stretches r are the
    eigenvalues of V = sqrt(F F^T). "engineering" is r - 1, "lagrangian" (r^2 - 1)/2, "eulerian" (1 - r^-2)/2,
    "logarithmic" ln r.

    cells      (n, 6): a, b, c in angstrom, alpha, beta, gamma in degrees; cells_err their 1-sigma errors
    along      (n,) the coordinate `dim` in `units`

    Returns over (dim, principal), largest strain first: `strain`, `strain_err` (first order; the reference cell
    counts as exact), `stretch`; `axis` (dim, principal, component), unit vectors with the first along a, the third
    along c*; `volume`, `volume_strain`. A cell that is not finite gives NaN and NO_DATA. Raises `InputError`
    for a wrong shape, definition or reference.
    """
    cells, along = np.atleast_2d(np.asarray(cells, float)), np.asarray(along, float)
    if cells.shape != (len(along), 6):
        raise InputError(
            f"cells have shape {cells.shape}, needed is ({len(along)}, 6)", where="principal strains"
        )
    if definition not in _STRAIN:
        raise InputError(
            f"unknown strain {definition!r}", where="principal strains", fix=f"Use one of {list(_STRAIN)}."
        )
    if not np.isfinite(cells[reference]).all():
        raise InputError("the reference cell is not finite", where=f"principal strains, index {reference}")
    stretch, axis = _stretches(cells, cells[reference])
    strain = _STRAIN[definition](stretch)
    error = np.full_like(strain, np.nan)
    if cells_err is not None:
        error = _propagate(cells, np.asarray(cells_err, float), cells[reference], definition)
    with np.errstate(invalid="ignore"):  # a missing cell has no volume
        volume = np.linalg.det(_vectors(cells))
    data = {
        "strain": (
            (dim, "principal"),
            strain,
            {"units": "1", "long_name": f"principal strain, {definition}"},
        ),
        "strain_err": ((dim, "principal"), error, {"units": "1"}),
        "stretch": ((dim, "principal"), stretch, {"units": "1"}),
        "axis": (
            (dim, "principal", "component"),
            axis,
            {"units": "1", "long_name": "direction; first a, third c*"},
        ),
        "volume": (dim, volume, {"units": "angstrom^3"}),
        "volume_strain": (dim, volume / volume[reference] - 1, {"units": "1"}),
        "flag": flag_variable(np.where(np.isfinite(volume), 0, int(Flag.NO_DATA)), (dim,)),
    }
    return xr.Dataset(data, coords={dim: (dim, along, {"units": units})})


def strain_rate(strain: xr.DataArray, dim: str, *, degree: int) -> xr.DataArray:
    """Derivative along `dim` of a least-squares polynomial (Chebyshev) of stated degree, at every point.

    Raises `InputError` when fewer finite points than coefficients remain.
    """
    x = strain[dim].values
    values = strain.transpose(dim, ...).values.reshape(len(x), -1)
    good = np.isfinite(values).all(1)
    if good.sum() <= degree:
        raise InputError(
            f"{good.sum()} points cannot carry a polynomial of degree {degree}", where=f"strain along {dim}"
        )
    fits = [np.polynomial.Chebyshev.fit(x[good], column[good], degree).deriv()(x) for column in values.T]
    rate = np.stack(fits, 1).reshape(strain.transpose(dim, ...).shape)
    units = f"1/({strain[dim].attrs.get('units', '1')})"
    return (
        strain.transpose(dim, ...).copy(data=rate).assign_attrs(units=units, long_name=f"d strain / d {dim}")
    )


def ring_strain(
    azimuth: np.ndarray, q: np.ndarray, q_err: np.ndarray, *, q0: float | None = None, q0_err: float = 0.0,
    bragg_deg: float = 0.0, centre: bool = True,
) -> xr.Dataset:  # fmt: skip
    """Strain tensor in the plane of the detector from the positions q(azimuth) of one ring.

    d/d0 - 1 = q0/q - 1 = cos^2(theta) (e_xx cos^2 a + e_zz sin^2 a + e_xz sin 2a) + sin^2(theta) e_yy, to first
    order; `centre` adds h_x cos a + h_z sin a, what a shifted beam centre does. Weighted least squares; a
    covariance larger than the counts explain is scaled by the reduced chi2.

    azimuth, q, q_err   (n,) deg, 1/angstrom; points with NaN or without error are left out
    q0                  strain-free position. Without it only e_xx - e_zz and e_xz follow: e_xx and e_zz are NaN
                        with OUTSIDE_CALIBRATION, and the ring's mean position serves as scale.

    Returns a Dataset of scalars with errors: `xx`, `zz`, `xz`, `difference` (xx - zz), `q_mean`, `chi2`, `number`, the
    principal strains `major`, `minor` and `direction` (deg, azimuth of the larger). e_yy is taken as zero in
    cos^2 theta's small rest. Raises `InputError` for fewer points than unknowns or less than half a turn.
    """
    azimuth, q, q_err = (np.asarray(v, float) for v in (azimuth, q, q_err))
    good = np.isfinite(q) & np.isfinite(q_err) & (q_err > 0) & (q > 0)
    a, q, q_err = np.radians(azimuth[good]), q[good], q_err[good]
    unknowns = 5 if centre else 3
    if (
        len(q) <= unknowns
        or np.linalg.matrix_rank(_ring_design(a, centre), tol=0.05 * np.sqrt(len(a))) < unknowns
    ):
        raise InputError(
            f"{len(q)} sectors do not determine {unknowns} unknowns of the ring", where="ring strain",
            fix="Use more sectors, spread over at least half of the ring, or centre=False.",
        )  # fmt: skip
    scale = q0 if q0 is not None else float(np.average(q, weights=q_err**-2))
    y, sigma = scale / q - 1, scale * q_err / q**2
    design = _ring_design(a, centre) * np.cos(np.radians(bragg_deg)) ** 2
    weighted = design / sigma[:, None]
    covariance = np.linalg.inv(weighted.T @ weighted)
    fit = covariance @ weighted.T @ (y / sigma)
    chi2 = float((((y - design @ fit) / sigma) ** 2).sum() / (len(y) - unknowns))
    covariance = covariance * max(chi2, 1.0)
    return _ring_dataset(fit, covariance, scale, q0, q0_err, chi2, len(q))


def _ring_design(a: np.ndarray, centre: bool) -> np.ndarray:
    """Columns: mean strain, half the difference, shear, and the centre's two."""
    columns = [np.ones_like(a), np.cos(2 * a), np.sin(2 * a)]
    return np.stack([*columns, np.cos(a), np.sin(a)] if centre else columns, 1)


def _ring_dataset(fit, covariance, scale, q0, q0_err, chi2, number) -> xr.Dataset:
    mean, half, shear = fit[:3]
    free = 0.0 if q0 is None else (q0_err / q0) ** 2
    # columns of xx, zz, xz, xx - zz, major, minor in mean, half, shear
    radius = max(np.hypot(half, shear), 1e-300)
    turn = np.array([0, half / radius, shear / radius])
    e = np.eye(3)
    rows = {
        "xx": (mean + half, e[0] + e[1]), "zz": (mean - half, e[0] - e[1]), "xz": (shear, e[2]),
        "difference": (2 * half, 2 * e[1]),
        "major": (mean + radius, e[0] + turn), "minor": (mean - radius, e[0] - turn),
    }  # fmt: skip
    data: dict[str, tuple] = {}
    for name, (value, gradient) in rows.items():
        absolute = bool(gradient[0])
        error = np.sqrt(gradient @ covariance[:3, :3] @ gradient + absolute * free)
        lost = absolute and q0 is None
        data[name] = ((), np.nan if lost else value, {"units": "1"})
        data[f"{name}_err"] = ((), np.nan if lost else error, {"units": "1"})
        data[f"{name}_flag"] = ((), int(Flag.OUTSIDE_CALIBRATION) if lost else 0)
    angle = 0.5 * np.array([0, -shear, half]) / radius**2
    data["direction"] = ((), np.degrees(0.5 * np.arctan2(shear, half)) % 180, {"units": "deg"})
    error = min(
        np.degrees(np.sqrt(angle @ covariance[:3, :3] @ angle)), 52.0
    )  # 52: nothing is known about it
    data["direction_err"] = ((), error, {"units": "deg"})
    data["q_mean"] = ((), scale / (1 + mean), {"units": "1/angstrom"})
    data["q_mean_err"] = ((), scale * np.sqrt(covariance[0, 0]), {"units": "1/angstrom"})
    data["chi2"] = ((), chi2, {"units": "1", "long_name": "reduced chi2 of the fit"})
    data["number"] = ((), number, {"units": "1", "long_name": "sectors used"})
    return xr.Dataset(data)


def _vectors(cells: np.ndarray) -> np.ndarray:
    """Cell vectors as rows (n, 3, 3), a along the first axis, b in the plane of the first two."""
    a, b, c = cells[:, 0], cells[:, 1], cells[:, 2]
    ca, cb, cg = np.cos(np.radians(cells[:, 3:])).T
    sg = np.sin(np.radians(cells[:, 5]))
    out = np.zeros((len(cells), 3, 3))
    out[:, 0, 0], out[:, 1, 0], out[:, 1, 1] = a, b * cg, b * sg
    out[:, 2, 0], out[:, 2, 1] = c * cb, c * (ca - cb * cg) / sg
    out[:, 2, 2] = np.sqrt(np.maximum(c**2 - out[:, 2, 0] ** 2 - out[:, 2, 1] ** 2, 0))
    return out


def _stretches(cells: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    deform = np.linalg.inv(_vectors(reference[None])) @ _vectors(cells)  # rows: v = v0 F
    good = np.isfinite(deform).all((1, 2))
    stretch, axis = np.full((len(cells), 3), np.nan), np.full((len(cells), 3, 3), np.nan)
    values, vectors = np.linalg.eigh(np.swapaxes(deform[good], 1, 2) @ deform[good])
    stretch[good] = np.sqrt(values[:, ::-1])
    axis[good] = np.swapaxes(vectors, 1, 2)[:, ::-1]
    return stretch, axis


def _propagate(cells, cells_err, reference, definition) -> np.ndarray:
    variance = np.zeros((len(cells), 3))
    for k in range(6):
        step = np.maximum(1e-6 * np.abs(cells[:, k]), 1e-9)
        up, down = cells.copy(), cells.copy()
        up[:, k] += step
        down[:, k] -= step
        # in cells of high symmetry the order of equal strains may change, so slopes are taken along fixed axes
        slope = _along_axes(up, reference, cells, definition) - _along_axes(
            down, reference, cells, definition
        )
        variance += (slope / (2 * step)[:, None] * np.nan_to_num(cells_err[:, k])[:, None]) ** 2
    return np.sqrt(variance)


def _along_axes(cells, reference, at, definition) -> np.ndarray:
    deform = np.linalg.inv(_vectors(reference[None])) @ _vectors(cells)
    squared = np.swapaxes(deform, 1, 2) @ deform
    axis = _stretches(at, reference)[1]
    return _STRAIN[definition](np.sqrt(np.einsum("npi,nij,npj->np", axis, squared, axis)))
