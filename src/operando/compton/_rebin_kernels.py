"""Channels to bins of momentum or energy, pixel by pixel: numba, plain arrays. Counts are shared by overlap,
none is lost.
"""

from __future__ import annotations

import numpy as np
from numba import njit

MC2 = 510.99895
AU = 137.035999


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def momentum(e1, e2, cos):
    """Equation 5, a.u."""
    return AU * (e2 - e1 + e1 * e2 / MC2 * (1 - cos)) / np.sqrt(e1 * e1 + e2 * e2 - 2 * e1 * e2 * cos)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def share_out(count, low, high, p0, step, bins, row):
    """Add `count`, spread evenly from `low` to `high` (in bins of `step` from `p0`), to `row`."""
    a, b = (low - p0) / step, (high - p0) / step
    if b <= 0 or a >= bins or count == 0:
        return
    i, j = int(np.floor(a)), int(np.floor(b))
    if i == j:
        row[i] += count
        return
    whole = b - a
    for k in range(max(i, 0), min(j, bins - 1) + 1):
        row[k] += count * (min(k + 1.0, b) - max(k + 0.0, a)) / whole


@njit(cache=True, nogil=True, error_model="numpy")
def rebin_momentum(counts, gain, lower, angle, e1, p0, step, out):
    """Add counts (pixel, channel) to `out` (pixel, bin of p_z). Pixels with a gain that is no number give nothing.

    gain, lower  (pixel,) keV a channel, energy of the lower edge of channel 0; angle (pixel,) degrees
    """
    pixels, channels = counts.shape
    bins = out.shape[1]
    for i in range(pixels):
        if not np.isfinite(gain[i] * lower[i] * angle[i]) or gain[i] <= 0:
            continue
        cos = np.cos(np.deg2rad(angle[i]))
        first = _energy(e1, p0, cos)
        last = _energy(e1, p0 + step * bins, cos)
        k0 = max(int(np.floor((first - lower[i]) / gain[i])) - 1, 0)
        k1 = min(int(np.ceil((last - lower[i]) / gain[i])) + 1, channels)
        low = momentum(e1, lower[i] + gain[i] * k0, cos)
        for k in range(k0, k1):
            high = momentum(e1, lower[i] + gain[i] * (k + 1), cos)
            share_out(counts[i, k], low, high, p0, step, bins, out[i])
            low = high


@njit(cache=True, nogil=True, error_model="numpy")
def _energy(e1, p, cos):
    """Equation 5 solved for E2."""
    y = p / AU
    a = 1 + e1 / MC2 * (1 - cos)
    root = np.sqrt(a * a - 2 * a * cos + 1 - y * y * (1 - cos * cos))
    return e1 * (a - y * y * cos + y * root) / (a * a - y * y)


@njit(cache=True, nogil=True, error_model="numpy")
def rebin_energy(counts, gain, lower, e0, step, out):
    """Add counts (pixel, channel) to `out` (bin of energy), all pixels on one scale."""
    pixels, channels = counts.shape
    bins = out.size
    for i in range(pixels):
        if not np.isfinite(gain[i] * lower[i]) or gain[i] <= 0:
            continue
        for k in range(channels):
            if counts[i, k] == 0:
                continue
            low = lower[i] + gain[i] * k
            share_out(counts[i, k], low, low + gain[i], e0, step, bins, out)
