"""Poisson maximum-likelihood fits of one or two peaks on a linear background: numba, plain arrays.

Model: mu_i = w_i (b_lo (1 - f_i) + b_hi f_i) + v_i sum_k area_k shape_k,i, f from 0 to 1 over the window. Parameters,
in bins and rates: b_lo, b_hi, then the columns that `slots` names. Fisher scoring with Levenberg damping:
(F + lambda diag F) step = gradient, F_jk = sum dmu_j dmu_k / mu, inside bounds (a parameter that is pushed
against its bound is held there for that step). Errors are the inverse of F. Source: McCullagh and Nelder,
Generalized Linear Models (1989), ch. 2; the reference in numpy and SciPy is in tests/unit/test_peaks_kernels.py.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ._fit_algebra import cholesky, invert, solve
from ._fit_model import add_curvature, deviance, evaluate, log_likelihood, score

CONVERGED, ITERATIONS_SPENT, EMPTY = 0, 1, 2


@njit(cache=True, nogil=True, error_model="numpy")
def limit_step(par, step, slots, low, high, trial):
    """Next parameters, inside their bounds: a step moves a peak by at most 1.5 sigma and 0.6 of its width."""
    shrink = 1.0
    for k in range(slots.shape[0]):
        sigma = par[slots[k, 1]]
        shrink = min(shrink, 1.5 * sigma / max(abs(step[slots[k, 0]]), 1e-12))
        shrink = min(shrink, 0.6 * sigma / max(abs(step[slots[k, 1]]), 1e-12))
    for j in range(par.size):
        trial[j] = min(max(par[j] + shrink * step[j], low[j]), high[j])
    return shrink


@njit(cache=True, nogil=True, error_model="numpy")
def maximise(
    counts, w, v, shift, par, low, high, slots, eta_fixed, edges, inverse_width, space, tolerance, most
):
    """Climb to the maximum of the likelihood from `par`, in place; `space` is left at it.

    Steps use the expected information first, then the observed one, which converges quadratically, wherever that is
    positive definite. Returns log likelihood and status. Ends when the expected gain of the next step, in units of
    log likelihood, is below `tolerance`.
    """
    mu, jac, curve, work, bits, gradient, information, lower, scale, step, trial, free = space
    n, size = mu.size, par.size
    residual, inverse = work[0, :n], work[1, :n]
    evaluate(par, slots, eta_fixed, edges, inverse_width, w, v, shift, mu, jac, curve, work, bits)
    best = log_likelihood(counts, w, mu)
    damping, status = 1e-3, ITERATIONS_SPENT
    for iteration in range(most):
        observed = iteration >= 2
        score(counts, mu, jac, residual, inverse, observed, gradient, information)
        for j in range(size):
            held = (par[j] <= low[j] and gradient[j] <= 0) or (par[j] >= high[j] and gradient[j] >= 0)
            free[j] = not held and information[j, j] > 0
        if observed:
            add_curvature(par, slots, gradient, residual, curve, information)
            if not cholesky(information, free, damping, lower, scale):
                observed = False
                score(counts, mu, jac, residual, inverse, False, gradient, information)
        if not observed:
            damping = max(damping, 1e-6)
            while not cholesky(information, free, damping, lower, scale):
                damping *= 10
        solve(lower, scale, gradient, step)
        gain = 0.0
        for j in range(size):
            gain += gradient[j] * step[j]
        if gain < tolerance and damping <= 1.0:
            status = CONVERGED
            break
        value = climb(
            counts, w, v, shift, par, low, high, slots, eta_fixed, edges, inverse_width, space, best
        )
        if value > best - 1e-9 * abs(best):
            best = value
            par[:] = trial
            damping *= 0.1
        else:
            damping = max(10 * damping, 1e-2)
            evaluate(par, slots, eta_fixed, edges, inverse_width, w, v, shift, mu, jac, curve, work, bits)
            if damping > 1e9:
                break
    return best, status


@njit(cache=True, nogil=True, error_model="numpy")
def climb(counts, w, v, shift, par, low, high, slots, eta_fixed, edges, inverse_width, space, best):
    """Try the step in `space`, and a third of it if that is no better. Returns the log likelihood at `trial`."""
    mu, jac, curve, work, bits, _, _, _, _, step, trial, _ = space
    value = -np.inf
    for _ in range(2):
        limit_step(par, step, slots, low, high, trial)
        evaluate(trial, slots, eta_fixed, edges, inverse_width, w, v, shift, mu, jac, curve, work, bits)
        value = log_likelihood(counts, w, mu)
        if value > best - 1e-9 * abs(best):
            break
        step /= 3.0
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def workspace(size, n, peaks):
    """Scratch arrays of one fit."""
    return (
        np.empty(n), np.empty((size, n)), np.empty((3 * peaks, n)), np.empty((9, n + 1)), np.empty(n + 1, np.int64),
        np.empty(size), np.empty((size, size)), np.zeros((size, size)), np.empty(size), np.empty(size),
        np.empty(size), np.empty(size, np.bool_),
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def covariance(counts, w, v, shift, par, low, high, slots, eta_fixed, edges, inverse_width, space, out):
    """Inverse expected information at `par`, where `space` must be; NaN where it is singular.

    A background at its lower bound of zero is given one count in the window: what zero counts leave possible.
    """
    mu, jac, curve, work, bits, gradient, information, lower, scale, _, trial, free = space
    n, size = mu.size, par.size
    floor = 1.0 / max(w.sum(), 1e-30)
    if par[0] < floor or par[1] < floor:
        trial[:] = par
        trial[0], trial[1] = max(par[0], floor), max(par[1], floor)
        evaluate(trial, slots, eta_fixed, edges, inverse_width, w, v, shift, mu, jac, curve, work, bits)
    score(counts, mu, jac, work[0, :n], work[1, :n], False, gradient, information)
    for j in range(size):
        free[j] = information[j, j] > 0 and (j < 2 or (par[j] > low[j] and par[j] < high[j]))
    out[:] = np.nan
    if cholesky(information, free, 0.0, lower, scale):
        invert(lower, scale, free, information, out)


@njit(cache=True, nogil=True, error_model="numpy")
def start_one(counts, w, par, low, high):
    """First guess of one peak: the box with the most significant excess over the line between the window's ends."""
    n = counts.size
    ends = max(n // 6, 2)
    left, right, left_w, right_w = 0.0, 0.0, 0.0, 0.0
    for i in range(ends):
        left, left_w = left + counts[i], left_w + w[i]
        right, right_w = right + counts[n - 1 - i], right_w + w[n - 1 - i]
    total, total_w = counts.sum(), w.sum()
    b_lo = left / left_w if left_w > 0 else 0.5 * total / total_w
    b_hi = right / right_w if right_w > 0 else 0.5 * total / total_w
    best, best_noise, place, size, area = 0.0, 1.0, 0.5 * n, 3, 0.0
    for width in (3, 5, 8, 13, 21):
        if width > 0.7 * n:
            break
        inside, expected, moment = 0.0, 0.0, 0.0
        for i in range(n):
            b = b_lo + (b_hi - b_lo) * i / (n - 1)
            inside, expected, moment = inside + counts[i], expected + w[i] * b, moment + i * counts[i]
            if i >= width:
                b = b_lo + (b_hi - b_lo) * (i - width) / (n - 1)
                inside, expected = inside - counts[i - width], expected - w[i - width] * b
                moment -= (i - width) * counts[i - width]
            if i >= width - 1:
                excess, noise = inside - expected, inside + expected + 1.0
                if excess > 0 and excess * excess * best_noise > best * noise:
                    best, best_noise, size, area = excess * excess, noise, width, excess / 0.84
                    middle = i - 0.5 * (width - 1)
                    place = 0.5 * (middle + (moment / inside if inside > 0 else middle))
    mean_w = total_w / n
    par[0], par[1] = max(b_lo, 0.2 / total_w), max(b_hi, 0.2 / total_w)
    par[2] = place - 0.5 * (n - 1)
    par[3] = size / 2.8
    par[4] = max(area, 1.0) / mean_w
    if par.size > 5:
        par[5] = 0.3
    for j in range(par.size):
        par[j] = min(max(par[j], low[j]), high[j])


@njit(cache=True, nogil=True, error_model="numpy")
def fit_rows(
    counts,
    weight,
    response,
    shift,
    starts,
    low,
    high,
    slots,
    eta_fixed,
    edges,
    table,
    tolerance,
    most,
    par,
    cov,
    stat,
):
    """Fit every row. counts (rows, n) float64; weight (rows or 1, n); starts (rows, k, p), NaN: guess one peak.

    response (n or 0,): weight of peaks over that of the background; shift (n or 0,): how far above its centre each bin
    lies for a peak, in bins (`_shapes.move`); empty: one, and not at all.

    par (rows, p), cov (rows, p, p), stat (rows, 6): deviance, its mean, its variance, bins used, log likelihood,
    status. The best of the k starts is kept.
    """
    rows, n = counts.shape
    size = par.shape[1]
    space = workspace(size, n, slots.shape[0])
    inverse_width = 1.0 / np.diff(edges)
    now = np.empty(size)
    clean, scaled = np.empty(n), np.empty(n)
    for row in range(rows):
        w = weight[row if weight.shape[0] > 1 else 0]
        for i in range(n):
            clean[i] = counts[row, i] if w[i] > 0 else 0.0
            scaled[i] = w[i] * response[i] if response.size else w[i]
        v = scaled
        par[row] = np.nan
        cov[row] = np.nan
        stat[row] = np.nan
        if not clean.sum() > 0:
            stat[row, 5] = EMPTY
            continue
        stat[row, 4] = -np.inf
        for k in range(starts.shape[1]):
            if np.isnan(starts[row if starts.shape[0] > 1 else 0, k, 0]):
                start_one(clean, w, now, low, high)
            else:
                now[:] = np.minimum(np.maximum(starts[row, k], low), high)
            value, status = maximise(
                clean,
                w,
                v,
                shift,
                now,
                low,
                high,
                slots,
                eta_fixed,
                edges,
                inverse_width,
                space,
                tolerance,
                most,
            )
            if value > stat[row, 4] or k == 0:
                stat[row, 4], stat[row, 5] = value, status
                par[row] = now
        if starts.shape[1] > 1:
            evaluate(
                par[row],
                slots,
                eta_fixed,
                edges,
                inverse_width,
                w,
                v,
                shift,
                space[0],
                space[1],
                space[2],
                space[3],
                space[4],
            )
        deviance(clean, w, space[0], table, stat[row, :4])
        covariance(
            clean, w, v, shift, par[row], low, high, slots, eta_fixed, edges, inverse_width, space, cov[row]
        )
