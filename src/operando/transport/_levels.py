"""Face conductances of a voxel domain on all levels of a multigrid hierarchy, red and black cells apart.

Flux runs along the last axis, c. A cell (a, b, c) is red where a + b + c is even. A row (a, b) keeps its red and its
black cells in two arrays: cell h of a row of parity p = (a + b) & 1 is at c = 2 h + p if red, 2 h + 1 - p if black. Its
neighbours in the rows around have the same h in the other array, its two in the row itself h and h + 2 p - 1 (red) or
h + 1 - 2 p (black): every loop runs over neighbours in memory, and none over cells of the other colour.

Rows are `stride` long with zeros at the end; a row of zeros follows those of each a, a plane of them lies before the
first and after the last: neighbours outside are read and count nothing. All levels lie one behind the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit


@dataclass(frozen=True)
class Plan:
    """Levels of a shape: `table` (level, 6) of na, nb, nc, length of a half row, stride, start; `size` of all of them.

    factors (level, 3, n) what a face of each axis counts on the next level (0 inside its blocks), ends (level, 2) what
    the conductances to the electrodes count there: see `shrink_factors`.
    """

    table: np.ndarray
    size: int
    factors: np.ndarray
    ends: np.ndarray


@lru_cache(maxsize=16)
def plan_levels(shape: tuple[int, int, int]) -> Plan:
    """Levels of cells halved and rounded up until one is left."""
    rows, factors, ends, start = [], [], [], 0
    widths = [np.ones(n) for n in shape]
    while True:
        counts = [len(w) for w in widths]
        half = (counts[2] + 1) // 2
        rows.append((*counts, half, half // 8 * 8 + 8, start))
        start += (counts[0] + 2) * (counts[1] + 1) * rows[-1][4]
        if max(counts) == 1:
            break
        merged = [merge_widths(w) for w in widths]
        each = [shrink_factors(w, m) for w, m in zip(widths, merged, strict=True)]
        factors.append([np.pad(f, (0, max(shape) - len(f))) for f in each])
        ends.append([widths[2][0] / merged[2][0], widths[2][-1] / merged[2][-1]])
        widths = merged
    return Plan(
        np.array(rows),
        start,
        np.reshape(factors, (-1, 3, max(shape))),
        np.reshape(ends, (-1, 2)).astype(float),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def row_start(level, a, b):
    """Where the row (a, b) of a level begins; `level`: a row of `Plan.table`."""
    return level[5] + ((a + 1) * (level[1] + 1) + b) * level[4]


@njit(cache=True, nogil=True, error_model="numpy")
def fill_faces(k, scale, ca, cb, cc):
    """Conductance of the upper face of each cell: harmonic means 2 x y / (x + y) times area over distance (`scale`)."""
    na, nb, _ = k.shape
    for a in range(na):
        for b in range(nb):
            here = k[a, b]
            if a + 1 < na:
                harmonic(here, k[a + 1, b], scale[0], ca[a, b])
            if b + 1 < nb:
                harmonic(here, k[a, b + 1], scale[1], cb[a, b])
            harmonic(here[:-1], here[1:], scale[2], cc[a, b])


@njit(cache=True, nogil=True, error_model="numpy")
def harmonic(x, y, scale, out):
    zero = scale * 0
    for i in range(len(x)):
        total = x[i] + y[i]
        out[i] = scale * (2 * x[i] * (y[i] / total)) if total > zero else zero


def merge_widths(width: np.ndarray) -> np.ndarray:
    """Widths of pairs of cells; one cell stays alone at the end of an odd number."""
    return np.add.reduceat(width, np.arange(0, len(width), 2))


def shrink_factors(width: np.ndarray, merged: np.ndarray) -> np.ndarray:
    """Distance between neighbouring cells over that of the merged ones, for faces that stay; zero for the others."""
    factors = np.zeros(len(width))
    factors[1:-1:2] = (width[:-1] + width[1:])[1::2] / (merged[:-1] + merged[1:])
    return factors


@njit(cache=True, nogil=True, error_model="numpy")
def add_pairs(row, factor, out):
    """out[i] += factor (row[2 i] + row[2 i + 1])."""
    n = len(row) // 2
    for i in range(n):
        out[i] += factor * (row[2 * i] + row[2 * i + 1])
    if len(row) & 1:
        out[n] += factor * row[2 * n]


@njit(cache=True, nogil=True, error_model="numpy")
def coarsen(ca, cb, cc, fa, fb, fc):
    """Sum the faces between 2 x 2 x 2 blocks, each scaled by the ratio of distances.

    Without that ratio (plain aggregation) the coarse problem would be too stiff by two and correct half of an error.
    """
    na, nb, nc = ca.shape
    shape = ((na + 1) // 2, (nb + 1) // 2, (nc + 1) // 2)
    da, db, dc = np.zeros(shape, ca.dtype), np.zeros(shape, ca.dtype), np.zeros(shape, ca.dtype)
    for a in range(na):
        for b in range(nb):
            if fa[a] > 0:
                add_pairs(ca[a, b], fa[a], da[a >> 1, b >> 1])
            if fb[b] > 0:
                add_pairs(cb[a, b], fb[b], db[a >> 1, b >> 1])
            row, out = cc[a, b], dc[a >> 1, b >> 1]
            for i in range(nc // 2):
                out[i] += fc[2 * i + 1] * row[2 * i + 1]
    return da, db, dc


@njit(cache=True, nogil=True, error_model="numpy")
def coarsen_plane(plane, factor):
    """Conductance to an electrode of merged cells, from a plane (a, b)."""
    merged = np.zeros(((plane.shape[0] + 1) // 2, (plane.shape[1] + 1) // 2), plane.dtype)
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            merged[y // 2, x // 2] += plane[y, x] * factor
    return merged


@njit(cache=True, nogil=True, error_model="numpy")
def split_row(row, parity, red, black):
    """A row (c,) into its red and its black cells."""
    first, second = (red, black) if parity == 0 else (black, red)
    n = len(row) // 2
    for h in range(n):
        first[h] = row[2 * h]
        second[h] = row[2 * h + 1]
    if len(row) & 1:
        first[n] = row[2 * n]


@njit(cache=True, nogil=True, error_model="numpy")
def join_row(red, black, parity, row):
    """The opposite of `split_row`."""
    first, second = (red, black) if parity == 0 else (black, red)
    n = len(row) // 2
    for h in range(n):
        row[2 * h] = first[h]
        row[2 * h + 1] = second[h]
    if len(row) & 1:
        row[2 * n] = first[n]


@njit(cache=True, nogil=True, error_model="numpy")
def fill_diagonal(level, low, high, ca, cb, cc, diagonal, inverse):
    """Sum of the conductances of each cell, electrodes included, and its inverse (zero where nothing is connected)."""
    na, nb, nc = level[0], level[1], level[2]
    total, over = np.zeros(nc, ca.dtype), np.zeros(nc, ca.dtype)
    zero = over[0]
    for a in range(na):
        for b in range(nb):
            below_a, below_b = ca[max(a - 1, 0), b], cb[a, max(b - 1, 0)]
            up_a, up_b, up_c = ca[a, b], cb[a, b], cc[a, b]
            for c in range(nc):
                total[c] = up_a[c] + (below_a[c] if a > 0 else zero)
            for c in range(nc):
                total[c] += up_b[c] + (below_b[c] if b > 0 else zero) + up_c[c]
            for c in range(1, nc):
                total[c] += up_c[c - 1]
            total[0] += low[a, b]
            total[nc - 1] += high[a, b]
            for c in range(nc):
                over[c] = 1 / total[c] if total[c] > zero else zero
            i, p = row_start(level, a, b), (a + b) & 1
            split_row(total, p, diagonal[0][i : i + level[3]], diagonal[1][i : i + level[3]])
            split_row(over, p, inverse[0][i : i + level[3]], inverse[1][i : i + level[3]])


@njit(cache=True, nogil=True, error_model="numpy")
def fill_red_faces(level, ca, cb, cc, faces):
    """The six conductances around each red cell (every face has one red cell, so this is all of them).

    faces (6, all levels): to black h of the own row, to its other one, to a + 1, a - 1, b + 1, b - 1.
    """
    na, nb, nc = level[0], level[1], level[2]
    for a in range(na):
        for b in range(nb):
            i, p = row_start(level, a, b), (a + b) & 1
            for h in range((nc + 1 - p) // 2):
                c = 2 * h + p
                faces[0, i + h] = cc[a, b, 2 * h]
                other = c - 1 if p == 0 else c
                if other >= 0:
                    faces[1, i + h] = cc[a, b, other]
                faces[2, i + h] = ca[a, b, c]
                faces[4, i + h] = cb[a, b, c]
                if a > 0:
                    faces[3, i + h] = ca[a - 1, b, c]
                if b > 0:
                    faces[5, i + h] = cb[a, b - 1, c]


@njit(cache=True, nogil=True, error_model="numpy")
def fill_levels(k, scale, low, high, uniform, table, factors, ends, faces, diagonal, inverse):
    """`build_levels` into arrays of zeros."""
    ca, cb, cc = np.zeros_like(k), np.zeros_like(k), np.zeros_like(k)
    fill_faces(k, scale, ca, cb, cc)
    for n in range(len(table)):
        if n > 0:
            f = factors[n - 1]
            ca, cb, cc = coarsen(ca, cb, cc, f[0], f[1], f[2])
            low, high = coarsen_plane(low, ends[n - 1, 0]), coarsen_plane(high, ends[n - 1, 1])
        fill_diagonal(table[n], low, high, ca, cb, cc, diagonal, inverse)
        if n > 0 or not uniform:
            fill_red_faces(table[n], ca, cb, cc, faces)


def build_levels(k, scale, low, high, uniform: bool):
    """All levels of the conductances of `k` (a, b, c); `low`, `high` (a, b): conductances to the two electrodes.

    All arrays in one precision. `uniform`: k is zero or one, so that the first level needs no faces.
    Returns the table, faces (6, all), diagonal and inverse, each of (red, black).
    """
    plan = plan_levels(k.shape)
    faces, diagonal = np.zeros((6, plan.size), k.dtype), np.zeros((2, plan.size), k.dtype)
    inverse = np.zeros_like(diagonal)
    fill_levels(k, scale, low, high, uniform, plan.table, plan.factors, plan.ends, faces, diagonal, inverse)
    return plan.table, faces, diagonal, inverse
