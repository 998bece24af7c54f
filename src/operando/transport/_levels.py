"""Face conductances of a voxel domain on all levels of a multigrid hierarchy, in flat arrays.

Flux runs along axis 0. All levels lie one behind the other in one array a field, each with a slab of zeros before and
after it. The conductance stored at a cell is that of its upper face; the last one of every axis is zero, so that the
neighbour of an edge cell (the other end of the row, slab or level before) is read and multiplied by zero: no branches.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def level_shapes(nz, ny, nx):
    """Shapes (level, 3), halved and rounded up until one cell is left, and offsets of their first cells; total size."""
    shapes = np.ones((64, 3), np.int64)
    shapes[0] = (nz, ny, nx)
    count = 1
    while shapes[count - 1].max() > 1:
        shapes[count] = (shapes[count - 1] + 1) // 2
        count += 1
    offsets = np.zeros(count, np.int64)
    end = 0
    for level in range(count):
        cells, slab = shapes[level].prod(), shapes[level, 1] * shapes[level, 2]
        offsets[level] = end + slab
        end += cells + 2 * slab
    return shapes[:count], offsets, end


@njit(cache=True, nogil=True, error_model="numpy")
def harmonic(a, b):
    total = a + b
    return 2 * a * b / total if total > 0 else total


@njit(cache=True, nogil=True, error_model="numpy")
def fill_fine(k, scale, shapes, cz, cy, cx):
    """Harmonic conductances of the faces between voxels: 2 a b / (a + b) times face area over distance (`scale`)."""
    nz, ny, nx = k.shape
    i = ny * nx
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                here = k[z, y, x]
                if here > 0:
                    if z + 1 < nz:
                        cz[i] = scale[0] * harmonic(here, k[z + 1, y, x])
                    if y + 1 < ny:
                        cy[i] = scale[1] * harmonic(here, k[z, y + 1, x])
                    if x + 1 < nx:
                        cx[i] = scale[2] * harmonic(here, k[z, y, x + 1])
                i += 1


@njit(cache=True, nogil=True, error_model="numpy")
def merge_widths(width):
    """Widths of pairs of cells; one cell stays alone at the end of an odd number."""
    merged = np.zeros((len(width) + 1) // 2)
    for i in range(len(width)):
        merged[i // 2] += width[i]
    return merged


@njit(cache=True, nogil=True, error_model="numpy")
def shrink_factors(width, merged):
    """Distance between neighbouring cells over that of the merged ones, for faces that stay; zero for the others."""
    factors = np.zeros(len(width))
    for i in range(1, len(width) - 1, 2):
        wide = merged[i // 2] + merged[i // 2 + 1]
        factors[i] = (width[i] + width[i + 1]) / wide
    return factors


@njit(cache=True, nogil=True, error_model="numpy")
def coarsen(fine, fine_at, coarse, coarse_at, fz, fy, fx, cz, cy, cx):
    """Sum the faces of 2 x 2 x 2 blocks, each scaled by the ratio of distances.

    Without that ratio (plain aggregation) the coarse problem would be too stiff by two and correct half of an error.
    """
    nz, ny, nx = fine
    i = fine_at
    for z in range(nz):
        for y in range(ny):
            base = coarse_at + ((z // 2) * coarse[1] + y // 2) * coarse[2]
            for x in range(nx):
                j = base + x // 2
                cz[j] += cz[i] * fz[z]
                cy[j] += cy[i] * fy[y]
                cx[j] += cx[i] * fx[x]
                i += 1


@njit(cache=True, nogil=True, error_model="numpy")
def coarsen_plane(plane, factor):
    """Conductance to an electrode of merged cells, from a plane (y, x)."""
    merged = np.zeros(((plane.shape[0] + 1) // 2, (plane.shape[1] + 1) // 2), plane.dtype)
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            merged[y // 2, x // 2] += plane[y, x] * factor
    return merged


@njit(cache=True, nogil=True, error_model="numpy")
def fill_diagonal(shape, at, low, high, cz, cy, cx, diagonal, inverse):
    """Sum of the conductances of each cell, electrodes included, and its inverse (zero where nothing is connected)."""
    nz, ny, nx = shape
    slab = ny * nx
    for i in range(at, at + nz * slab):
        diagonal[i] = cz[i] + cz[i - slab] + cy[i] + cy[i - nx] + cx[i] + cx[i - 1]
    last = at + (nz - 1) * slab
    for y in range(ny):
        for x in range(nx):
            diagonal[at + y * nx + x] += low[y, x]
            diagonal[last + y * nx + x] += high[y, x]
    for i in range(at, at + nz * slab):
        inverse[i] = 1 / diagonal[i] if diagonal[i] > 0 else diagonal[i]


@njit(cache=True, nogil=True, error_model="numpy")
def build_levels(k, scale, low, high):
    """All levels of the conductances of `k` (z, y, x); `low`, `high` (y, x): conductances to the two electrodes.

    Returns shapes, offsets, cz, cy, cx, diagonal, inverse diagonal.
    """
    shapes, offsets, size = level_shapes(*k.shape)
    cz, cy, cx = np.zeros(size, k.dtype), np.zeros(size, k.dtype), np.zeros(size, k.dtype)
    diagonal, inverse = np.zeros(size, k.dtype), np.zeros(size, k.dtype)
    fill_fine(k, scale, shapes, cz, cy, cx)
    fill_diagonal(shapes[0], offsets[0], low, high, cz, cy, cx, diagonal, inverse)
    wz, wy, wx = np.ones(k.shape[0]), np.ones(k.shape[1]), np.ones(k.shape[2])
    for level in range(1, len(shapes)):
        mz, my, mx = merge_widths(wz), merge_widths(wy), merge_widths(wx)
        coarsen(
            shapes[level - 1], offsets[level - 1], shapes[level], offsets[level],
            shrink_factors(wz, mz), shrink_factors(wy, my), shrink_factors(wx, mx), cz, cy, cx,
        )  # fmt: skip
        low, high = coarsen_plane(low, wz[0] / mz[0]), coarsen_plane(high, wz[-1] / mz[-1])
        fill_diagonal(shapes[level], offsets[level], low, high, cz, cy, cx, diagonal, inverse)
        wz, wy, wx = mz, my, mx
    return shapes, offsets, cz, cy, cx, diagonal, inverse
