"""Small symmetric systems with some parameters held: numba, plain arrays."""

from __future__ import annotations

import math

from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def cholesky(matrix, free, damping, lower, scale):
    """Lower factor of the free part of (F + damping diag F), scaled to unit diagonal. False where it is singular.

    The diagonal of `lower` holds the inverse of the factor's: what follows multiplies, and never waits for a division.
    """
    size = matrix.shape[0]
    for j in range(size):
        scale[j] = 1.0 / math.sqrt(matrix[j, j]) if free[j] and matrix[j, j] > 0 else 0.0
    for j in range(size):
        for k in range(j + 1):
            total = matrix[j, k] * scale[j] * scale[k]
            if j == k:
                total = 1.0 + damping if scale[j] > 0 else 1.0
            for m in range(k):
                total -= lower[j, m] * lower[k, m]
            if j == k:
                if total < 1e-12:
                    return False
                lower[j, j] = 1.0 / math.sqrt(total)
            else:
                lower[j, k] = total * lower[k, k]
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def solve(lower, scale, right, out):
    """out = scale (L L^T)^-1 scale right; zero for held parameters (whose scale is zero)."""
    size = right.size
    for j in range(size):
        total = right[j] * scale[j]
        for m in range(j):
            total -= lower[j, m] * out[m]
        out[j] = total * lower[j, j]
    for j in range(size - 1, -1, -1):
        total = out[j]
        for m in range(j + 1, size):
            total -= lower[m, j] * out[m]
        out[j] = total * lower[j, j]
    for j in range(size):
        out[j] *= scale[j]


@njit(cache=True, nogil=True, error_model="numpy")
def invert(lower, scale, free, inverse, out):
    """out = scale (L L^T)^-1 scale for free parameters, through the inverse of L (kept in `inverse`)."""
    size = scale.size
    for k in range(size):
        inverse[k, k] = lower[k, k]
        for j in range(k + 1, size):
            total = 0.0
            for m in range(k, j):
                total -= lower[j, m] * inverse[m, k]
            inverse[j, k] = total * lower[j, j]
    for j in range(size):
        for k in range(j + 1):
            if free[j] and free[k]:
                total = 0.0
                for m in range(j, size):
                    total += inverse[m, j] * inverse[m, k]
                out[j, k] = out[k, j] = total * scale[j] * scale[k]
