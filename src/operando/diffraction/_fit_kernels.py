"""Poisson maximum-likelihood fits of one or two peaks on a linear background: numba, plain arrays.

Model: mu_i = w_i (b_lo (1 - f_i) + b_hi f_i + sum_k area_k shape_k,i), f from 0 to 1 over the window. Parameters, in
bins and rates: b_lo, b_hi, then the columns that `slots` names. Fisher scoring with Levenberg damping:
(F + lambda diag F) step = gradient, F_jk = sum dmu_j dmu_k / mu, inside bounds (a parameter that is pushed
against its bound is held there for that step). Errors are the inverse of F. Source: McCullagh and Nelder,
Generalized Linear Models (1989), ch. 2; the reference in numpy and SciPy is in tests/unit/test_peaks_kernels.py.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ._shapes import FAST, gaussian, mix_lorentzian

TINY = 1e-9  # counts: the smallest mean that a bin may have
CONVERGED, ITERATIONS_SPENT, EMPTY = 0, 1, 2


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def evaluate(par, slots, eta_fixed, edges, inverse_width, w, mu, jac, curve, work, bits):
    """Means mu (n,), derivatives jac (parameters, n), and curve (3 peaks, n).

    curve holds of each peak d2mu/dposition dsigma, d2mu/dsigma2 and its own dmu/dsigma.

    slots (peaks, 4): the parameters that are position, sigma, area and eta of a peak (-1: eta_fixed).
    """
    n = mu.size
    jac[2:] = 0.0
    scale = 1.0 / max(n - 1, 1)
    for i in range(n):
        f = i * scale
        jac[0, i] = w[i] * (1.0 - f)
        jac[1, i] = w[i] * f
        mu[i] = par[0] * jac[0, i] + par[1] * jac[1, i]
    for k in range(slots.shape[0]):
        p, s, a, e = slots[k, 0], slots[k, 1], slots[k, 2], slots[k, 3]
        gaussian(edges, inverse_width, par[p], par[s], work, work[6], work[7], work[8], bits)
        eta = par[e] if e >= 0 else eta_fixed
        if e >= 0 or eta > 0:
            mix_lorentzian(edges, inverse_width, par[p], par[s], eta, work[0, :n], work[1], work[2], work[5])
        area = par[a]
        for i in range(n):
            scaled = area * w[i]
            jac[a, i] += w[i] * work[0, i]
            jac[p, i] += scaled * work[1, i]
            jac[s, i] += scaled * work[2, i]
            curve[3 * k, i] = scaled * (1.0 - eta) * work[3, i]
            curve[3 * k + 1, i] = scaled * (1.0 - eta) * work[4, i]
            curve[3 * k + 2, i] = scaled * work[2, i]
            mu[i] += scaled * work[0, i]
        if e >= 0:
            for i in range(n):
                jac[e, i] += area * w[i] * work[5, i]
    for i in range(n):
        mu[i] = max(mu[i], TINY)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def log_likelihood(counts, w, mu):
    """sum of n ln mu - mu over bins that have weight (without the constant ln n!)."""
    total = 0.0
    for i in range(mu.size):
        if w[i] > 0:
            total -= mu[i]
            if counts[i] > 0:
                total += counts[i] * math.log(mu[i])
    return total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def score(counts, mu, jac, residual, inverse, observed, gradient, information):
    """Gradient (p,) of the log likelihood and information (p, p); residual n / mu - 1 and inverse (n,) are scratch.

    Expected: sum J J / mu. Observed, without second derivatives of mu: sum J J n / mu^2.
    """
    n, size = mu.size, gradient.size
    for i in range(n):
        inverse[i] = 1.0 / mu[i]
        residual[i] = counts[i] * inverse[i] - 1.0
        if observed:
            inverse[i] *= residual[i] + 1.0
    for j in range(size):
        total = 0.0
        for i in range(n):
            total += jac[j, i] * residual[i]
        gradient[j] = total
        for k in range(j + 1):
            total = 0.0
            for i in range(n):
                total += jac[j, i] * jac[k, i] * inverse[i]
            information[j, k] = total
            information[k, j] = total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def add_curvature(par, slots, gradient, residual, curve, information):
    """Make the observed information exact: subtract sum (n / mu - 1) d2mu, which is what lets steps converge fast."""
    n = residual.size
    for k in range(slots.shape[0]):
        p, s, a = slots[k, 0], slots[k, 1], slots[k, 2]
        mixed, twice, own = 0.0, 0.0, 0.0
        for i in range(n):
            mixed += residual[i] * curve[3 * k, i]
            twice += residual[i] * curve[3 * k + 1, i]
            own += residual[i] * curve[3 * k + 2, i]
        information[p, s] -= mixed
        information[s, p] -= mixed
        information[s, s] -= twice
        information[p, p] -= own / par[s]  # d2S/dposition2 = (dS/dsigma) / sigma
        if par[a] > 0:
            information[p, a] -= gradient[p] / par[a]
            information[a, p] -= gradient[p] / par[a]
            information[s, a] -= own / par[a]
            information[a, s] -= own / par[a]


@njit(cache=True, nogil=True, error_model="numpy")
def cholesky(matrix, free, damping, lower, scale):
    """Lower factor of the free part of (F + damping diag F), scaled to unit diagonal. False where it is singular."""
    size = matrix.shape[0]
    for j in range(size):
        scale[j] = 1.0 / math.sqrt(matrix[j, j]) if free[j] and matrix[j, j] > 0 else 0.0
    for j in range(size):
        for k in range(j + 1):
            total = matrix[j, k] * scale[j] * scale[k]
            if j == k:
                total = 1.0 + damping if scale[j] > 0 else 1.0
            for m in range(k):
                total -= lower[j, m] * lower[k, m]
            if j == k:
                if total < 1e-12:
                    return False
                lower[j, j] = math.sqrt(total)
            else:
                lower[j, k] = total / lower[k, k]
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def solve(lower, scale, right, out):
    """out = scale (L L^T)^-1 scale right; zero for held parameters (whose scale is zero)."""
    size = right.size
    for j in range(size):
        total = right[j] * scale[j]
        for m in range(j):
            total -= lower[j, m] * out[m]
        out[j] = total / lower[j, j]
    for j in range(size - 1, -1, -1):
        total = out[j]
        for m in range(j + 1, size):
            total -= lower[m, j] * out[m]
        out[j] = total / lower[j, j]
    for j in range(size):
        out[j] *= scale[j]


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
def maximise(counts, w, par, low, high, slots, eta_fixed, edges, inverse_width, space, tolerance, most):
    """Climb to the maximum of the likelihood from `par`, in place; `space` is left at it.

    Steps use the expected information first, then the observed one, which converges quadratically, wherever that is
    positive definite. Returns log likelihood and status. Ends when the expected gain of the next step, in units of
    log likelihood, is below `tolerance`.
    """
    mu, jac, curve, work, bits, gradient, information, lower, scale, step, trial, free = space
    n, size = mu.size, par.size
    residual, inverse = work[0, :n], work[1, :n]
    evaluate(par, slots, eta_fixed, edges, inverse_width, w, mu, jac, curve, work, bits)
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
        value = climb(counts, w, par, low, high, slots, eta_fixed, edges, inverse_width, space, best)
        if value > best - 1e-9 * abs(best):
            best = value
            par[:] = trial
            damping *= 0.1
        else:
            damping = max(10 * damping, 1e-2)
            evaluate(par, slots, eta_fixed, edges, inverse_width, w, mu, jac, curve, work, bits)
            if damping > 1e9:
                break
    return best, status


@njit(cache=True, nogil=True, error_model="numpy")
def climb(counts, w, par, low, high, slots, eta_fixed, edges, inverse_width, space, best):
    """Try the step in `space`, and a third of it if that is no better. Returns the log likelihood at `trial`."""
    mu, jac, curve, work, bits, _, _, _, _, step, trial, _ = space
    value = -np.inf
    for _ in range(2):
        limit_step(par, step, slots, low, high, trial)
        evaluate(trial, slots, eta_fixed, edges, inverse_width, w, mu, jac, curve, work, bits)
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
def covariance(counts, w, par, low, high, slots, eta_fixed, edges, inverse_width, space, out):
    """Inverse expected information at `par`, where `space` must be; NaN where it is singular.

    A background at its lower bound of zero is given one count in the window: what zero counts leave possible.
    """
    mu, jac, curve, work, bits, gradient, information, lower, scale, _, trial, free = space
    n, size = mu.size, par.size
    floor = 1.0 / max(w.sum(), 1e-30)
    if par[0] < floor or par[1] < floor:
        trial[:] = par
        trial[0], trial[1] = max(par[0], floor), max(par[1], floor)
        evaluate(trial, slots, eta_fixed, edges, inverse_width, w, mu, jac, curve, work, bits)
    score(counts, mu, jac, work[0, :n], work[1, :n], False, gradient, information)
    for j in range(size):
        free[j] = information[j, j] > 0 and (j < 2 or (par[j] > low[j] and par[j] < high[j]))
    out[:] = np.nan
    if cholesky(information, free, 0.0, lower, scale):
        invert(lower, scale, free, information, out)


@njit(cache=True, nogil=True, error_model="numpy")
def invert(lower, scale, free, inverse, out):
    """out = scale (L L^T)^-1 scale for free parameters, through the inverse of L (kept in `inverse`)."""
    size = scale.size
    for k in range(size):
        inverse[k, k] = 1.0 / lower[k, k]
        for j in range(k + 1, size):
            total = 0.0
            for m in range(k, j):
                total -= lower[j, m] * inverse[m, k]
            inverse[j, k] = total / lower[j, j]
    for j in range(size):
        for k in range(j + 1):
            if free[j] and free[k]:
                total = 0.0
                for m in range(j, size):
                    total += inverse[m, j] * inverse[m, k]
                out[j, k] = out[k, j] = total * scale[j] * scale[k]


@njit(cache=True, nogil=True, error_model="numpy")
def deviance(counts, w, mu, table, out):
    """Deviance of the fit, and the mean and variance that Poisson counts of these means would give.

    table (m, 2): mean and variance of one bin's deviance at ln mu from TABLE_LOW in steps of TABLE_STEP.
    """
    total, mean, variance, used = 0.0, 0.0, 0.0, 0
    for i in range(mu.size):
        if w[i] <= 0:
            continue
        log_mu = math.log(mu[i])
        total += mu[i] - counts[i]
        if counts[i] > 0:
            total += counts[i] * (math.log(counts[i]) - log_mu)
        place = min(max((log_mu - TABLE_LOW) / TABLE_STEP, 0.0), table.shape[0] - 1.001)
        k = int(place)
        mean += table[k, 0] + (place - k) * (table[k + 1, 0] - table[k, 0])
        variance += table[k, 1] + (place - k) * (table[k + 1, 1] - table[k, 1])
        used += 1
    out[0], out[1], out[2], out[3] = 2 * total, mean, variance, used


TABLE_LOW, TABLE_STEP = -14.0, 0.05


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
    counts, weight, starts, low, high, slots, eta_fixed, edges, table, tolerance, most, par, cov, stat
):
    """Fit every row. counts (rows, n) float64; weight (rows or 1, n); starts (rows, k, p), NaN: guess one peak.

    par (rows, p), cov (rows, p, p), stat (rows, 6): deviance, its mean, its variance, bins used, log likelihood,
    status. The best of the k starts is kept.
    """
    rows, n = counts.shape
    size = par.shape[1]
    space = workspace(size, n, slots.shape[0])
    inverse_width = 1.0 / np.diff(edges)
    now = np.empty(size)
    clean = np.empty(n)
    for row in range(rows):
        w = weight[row if weight.shape[0] > 1 else 0]
        for i in range(n):
            clean[i] = counts[row, i] if w[i] > 0 else 0.0
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
                clean, w, now, low, high, slots, eta_fixed, edges, inverse_width, space, tolerance, most
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
                space[0],
                space[1],
                space[2],
                space[3],
                space[4],
            )
        deviance(clean, w, space[0], table, stat[row, :4])
        covariance(clean, w, par[row], low, high, slots, eta_fixed, edges, inverse_width, space, cov[row])
