"""Kernel that joins spots of neighbouring points into grains."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ._grain_label import find_root, join


@njit(cache=True, nogil=True, error_model="numpy")
def link_points(
    point,
    azimuth,
    azimuth_err,
    q,
    q_err,
    rows,
    cols,
    reach_z,
    reach_x,
    tolerance,
    q_tolerance,
    period,
    parent,
):
    """Unite spots of neighbouring points whose azimuth and q agree; spots sorted by point (row * cols + column).

    Agreement: the difference is within the tolerance and three joint errors in quadrature. `parent` gets the roots.
    """
    spots = len(point)
    start = np.zeros(rows * cols + 1, np.int64)
    for s in range(spots):
        start[point[s] + 1] += 1
        parent[s] = s
    for p in range(rows * cols):
        start[p + 1] += start[p]
    for s in range(spots):
        z, x = divmod(point[s], cols)
        for other_z in range(z, min(z + reach_z + 1, rows)):
            for other_x in range(max(x - reach_x, 0), min(x + reach_x + 1, cols)):
                p = other_z * cols + other_x
                if p <= point[s]:
                    continue
                for t in range(start[p], start[p + 1]):
                    gap = abs((azimuth[s] - azimuth[t] + 0.5 * period) % period - 0.5 * period)
                    error = 3.0 * math.hypot(azimuth_err[s], azimuth_err[t])
                    if gap > math.hypot(tolerance, error):
                        continue
                    if abs(q[s] - q[t]) <= math.hypot(q_tolerance, 3.0 * math.hypot(q_err[s], q_err[t])):
                        join(parent, s, t)
    for s in range(spots):
        parent[s] = find_root(parent, s)
