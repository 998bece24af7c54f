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
from ._fit_model import add_curvature, deviance, evaluate, load, log_likelihood, score, workspace
from ._fit_start import start_one

CONVERGED, ITERATIONS_SPENT, EMPTY = 0, 1, 2
#: step from which on the observed information guides, where it is positive definite
NEWTON_FROM = 2


@njit(cache=True, nogil=True, error_model="numpy")
def limit_step(par, step, model, trial):
    """Next parameters, inside their bounds: a step moves a peak by at most 1.5 sigma and 0.6 of its width."""
    slots, shrink = model.slots, 1.0
    for k in range(slots.shape[0]):
        sigma = par[slots[k, 1]]
        shrink = min(shrink, 1.5 * sigma / max(abs(step[slots[k, 0]]), 1e-12))
        shrink = min(shrink, 0.6 * sigma / max(abs(step[slots[k, 1]]), 1e-12))
    for j in range(par.size):
        trial[j] = min(max(par[j] + shrink * step[j], model.low[j]), model.high[j])


@njit(cache=True, nogil=True, error_model="numpy")
def hold(par, model, space):
    """Which parameters may move: not those that are pushed against their bound, nor those without effect."""
    for j in range(par.size):
        up = space.gradient[j]
        held = (par[j] <= model.low[j] and up <= 0) or (par[j] >= model.high[j] and up >= 0)
        space.free[j] = not held and space.information[j, j] > 0


@njit(cache=True, nogil=True, error_model="numpy")
def next_step(par, model, space, observed, damping):
    """Step (p,), into `space`, from where it is. Returns the gain in log likelihood it promises, and the damping."""
    score(space, observed)
    hold(par, model, space)
    if observed:
        add_curvature(par, model.slots, space)
        if not cholesky(space.information, space.free, damping, space.lower, space.scale):
            observed = False
            score(space, False)
    if not observed:
        damping = max(damping, 1e-6)
        while not cholesky(space.information, space.free, damping, space.lower, space.scale):
            damping *= 10
    solve(space.lower, space.scale, space.gradient, space.step)
    gain = 0.0
    for j in range(par.size):
        gain += space.gradient[j] * space.step[j]
    return gain, damping


@njit(cache=True, nogil=True, error_model="numpy")
def maximise(par, model, space, tolerance, most):
    """Climb to the maximum of the likelihood from `par`, in place; `space` is left at it.

    Steps use the expected information first, then the observed one, which converges quadratically, wherever that is
    positive definite. Returns log likelihood and status. Ends when the expected gain of the next step, in units of log
    likelihood, is below `tolerance`; or after a free step of Newton's that promised less than 0.3 tolerance^(1/2): what
    it leaves is of the order of the square of what it promised.
    """
    evaluate(par, model, space, NEWTON_FROM <= 0)
    best = log_likelihood(space)
    damping, status = 1e-3, ITERATIONS_SPENT
    for iteration in range(most):
        gain, damping = next_step(par, model, space, iteration >= NEWTON_FROM, damping)
        if gain < tolerance and damping <= 1.0:
            status = CONVERGED
            break
        last = iteration >= NEWTON_FROM and damping <= 1e-3 and gain * gain < 0.1 * tolerance
        curved = iteration + 1 >= NEWTON_FROM and not last
        value = climb(par, model, space, best, curved)
        if value > best - 1e-9 * abs(best):
            best = value
            par[:] = space.trial
            damping *= 0.1
            if last:
                status = CONVERGED
                break
        else:
            damping = max(10 * damping, 1e-2)
            evaluate(par, model, space, iteration + 1 >= NEWTON_FROM)
            if damping > 1e9:
                break
    return best, status


@njit(cache=True, nogil=True, error_model="numpy")
def climb(par, model, space, best, curved):
    """Try the step in `space`, and a third of it if that is no better. Returns the log likelihood at `trial`."""
    value = -np.inf
    for _ in range(2):
        limit_step(par, space.step, model, space.trial)
        evaluate(space.trial, model, space, curved)
        value = log_likelihood(space)
        if value > best - 1e-9 * abs(best):
            break
        for j in range(par.size):
            space.step[j] /= 3.0
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def covariance(par, model, space, out):
    """Inverse expected information at `par`, where `space` must be; NaN where it is singular.

    A background at its lower bound of zero is given one count in the window: what zero counts leave possible.
    """
    low, high, trial, information, free = model.low, model.high, space.trial, space.information, space.free
    floor = 1.0 / max(space.w.sum(), 1e-30)
    if par[0] < floor or par[1] < floor:
        trial[:] = par
        trial[0], trial[1] = max(par[0], floor), max(par[1], floor)
        evaluate(trial, model, space, False)
    score(space, False)
    for j in range(par.size):
        free[j] = information[j, j] > 0 and (j < 2 or (par[j] > low[j] and par[j] < high[j]))
    out[:] = np.nan
    if cholesky(information, free, 0.0, space.lower, space.scale):
        invert(space.lower, space.scale, free, information, out)


@njit(cache=True, nogil=True, error_model="numpy")
def fit_rows(counts, weight, starts, model, table, tolerance, most, par, cov, stat):
    """Fit every row. counts (rows, n) float64; weight (rows or 1, n); starts (rows or 1, k, p), NaN: guess one peak.

    par (rows, p), cov (rows, p, p), stat (rows, 6): deviance, its mean, its variance, bins used, log likelihood,
    status. The best of the k starts is kept.
    """
    space = workspace(model)
    now = np.empty(par.shape[1])
    for row in range(counts.shape[0]):
        par[row] = np.nan
        cov[row] = np.nan
        stat[row] = np.nan
        if not load(counts[row], weight[row if weight.shape[0] > 1 else 0], model, space) > 0:
            stat[row, 5] = EMPTY
            continue
        for k in range(starts.shape[1]):
            start = starts[row if starts.shape[0] > 1 else 0, k]
            if np.isnan(start[0]):
                start_one(model, space, now)
            else:
                now[:] = np.minimum(np.maximum(start, model.low), model.high)
            value, status = maximise(now, model, space, tolerance, most)
            if k == 0 or value > stat[row, 4]:
                stat[row, 4], stat[row, 5] = value, status
                par[row] = now
        if starts.shape[1] > 1:
            evaluate(par[row], model, space, False)
        deviance(model, space, table, stat[row, :4])
        covariance(par[row], model, space, cov[row])
