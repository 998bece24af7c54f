"""How badly every void thickness explains a column: the inner loop of the fit of voids."""

from __future__ import annotations

from math import erf

import numpy as np
from numba import njit, prange


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")
def thickness_costs(rest, weight, tilt, face, width, first_z, dark, loose, trials, cost):
    """cost[k, y, x] = sum w r^2 - (sum w r q)^2 / (sum w q^2 + 1 / loose^2).

    r = rest - dark (C(z - b + t) - C(z - b)).

    C is the normal distribution of sigma `width`; q = tilt is the change of the image with the face b, which is
    free within `loose` (voxels).

    rest, weight, tilt  (z, y, x) what a model without void leaves and its weight; face, width (y, x) voxels
    first_z             middle of the first voxel; dark: grey value of void less that of lithium; trials (k,) voxels,
                        0 and on in equal parts of a voxel
    """
    nz, ny, nx = rest.shape
    fine = round(1 / (trials[1] - trials[0]))
    for y in prange(ny):
        for x in range(nx):
            scale = 1 / (width[y, x] * np.sqrt(2.0))
            firm = 1 / loose**2
            edge = np.empty((nz - 1) * fine + len(trials))
            for j in range(len(edge)):
                edge[j] = 0.5 * erf((first_z - face[y, x] + j / fine) * scale)
            for z in range(nz):
                firm += weight[z, y, x] * tilt[z, y, x] ** 2
            for k in range(len(trials)):
                square = cross = 0.0
                for z in range(nz):
                    w = weight[z, y, x]
                    if w == 0:
                        continue
                    hole = edge[z * fine + k] - edge[z * fine]
                    r = rest[z, y, x] - dark * hole
                    square += w * r * r
                    cross += w * r * tilt[z, y, x]
                cost[k, y, x] = square - cross * cross / firm
