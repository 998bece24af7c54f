"""Kernel that parts spots which touch: cores around each maximum, and their share of the bins between."""

from __future__ import annotations

import numpy as np
from numba import njit

from ._grain_label import keep_seeded, label_ring


@njit(cache=True, nogil=True, error_model="numpy")
def split_touching(n, mu, valid, labels, seed, count, level, diagonal, parent):
    """Part components whose 3 x 3 sums fall below `level` x their maximum between significant parts.

    A part needs a seed of its own, so noise on one spot does not split it. Bins between go to the nearest part.
    Returns the number of components; `labels` and `seed` are changed.
    """
    rows, cols = labels.shape
    box = np.zeros((rows, cols))
    top, where = np.zeros(count + 1), np.zeros(count + 1, np.int64)
    for i in range(rows):
        for j in range(cols):
            k = labels[i, j]
            if not k:
                continue
            for di in range(-1, 2):
                a = (i + di) % rows
                for b in range(max(j - 1, 0), min(j + 2, cols)):
                    if valid[a, b]:
                        box[i, j] += n[a, b] - mu[a, b]
            if box[i, j] > top[k]:
                top[k], where[k] = box[i, j], i * cols + j
    core, parts = np.zeros((rows, cols), np.bool_), np.zeros((rows, cols), np.int32)
    for k in range(1, count + 1):
        seed[where[k] // cols, where[k] % cols] = True
    for i in range(rows):
        for j in range(cols):
            core[i, j] = labels[i, j] > 0 and box[i, j] >= level * top[labels[i, j]]
    number = keep_seeded(parts, seed, label_ring(core, diagonal, parts, parent), parent)
    if number <= count:
        return count
    _share(labels, parts)
    return number


@njit(cache=True, nogil=True, error_model="numpy")
def _share(labels, parts):
    """Grow parts inside their component, one bin a round, until every bin has one; the result is in labels."""
    rows, cols = labels.shape
    before = parts.copy()
    changed = True
    while changed:
        changed = False
        before[:] = parts
        for i in range(rows):
            for j in range(cols):
                if not labels[i, j] or before[i, j]:
                    continue
                for di in range(-1, 2):
                    a = (i + di) % rows
                    for b in range(max(j - 1, 0), min(j + 2, cols)):
                        if before[a, b] and labels[a, b] == labels[i, j]:
                            parts[i, j] = before[a, b]
                if parts[i, j]:
                    changed = True
    labels[:] = parts
