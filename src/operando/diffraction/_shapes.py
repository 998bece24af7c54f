"""Peak shapes averaged over bins, with their derivatives: numba, plain arrays.

A bin records the mean of the shape between its edges, so position and width are not biased by the bin width. The
normal distribution function is Q(t) = exp(-t^2/2) R(y), y = 2 / (1 + 0.3 |t|) - 1, with R the degree-12 polynomial
fitted to erfcx(t / sqrt 2) / 2 (error of the distribution below 1e-10; tests/unit/test_peaks_kernels.py).

No fastmath here or where these are called: reordered sums depend on what the compiler sees together, and a process that
compiles would then give other last bits than one that finds the compiled code.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_R = (
    2.91760410159e-06, -1.38886159819e-06, -2.71412379581e-05, 2.09458855568e-05, 0.000184767631136,
    -0.000146260616466, -0.00149906912264, -0.000303332037594, 0.0147886406814, 0.057154996966,
    0.125564567221, 0.193275049099, 0.110985306855,
)  # fmt: skip
_SQRT_TAU_INVERSE = 1.0 / math.sqrt(2.0 * math.pi)
_SQRT_2LN2 = math.sqrt(2.0 * math.log(2.0))


@njit(cache=True, nogil=True, error_model="numpy")
def normal(t, density, distribution, bits):
    """Density and distribution of the standard normal at t (m,). `bits` (m,) int64 is scratch.

    exp is 2^k times a degree-10 polynomial, 2^k built from its exponent bits: simple enough to be vectorised.
    """
    power = bits.view(np.float64)
    for i in range(t.size):
        z = max(-0.5 * t[i] * t[i], -700.0)
        k = np.int32(z * 1.4426950408889634 - 0.5)
        bits[i] = np.int64(k + 1023) << 52
        r = z - k * 0.6931471805599453
        e = 1.0 / 5040 + r * (1.0 / 40320 + r * (1.0 / 362880 + r / 3628800))
        density[i] = 1 + r * (
            1 + r * (0.5 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r * e)))))
        )
    for i in range(t.size):
        e = density[i] * power[i]
        y = 2.0 / (1.0 + 0.3 * abs(t[i])) - 1.0
        tail = _R[0] * y + _R[1]
        tail = tail * y + _R[2]
        tail = tail * y + _R[3]
        tail = tail * y + _R[4]
        tail = tail * y + _R[5]
        tail = tail * y + _R[6]
        tail = tail * y + _R[7]
        tail = tail * y + _R[8]
        tail = tail * y + _R[9]
        tail = tail * y + _R[10]
        tail = tail * y + _R[11]
        tail = (tail * y + _R[12]) * e
        distribution[i] = tail if t[i] < 0 else 1.0 - tail
        density[i] = _SQRT_TAU_INVERSE * e


@njit(cache=True, nogil=True, error_model="numpy")
def gaussian(edges, inverse_width, position, sigma, out, at_edges):
    """Mean of a unit-area Gaussian over each of m bins, and its first derivatives. edges (>= m + 1,).

    out (>= 3, m): the shape S, dS/dposition, dS/dsigma. at_edges (4, edges): distance in sigma, density and
    distribution at the edges, and scratch.
    """
    inverse = 1.0 / sigma
    t, g, cdf = at_edges[0], at_edges[1], at_edges[2]
    shape, by_position, by_sigma = out[0], out[1], out[2]
    for i in range(edges.size):
        t[i] = (edges[i] - position) * inverse
    normal(t, g, cdf, at_edges[3].view(np.int64))
    for i in range(inverse_width.size):
        shape[i] = (cdf[i + 1] - cdf[i]) * inverse_width[i]
    for i in range(inverse_width.size):  # one loop an array: only such loops become vector code
        by_position[i] = (g[i] - g[i + 1]) * (inverse * inverse_width[i])
    for i in range(inverse_width.size):
        by_sigma[i] = (t[i] * g[i] - t[i + 1] * g[i + 1]) * (inverse * inverse_width[i])


@njit(cache=True, nogil=True, error_model="numpy")
def bend(inverse_width, sigma, out, at_edges):
    """Second derivatives of the shape that `gaussian` gave: d2S/dposition dsigma, d2S/dsigma2 into out[3], out[4]."""
    t, g, mixed, twice = at_edges[0], at_edges[1], out[3], out[4]
    inverse = 1.0 / sigma
    for i in range(inverse_width.size):
        second = inverse * inverse * inverse_width[i]
        mixed[i] = ((t[i] * t[i] - 1.0) * g[i] - (t[i + 1] * t[i + 1] - 1.0) * g[i + 1]) * second
    for i in range(inverse_width.size):
        second, a, b = inverse * inverse * inverse_width[i], t[i], t[i + 1]
        twice[i] = ((a * a - 2.0) * a * g[i] - (b * b - 2.0) * b * g[i + 1]) * second


@njit(cache=True, nogil=True, error_model="numpy")
def move(shift, sigma, out):
    """Turn what `gaussian` gave for bins at their centres into bins that lie `shift` (n,) higher: to second order.

    S(q + d) = S - d dS/dposition + d^2 / 2 d2S/dposition2, and d2S/dposition2 = (dS/dsigma) / sigma. The second
    derivatives in out stay those of the centres: they only guide steps.
    """
    inverse = 1.0 / sigma
    for i in range(shift.size):
        d, half = shift[i], 0.5 * shift[i] * shift[i] * inverse
        by_place, by_sigma = out[1, i], out[2, i]
        out[0, i] += half * by_sigma - d * by_place
        out[1, i] += half * out[3, i] - d * inverse * by_sigma
        out[2, i] += half * (out[4, i] - inverse * by_sigma) - d * out[3, i]


@njit(cache=True, nogil=True, error_model="numpy")
def mix_lorentzian(edges, inverse_width, position, sigma, eta, shape, by_position, by_sigma, by_eta):
    """Turn a Gaussian into a pseudo-Voigt of the same full width at half maximum: (1 - eta) G + eta L.

    The Lorentzian has half width h = sigma sqrt(2 ln 2) and distribution atan((x - position) / h) / pi.
    """
    half = sigma * _SQRT_2LN2
    u = (edges[0] - position) / half
    angle, density = math.atan(u) / math.pi, 1.0 / (math.pi * half * (1.0 + u * u))
    for i in range(shape.size):
        v = (edges[i + 1] - position) / half
        next_angle, next_density = math.atan(v) / math.pi, 1.0 / (math.pi * half * (1.0 + v * v))
        lorentz = (next_angle - angle) * inverse_width[i]
        by_eta[i] = lorentz - shape[i]
        shape[i] += eta * by_eta[i]
        step = (density - next_density) * inverse_width[i]
        by_position[i] += eta * (step - by_position[i])
        widen = (u * density - v * next_density) * _SQRT_2LN2 * inverse_width[i]
        by_sigma[i] += eta * (widen - by_sigma[i])
        u, angle, density = v, next_angle, next_density
