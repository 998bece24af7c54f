"""Elastic forces of a periodic voxel grid and the Green operator of a uniform medium (rotated scheme).

Displacements live on the corners of the voxels, strain and stress at their centres: the gradient along an axis is the
mean of the differences over the four edges. This is the rotated scheme of Willot (2015), which equals linear bricks
with one integration point; its gradient is never zero beside a pore, so that pores of no stiffness converge.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# Voigt number of stress (i, j), axes in the order z, y, x of the arrays; Voigt order xx yy zz yz xz xy
VOIGT = np.array([[2, 3, 4], [3, 1, 5], [4, 5, 0]])
LANES = 16


@njit(cache=True, nogil=True, error_model="numpy")
def row_gradients(u, i, z, y, step, out):
    """Derivatives (3, nx) along z, y, x of component i of u (3, z, y, x) at the centres of the voxels of a row."""
    nz, ny, nx = u.shape[1:]
    above, behind = (z + 1) % nz, (y + 1) % ny
    a, b, c, d = u[i, z, y], u[i, z, behind], u[i, above, y], u[i, above, behind]
    rz, ry, rx = out
    for x in range(nx):
        n = x + 1 if x + 1 < nx else 0
        low, high, near, far = a[x] + a[n], c[x] + c[n], b[x] + b[n], d[x] + d[n]
        rz[x] = step[0] * (high + far - low - near)
        ry[x] = step[1] * (near + far - low - high)
        rx[x] = step[2] * (a[n] + b[n] + c[n] + d[n] - a[x] - b[x] - c[x] - d[x])


@njit(cache=True, nogil=True, error_model="numpy")
def row_stress(labels, table, mean, gradient, stress):
    """stress (6, nx) of a row of voxels from gradient (component, axis, x) and the mean strain (6,), Voigt."""
    e = np.empty(6, gradient.dtype)
    for x in range(len(labels)):
        g, c = gradient[:, :, x], table[labels[x]]
        e[0], e[1], e[2] = mean[0] + g[2, 2], mean[1] + g[1, 1], mean[2] + g[0, 0]
        e[3] = mean[3] + g[0, 1] + g[1, 0]
        e[4] = mean[4] + g[0, 2] + g[2, 0]
        e[5] = mean[5] + g[1, 2] + g[2, 1]
        for m in range(6):
            stress[m, x] = (
                c[m, 0] * e[0]
                + c[m, 1] * e[1]
                + c[m, 2] * e[2]
                + c[m, 3] * e[3]
                + c[m, 4] * e[4]
                + c[m, 5] * e[5]
            )


@njit(cache=True, nogil=True, error_model="numpy")
def spread_forces(sz, sy, sx, i, z, y, step, force):
    """Add to `force` (3, z, y, x) what the stresses (i, z), (i, y), (i, x) of a row do to its corners."""
    nz, ny, nx = force.shape[1:]
    above, behind = (z + 1) % nz, (y + 1) % ny
    a, b, c, d = force[i, z, y], force[i, z, behind], force[i, above, y], force[i, above, behind]
    for x in range(nx):
        n = x + 1 if x + 1 < nx else 0
        fz, fy, fx = step[0] * sz[x], step[1] * sy[x], step[2] * sx[x]
        a[x] += -fz - fy - fx
        a[n] += -fz - fy + fx
        b[x] += -fz + fy - fx
        b[n] += -fz + fy + fx
        c[x] += fz - fy - fx
        c[n] += fz - fy + fx
        d[x] += fz + fy - fx
        d[n] += fz + fy + fx


@njit(cache=True, nogil=True, error_model="numpy")
def forces(u, labels, table, mean, step, force):
    """force = B^T C (mean + B u) on every corner; returns the mean stress (6,) in float64.

    u, force (3, z, y, x), components z, y, x; labels (z, y, x); table (label, 6, 6); step (3,): 1 / (4 h) of each axis.
    """
    nz, ny, nx = labels.shape
    gradient, stress = np.empty((3, 3, nx), u.dtype), np.empty((6, nx), u.dtype)
    total = np.zeros(6)
    force[:] = 0
    for z in range(nz):
        for y in range(ny):
            for i in range(3):
                row_gradients(u, i, z, y, step, gradient[i])
            row_stress(labels[z, y], table, mean, gradient, stress)
            for i in range(3):
                v = VOIGT[i]
                spread_forces(stress[v[0]], stress[v[1]], stress[v[2]], i, z, y, step, force)
            for m in range(6):
                for x in range(nx):
                    total[m] += stress[m, x]
    return total / labels.size


@njit(cache=True, nogil=True, error_model="numpy")
def green(spectrum, sines, cosines, lame, shear):
    """Turn force into displacement in Fourier space, in place: the uniform medium (lame, shear) on the same grid.

    spectrum (3, kz, ky, kx); sines, cosines: of each axis, 2 sin(t/2)/h and cos(t/2), t the phase from voxel to voxel.
    Modes without strain (zero, and the checkerboards of even grids) get no displacement.
    """
    sines_z, sines_y, sines_x = sines
    cosines_z, cosines_y, cosines_x = cosines
    share = (lame + shear) / (lame + 2 * shear)
    for z in range(len(sines_z)):
        for y in range(len(sines_y)):
            az, ay, ax = sines_z[z] * cosines_y[y], cosines_z[z] * sines_y[y], cosines_z[z] * cosines_y[y]
            for x in range(len(sines_x)):
                qz, qy, qx = az * cosines_x[x], ay * cosines_x[x], ax * sines_x[x]
                square = qz * qz + qy * qy + qx * qx
                weight = 1 / (shear * square) if square > 1e-10 else 0 * square
                fz, fy, fx = spectrum[0, z, y, x], spectrum[1, z, y, x], spectrum[2, z, y, x]
                along = (
                    (qz * fz + qy * fy + qx * fx) * (share * weight / square) if square > 1e-10 else 0 * fz
                )
                spectrum[0, z, y, x] = weight * fz - along * qz
                spectrum[1, z, y, x] = weight * fy - along * qy
                spectrum[2, z, y, x] = weight * fx - along * qx


@njit(cache=True, nogil=True, error_model="numpy")
def dot(a, b):
    """Sum of a b in float64; flat arrays. Every 16th product adds to the same sum, in a fixed order."""
    sums, whole = np.zeros(LANES), len(a) // LANES * LANES
    for start in range(0, whole, LANES):
        one, two = a[start : start + LANES], b[start : start + LANES]
        for i in range(LANES):
            sums[i] += np.float64(one[i]) * np.float64(two[i])
    for i in range(whole, len(a)):
        sums[0] += np.float64(a[i]) * np.float64(b[i])
    return sums.sum()
