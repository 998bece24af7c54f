"""Lithium content by depth, and of the whole film, from means of the lattice parameter."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando import diffraction, models
from operando.core import Flag
from operando.core.flags import flag_variable

#: a row takes part in the film's mean when it is valid at more than this share of the times at which any row is
OFTEN = 0.9
#: a row is flagged when its parameter lies beyond the calibration by more than this many errors
BEYOND = 3.0
#: of the Gauss-Hermite sum
NODES = 15


def lithium_rows(mean: xr.Dataset, lithium: xr.Dataset) -> xr.Dataset:
    """x of each row (z) from its mean lattice parameter over the columns, and of the film from its rows.

    x(p) is piecewise linear, and steep where p hardly depends on x. There single points scatter far and to one side, so
    that means of x, by weight or of the points within the calibration, are off by many of their errors; the mean
    parameter has an even error and is converted once. The outer pieces of the calibration are continued.

    mean      `mean_parameter`: lattice parameter with `_err`, `flag` over family, time, z, x
    lithium   group `lithium`: anchors of the calibration, attrs ring, parameter

    Returns over family, time, z: `x_li` with `_err` (of the fits, not of the calibration), `_flag`, the parameter with
    `_err`; over family, time: `x_film` with `x_film_err`, the plain mean of the rows that are nearly always valid.
    """
    name = str(lithium.attrs["parameter"])
    order = ("family", "time", "z")
    data = mean.sel(family=lithium["family"].values).transpose(*order, "x", ...)
    # one order in memory, wherever they come from: sums are then the same to the bit
    used = {new: data[old].copy(data=np.ascontiguousarray(data[old].values)) for new, old in
            ((name, name), (f"{name}_err", f"{name}_err"), (f"{name}_flag", "flag"))}  # fmt: skip
    told = models.mean_profiles(xr.Dataset(used), name=name)
    value, error = (told[key].transpose(*order) for key in (name, f"{name}_err"))
    x, x_err = content(value, error, lithium)
    p = np.sort(lithium["anchor_parameter"].values)
    beyond = ((value < p[0] - BEYOND * error) | (value > p[-1] + BEYOND * error)).values
    flag = told[f"{name}_flag"].transpose(*order).values | np.where(beyond, int(Flag.OUTSIDE_CALIBRATION), 0)
    film, film_err = _film(x, x_err)
    units = {"units": "1", "long_name": "Li content x"}
    return xr.Dataset(
        {
            "x_li": x.assign_attrs(units), "x_li_err": x_err.assign_attrs(units | {"long_name": "1-sigma error of x"}),
            "x_li_flag": flag_variable(flag, order),
            name: value.assign_attrs(mean[name].attrs), f"{name}_err": error.assign_attrs(mean[f"{name}_err"].attrs),
            "x_film": film.assign_attrs(units | {"long_name": "Li content x of the film"}),
            "x_film_err": film_err.assign_attrs(units | {"long_name": "1-sigma error of x of the film"}),
        },
        attrs={key: lithium.attrs[key] for key in ("ring", "parameter", "calibration") if key in lithium.attrs},
    )  # fmt: skip


def content(
    value: xr.DataArray, error: xr.DataArray, lithium: xr.Dataset
) -> tuple[xr.DataArray, xr.DataArray]:
    """x at a lattice parameter p, and its error: sqrt(E[(x(p + e u) - x(p))^2]), u normal, by Gauss-Hermite.

    So a bend of x(p) counts that lies two or three errors away, which the slope at p knows nothing of.
    """
    at, of = lithium["anchor_parameter"].values, lithium["anchor_x"].values
    x = continued(value, at, of)
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    square = sum(
        w * (continued(value + u * error, at, of) - x) ** 2 for u, w in zip(nodes, weights, strict=True)
    )
    return x, np.sqrt(square / weights.sum())


def continued(values: xr.DataArray, at: np.ndarray, of: np.ndarray) -> xr.DataArray:
    """Piecewise linear through the points (at, of), the outer pieces continued."""
    order = np.argsort(at)
    return values.copy(data=diffraction.continued(at[order], of[order], values.values)).drop_attrs()


def _film(x: xr.DataArray, error: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Plain mean of the rows that are valid nearly whenever any is, and its error; NaN where none is."""
    seen = x.notnull()
    some = seen.any("z")
    kept = seen.where(some).mean("time") > OFTEN
    use = seen & kept
    many = use.sum("z")
    mean = x.where(use, 0.0).sum("z") / many.where(many > 0)
    return mean, (error.where(use, 0.0) ** 2).sum("z") ** 0.5 / many.where(many > 0)
