"""Which conducting voxels are joined to both ends of a domain, by a flood from one end and one back."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def flood(open_, from_end, queue):
    """Mark (2) the open voxels (1) that are joined through faces to the first slab, or to the last; returns how many.

    open_ (z, y, x) uint8, changed in place; queue: int64 work array, one entry a voxel.
    """
    nz, ny, nx = open_.shape
    first = nz - 1 if from_end else 0
    head = tail = 0
    for y in range(ny):
        for x in range(nx):
            if open_[first, y, x] == 1:
                open_[first, y, x] = 2
                queue[tail] = (first * ny + y) * nx + x
                tail += 1
    while head < tail:
        here = queue[head]
        head += 1
        x, row = here % nx, here // nx
        y, z = row % ny, row // ny
        for side in range(6):
            i, j, k = z, y, x
            step = -1 if side & 1 else 1
            if side < 2:
                i += step
            elif side < 4:
                j += step
            else:
                k += step
            if 0 <= i < nz and 0 <= j < ny and 0 <= k < nx and open_[i, j, k] == 1:
                open_[i, j, k] = 2
                queue[tail] = (i * ny + j) * nx + k
                tail += 1
    return tail


@njit(cache=True, nogil=True, error_model="numpy")
def keep_marked(open_):
    """Marked voxels (2) become open (1), all others closed (0)."""
    flat = open_.reshape(-1)
    for i in range(len(flat)):
        flat[i] = 1 if flat[i] == 2 else 0


@njit(cache=True, nogil=True, error_model="numpy")
def percolating(open_):
    """Close, in place, the voxels (uint8) that do not lead from the first slab to the last; returns how many do."""
    queue = np.empty(open_.size, np.int64)
    flood(open_, False, queue)
    keep_marked(open_)
    left = flood(open_, True, queue)
    keep_marked(open_)
    return left
