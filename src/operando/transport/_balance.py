"""Fluxes through the planes of a domain, which say when to stop, and its dissipation (layout: see `_levels`)."""

from __future__ import annotations

import numpy as np
from numba import njit

FAST = {"contract", "reassoc"}


@njit(cache=True, nogil=True, error_model="numpy")
def imbalance(inflow, sums):
    """Spread of the flux over the slabs, (max - min) / |mean|; `sums` is the residual of each slab."""
    flux = inflow
    lowest, highest, total = flux, flux, flux
    for z in range(len(sums)):
        flux -= sums[z]
        lowest, highest, total = min(lowest, flux), max(highest, flux), total + flux
    mean = abs(total) / (len(sums) + 1)
    return (highest - lowest) / mean if mean > 0 else np.inf


@njit(cache=True, nogil=True, error_model="numpy")
def inflow_of(at, u, source, low):
    total = 0.0
    i = at
    for y in range(low.shape[0]):
        for x in range(low.shape[1]):
            total += np.float64(source[y, x]) - np.float64(low[y, x]) * np.float64(u[i])
            i += 1
    return total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def audit(shape, at, u, source, low, high, cz, cy, cx, flux):
    """Flux across every plane (nz + 1,) and the dissipation sum of c (difference)^2, in float64, from the field itself.

    The first electrode is at potential one where there is one (`low` > 0).
    """
    nz, slab, nx = shape[0], shape[1] * shape[2], shape[2]
    power = 0.0
    for z in range(nz):
        b, total = at + z * slab, 0.0
        own, up, north, right = u[b : b + slab], u[b + slab :], u[b + nx :], u[b + 1 :]
        c_up, c_north, c_right = cz[b:], cy[b:], cx[b:]
        for i in range(slab):
            value = np.float64(own[i])
            dz, dy, dx = value - np.float64(up[i]), value - np.float64(north[i]), value - np.float64(right[i])
            total += np.float64(c_up[i]) * dz
            power += np.float64(c_up[i]) * dz * dz + np.float64(c_north[i]) * dy * dy
            power += np.float64(c_right[i]) * dx * dx
        flux[z + 1] = total
    flux[0] = inflow_of(at, u, source, low)
    i, last = at, at + (nz - 1) * slab
    flux[nz] = 0
    for y in range(shape[1]):
        for x in range(nx):
            power += np.float64(low[y, x]) * (1 - np.float64(u[i])) ** 2
            power += np.float64(high[y, x]) * np.float64(u[last]) ** 2
            flux[nz] += np.float64(high[y, x]) * np.float64(u[last])
            i, last = i + 1, last + 1
    return power
