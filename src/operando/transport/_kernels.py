"""Conjugate gradients with a multigrid V-cycle for the flux through a voxel domain (layout: see `_levels`).

Fields may be float32; every sum over a domain is float64. The smoother is red-black Gauss-Seidel, red first going
down and last going up, so that the cycle is symmetric, as conjugate gradients need.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ._balance import audit, imbalance, inflow_of, unpack
from ._levels import build_levels, row_start, split_row
from ._sweeps import BLACK, RED, gather_black, gather_even, gather_red, prolong, restrict, start_sweep, sweep


@njit(cache=True, nogil=True, error_model="numpy")
def cycle(table, uniform, scale, e, f, faces, inverse, buffer, whole, sums):
    """One V-cycle: e = M f, from zero; `sums` (h,): f . e. Both hold all levels; the first is the fine one."""
    last = len(table) - 1
    sums[:] = 0
    for n in range(last):
        even = uniform and n == 0
        start_sweep(table[n], e, f, inverse)
        sweep(BLACK, table[n], even, scale, e, f, faces, inverse, buffer, sums, False)
        restrict(table[n], table[n + 1], even, scale, e, f, faces, inverse, buffer, whole)
    i = row_start(table[last], 0, 0)
    e[RED, i] = inverse[RED, i] * f[RED, i]
    if last == 0:
        sums[0] = np.float64(f[RED, i]) * np.float64(e[RED, i])
    for n in range(last - 1, -1, -1):
        fine = n == 0
        even = uniform and fine
        prolong(table[n], table[n + 1], e, inverse, whole)
        sweep(BLACK, table[n], even, scale, e, f, faces, inverse, buffer, sums, fine)
        sweep(RED, table[n], even, scale, e, f, faces, inverse, buffer, sums, fine)


@njit(cache=True, nogil=True, error_model="numpy")
def row_of_product(n, i, own, diagonal, inverse, flow, out, sums):
    """out = diagonal own - flow; a closed cell of a uniform medium (whose neighbours are not told) gets none."""
    zero = flow[0] * 0
    for h in range(n):
        j = i + h
        out[j] = diagonal[j] * own[j] - (flow[h] if inverse[j] > zero else zero)
        sums[h] += np.float64(own[j]) * np.float64(out[j])


@njit(cache=True, nogil=True, error_model="numpy")
def apply(level, uniform, scale, p, out, faces, diagonal, inverse, buffer, sums):
    """out = A p on the fine level; `sums` (h,): p . A p."""
    n, sb, sa = np.uint64(level[3]), np.uint64(level[4]), np.uint64((level[1] + 1) * level[4])
    wa, wb, wc = scale[0], scale[1], scale[2]
    g0, g1, g2, g3, g4, g5 = faces[0], faces[1], faces[2], faces[3], faces[4], faces[5]
    sums[:] = 0
    for colour in range(2):
        own, other, result, on, off = p[colour], p[1 - colour], out[colour], diagonal[colour], inverse[colour]
        for a in range(level[0]):
            start = row_start(level, a, 0)
            for b in range(level[1]):
                i, turned = np.uint64(start), np.uint64(start + 2 * ((a + b + colour) & 1) - 1)
                if uniform:
                    gather_even(n, i, turned, sa, sb, other, wa, wb, wc, buffer)
                elif colour == RED:
                    gather_red(n, i, turned, sa, sb, other, g0, g1, g2, g3, g4, g5, buffer)
                else:
                    gather_black(n, i, turned, sa, sb, other, g0, g1, g2, g3, g4, g5, buffer)
                row_of_product(n, i, own, on, off, buffer, result, sums)
                start += level[4]


@njit(cache=True, nogil=True, error_model="numpy")
def total(sums):
    """Sum from the first to the last."""
    result = 0.0
    for value in sums:
        result += value
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def turn(start, end, beta, p, e):
    """p = e + beta p."""
    for colour in range(2):
        way, new = p[colour], e[colour]
        for i in range(np.uint64(start), np.uint64(end)):
            way[i] = new[i] + beta * way[i]


@njit(cache=True, nogil=True, error_model="numpy")
def step_row(n, i, alpha, value, way, left, change, plane):
    """value += alpha way, left -= alpha change, plane += left."""
    for h in range(n):
        j = i + h
        value[j] += alpha * way[j]
        new = left[j] - alpha * change[j]
        left[j] = new
        plane[h] += np.float64(new)


@njit(cache=True, nogil=True, error_model="numpy")
def step_along(level, alpha, u, p, r, ap, sums):
    """u += alpha p, r -= alpha A p; `sums` (c,): residual of each slab, which is the change of flux across it."""
    n = np.uint64(level[3])
    even, odd = np.zeros(level[3]), np.zeros(level[3])  # of cells at even and at odd c
    for colour in range(2):
        value, way, left, change = u[colour], p[colour], r[colour], ap[colour]
        for a in range(level[0]):
            for b in range(level[1]):
                plane = odd if (a + b + colour) & 1 else even
                step_row(n, np.uint64(row_start(level, a, b)), alpha, value, way, left, change, plane)
    for c in range(level[2]):
        sums[c] = odd[c >> 1] if c & 1 else even[c >> 1]


@njit(cache=True, nogil=True, error_model="numpy")
def start(level, uniform, scale, u0, source, faces, diagonal, inverse, buffer, sums, u, r):
    """Put u0 (a, b, c) into u; r = source - A u."""
    n = level[3]
    for a in range(level[0]):
        for b in range(level[1]):
            i = row_start(level, a, b)
            split_row(u0[a, b], (a + b) & 1, u[RED, i : i + n], u[BLACK, i : i + n])
    apply(level, uniform, scale, u, r, faces, diagonal, inverse, buffer, sums)
    end = level[5] + (level[0] + 2) * (level[1] + 1) * level[4]
    for colour in range(2):
        for i in range(level[5], end):
            r[colour, i] = -r[colour, i]
    for a in range(level[0]):
        for b in range(level[1]):
            r[(a + b) & 1, row_start(level, a, b)] += source[a, b]


@njit(cache=True, nogil=True, error_model="numpy")
def iterate(table, uniform, scale, faces, diagonal, inverse, u0, source, low, tolerance, most, falls, sums):
    """The steps of `solve`; returns the packed potential and their number."""
    level, size, kind = table[0], diagonal.shape[1], diagonal.dtype
    first, end = level[5], level[5] + (level[0] + 2) * (level[1] + 1) * level[4]
    u, p, ap = np.zeros((2, end), kind), np.zeros((2, end), kind), np.zeros((2, end), kind)
    r, e = np.zeros((2, size), kind), np.zeros((2, size), kind)
    buffer, whole, number = np.zeros(level[3], kind), np.zeros(level[3], kind), np.zeros(2, kind)
    dots = np.zeros(level[3])
    start(level, uniform, scale, u0, source, faces, diagonal, inverse, buffer, dots, u, r)
    steps, before = 0, 1.0
    while steps < most:
        cycle(table, uniform, scale, e, r, faces, inverse, buffer, whole, dots)
        rz = total(dots)
        if not rz > 0:
            break
        number[1] = rz / before if steps else 0.0  # beta and alpha in the precision of the fields
        turn(first, end, number[1], p, e)
        apply(level, uniform, scale, p, ap, faces, diagonal, inverse, buffer, dots)
        bend = total(dots)
        if not bend > 0:  # rounding: nothing more can be gained
            break
        number[0] = rz / bend
        step_along(level, number[0], u, p, r, ap, sums)
        for i in range(3, 0, -1):
            falls[i] = falls[i - 1]
        falls[0] = number[0] * rz
        before = rz
        steps += 1
        if imbalance(inflow_of(level, u, source, low), sums) < tolerance:
            break
    return u, steps


def solve(k, scale, source, low, high, u0, *, tolerance: float, most: int, uniform: bool):
    """Potential (a, b, c) of a domain between two electrodes, the last axis from the source to the ground.

    k         (a, b, c) conductivity, float32 or float64; zero: blocked (must not cut the domain in two)
    scale     (3,) face area over distance of each axis
    source    (a, b) current given to the first cell of each row; low, high (a, b): conductances of the first cells to
              an electrode (at zero potential, its own is in `source`), of the last cells to ground
    u0        (a, b, c) first guess, zero where k is
    tolerance spread of the flux over the slabs at which to stop; most: limit of the number of steps
    uniform   k is zero or one
    All arrays in the precision of k.

    Returns the potential, flux across every plane, dissipation, steps, and the fall of the energy in the last steps
    (newest first), which tells the error: the energy still to be lost is the sum of the falls to come.
    """
    table, faces, diagonal, inverse = build_levels(k, scale, low, high, uniform)
    falls, sums, flux = np.zeros(4), np.zeros(k.shape[2]), np.zeros(k.shape[2] + 1)
    u, steps = iterate(
        table, uniform, scale, faces, diagonal, inverse, u0, source, low, tolerance, most, falls, sums
    )
    potential = np.zeros_like(k)
    unpack(table[0], u, potential)
    power = audit(k, scale, potential, source, low, high, flux)
    return potential, flux, power, steps, falls
