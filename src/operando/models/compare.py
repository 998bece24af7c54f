"""Measured against modelled on one grid, residuals in units of the error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from operando.core.errors import InputError
from operando.core.flags import Flag, flag_variable

from .symmetric_cell import Interface, SymmetricCell, cell_voltage


def compare_profiles(
    measured: xr.Dataset, modelled: xr.Dataset, *, name: str = "x_li", error: str | None = None, fitted: int = 0,
    model_sigma: float = 0.0,
) -> xr.Dataset:  # fmt: skip
    """Residuals (measured - modelled) / sigma of profiles on one grid, and chi-square with degrees of freedom.

    measured     `name`, its error and `<name>_flag` over time, z and any other dims (x, family)
    modelled     `name` on the same time and z, as from `film_on_grid`
    error        variable that holds the 1-sigma error; `<name>_err` where not given. An error common to all points
                 (calibration) must not be in it: such residuals are not independent
    fitted       how many parameters of the model were fitted to these data
    model_sigma  error of the model itself, added in quadrature

    Returns `residual` (sigma), `measured`, `modelled`, `residual_flag`; over time and over z: `goodness_time`,
    `goodness_z`; scalars `chi2`, `dof`, `goodness`, `p_value`, `worst` (largest |residual|). Points flagged or NaN in
    either are left out. Raises `InputError` for grids that differ: models are put on the grid of the image, never back.
    """
    error = error or f"{name}_err"
    for where, data, needed in (("measured", measured, (name, error)), ("modelled", modelled, (name,))):
        missing = [n for n in needed if n not in data]
        if missing:
            raise InputError(f"no variable {missing[0]!r}", where=where)
    _same_grid(measured, modelled)
    y, sigma = measured[name], (measured[error] ** 2 + model_sigma**2) ** 0.5
    model = modelled[name].drop_vars([c for c in modelled[name].coords if c not in ("time", "z")])
    model = model.assign_coords({d: measured[d] for d in model.dims})
    residual = (y - model) / sigma.where(sigma > 0)
    flag = measured.get(f"{name}_flag")
    residual = residual if flag is None else residual.where(flag == 0)
    return _summary(residual, y, model, fitted)


def compare_series(
    time_s: np.ndarray,
    measured: np.ndarray,
    sigma: np.ndarray | float,
    model: xr.DataArray,
    *,
    fitted: int = 0,
) -> xr.Dataset:
    """Residuals of a measured curve (voltage, current, front) against a modelled one over time, read at measured times.

    model   over time (s); measured times outside it are flagged, not extrapolated

    Returns as `compare_profiles`, over time.
    """
    time_s, y = np.asarray(time_s, float), np.asarray(measured, float)
    sigma = np.broadcast_to(np.asarray(sigma, float), y.shape)
    if y.shape != time_s.shape or y.ndim != 1:
        raise InputError(f"{y.size} values for {time_s.size} times", where="compare_series")
    good = np.isfinite(model.values)
    clock, values = model["time"].values[good], model.values[good]
    if not len(clock):
        raise InputError("the modelled curve has no value", where="compare_series")
    read = np.interp(time_s, clock, values, left=np.nan, right=np.nan)
    coords = {"time": ("time", time_s, {"units": "s"})}
    residual = xr.DataArray((y - read) / np.where(sigma > 0, sigma, np.nan), dims="time", coords=coords)
    units = {"units": str(model.attrs.get("units", "1"))}
    found = _summary(
        residual, xr.DataArray(y, dims="time", coords=coords, attrs=units),
        xr.DataArray(read, dims="time", coords=coords, attrs=units), fitted,
    )  # fmt: skip
    flag = found["residual_flag"].values.copy()
    flag[time_s < clock[0]] |= int(Flag.BEFORE_RECORD)
    flag[time_s > clock[-1]] |= int(Flag.AFTER_RECORD)
    return found.assign(residual_flag=flag_variable(flag, ("time",)))


def _same_grid(measured: xr.Dataset, modelled: xr.Dataset) -> None:
    for dim in ("time", "z"):
        if dim not in measured.coords or dim not in modelled.coords:
            raise InputError(f"no coordinate {dim!r}", where="compare_profiles")
        a, b = measured[dim].values, modelled[dim].values
        if a.shape != b.shape or not np.allclose(a, b, rtol=1e-9, atol=1e-6 * max(float(np.ptp(a)), 1e-9)):
            raise InputError(
                f"measured and modelled {dim} differ", where="compare_profiles",
                fix="Put the model on the grid of the image: film_on_grid(film, z, time).",
            )  # fmt: skip


def _summary(residual: xr.DataArray, measured: xr.DataArray, model: xr.DataArray, fitted: int) -> xr.Dataset:
    from scipy.stats import chi2 as distribution

    square = residual**2
    points, chi2 = int(residual.notnull().sum()), float(square.sum())
    dof = points - fitted
    if dof <= 0:
        raise InputError(
            f"{points} points for {fitted} fitted parameters: nothing is left to test", where="compare"
        )
    plain = {"units": "1", "long_name": "(measured - modelled) / sigma"}
    flag = np.where(residual.notnull(), 0, int(Flag.NO_DATA))
    found = xr.Dataset(
        {
            "residual": residual.assign_attrs(plain), "measured": measured, "modelled": model,
            "residual_flag": flag_variable(flag, tuple(map(str, residual.dims))),
            "chi2": chi2, "dof": dof, "goodness": chi2 / dof, "p_value": float(distribution.sf(chi2, dof)),
            "worst": float(np.abs(residual).max()),
        }
    )  # fmt: skip
    for dim in set(residual.dims) & {"time", "z"}:
        found[f"goodness_{dim}"] = square.mean([d for d in residual.dims if d != dim])
    verdict = "agrees with" if float(found.p_value) > 1e-3 else "does not agree with"
    return found.assign_attrs(
        sentence=f"the model {verdict} the measurement: chi2 {chi2:.1f} for {dof} degrees of freedom "
        f"(p = {float(found.p_value):.2g}), largest residual {float(found.worst):.1f} sigma"
    )


def mean_profiles(measured: xr.Dataset, *, name: str = "x_li", over: str | Sequence[str] = "x") -> xr.Dataset:
    """Inverse-variance mean over columns: one profile over time and z with its error, and the scatter of the columns.

    Returns `name`, `<name>_err` (the larger of propagated error and scatter / sqrt(n)), `<name>_scatter`, `points`,
    `<name>_flag` (no_data where nothing was measured).
    """
    y, sigma = measured[name], measured[f"{name}_err"]
    flag = measured.get(f"{name}_flag")
    good = y.notnull() & (sigma > 0) & (True if flag is None else flag == 0)
    weight = xr.where(good, 1 / sigma.where(good) ** 2, 0.0)
    total, points = weight.sum(over), good.sum(over)
    mean = (y.where(good, 0.0) * weight).sum(over) / total.where(total > 0)
    scatter = np.sqrt((weight * (y.where(good, 0.0) - mean) ** 2).sum(over) / total.where(total > 0))
    error = np.maximum(np.sqrt(1 / total.where(total > 0)), scatter / np.sqrt(np.maximum(points - 1, 1)))
    units = {"units": y.attrs.get("units", "1")}
    out = xr.where(points > 0, 0, int(Flag.NO_DATA))
    return xr.Dataset(
        {
            name: mean.assign_attrs(units), f"{name}_err": error.assign_attrs(units),
            f"{name}_scatter": scatter.assign_attrs(units), "points": points,
            f"{name}_flag": (out.dims, *_flag_parts(out)),
        }
    )  # fmt: skip


def _flag_parts(values: xr.DataArray) -> tuple[np.ndarray, dict]:
    wrapped = flag_variable(values.values, tuple(map(str, values.dims)))
    return wrapped.values, wrapped.attrs


def contact_scenarios(
    cell: SymmetricCell, time_s: np.ndarray, top: Interface, bottom: Interface, current_mA_per_cm2: np.ndarray | float,
    *, shares: Sequence[float] = (1.0, 0.25, 0.01),
) -> xr.Dataset:  # fmt: skip
    """Voltage for shares of the measured contact at the bottom, with fixed contact, and with and without constriction.

    Returns `voltage` over scenario and time (V): what the tomography paper varies in its comparison, and what
    constriction adds instead.
    """
    plain_top, plain = _without(top), _without(bottom)
    cases = {
        f"{share:.0%} of the measured contact": (plain_top, plain.scaled(share), "moving") for share in shares
    }
    cases["contact of the start"] = (plain_top, plain, "fixed")
    cases["measured contact, with constriction"] = (top, bottom, "moving")
    rows = [
        cell_voltage(cell, time_s, a, b, current_mA_per_cm2=current_mA_per_cm2, contact=contact)["voltage"]
        for a, b, contact in cases.values()
    ]
    return xr.concat(rows, "scenario").assign_coords(scenario=list(cases)).to_dataset(name="voltage")


def _without(face: Interface) -> Interface:
    return Interface(
        face.contact_cm2,
        face.interphase_um,
        face.lithium_fraction,
        0.0,
        face.contact_err_cm2,
        face.interphase_err_um,
    )
