"""Numba kernel: mean line integrals of square voxels over the pixels of a parallel beam, exact overlaps."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def footprint(t, inner, outer, height):
    """Integral up to t of the shadow of one voxel: a trapezoid of area 1, flat to `inner`, zero beyond `outer`."""
    u = min(abs(t), outer)
    half = height * u
    if u > inner:
        half -= height * (u - inner) ** 2 / (2.0 * (outer - inner))
    return 0.5 + half if t > 0.0 else 0.5 - half


@njit(cache=True, nogil=True)
def add_scaled(line, values, weight):
    """line += weight * values."""
    for k in range(line.size):
        line[k] += weight * values[k]


@njit(cache=True, nogil=True)
def strip_sums(volume, theta, first, out):
    """out[a, c, :] = mean over pixel c of the line integrals of `volume` (y, x, any), in voxels.

    The ray is x cos(theta) + y sin(theta) = t with x, y from the middle of the section; pixel c of angle a covers
    t = first[a] + c -+ 1/2. theta (angles,) radian, first (angles,), all in voxels.
    """
    ny, nx, _ = volume.shape
    middle_y, middle_x = (ny - 1) / 2.0, (nx - 1) / 2.0
    columns = out.shape[1]
    for a in range(len(theta)):
        c, s = math.cos(theta[a]), math.sin(theta[a])
        outer = (abs(c) + abs(s)) / 2.0
        inner = abs(abs(c) - abs(s)) / 2.0
        height = 1.0 / (outer + inner)
        out[a] = 0.0
        for y in range(ny):
            for x in range(nx):
                t = (x - middle_x) * c + (y - middle_y) * s - first[a]
                low = max(math.ceil(t - outer - 0.5), 0)
                high = min(math.floor(t + outer + 0.5), columns - 1)
                for column in range(low, high + 1):
                    weight = footprint(column + 0.5 - t, inner, outer, height)
                    weight -= footprint(column - 0.5 - t, inner, outer, height)
                    if weight > 1e-7:
                        add_scaled(out[a, column], volume[y, x], np.float32(weight))
