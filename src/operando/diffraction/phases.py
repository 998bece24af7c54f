"""Two phases in one window: one peak or two by a stated criterion, phase fractions with errors."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr

from ..core import Flag
from ..core.errors import InputError
from ..core.flags import flag_variable
from ._fit_input import Rows, rows_of
from ._fit_two import Ranges, fit_both
from ._fit_window import fit_window
from .peaks import ABSENT, MAX_GOODNESS, MIN_COUNTS, MIN_SIGNIFICANCE, flags_of

#: two peaks are taken when they lower the Bayesian information criterion by more than this
MIN_GAIN = 6.0
#: peaks further apart than this many widths must each be as significant as a single one, blended ones less
APART, LEAST_BLENDED = 3.0, 2.0


def fit_two_peaks(
    q: Any,
    counts: Any = None,
    weight: Any = None,
    *,
    variance: Any = None,
    widths: Literal["shared", "separate"] = "shared",
    ranges: Ranges | None = None,
    boundary: float | None = None,
    min_gain: float = MIN_GAIN,
    response: Any = None,
    offset: Any = None,
    threads: int | None = None,
) -> xr.Dataset:
    """Fit one Gaussian and two, keep two where the data ask for it, and give the share of each phase.

    Criterion: BIC = deviance + parameters ln(bins); two peaks when BIC(one) - BIC(two) > `min_gain`, and when both are
    significant: by themselves where they stand apart. On one-peak data fewer than 1 % pass
    (tests/recovery/test_fits_two_phase.py). A second phase too weak for that, up to some 5 % of the area at two widths
    of distance and usual counts, is not seen, and moves `q_mean` by up to three of its errors.

    q, counts, weight, variance, response, offset   as for `fit_peaks`
    widths    "shared": one width for both peaks; "separate"
    ranges    where the peak at lower q and the one at higher q may lie, 1/angstrom; None: anywhere in the window
    boundary  q that tells which phase a single peak is; None: the middle between the ranges, if they are given

    Returns over the leading dims and `peak` (0: lower q, larger spacing; 1: higher q): `q`, `width`, `area` as
    `fit_peaks`, NaN for a phase that is not there. Over the leading dims: `peaks` (1, 2, or 0 where nothing is
    fitted); `bic_gain`; `fraction`, the area share of peak 0 (0 or 1 for a single peak, NaN if it cannot be told
    which), its error that of the ratio, or for a single peak the smallest share that could be seen, area_err / area;
    `q_mean`, the area-weighted mean position; `goodness`; `flag`. Invalid where the shapes are not Gaussian: then
    `bic_gain` counts the misfit (see `goodness`).
    """
    rows = rows_of(q, counts, weight, variance).sampled(response, offset)
    if ranges is not None and boundary is None:
        boundary = 0.25 * sum(sum(r) for r in ranges)
    if ranges is not None and not all(a < b for a, b in ranges):
        raise InputError(f"ranges {ranges} are not ascending", where="fit_two_peaks")
    one = fit_window(rows, "gaussian", threads=threads)
    two = fit_both(rows, one, widths, ranges, threads)
    n_used = np.maximum(two["used"], 2)
    extra = 2 if widths == "shared" else 3
    gain = one["deviance"] - two["deviance"] - extra * np.log(n_used)
    good = np.isfinite(two["q_err"]).all(1) & (two["area"] >= _least(two) * two["area_err"]).all(1)
    double = (gain > min_gain) & good & (two["status"] == 0) & ~two["gap"]
    flag = flags_of(rows, one, MIN_SIGNIFICANCE, MIN_COUNTS, MAX_GOODNESS)
    misfit = (two["goodness"] > MAX_GOODNESS) & (two["excess"] > 5)
    flag = np.where(double, np.where(misfit, int(Flag.POOR_FIT), 0), flag).astype(np.uint16)
    return _dataset(rows, one, two, double, flag, gain, boundary)


def _least(two: dict[str, np.ndarray]) -> np.ndarray:
    """Areas over their errors that both peaks need: one that stands apart is not just the other's shape, and may be
    noise anywhere in the window."""
    with np.errstate(invalid="ignore"):
        apart = two["q"][:, 1] - two["q"][:, 0] > APART * two["width"].max(1)
    return np.where(apart, MIN_SIGNIFICANCE, LEAST_BLENDED)[:, None]


def _dataset(
    rows: Rows, one: dict[str, np.ndarray], two: dict[str, np.ndarray], double: np.ndarray, flag: np.ndarray,
    gain: np.ndarray, boundary: float | None,
) -> xr.Dataset:  # fmt: skip
    fitted = (flag & int(ABSENT)) == 0
    single = fitted & ~double
    slot = np.full(len(flag), -1) if boundary is None else np.where(one["q"] < boundary, 0, 1)
    found = xr.Dataset(coords=rows.coords)
    for name, units in (("q", "1/angstrom"), ("width", "1/angstrom"), ("area", "counts/angstrom")):
        for key in (name, f"{name}_err"):
            values = np.where(double[:, None], two[key], np.nan)
            for peak in (0, 1):
                values[:, peak] = np.where(single & (slot == peak), one[key], values[:, peak])
            attrs = {
                "units": units,
                "long_name": f"{name} of each peak" if key == name else f"1-sigma error of {name}",
            }
            found[key] = xr.DataArray(values.reshape(*rows.shape, 2), dims=(*rows.dims, "peak"), attrs=attrs)
    found = found.assign(
        {k: rows.unstack(v, attrs) for k, v, attrs in _shares(one, two, double, single, slot)}
    )
    found["peaks"] = rows.unstack(
        np.where(double, 2, np.where(fitted, 1, 0)),
        {"units": "1", "long_name": "peaks that the data ask for"},
    )
    found["bic_gain"] = rows.unstack(gain, {"units": "1", "long_name": "BIC of one peak less that of two"})
    goodness = np.where(double, two["goodness"], one["goodness"])
    found["goodness"] = rows.unstack(goodness, {"units": "1", "long_name": "reduced deviance, 1 expected"})
    found["flag"] = flag_variable(flag.reshape(rows.shape), rows.dims)
    return found


def _shares(
    one: dict[str, np.ndarray],
    two: dict[str, np.ndarray],
    double: np.ndarray,
    single: np.ndarray,
    slot: np.ndarray,
) -> list[tuple[str, np.ndarray, dict[str, str]]]:
    """Fraction of peak 0 and mean position, with errors: delta method with the covariance of the areas."""
    with np.errstate(invalid="ignore", divide="ignore"):
        (a, b), (low, high), cov = two["area"].T, two["q"].T, two["cov"]  # cov of q0, q1, area0, area1
        total = a + b
        fraction = a / total
        by_area = np.stack([b, -a], 1) / total[:, None] ** 2
        fraction_err = np.sqrt(np.einsum("ri,rij,rj->r", by_area, cov[:, 2:, 2:], by_area))
        by_all = np.concatenate([np.stack([fraction, 1 - fraction], 1), (low - high)[:, None] * by_area], 1)
        mean = fraction * low + (1 - fraction) * high
        mean_err = np.sqrt(np.einsum("ri,rij,rj->r", by_all, cov, by_all))
        least = one["area_err"] / one["area"]
    known = single & (slot >= 0)
    share = {"units": "1", "long_name": "area share of peak 0"}
    position = {"units": "1/angstrom", "long_name": "area-weighted mean position"}
    return [
        ("fraction", np.where(double, fraction, np.where(known, 1.0 - slot, np.nan)), share),
        ("fraction_err", np.where(double, fraction_err, np.where(known, least, np.nan)), share),
        ("q_mean", np.where(double, mean, np.where(single, one["q"], np.nan)), position),
        ("q_mean_err", np.where(double, mean_err, np.where(single, one["q_err"], np.nan)), position),
    ]
