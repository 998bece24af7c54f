"""Sub-voxel shift of small windows between two volumes: Gauss-Newton on cubic B-splines, one node after the other."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

PARTS = 3  # the window is cut into PARTS^3 pieces for the error of the shift


@njit(cache=True, nogil=True, error_model="numpy")
def spline_weights(t, out):
    """The four weights of a cubic B-spline at fraction t of a voxel."""
    out[0] = (1 - t) ** 3 / 6
    out[1] = (3 * t**3 - 6 * t**2 + 4) / 6
    out[2] = (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6
    out[3] = t**3 / 6


@njit(cache=True, nogil=True, error_model="numpy")
def shifted_window(coefficients, z0, y0, x0, n, shift, out, weights, work_x, work_y):
    """out[i, j, k] = volume at (z0 + i + shift_z, ...), from spline coefficients; False where it leaves the volume.

    The shift is the same for the whole window, so interpolation is three passes of four weights.
    """
    base = np.empty(3, np.int64)
    for a in range(3):
        base[a] = int(np.floor(shift[a]))
        spline_weights(shift[a] - base[a], weights[a])
    lz, ly, lx = z0 + base[0] - 1, y0 + base[1] - 1, x0 + base[2] - 1
    nz, ny, nx = coefficients.shape
    m = n + 3
    if lz < 0 or ly < 0 or lx < 0 or lz + m > nz or ly + m > ny or lx + m > nx:
        return False
    wz, wy, wx = weights[0], weights[1], weights[2]
    for i in range(m):
        for j in range(m):
            row = coefficients[lz + i, ly + j]
            for k in range(n):
                x = lx + k
                work_x[i, j, k] = (
                    wx[0] * row[x] + wx[1] * row[x + 1] + wx[2] * row[x + 2] + wx[3] * row[x + 3]
                )
    for i in range(m):
        for j in range(n):
            for k in range(n):
                work_y[i, j, k] = (
                    wy[0] * work_x[i, j, k] + wy[1] * work_x[i, j + 1, k]
                    + wy[2] * work_x[i, j + 2, k] + wy[3] * work_x[i, j + 3, k]
                )  # fmt: skip
    for i in range(n):
        for j in range(n):
            for k in range(n):
                out[i, j, k] = (
                    wz[0] * work_y[i, j, k] + wz[1] * work_y[i + 1, j, k]
                    + wz[2] * work_y[i + 2, j, k] + wz[3] * work_y[i + 3, j, k]
                )  # fmt: skip
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def gradients(volume, z0, y0, x0, n, out, hessian):
    """Central differences of a window into out (3, n, n, n), and the sum of their products (3, 3)."""
    hessian[:] = 0
    for i in range(n):
        for j in range(n):
            for k in range(n):
                z, y, x = z0 + i, y0 + j, x0 + k
                a = 0.5 * (volume[z + 1, y, x] - volume[z - 1, y, x])
                b = 0.5 * (volume[z, y + 1, x] - volume[z, y - 1, x])
                c = 0.5 * (volume[z, y, x + 1] - volume[z, y, x - 1])
                out[0, i, j, k], out[1, i, j, k], out[2, i, j, k] = a, b, c
                hessian[0, 0] += a * a
                hessian[0, 1] += a * b
                hessian[0, 2] += a * c
                hessian[1, 1] += b * b
                hessian[1, 2] += b * c
                hessian[2, 2] += c * c
    hessian[1, 0], hessian[2, 0], hessian[2, 1] = hessian[0, 1], hessian[0, 2], hessian[1, 2]


@njit(cache=True, nogil=True, error_model="numpy")
def correlate(f, g):
    """Means, spreads and the normalised correlation of two windows."""
    n = f.size
    a, b = f.ravel(), g.ravel()
    fm, gm = a.mean(), b.mean()
    ff = gg = fg = 0.0
    for i in range(n):
        ff += (a[i] - fm) ** 2
        gg += (b[i] - gm) ** 2
        fg += (a[i] - fm) * (b[i] - gm)
    below = np.sqrt(ff * gg)
    return fm, gm, ff, gg, (fg / below if below > 0 else 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def score_of(f, g, gradient, fm, gm, scale, pieces):
    """Sum of residual x gradient over the window and by piece (PARTS^3, 3); sum of squared residuals."""
    n = f.shape[0]
    pieces[:] = 0
    rest = 0.0
    for i in range(n):
        for j in range(n):
            for k in range(n):
                r = (f[i, j, k] - fm) - scale * (g[i, j, k] - gm)
                rest += r * r
                p = (i * PARTS // n * PARTS + j * PARTS // n) * PARTS + k * PARTS // n
                for a in range(3):
                    pieces[p, a] += r * gradient[a, i, j, k]
    return rest


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")
def refine(
    volume, coefficients, corners, n, shifts, errors, correlations, hessians, residuals, iterations, limit
):
    """Sub-voxel shift at every node.

    volume        (z, y, x) float32, the reference; coefficients: spline coefficients of the other volume
    corners       (nodes, 3) first voxel of the window of n^3, at least one voxel inside
    shifts        (nodes, 3) in: first guess, out: result (voxels)
    errors        (nodes, 3) out: 1-sigma from the scatter of the pieces of the window
    correlations, residuals (nodes,) out; hessians (nodes, 3, 3) out; iterations (nodes,) out: -1 left the volume,
    -2 did not converge, -3 nothing to go by
    """
    for node in prange(len(corners)):
        z0, y0, x0 = corners[node]
        f = volume[z0 : z0 + n, y0 : y0 + n, x0 : x0 + n].astype(np.float64)
        g = np.empty((n, n, n))
        gradient = np.empty((3, n, n, n))
        work_x, work_y = np.empty((n + 3, n + 3, n)), np.empty((n + 3, n, n))
        weights, pieces, hessian = np.empty((3, 4)), np.empty((PARTS**3, 3)), np.empty((3, 3))
        gradients(volume, z0, y0, x0, n, gradient, hessian)
        hessians[node] = hessian
        shift = shifts[node].copy()
        iterations[node] = -2
        errors[node] = np.nan
        scale = hessian[0, 0] + hessian[1, 1] + hessian[2, 2]
        if not scale > 0 or np.linalg.det(hessian / scale) < 1e-9:
            iterations[node] = -3
            continue
        inverse = np.linalg.inv(hessian)
        for step in range(40):
            if not shifted_window(coefficients, z0, y0, x0, n, shift, g, weights, work_x, work_y):
                iterations[node] = -1
                break
            fm, gm, ff, gg, correlations[node] = correlate(f, g)
            gain = np.sqrt(ff / gg) if gg > 0 else 1.0
            residuals[node] = score_of(f, g, gradient, fm, gm, gain, pieces) / n**3
            move = inverse @ pieces.sum(axis=0)
            shift += move
            if np.abs(move).max() < limit:
                iterations[node] = step + 1
                break
            if np.abs(shift - shifts[node]).max() > 3:
                break
        if iterations[node] >= 0:
            mean = pieces.sum(axis=0) / PARTS**3
            meat = np.zeros((3, 3))
            for p in range(PARTS**3):
                d = pieces[p] - mean
                meat += np.outer(d, d)
            cover = inverse @ meat @ inverse * (PARTS**3 / (PARTS**3 - 1.0))
            for a in range(3):
                errors[node, a] = np.sqrt(cover[a, a])
        shifts[node] = shift
