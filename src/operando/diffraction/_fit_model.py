"""Means, derivatives, likelihood and deviance of peaks on a linear background: numba, plain arrays.

The model and its parameters are those of `_fit_kernels`. Rows of bins are padded to whole lanes (`_lanes`) with bins
that have no weight: they have mean `TINY`, no counts and no derivatives, and so add nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from ._lanes import dot, logarithm, padded
from ._shapes import bend, gaussian, mix_lorentzian, move

TINY = 1e-9  # counts: the smallest mean that a bin may have
TABLE_LOW, TABLE_STEP = -14.0, 0.05  # ln mu at which the deviance table begins, and its step


class Model(NamedTuple):
    """What all rows of a window share: m bins (n of them real, the rest padding), lengths in bins.

    edges (padded(m + 1),) from the middle of the window; inverse_width (m,); response, shift (m,), or empty: weight of
    peaks over that of the background, and how far above its centre each bin lies for a peak. slots (peaks, 4): the
    parameters that are position, sigma, area and eta of a peak (-1: eta_fixed). low, high (p,): bounds of parameters.
    """

    n: Any
    edges: Any
    inverse_width: Any
    response: Any
    shift: Any
    slots: Any
    eta_fixed: Any
    low: Any
    high: Any


class Space(NamedTuple):
    """Scratch of one fit: rows of m bins, and small arrays of the p parameters."""

    counts: Any
    w: Any  # weight of the background
    v: Any  # weight of the peaks
    mu: Any
    jac: Any  # (p, m) dmu / dparameter
    curve: Any  # (3 peaks, m): d2mu/dposition dsigma, d2mu/dsigma2, own dmu/dsigma
    work: Any  # (6, m): shape and its derivatives
    edge: Any  # (4, padded(m + 1)): at the edges
    residual: Any
    inverse: Any
    log: Any
    one: Any
    gradient: Any
    information: Any
    lower: Any
    scale: Any
    step: Any
    trial: Any
    free: Any


def model_of(
    edges: np.ndarray, slots: np.ndarray, low: np.ndarray, high: np.ndarray, response: np.ndarray, shift: np.ndarray,
    eta_fixed: float = 0.0,
) -> Model:  # fmt: skip
    """The model of n bins with these edges (n + 1,), padded."""
    n = len(edges) - 1
    m = padded(n)
    more = edges[-1] + np.arange(1, padded(m + 1) - n)
    response, shift = (np.append(a, np.zeros(m - n)) if len(a) else np.zeros(0) for a in (response, shift))
    inverse_width = np.append(1.0 / np.diff(edges), np.zeros(m - n))
    low, high = np.asarray(low, float), np.asarray(high, float)
    return Model(n, np.append(edges, more), inverse_width, response, shift, slots, eta_fixed, low, high)


@njit(cache=True, nogil=True, error_model="numpy")
def workspace(model):
    """Scratch arrays of fits of `model`."""
    m, p, peaks = model.inverse_width.size, model.low.size, model.slots.shape[0]
    return Space(
        np.zeros(m), np.zeros(m), np.zeros(m), np.empty(m), np.zeros((p, m)), np.zeros((3 * peaks, m)),
        np.empty((6, m)), np.empty((4, model.edges.size)), np.empty(m), np.empty(m), np.empty(m), np.ones(m),
        np.empty(p), np.empty((p, p)), np.zeros((p, p)), np.empty(p), np.empty(p), np.empty(p), np.empty(p, np.bool_),
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def load(counts, weight, model, space):
    """Put a row of counts (n,) and weight (n,) into `space`, with the derivatives of the background, which stay. The
    sum of the counts where there is weight."""
    n, clean, w, v, jac = model.n, space.counts, space.w, space.v, space.jac
    scale = 1.0 / max(n - 1, 1)
    for i in range(n):
        clean[i] = counts[i] if weight[i] > 0 else 0.0
        w[i] = weight[i]
        v[i] = weight[i] * model.response[i] if model.response.size else weight[i]
        jac[0, i] = weight[i] * (1.0 - i * scale)
        jac[1, i] = weight[i] * (i * scale)
    return dot(clean, space.one)


@njit(cache=True, nogil=True, error_model="numpy")
def scaled(weight, values, factor, out):
    """out = factor weight values. One loop an array: only such loops become vector code."""
    for i in range(out.size):
        out[i] = factor * weight[i] * values[i]


@njit(cache=True, nogil=True, error_model="numpy")
def add(values, factor, out):
    """out += factor values."""
    for i in range(out.size):
        out[i] += factor * values[i]


@njit(cache=True, nogil=True, error_model="numpy")
def evaluate(par, model, space, curved):
    """Means and derivatives at `par`, into `space`; second derivatives (`curve`) too if `curved`."""
    mu, jac, curve, work, v, slots = space.mu, space.jac, space.curve, space.work, space.v, model.slots
    shape, by_position, by_sigma, by_eta = work[0], work[1], work[2], work[5]
    m = mu.size
    for i in range(m):
        mu[i] = par[0] * jac[0, i] + par[1] * jac[1, i]
    for k in range(slots.shape[0]):
        p, s, a, e = slots[k, 0], slots[k, 1], slots[k, 2], slots[k, 3]
        gaussian(model.edges, model.inverse_width, par[p], par[s], work, space.edge)
        if curved or model.shift.size:
            bend(model.inverse_width, par[s], work, space.edge)
        if model.shift.size:
            move(model.shift, par[s], work)
        eta = par[e] if e >= 0 else model.eta_fixed
        if e >= 0 or eta > 0:
            mix_lorentzian(
                model.edges, model.inverse_width, par[p], par[s], eta, shape, by_position, by_sigma, by_eta
            )
        area, of_peak = par[a], curve[3 * k + 2]
        scaled(v, shape, 1.0, jac[a])
        scaled(v, by_position, area, jac[p])
        scaled(v, by_sigma, area, of_peak)
        add(jac[a], area, mu)
        if k > 0 and s == slots[0, 1]:  # one width for both
            add(of_peak, 1.0, jac[s])
        else:
            jac[s] = of_peak
        if curved:
            scaled(v, work[3], area * (1.0 - eta), curve[3 * k])
            scaled(v, work[4], area * (1.0 - eta), curve[3 * k + 1])
        if e >= 0:
            scaled(v, by_eta, area, jac[e])
    for i in range(m):
        mu[i] = max(mu[i], TINY)


@njit(cache=True, nogil=True, error_model="numpy")
def log_likelihood(space):
    """sum of n ln mu - mu (without the constant ln n!; bins without weight add a constant, TINY each)."""
    logarithm(space.mu, space.log)
    return dot(space.counts, space.log) - dot(space.mu, space.one)


@njit(cache=True, nogil=True, error_model="numpy")
def score(space, observed):
    """Gradient (p,) of the log likelihood and information (p, p), into `space`, with residual n / mu - 1.

    Expected: sum J J / mu. Observed, without second derivatives of mu: sum J J n / mu^2.
    """
    counts, mu, jac, information = space.counts, space.mu, space.jac, space.information
    residual, inverse, weighted = space.residual, space.inverse, space.work[5]
    for i in range(mu.size):
        inverse[i] = 1.0 / mu[i]
    for i in range(mu.size):
        residual[i] = counts[i] * inverse[i] - 1.0
    if observed:
        for i in range(mu.size):
            inverse[i] *= residual[i] + 1.0
    for j in range(jac.shape[0]):
        row = jac[j]
        space.gradient[j] = dot(row, residual)
        for i in range(mu.size):
            weighted[i] = row[i] * inverse[i]
        for k in range(j + 1):
            information[j, k] = information[k, j] = dot(weighted, jac[k])


@njit(cache=True, nogil=True, error_model="numpy")
def add_curvature(par, slots, space):
    """Make the observed information exact: subtract sum (n / mu - 1) d2mu, which is what lets steps converge fast."""
    gradient, residual, curve, information = space.gradient, space.residual, space.curve, space.information
    for k in range(slots.shape[0]):
        p, s, a = slots[k, 0], slots[k, 1], slots[k, 2]
        mixed, own = dot(residual, curve[3 * k]), dot(residual, curve[3 * k + 2])
        information[p, s] -= mixed
        information[s, p] -= mixed
        information[s, s] -= dot(residual, curve[3 * k + 1])
        information[p, p] -= own / par[s]  # d2S/dposition2 = (dS/dsigma) / sigma
        if par[a] > 0:
            information[p, a] -= gradient[p] / par[a]
            information[a, p] -= gradient[p] / par[a]
            information[s, a] -= own / par[a]
            information[a, s] -= own / par[a]


@njit(cache=True, nogil=True, error_model="numpy")
def deviance(model, space, table, out):
    """Deviance of the fit, the mean and variance that Poisson counts of these means would give, and the bins used.

    table (m, 2): mean and variance of one bin's deviance at ln mu from TABLE_LOW in steps of TABLE_STEP.
    """
    counts, residual, mean, variance, used = space.counts, space.residual, 0.0, 0.0, 0
    for i in range(counts.size):
        residual[i] = max(counts[i], TINY)
    logarithm(residual, space.inverse)
    logarithm(space.mu, space.log)
    for i in range(counts.size):
        inside = 1.0 if space.w[i] > 0 else 0.0
        residual[i] = counts[i] * (space.inverse[i] - space.log[i]) + inside * (space.mu[i] - counts[i])
    top = table.shape[0] - 1.001
    for i in range(model.n):
        if space.w[i] > 0:
            place = min(max((space.log[i] - TABLE_LOW) / TABLE_STEP, 0.0), top)
            k = int(place)
            mean += table[k, 0] + (place - k) * (table[k + 1, 0] - table[k, 0])
            variance += table[k, 1] + (place - k) * (table[k + 1, 1] - table[k, 1])
            used += 1
    out[0], out[1], out[2], out[3] = 2 * dot(residual, space.one), mean, variance, used
