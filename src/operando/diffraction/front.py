"""Fronts: where a phase boundary is in each column, and how wide it is."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from ..core import Flag
from ..core.errors import InputError
from ..core.flags import flag_variable
from ._least_squares import Fit, least_squares

#: a front counts as seen when the step is this many times its error
MIN_STEP = 4.0
#: share of its 10-90 % width that must lie on both sides of a front, and of the median step that it must have
INSIDE, LEAST_STEP = 0.5, 0.67
#: 10-90 % width over the scale of the step
WIDTH_FACTOR = {"erf": 2 * 1.2815515655446004, "logistic": 2 * np.log(9.0)}


def fit_front(
    profile: xr.DataArray,
    error: xr.DataArray,
    *,
    model: Literal["erf", "logistic"] = "erf",
    stepped: bool = False,
    dim: str = "z",
) -> xr.Dataset:
    """Fit a step to the profile along z of every column: y = y_below + (y_above - y_below) F((z - position) / s).

    F is the normal (erf) or logistic distribution. A pixel averages over its own height h, so that the fitted scale is
    that of the front convolved with a box: s_true^2 = s^2 - h^2 / 12 (logistic: s^2 - h^2 / (4 pi^2)). With `stepped`
    z stood still during exposures and nothing is taken out; the blur of the beam itself stays in the width.

    profile  DataArray with dim `z` (um, evenly spaced): c, x or a phase fraction; NaN where unknown
    error    of the same dims, 1 sigma

    Returns over the other dims `position` (um), `width` (10-90 %, um, pixel height taken out), `below`, `above` (units
    of the profile), each with `_err` (times the root of `goodness` where that is well above one); `goodness`; `flag`:
    NO_DATA (fewer than six points), TOO_FEW_COUNTS (step below four times its error, or the position not known to
    within the width), WINDOW_EDGE (too little of the front is seen, which shifts position and width: half of its own
    width, or of the typical one of its family, does not fit between it and the first or last known point of its column;
    or its step is below two thirds of the typical one; or it is wider than half the column), NOT_CONVERGED. Typical is
    the median, each front counted by the significance of its step: most profiles of a series may hold no front.
    Flagged values are NaN. A width consistent with zero is reported as such, with its error.
    """
    if model not in WIDTH_FACTOR:
        raise InputError(f"unknown front model {model!r}", where="fit_front", fix="Use erf or logistic.")
    if dim not in profile.dims or profile.sizes[dim] < 6:
        raise InputError(
            f"the profile needs a dim {dim} of six or more points, it has {dict(profile.sizes)}",
            where="fit_front",
        )
    ordered = profile.transpose(..., dim)
    z = ordered[dim].values.astype(float)
    y, err = (a.values.reshape(-1, len(z)).astype(float) for a in (ordered, error.transpose(*ordered.dims)))
    h = float(np.diff(z).mean())
    if not np.allclose(np.diff(z), h, rtol=1e-3) or h <= 0:
        raise InputError("positions are not evenly spaced and ascending", where="fit_front")
    fit = _fit_steps(z, y, err, h, model)
    ends = _ends(z, y, err)
    return _dataset(fit, ordered, ends, h, model, 0.0 if stepped else h, dim)


def _ends(z: np.ndarray, y: np.ndarray, err: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Height of the lowest and the highest known point of each column; NaN where there is none."""
    good = np.isfinite(y) & np.isfinite(err) & (err > 0)
    some = good.any(1)
    low, high = z[good.argmax(1)], z[len(z) - 1 - good[:, ::-1].argmax(1)]
    return np.where(some, low, np.nan), np.where(some, high, np.nan)


def _fit_steps(z: np.ndarray, y: np.ndarray, err: np.ndarray, h: float, model: str) -> Fit:
    good = np.isfinite(y) & np.isfinite(err) & (err > 0)
    weight = np.where(good, 1 / np.where(good, err, 1) ** 2, 0.0)
    value = np.where(good, y, 0.0)

    def step(par: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        t = (z - par[:, 2:3]) / par[:, 3:4]
        if model == "erf":
            from scipy.special import ndtr

            share, density = ndtr(t), np.exp(-0.5 * t * t) / np.sqrt(2 * np.pi)
        else:
            share = 0.5 * (1 + np.tanh(t / 2))
            density = share * (1 - share)
        height = par[:, 1:2] - par[:, 0:1]
        by_place = -height * density / par[:, 3:4]
        return par[:, 0:1] + height * share, np.stack([1 - share, share, by_place, t * by_place], -1)

    low = np.array([-np.inf, -np.inf, z[0] - h, 0.1 * h])
    high = np.array([np.inf, np.inf, z[-1] + h, 2 * (z[-1] - z[0])])
    return least_squares(step, _start(z, value, weight), y, err, low, high)


def _start(z: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The split into two constants that leaves the least sum of squares."""
    total, total_y = np.cumsum(weight, 1), np.cumsum(weight * y, 1)
    below_w, below = total[:, :-1], total_y[:, :-1]
    above_w, above = total[:, -1:] - below_w, total_y[:, -1:] - below
    with np.errstate(invalid="ignore", divide="ignore"):
        kept = np.where((below_w > 0) & (above_w > 0), below**2 / below_w + above**2 / above_w, -np.inf)
        at = kept.argmax(1)
        row = np.arange(len(y))
        levels = [(a[row, at] / w[row, at]) for a, w in ((below, below_w), (above, above_w))]
    place = 0.5 * (z[at] + z[at + 1])
    scale = np.full(len(y), 0.06 * (z[-1] - z[0]))
    return np.nan_to_num(np.stack([*levels, place, scale], 1))


def _cut(
    place: np.ndarray, width: np.ndarray, step: np.ndarray, step_err: np.ndarray, ends: np.ndarray, h: float
) -> np.ndarray:
    """Fronts of which too little is seen: arrays (group, fronts), ends (2, group, fronts); see `fit_front`.

    A front that has hardly come in, or has all but left, looks narrow and low, so each is held against the typical one
    of its group.
    """
    own, size = np.maximum(INSIDE * width, 0.5 * h), np.abs(step)
    with np.errstate(all="ignore"):
        outside = ~(place - own >= ends[0]) | ~(place + own <= ends[1])
        weight = np.where(outside | ~np.isfinite(size / step_err), 0.0, (size / step_err) ** 2)
        margin, least = (_typical(v, weight) for v in (own, size))
        near = (place - margin < ends[0]) | (place + margin > ends[1])
        wide = width > 0.5 * (ends[1] - ends[0])
        return np.asarray(outside | near | wide | (size < LEAST_STEP * least))


def _typical(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted median of each row (rows, 1); zero where nothing has weight."""
    order = np.argsort(np.where(weight > 0, values, np.inf), axis=1)
    share = np.cumsum(np.take_along_axis(weight, order, 1), 1)
    at = (share >= 0.5 * share[:, -1:]).argmax(1)[:, None]
    found = np.take_along_axis(values, np.take_along_axis(order, at, 1), 1)
    return np.where(share[:, -1:] > 0, found, 0.0)


def _dataset(
    fit: Fit,
    ordered: xr.DataArray,
    ends: tuple[np.ndarray, np.ndarray],
    h: float,
    model: str,
    box: float,
    dim: str,
) -> xr.Dataset:
    below, above, place, scale = fit.par.T
    err, factor = fit.honest_err, WIDTH_FACTOR[model]
    pixel = box**2 / 12 if model == "erf" else box**2 / (4 * np.pi**2)
    small = h / np.sqrt(12)  # widths below this are not resolved
    dims, shape = ordered.dims[:-1], ordered.shape[:-1]
    groups = shape[0] if dims and dims[0] == "family" else 1
    with np.errstate(invalid="ignore", divide="ignore"):
        true = np.sqrt(np.maximum(scale**2 - pixel, 0.0))
        width_err = factor * err[:, 3] * scale / np.maximum(true, 0.5 * small)
        step_err = np.sqrt(err[:, 0] ** 2 + err[:, 1] ** 2 - 2 * fit.cov[:, 0, 1])
        of_groups = (place, factor * scale, above - below, step_err, *ends)
        at, wide, step, of_step, low, high = (v.reshape(groups, -1) for v in of_groups)
        cut = _cut(at, wide, step, of_step, np.stack([low, high]), h).ravel()
        unseen = ~(np.abs(above - below) >= MIN_STEP * step_err) | (err[:, 2] > np.maximum(factor * scale, h))
        reasons = {
            Flag.NO_DATA: fit.used < 6,
            Flag.TOO_FEW_COUNTS: unseen,
            Flag.WINDOW_EDGE: cut,
            Flag.NOT_CONVERGED: ~fit.converged | ~np.isfinite(err).all(1),
        }
    flag = np.zeros(len(place), np.uint16)
    for reason, where in reasons.items():
        flag[where] |= int(reason)
    found = xr.Dataset(coords={name: c for name, c in ordered.coords.items() if dim not in c.dims})
    units = str(ordered.attrs.get("units", "1"))
    for name, value, error, unit, label in (
        ("position", place, err[:, 2], "um", "front position"),
        ("width", factor * true, width_err, "um", "10-90 % width"),
        ("below", below, err[:, 0], units, "level below the front"),
        ("above", above, err[:, 1], units, "level above the front"),
    ):  # fmt: skip
        for key, data, text in ((name, value, label), (f"{name}_err", error, f"1-sigma error of {name}")):
            data = np.where(flag == 0, data, np.nan).reshape(shape)
            found[key] = xr.DataArray(data, dims=dims, attrs={"units": unit, "long_name": text})
    attrs = {"units": "1", "long_name": "reduced chi-squared"}
    found["goodness"] = xr.DataArray(fit.goodness.reshape(shape), dims=dims, attrs=attrs)
    found["flag"] = flag_variable(flag.reshape(shape), tuple(map(str, dims)))
    return found
