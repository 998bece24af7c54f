"""Two phases in one window: one peak or two by a stated criterion, phase fractions with errors."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr

from ..core import Flag
from ..core.errors import InputError
from ..core.flags import flag_variable
from ._fit_input import Rows, deviance_table, rows_of, run_rows
from ._fit_window import MOST_STEPS, TOLERANCE, bins_of, fit_window, gap_near, inflation, quality, spacing
from .peaks import ABSENT, MAX_GOODNESS, MIN_COUNTS, MIN_SIGNIFICANCE, flags_of

Ranges = tuple[tuple[float, float], tuple[float, float]]

#: two peaks are taken when they lower the Bayesian information criterion by more than this
MIN_GAIN = 6.0
#: peaks further apart than this many widths must each be as significant as a single one, blended ones less
APART, LEAST_BLENDED = 3.0, 2.0
_SLOTS = {
    "shared": np.array([[2, 3, 4, -1], [5, 3, 6, -1]]),
    "separate": np.array([[2, 3, 4, -1], [5, 6, 7, -1]]),
}


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
    two = _fit_both(rows, one, widths, ranges, threads)
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


def _fit_both(
    rows: Rows, one: dict[str, np.ndarray], widths: str, ranges: Ranges | None, threads: int | None
) -> dict[str, np.ndarray]:
    """Two peaks in every row, each (rows, 2), in units of q, sorted by q."""
    from ._fit_kernels import fit_rows

    slots, n, step = _SLOTS[widths], len(rows.q), spacing(rows.q)
    middle, size = 0.5 * float(rows.q[0] + rows.q[-1]), int(_SLOTS[widths].max()) + 1
    low, high = np.zeros(size), np.full(size, np.inf)
    low[slots[:, 1]], high[slots[:, 1]] = 0.5, 0.4 * n
    places = (
        [(-0.5 * n, 0.5 * n)] * 2
        if ranges is None
        else [((a - middle) / step, (b - middle) / step) for a, b in ranges]
    )
    low[slots[:, 0]], high[slots[:, 0]] = np.array(places).T
    edges, table, shift = bins_of(rows.q), deviance_table(), rows.shift

    def fit(first: int) -> tuple[np.ndarray, ...]:
        counts, weights = rows.part(first)
        m = len(counts)
        part = slice(first, first + m)
        starts = _starts(
            counts, weights, {k: v[part] for k, v in one.items()}, slots, size, edges, middle, step
        )
        par, cov, stat = np.empty((m, size)), np.empty((m, size, size)), np.empty((m, 6))
        split = np.ascontiguousarray(starts[:, :1])
        fit_rows(
            counts,
            weights,
            rows.response,
            shift,
            split,
            low,
            high,
            slots,
            0.0,
            edges,
            table,
            1e-3,
            30,
            par,
            cov,
            stat,
        )
        # most windows hold one peak: only those that gain from a second one are worth a full search
        more = np.flatnonzero(one["deviance"][part] - stat[:, 0] > np.log(n))
        if len(more):
            starts[more, 0] = par[more]
            again = np.empty((len(more), size)), np.empty((len(more), size, size)), np.empty((len(more), 6))
            some = weights if len(weights) == 1 else weights[more]
            fit_rows(
                counts[more],
                some,
                rows.response,
                shift,
                starts[more],
                low,
                high,
                slots,
                0.0,
                edges,
                table,
                TOLERANCE,
                MOST_STEPS,
                *again,
            )
            par[more], cov[more], stat[more] = again
        gap = gap_near(rows.q, weights, par[:, slots[:, 0]], par[:, slots[:, 1]])
        return par, cov, stat, gap

    pieces = run_rows(len(rows.counts), fit, threads)
    par, cov, stat, gap = (np.concatenate(part) for part in zip(*pieces, strict=True))
    order = np.argsort(par[:, slots[:, 0]], axis=1)
    pick = {
        name: np.take_along_axis(np.broadcast_to(slots[:, i], order.shape), order, 1)
        for i, name in enumerate("psa")
    }
    row = np.arange(len(par))[:, None]
    with np.errstate(invalid="ignore"):
        error = {name: np.sqrt(cov[row, i, i]) for name, i in pick.items()}
    sigma = par[row, pick["s"]]
    four = np.concatenate([pick["p"], pick["a"]], axis=1)
    larger = inflation(sigma, np.where(np.isfinite(error["s"]), error["s"], 0))
    return {
        "q": middle + step * par[row, pick["p"]], "q_err": step * error["p"] * larger,
        "width": step * sigma, "width_err": step * error["s"] * larger,
        "area": step * par[row, pick["a"]], "area_err": step * error["a"], "used": stat[:, 3], "gap": gap,
        "cov": step**2 * cov[row[..., None], four[:, :, None], four[:, None, :]],
    } | quality(stat, size)  # fmt: skip


def _starts(
    counts: np.ndarray, weights: np.ndarray, one: dict[str, np.ndarray], slots: np.ndarray, size: int,
    edges: np.ndarray, middle: float, step: float,
) -> np.ndarray:  # fmt: skip
    """Two guesses a row: the single peak split in two halves; and kept, with a second one at its largest residual."""
    from scipy.ndimage import uniform_filter1d
    from scipy.special import ndtr

    n = counts.shape[1]
    place, sigma, area = (one["q"] - middle) / step, one["width"] / step, one["area"] / step
    place, sigma, area = (
        np.where(np.isfinite(v), v, d)[:, None] for v, d in ((place, 0.0), (sigma, n / 10), (area, 1.0))
    )
    span = one["slope"] * step * (n - 1) / 2
    ends = [np.nan_to_num(np.maximum(one["background"] + s * span, 1e-3)) for s in (-1, 1)]
    fitted = area * np.diff(ndtr((edges - place) / sigma), axis=1)
    line = ends[0][:, None] + (ends[1] - ends[0])[:, None] * np.linspace(0, 1, n)
    model = weights * (fitted + line)
    residual = uniform_filter1d((counts - model) / np.sqrt(np.maximum(model, 1.0)), 5, axis=1)
    centres = 0.5 * (edges[1:] + edges[:-1])
    far = np.abs(centres - place) > 0.7 * sigma
    other = centres[np.where(far, residual, -np.inf).argmax(1)][:, None]
    starts = np.empty((len(counts), 2, size))
    starts[:, :, 0], starts[:, :, 1] = ends[0][:, None], ends[1][:, None]
    for k, (positions, width, shares) in enumerate((
        ((place - 0.8 * sigma, place + 0.8 * sigma), 0.65 * sigma, (0.5, 0.5)),
        ((np.minimum(place, other), np.maximum(place, other)), 0.8 * sigma, (0.6, 0.4)),
    )):  # fmt: skip
        for peak, (p, s, a, _) in enumerate(slots):
            heavy = shares[0] if (k == 0 or peak == 0) else shares[1]
            starts[:, k, p], starts[:, k, s] = positions[peak][:, 0], width[:, 0]
            starts[:, k, a] = heavy * np.maximum(area[:, 0], 1e-3)
    return starts


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
