"""Two peaks in every row of a window: starts, search, and parameters in units of q."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._fit_input import Rows, deviance_table, run_rows
from ._fit_window import MOST_STEPS, TOLERANCE, bins_of, gap_near, inflation, quality, spacing

Ranges = tuple[tuple[float, float], tuple[float, float]]

#: excess of deviance, in its standard deviations: beyond the first one peak is far from enough, and beyond the second a
#: fit of two may have stopped at the lesser of two maxima
FAR_FROM_ONE, MORE_THAN_CHANCE = 3.0, 0.25
#: tolerance and steps of the climb that tells whether a second peak gains anything
QUICK = (1e-2, 12)
SLOTS_OF = {
    "shared": np.array([[2, 3, 4, -1], [5, 3, 6, -1]]),
    "separate": np.array([[2, 3, 4, -1], [5, 6, 7, -1]]),
}


def fit_both(
    rows: Rows, one: dict[str, np.ndarray], widths: str, ranges: Ranges | None, threads: int | None
) -> dict[str, np.ndarray]:
    """Two peaks in every row, each (rows, 2), in units of q, sorted by q."""
    from ._fit_model import model_of

    slots, n, step = SLOTS_OF[widths], len(rows.q), spacing(rows.q)
    middle, size = 0.5 * float(rows.q[0] + rows.q[-1]), int(SLOTS_OF[widths].max()) + 1
    low, high = np.zeros(size), np.full(size, np.inf)
    low[slots[:, 1]], high[slots[:, 1]] = 0.5, 0.4 * n
    places = (
        [(-0.5 * n, 0.5 * n)] * 2
        if ranges is None
        else [((a - middle) / step, (b - middle) / step) for a, b in ranges]
    )
    low[slots[:, 0]], high[slots[:, 0]] = np.array(places).T
    edges = bins_of(rows.q)
    model = model_of(edges, slots, low, high, rows.response, rows.shift)

    def fit(first: int) -> tuple[np.ndarray, ...]:
        counts, weights = rows.part(first)
        part = {name: values[first : first + len(counts)] for name, values in one.items()}
        starts = _starts(counts, weights, part, slots, size, edges, middle, step)
        par, cov, stat = _search(counts, weights, starts, part, model)
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


def _search(
    counts: np.ndarray, weights: np.ndarray, starts: np.ndarray, one: dict[str, np.ndarray], model: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parameters, covariance and statistics of two peaks in every row, from two starts (rows, 2, p).

    Most windows hold one peak: a quick climb from the likelier start is enough to see that a second peak gains nothing.
    Those that gain are climbed to the end; from the other start too, where the fit leaves more than chance does.
    """
    from ._fit_kernels import fit_rows

    table, rows = deviance_table(), np.arange(len(counts))
    likelier = (one["excess"] > FAR_FROM_ONE).astype(int)
    starts = np.stack([starts[rows, likelier], starts[rows, 1 - likelier]], axis=1)

    def climb(some: np.ndarray, begin: np.ndarray, tolerance: float, most: int) -> tuple[np.ndarray, ...]:
        size = model.low.size
        found = np.empty((len(some), size)), np.empty((len(some), size, size)), np.empty((len(some), 6))
        weight = weights if len(weights) == 1 else weights[some]
        fit_rows(counts[some], weight, np.ascontiguousarray(begin), model, table, tolerance, most, *found)
        return found

    par, cov, stat = climb(rows, starts[:, :1], *QUICK)
    starts[:, 0] = par
    left = (stat[:, 0] - stat[:, 1]) / np.sqrt(stat[:, 2])
    gains = one["deviance"] - stat[:, 0] > np.log(model.n)
    again = (left > MORE_THAN_CHANCE) & (gains | (one["excess"] > MORE_THAN_CHANCE))
    for some, begins in ((gains & ~again, 1), (again, 2)):
        some = np.flatnonzero(some)
        if len(some):
            par[some], cov[some], stat[some] = climb(some, starts[some, :begins], TOLERANCE, MOST_STEPS)
    return par, cov, stat


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
