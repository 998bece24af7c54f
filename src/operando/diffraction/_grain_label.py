"""Kernels that number the connected components of an image whose azimuth wraps round: union and find."""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def find_root(parent, i):
    """Root of `i`, halving the path on the way."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True, error_model="numpy")
def join(parent, i, j):
    """Unite the sets of `i` and `j`; the smaller index becomes the root."""
    a, b = find_root(parent, i), find_root(parent, j)
    if a < b:
        parent[b] = a
    else:
        parent[a] = b


@njit(cache=True, nogil=True, error_model="numpy")
def label_ring(mask, diagonal, labels, parent):
    """Connected components of a mask whose first axis is periodic; labels from 1, returns their number."""
    rows, cols = mask.shape
    count = 0
    parent[0] = 0
    for i in range(rows):
        for j in range(cols):
            labels[i, j] = 0
            if not mask[i, j]:
                continue
            found = labels[i, j - 1] if j else 0
            if i:
                for k in range(max(j - diagonal, 0), min(j + diagonal + 1, cols)):
                    other = labels[i - 1, k]
                    if other and found:
                        join(parent, other, found)
                    elif other:
                        found = other
            if not found:
                count += 1
                parent[count] = count
                found = count
            labels[i, j] = found
    if rows > 2:
        for j in range(cols):
            if labels[0, j]:
                for k in range(max(j - diagonal, 0), min(j + diagonal + 1, cols)):
                    if labels[rows - 1, k]:
                        join(parent, labels[0, j], labels[rows - 1, k])
    return _renumber(labels, parent, count)


@njit(cache=True, nogil=True, error_model="numpy")
def _renumber(labels, parent, count):
    rows, cols = labels.shape
    for i in range(1, count + 1):
        parent[i] = find_root(parent, i)
    kept = 0
    for i in range(1, count + 1):  # a root has the smallest index of its set, so one pass is enough
        if parent[i] == i:
            kept += 1
            parent[i] = -kept
        else:
            parent[i] = parent[parent[i]]
    for i in range(rows):
        for j in range(cols):
            if labels[i, j]:
                labels[i, j] = -parent[labels[i, j]]
    return kept


@njit(cache=True, nogil=True, error_model="numpy")
def keep_seeded(labels, seed, count, parent):
    """Drop components without a seed, renumber the rest, return their number."""
    rows, cols = labels.shape
    for i in range(count + 1):
        parent[i] = 0
    for i in range(rows):
        for j in range(cols):
            if labels[i, j] and seed[i, j]:
                parent[labels[i, j]] = 1
    kept = 0
    for i in range(1, count + 1):
        if parent[i]:
            kept += 1
            parent[i] = kept
    for i in range(rows):
        for j in range(cols):
            labels[i, j] = parent[labels[i, j]]
    return kept
