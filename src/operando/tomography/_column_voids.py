"""Interface voids by the column-wise rule of paper 004: one row at one z. The march is in `_column_kernels`, whose
cache must be removed when this file changes."""

from __future__ import annotations

import numpy as np
from numba import njit

VOID = 2


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def mark_voids(grey, step, y, up, lithium, void, below, ahead, begun, label):
    """Interface voids of the columns of row y that begin at a step from the collector.

    below: `void` in the numbers of grey (for integers the next whole number up): rows are compared as stored. A run of
    dark voxels is judged where it begins, by the voxels before it, as the rule judges it from the electrolyte's side
    where it ends. Rows in which no void begins are passed over by a loop that writes nothing; voids are then looked for
    eight columns at a time. begun (x,) uint8, in whole eights: room.
    """
    nz = grey.shape[0]
    z, way = (step, 1) if up else (nz - 1 - step, -1)
    near = min(ahead, step)
    if near == 0:
        return
    low, high = np.float32(void * near), np.float32(lithium * near)
    here, before = grey[z, y], grey[z - way, y]
    if count_voids(grey, z, y, here, before, way, near, below, low, high) == 0:
        return
    eight = begun.view(np.uint64)
    for x in range(len(here)):
        begun[x] = np.uint8((here[x] < below) & (before[x] >= below))
    for word in range(len(eight)):
        if eight[word] != 0:
            for x in range(8 * word, min(8 * word + 8, len(here))):
                if begun[x]:
                    mark_run(grey, z, y, x, way, near, below, low, high, label)


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def count_voids(grey, z, y, here, a, way, near, below, low, high):
    """How many dark runs begin in a row and are voids; beyond the paper's 3 to 5 voxels ahead, how many begin."""
    if near == 3:
        return voids_of_three(here, a, grey[z - 2 * way, y], grey[z - 3 * way, y], below, low, high)
    if near == 4:
        b, c, d = grey[z - 2 * way, y], grey[z - 3 * way, y], grey[z - 4 * way, y]
        return voids_of_four(here, a, b, c, d, below, low, high)
    if near == 5:
        b, c, d, e = grey[z - 2 * way, y], grey[z - 3 * way, y], grey[z - 4 * way, y], grey[z - 5 * way, y]
        return voids_of_five(here, a, b, c, d, e, below, low, high)
    count = np.int32(0)
    for x in range(len(here)):
        count += np.int32((a[x] >= below) & (here[x] < below))
    return count


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def voids_of_three(before, a, b, c, below, low, high):
    count = np.int32(0)
    for x in range(len(a)):
        total = (np.float32(a[x]) + np.float32(b[x])) + np.float32(c[x])
        count += np.int32((a[x] >= below) & (before[x] < below) & (total > low) & (total < high))
    return count


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def voids_of_four(before, a, b, c, d, below, low, high):
    count = np.int32(0)
    for x in range(len(a)):
        total = ((np.float32(a[x]) + np.float32(b[x])) + np.float32(c[x])) + np.float32(d[x])
        count += np.int32((a[x] >= below) & (before[x] < below) & (total > low) & (total < high))
    return count


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def voids_of_five(before, a, b, c, d, e, below, low, high):
    count = np.int32(0)
    for x in range(len(a)):
        total = (((np.float32(a[x]) + np.float32(b[x])) + np.float32(c[x])) + np.float32(d[x])) + np.float32(
            e[x]
        )
        count += np.int32((a[x] >= below) & (before[x] < below) & (total > low) & (total < high))
    return count


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def mark_run(grey, z, y, x, way, near, below, low, high, label):
    """A dark run begins at z: it is a void where the voxels before it, nearest first, are lithium in the mean."""
    total = np.float32(0)
    for k in range(1, near + 1):
        total += np.float32(grey[z - k * way, y, x])
    if low < total < high:
        while 0 <= z < len(grey) and grey[z, y, x] < below:
            label[z, y, x] |= np.uint8(VOID)
            z += way
