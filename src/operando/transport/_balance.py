"""Fluxes through the planes of a domain, which say when to stop, and its dissipation (layout: see `_levels`)."""

from __future__ import annotations

import numpy as np
from numba import njit

from ._levels import join_row, row_start


@njit(cache=True, nogil=True, error_model="numpy")
def imbalance(inflow, sums):
    """Spread of the flux over the planes, (max - min) / |mean|; `sums` (c,) is the residual of each slab."""
    flux = inflow
    lowest, highest, total = flux, flux, flux
    for z in range(len(sums)):
        flux -= sums[z]
        lowest, highest, total = min(lowest, flux), max(highest, flux), total + flux
    mean = abs(total) / (len(sums) + 1)
    return (highest - lowest) / mean if mean > 0 else np.inf


@njit(cache=True, nogil=True, error_model="numpy")
def inflow_of(level, u, source, low):
    """Current from the first electrode: sum of source - low u over the first cells, (a, b)."""
    total = 0.0
    for a in range(level[0]):
        for b in range(level[1]):
            first = u[(a + b) & 1, row_start(level, a, b)]
            total += np.float64(source[a, b]) - np.float64(low[a, b]) * np.float64(first)
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def unpack(level, packed, out):
    """A field of the first level as an array (a, b, c)."""
    n = level[3]
    for a in range(level[0]):
        for b in range(level[1]):
            i = row_start(level, a, b)
            join_row(packed[0, i : i + n], packed[1, i : i + n], (a + b) & 1, out[a, b])


@njit(cache=True, nogil=True, error_model="numpy")
def add_faces(one, two, x, y, scale, flux, power):
    """Flux and power of the faces between cells of potential one and two and conductivity x and y, all (c,)."""
    for c in range(len(one)):
        a, b = np.float64(x[c]), np.float64(y[c])
        total = a + b
        g = scale * 2 * a * b / (total if total > 0 else 1.0)
        drop = np.float64(one[c]) - np.float64(two[c])
        flux[c] += g * drop
        power[c] += g * drop * drop


@njit(cache=True, nogil=True, error_model="numpy")
def audit(k, scale, u, source, low, high, flux):
    """Flux across every plane (c + 1,) and the dissipation sum of g (difference)^2, in float64, from k and u (a, b, c).

    The first electrode is at potential one where there is one (`low` > 0).
    """
    na, nb, nc = k.shape
    power, unused, ends = np.zeros(nc), np.zeros(nc), 0.0
    flux[:] = 0
    for a in range(na):
        for b in range(nb):
            add_faces(u[a, b, :-1], u[a, b, 1:], k[a, b, :-1], k[a, b, 1:], scale[2], flux[1:nc], power[1:])
            if a + 1 < na:
                add_faces(u[a, b], u[a + 1, b], k[a, b], k[a + 1, b], scale[0], unused, power)
            if b + 1 < nb:
                add_faces(u[a, b], u[a, b + 1], k[a, b], k[a, b + 1], scale[1], unused, power)
            first, last = np.float64(u[a, b, 0]), np.float64(u[a, b, nc - 1])
            flux[0] += np.float64(source[a, b]) - np.float64(low[a, b]) * first
            flux[nc] += np.float64(high[a, b]) * last
            ends += np.float64(low[a, b]) * (1 - first) ** 2 + np.float64(high[a, b]) * last**2
    total = ends
    for c in range(nc):
        total += power[c]
    return total
