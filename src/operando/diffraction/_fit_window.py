"""One peak in every row of a window: from counts to parameters in units of q."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ._fit_input import Rows, bin_edges, deviance_table, run_rows

Shape = Literal["gaussian", "pseudo-voigt"]

#: a bin with less than this share of the window's median weight is a gap
GAP_SHARE = 0.25
#: gain in log likelihood below which a fit has converged (0.001 of an error), and steps before it gives up
TOLERANCE, MOST_STEPS = 1e-6, 60
SLOTS = np.array([[2, 3, 4, -1]])
SLOTS_ETA = np.array([[2, 3, 4, 5]])


def fit_window(
    rows: Rows, shape: Shape, *, width: float | None = None, threads: int | None = None
) -> dict[str, np.ndarray]:
    """Parameters of one peak in every row, each (rows,), in units of q; `status` as the kernels define it.

    See `fit_peaks` for the model.
    """
    from ._fit_kernels import fit_rows
    from ._fit_model import model_of

    n, step = len(rows.q), spacing(rows.q)
    size = 6 if shape == "pseudo-voigt" else 5
    low = np.array([0, 0, -0.5 * n, 0.3, 0, 0.0])[:size]
    high = np.array([np.inf, np.inf, 0.5 * n, 0.5 * n, np.inf, 1.0])[:size]
    if width is not None:
        low[3] = high[3] = width / step
    guess, table = np.full((1, 1, size), np.nan), deviance_table()
    slots = SLOTS_ETA if size == 6 else SLOTS
    model = model_of(bins_of(rows.q), slots, low, high, rows.response, rows.shift)

    def fit(first: int) -> tuple[np.ndarray, ...]:
        counts, weights = rows.part(first)
        m = len(counts)
        par, cov, stat = np.empty((m, size)), np.empty((m, size, size)), np.empty((m, 6))
        fit_rows(counts, weights, guess, model, table, TOLERANCE, MOST_STEPS, par, cov, stat)
        seen = par[:, 4] * (weights.sum(1) / np.maximum((weights > 0).sum(1), 1))
        gap = gap_near(rows.q, weights, par[:, 2:3], par[:, 3:4])
        return par, np.diagonal(cov, axis1=1, axis2=2), cov[:, 0, 1], stat, seen, gap

    empty = tuple(np.empty((0, *shape)) for shape in ((size,), (size,), (), (6,), (), ()))
    pieces = run_rows(len(rows.counts), fit, threads) or [empty]
    par, variance, together, stat, seen, gap = (np.concatenate(part) for part in zip(*pieces, strict=True))
    found = _in_q(rows.q, par, variance, together) | quality(stat, size - (width is not None))
    limits = {"at_limit": par[:, 3] <= 1.001 * low[3], "too_wide": par[:, 3] >= 0.999 * high[3]}
    return found | {"seen": seen, "gap": gap} | {k: v & (width is None) for k, v in limits.items()}


def spacing(q: np.ndarray) -> float:
    return float(q[-1] - q[0]) / (len(q) - 1)


def bins_of(q: np.ndarray) -> np.ndarray:
    """Bin edges in bins from the middle of the window, (n+1,)."""
    return (bin_edges(q) - 0.5 * (q[0] + q[-1])) / spacing(q)


def inflation(width: np.ndarray, width_err: np.ndarray) -> np.ndarray:
    """Factor on the error of a position or width: E[1 / width^2] width^2 = 1 + 3 (width_err / width)^2, its root."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sqrt(1 + 3 * (width_err / width) ** 2))


def _in_q(
    q: np.ndarray, par: np.ndarray, variance: np.ndarray, together: np.ndarray
) -> dict[str, np.ndarray]:
    """Parameters (rows, p) with their variances, from bins to 1/angstrom; `together`: covariance of the two ends."""
    step, middle, span = spacing(q), 0.5 * float(q[0] + q[-1]), float(q[-1] - q[0])
    with np.errstate(invalid="ignore"):
        error = np.sqrt(variance)
        ends = variance[:, 0] + variance[:, 1]
        mean_err, slope_err = 0.5 * np.sqrt(ends + 2 * together), np.sqrt(ends - 2 * together) / span
    larger = inflation(par[:, 3], np.where(np.isfinite(error[:, 3]), error[:, 3], 0.0))
    found = {
        "q": middle + step * par[:, 2], "q_err": step * error[:, 2] * larger,
        "width": step * par[:, 3], "width_err": step * error[:, 3] * larger,
        "area": step * par[:, 4], "area_err": step * error[:, 4],
        "background": 0.5 * (par[:, 0] + par[:, 1]), "background_err": mean_err,
        "slope": (par[:, 1] - par[:, 0]) / span, "slope_err": slope_err,
    }  # fmt: skip
    if par.shape[1] == 6:
        found |= {"eta": par[:, 5], "eta_err": error[:, 5]}
    return found


def quality(stat: np.ndarray, parameters: int) -> dict[str, np.ndarray]:
    """Deviance, reduced deviance against its Poisson expectation, and its excess in standard deviations."""
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = stat[:, 1] * np.maximum(stat[:, 3] - parameters, 1) / stat[:, 3]
        return {
            "deviance": stat[:, 0], "goodness": stat[:, 0] / expected,
            "excess": (stat[:, 0] - expected) / np.sqrt(stat[:, 2]), "status": stat[:, 5],
        }  # fmt: skip


def gap_near(q: np.ndarray, weight: np.ndarray, position: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """True where bins without weight lie within two sigma of a peak, or make up a third of the window.

    weight (rows or 1, n); position and sigma (rows, peaks), in bins from the middle of the window.
    """
    known = np.where(weight > 0, weight, np.nan)
    alive = (weight > 0).any(1)
    typical = np.full(len(weight), np.inf)
    typical[alive] = np.nanmedian(known[alive], axis=1) if (weight <= 0).any() else np.median(weight, axis=1)
    gap = ~(weight >= GAP_SHARE * typical[:, None])
    if not gap.any():
        return np.zeros(len(position), bool)
    x = (q - 0.5 * (q[0] + q[-1])) / spacing(q)
    near = np.abs(x - position[..., None]) <= 2 * sigma[..., None] + 0.5
    return np.asarray((near.any(1) & gap).any(1) | (gap.mean(1) > 1 / 3))
