"""Fits of one peak to many profiles: Poisson likelihood, honest errors, a reason for every missing value."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ..core import Flag
from ..core.errors import InputError
from ..core.flags import flag_variable
from ._fit_input import Rows, rows_of
from ._fit_window import Shape, fit_window

#: a peak counts as seen from this ratio of area to its error, and from this many counts above background
MIN_SIGNIFICANCE = 4.5
MIN_COUNTS = 15.0
#: POOR_FIT: the reduced deviance is above this, and by more than five of its own standard deviations
MAX_GOODNESS = 3.0
#: under these a fitted value is NaN; POOR_FIT leaves it
ABSENT = Flag.NO_DATA | Flag.TOO_FEW_COUNTS | Flag.WINDOW_EDGE | Flag.CUT_BY_GAP | Flag.NOT_CONVERGED


def fit_peaks(
    q: Any,
    counts: Any = None,
    weight: Any = None,
    *,
    variance: Any = None,
    shape: Shape = "gaussian",
    width: float | None = None,
    response: Any = None,
    offset: Any = None,
    min_significance: float = MIN_SIGNIFICANCE,
    min_counts: float = MIN_COUNTS,
    max_goodness: float = MAX_GOODNESS,
    keep_flagged: bool = False,
    threads: int | None = None,
) -> xr.Dataset:
    """Fit one peak on a linear background to every profile by maximum Poisson likelihood.

    mu_i = weight_i (response_i area S_i(q, width) + background + slope (q_i - q_mid)), S_i the mean of a unit-area
    shape over bin i and q_mid the middle of the window; the background is nowhere negative. Errors are from the inverse
    expected information; those of q and width times (1 + 3 (width_err / width)^2)^(1/2), because they go with the
    fitted width, which itself is uncertain (delta method).

    q         (n,) bin centres, 1/angstrom, ascending; or `Sums` with a dim `q`, and no other array
    counts    (..., n) array, or DataArray with a dim `q`: counts, not divided by anything
    weight    broadcast to counts: what counts have to be divided by; 0 or NaN where nothing was measured
    variance  broadcast to counts, for signals that are not counts: rows are scaled to sum(counts) / sum(variance)
    shape     "gaussian", or "pseudo-voigt" with its mixing `eta` (0 Gaussian, 1 Lorentzian) fitted
    width     hold the width at this value, 1/angstrom
    response  (n,) weight of the peak over that of the background, where the peak is not lit as the bin is: 1 if None
    offset    (n,) 1/angstrom, how far above its centre each bin lies for the peak; both from `peak_sampling`
    threads   None: one a core

    Returns over the leading dims: `q`, `width` (sigma; of the Gaussian of the same full width at half maximum)
    (1/angstrom), `area` (counts per weight times 1/angstrom), `background` (counts per weight), `slope`
    (that times angstrom), `eta` for the pseudo-Voigt, each with `_err` (1 sigma); `deviance`; `goodness`, the reduced
    deviance relative to its expectation for Poisson counts (1 is good at any count level); `flag`.
    Values are NaN (unless `keep_flagged`) where flag has NO_DATA; TOO_FEW_COUNTS: area below `min_significance` times
    its error, or fewer than `min_counts` counts in the peak; WINDOW_EDGE: less than one sigma from the edge, or wider
    than half the window; CUT_BY_GAP: a bin without weight (below 0.25 of the median) within two sigma, or a third of
    the bins without; NOT_CONVERGED, also for a width below a third of a bin. POOR_FIT keeps the value: goodness
    above `max_goodness` and five standard deviations too high.

    Pulls of unflagged positions have width 0.99-1.04 for 20 to 2000 counts on backgrounds up to five times the peak;
    close to the limit of significance it reaches 1.1-1.2 (tests/recovery/test_fits_pull.py).

    Raises `InputError` for arrays that do not fit each other. Invalid when neighbouring profiles share counts
    (pixel splitting): then a row's variance understates the noise of broad features.
    """
    if shape not in ("gaussian", "pseudo-voigt"):
        raise InputError(
            f"unknown peak shape {shape!r}", where="fit_peaks", fix="Use gaussian or pseudo-voigt."
        )
    if offset is not None and shape != "gaussian":
        raise InputError(
            "offsets of bins are known to Gaussians only", where="fit_peaks", fix="Leave offset out."
        )
    rows = rows_of(q, counts, weight, variance).sampled(response, offset)
    fitted = fit_window(rows, shape, width=width, threads=threads)
    flag = flags_of(rows, fitted, min_significance, min_counts, max_goodness)
    return _dataset(rows, fitted, flag, keep_flagged)


def flags_of(
    rows: Rows, fit: dict[str, np.ndarray], min_significance: float, min_counts: float, max_goodness: float
) -> np.ndarray:
    from ._fit_kernels import EMPTY, ITERATIONS_SPENT

    edge = np.minimum(fit["q"] - rows.q[0], rows.q[-1] - fit["q"]) + 0.5 * np.diff(rows.q).mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        few = ~(fit["area"] >= min_significance * fit["area_err"]) | ~(fit["seen"] >= min_counts)
        reasons = {
            Flag.TOO_FEW_COUNTS: few,
            Flag.WINDOW_EDGE: (edge < fit["width"]) | fit["too_wide"],
            Flag.CUT_BY_GAP: fit["gap"].astype(bool),
            Flag.NOT_CONVERGED: (fit["status"] == ITERATIONS_SPENT) | fit["at_limit"],
            Flag.POOR_FIT: (fit["goodness"] > max_goodness) & (fit["excess"] > 5),
        }
    flag = np.zeros(len(few), np.uint16)
    for reason, where in reasons.items():
        flag[where] |= int(reason)
    empty = fit["status"] == EMPTY
    measured = (np.where(np.isfinite(rows.weight), rows.weight, 0) > 0).any(1)
    flag[empty] = np.where(
        np.broadcast_to(measured, empty.shape)[empty], int(Flag.TOO_FEW_COUNTS), int(Flag.NO_DATA)
    )
    return flag


_LABELS = {
    "q": ("1/angstrom", "peak position"),
    "width": ("1/angstrom", "peak width, sigma"),
    "area": ("counts/angstrom", "peak area, counts per weight times q"),
    "background": ("counts", "background per weight at the middle of the window"),
    "slope": ("counts*angstrom", "slope of the background per weight"),
    "eta": ("1", "Lorentzian share of the pseudo-Voigt"),
}


def _dataset(rows: Rows, fit: dict[str, np.ndarray], flag: np.ndarray, keep_flagged: bool) -> xr.Dataset:
    absent = np.zeros(len(flag), bool) if keep_flagged else (flag & int(ABSENT)) != 0
    found = xr.Dataset()
    for name, (units, label) in _LABELS.items():
        if name not in fit:
            continue
        for key, text in ((name, label), (f"{name}_err", f"1-sigma error of {name}")):
            values = np.where(absent, np.nan, fit[key])
            found[key] = rows.unstack(values, {"units": units, "long_name": text})
    found["deviance"] = rows.unstack(fit["deviance"], {"units": "1", "long_name": "Poisson deviance"})
    found["goodness"] = rows.unstack(
        fit["goodness"], {"units": "1", "long_name": "reduced deviance, 1 expected"}
    )
    found["flag"] = flag_variable(flag.reshape(rows.shape), rows.dims)
    found["flag"].attrs["long_name"] = "why the fit is missing or doubtful"
    return found
