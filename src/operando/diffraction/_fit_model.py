"""Means, derivatives, likelihood and deviance of peaks on a linear background: numba, plain arrays.

The model and its parameters are those of `_fit_kernels`.
"""

from __future__ import annotations

import math

from numba import njit

from ._shapes import gaussian, mix_lorentzian, move

TINY = 1e-9  # counts: the smallest mean that a bin may have
TABLE_LOW, TABLE_STEP = -14.0, 0.05  # ln mu at which the deviance table begins, and its step


@njit(cache=True, nogil=True, error_model="numpy")
def evaluate(par, slots, eta_fixed, edges, inverse_width, w, v, shift, mu, jac, curve, work, bits):
    """Means mu (n,), derivatives jac (parameters, n), and curve (3 peaks, n).

    curve holds of each peak d2mu/dposition dsigma, d2mu/dsigma2 and its own dmu/dsigma.

    w, v (n,): weight of the background and of the peaks. shift (n or 0,): see `move`; Gaussians only.
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
        if shift.size:
            move(shift, par[s], work)
        eta = par[e] if e >= 0 else eta_fixed
        if e >= 0 or eta > 0:
            mix_lorentzian(edges, inverse_width, par[p], par[s], eta, work[0, :n], work[1], work[2], work[5])
        area = par[a]
        for i in range(n):
            scaled = area * v[i]
            jac[a, i] += v[i] * work[0, i]
            jac[p, i] += scaled * work[1, i]
            jac[s, i] += scaled * work[2, i]
            curve[3 * k, i] = scaled * (1.0 - eta) * work[3, i]
            curve[3 * k + 1, i] = scaled * (1.0 - eta) * work[4, i]
            curve[3 * k + 2, i] = scaled * work[2, i]
            mu[i] += scaled * work[0, i]
        if e >= 0:
            for i in range(n):
                jac[e, i] += area * v[i] * work[5, i]
    for i in range(n):
        mu[i] = max(mu[i], TINY)


@njit(cache=True, nogil=True, error_model="numpy")
def log_likelihood(counts, w, mu):
    """sum of n ln mu - mu over bins that have weight (without the constant ln n!)."""
    total = 0.0
    for i in range(mu.size):
        if w[i] > 0:
            total -= mu[i]
            if counts[i] > 0:
                total += counts[i] * math.log(mu[i])
    return total


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, nogil=True, error_model="numpy")
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
