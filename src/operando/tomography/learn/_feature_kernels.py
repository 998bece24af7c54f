"""Differences and eigenvalues of symmetric matrices at every voxel, in one pass."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def differences_2d(g):
    """Gradient magnitude, second differences (yy, yx, xx) and products of the gradient, within slices (z, y, x)."""
    nz, ny, nx = g.shape
    gradient = np.empty((nz, ny, nx), np.float32)
    second = np.empty((3, nz, ny, nx), np.float32)
    products = np.empty((3, nz, ny, nx), np.float32)
    half, quarter, two = np.float32(0.5), np.float32(0.25), np.float32(2)
    for z in range(nz):
        for y in range(ny):
            a, b = max(y - 1, 0), min(y + 1, ny - 1)
            for x in range(nx):
                c, d = max(x - 1, 0), min(x + 1, nx - 1)
                dy = half * (g[z, b, x] - g[z, a, x])
                dx = half * (g[z, y, d] - g[z, y, c])
                gradient[z, y, x] = np.sqrt(dy * dy + dx * dx)
                second[0, z, y, x] = g[z, b, x] + g[z, a, x] - two * g[z, y, x]
                second[1, z, y, x] = quarter * (g[z, b, d] - g[z, b, c] - g[z, a, d] + g[z, a, c])
                second[2, z, y, x] = g[z, y, d] + g[z, y, c] - two * g[z, y, x]
                products[0, z, y, x] = dy * dy
                products[1, z, y, x] = dy * dx
                products[2, z, y, x] = dx * dx
    return gradient, second, products


@njit(cache=True, nogil=True)
def differences_3d(g):
    """Gradient magnitude, second differences (zz, zy, zx, yy, yx, xx) and products of the gradient."""
    nz, ny, nx = g.shape
    gradient = np.empty((nz, ny, nx), np.float32)
    second = np.empty((6, nz, ny, nx), np.float32)
    products = np.empty((6, nz, ny, nx), np.float32)
    half, quarter, two = np.float32(0.5), np.float32(0.25), np.float32(2)
    for z in range(nz):
        e, f = max(z - 1, 0), min(z + 1, nz - 1)
        for y in range(ny):
            a, b = max(y - 1, 0), min(y + 1, ny - 1)
            for x in range(nx):
                c, d = max(x - 1, 0), min(x + 1, nx - 1)
                dz = half * (g[f, y, x] - g[e, y, x])
                dy = half * (g[z, b, x] - g[z, a, x])
                dx = half * (g[z, y, d] - g[z, y, c])
                here = two * g[z, y, x]
                gradient[z, y, x] = np.sqrt(dz * dz + dy * dy + dx * dx)
                second[0, z, y, x] = g[f, y, x] + g[e, y, x] - here
                second[1, z, y, x] = quarter * (g[f, b, x] - g[f, a, x] - g[e, b, x] + g[e, a, x])
                second[2, z, y, x] = quarter * (g[f, y, d] - g[f, y, c] - g[e, y, d] + g[e, y, c])
                second[3, z, y, x] = g[z, b, x] + g[z, a, x] - here
                second[4, z, y, x] = quarter * (g[z, b, d] - g[z, b, c] - g[z, a, d] + g[z, a, c])
                second[5, z, y, x] = g[z, y, d] + g[z, y, c] - here
                products[0, z, y, x] = dz * dz
                products[1, z, y, x] = dz * dy
                products[2, z, y, x] = dz * dx
                products[3, z, y, x] = dy * dy
                products[4, z, y, x] = dy * dx
                products[5, z, y, x] = dx * dx
    return gradient, second, products


@njit(cache=True, nogil=True)
def fill_eigenvalues_2d(matrix, out, first, root):
    """Eigenvalues of (yy, yx, xx) into out[..., first:first + 2]: rising; with `root` their square roots, falling."""
    _, nz, ny, nx = matrix.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                a, b, c = matrix[0, z, y, x], matrix[1, z, y, x], matrix[2, z, y, x]
                middle = np.float32(0.5) * (a + c)
                apart = np.sqrt(np.float32(0.25) * (a - c) * (a - c) + b * b)
                if root:
                    out[z, y, x, first] = np.sqrt(max(middle + apart, np.float32(0)))
                    out[z, y, x, first + 1] = np.sqrt(max(middle - apart, np.float32(0)))
                else:
                    out[z, y, x, first] = middle - apart
                    out[z, y, x, first + 1] = middle + apart


@njit(cache=True, nogil=True)
def fill_eigenvalues_3d(matrix, out, first, root):
    """Eigenvalues of (zz, zy, zx, yy, yx, xx), by the angle of the characteristic cubic; order as in 2D."""
    _, nz, ny, nx = matrix.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                a, b, c = float(matrix[0, z, y, x]), float(matrix[1, z, y, x]), float(matrix[2, z, y, x])
                d, e, f = float(matrix[3, z, y, x]), float(matrix[4, z, y, x]), float(matrix[5, z, y, x])
                middle = (a + d + f) / 3
                p = (a - middle) ** 2 + (d - middle) ** 2 + (f - middle) ** 2 + 2 * (b * b + c * c + e * e)
                p = np.sqrt(p / 6)
                low, mid, high = middle, middle, middle
                if p > 0:
                    i, j, k = (a - middle) / p, (d - middle) / p, (f - middle) / p
                    l, m, n = b / p, c / p, e / p  # noqa: E741
                    r = 0.5 * (i * (j * k - n * n) - l * (l * k - n * m) + m * (l * n - j * m))
                    angle = np.arccos(min(max(r, -1.0), 1.0)) / 3
                    high = middle + 2 * p * np.cos(angle)
                    low = middle + 2 * p * np.cos(angle + 2 * np.pi / 3)
                    mid = 3 * middle - high - low
                if root:
                    out[z, y, x, first] = np.sqrt(max(high, 0.0))
                    out[z, y, x, first + 1] = np.sqrt(max(mid, 0.0))
                    out[z, y, x, first + 2] = np.sqrt(max(low, 0.0))
                else:
                    out[z, y, x, first] = low
                    out[z, y, x, first + 1] = mid
                    out[z, y, x, first + 2] = high
