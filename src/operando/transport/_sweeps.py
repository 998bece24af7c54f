"""Sums over the neighbours of red or black cells, and what is made of them row by row (layout: see `_levels`).

No sum is reordered (no fastmath): sums over a domain are kept apart for each place h of a row, which the compiler turns
into vector instructions as it stands, so that the bits are the same whatever it sees together. Places are unsigned:
numba then does not ask whether they count from the end, and loops stay loops over neighbours in memory.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ._levels import join_row, row_start, split_row

RED, BLACK = 0, 1


@njit(cache=True, nogil=True, error_model="numpy")
def gather_even(n, i, turned, sa, sb, e, wa, wb, wc, out):
    """out = sum over the neighbours of cells of a medium of conductivity one; the three scales of the axes."""
    for h in range(n):
        j = i + h
        along, across = e[j] + e[turned + h], e[j + sa] + e[j - sa]
        out[h] = wc * along + wa * across + wb * (e[j + sb] + e[j - sb])


@njit(cache=True, nogil=True, error_model="numpy")
def gather_red(n, i, turned, sa, sb, e, g0, g1, g2, g3, g4, g5, out):
    """out = sum of conductance times value of the six neighbours of red cells."""
    for h in range(n):
        j = i + h
        along, across = g0[j] * e[j] + g1[j] * e[turned + h], g2[j] * e[j + sa] + g3[j] * e[j - sa]
        out[h] = along + across + (g4[j] * e[j + sb] + g5[j] * e[j - sb])


@njit(cache=True, nogil=True, error_model="numpy")
def gather_black(n, i, turned, sa, sb, e, g0, g1, g2, g3, g4, g5, out):
    """The same of black cells: a face is kept with its red cell, on the opposite side."""
    for h in range(n):
        j, t, up, down = i + h, turned + h, i + h + sa, i + h - sa
        along, across = g0[j] * e[j] + g1[t] * e[t], g3[up] * e[up] + g2[down] * e[down]
        up, down = j + sb, j - sb
        out[h] = along + across + (g5[up] * e[up] + g4[down] * e[down])


@njit(cache=True, nogil=True, error_model="numpy")
def relax_even(n, i, turned, sa, sb, e, wa, wb, wc, inverse, right, own):
    """own = inverse (right + flow): `gather_even` and `relax_row` in one."""
    for h in range(n):
        j = i + h
        along, across = e[j] + e[turned + h], e[j + sa] + e[j - sa]
        own[j] = inverse[j] * (right[j] + (wc * along + wa * across + wb * (e[j + sb] + e[j - sb])))


@njit(cache=True, nogil=True, error_model="numpy")
def relax_row(n, i, inverse, right, flow, own):
    for h in range(n):
        own[i + h] = inverse[i + h] * (right[i + h] + flow[h])


@njit(cache=True, nogil=True, error_model="numpy")
def add_product(n, i, one, two, sums):
    for h in range(n):
        sums[h] += np.float64(one[i + h]) * np.float64(two[i + h])


@njit(cache=True, nogil=True, error_model="numpy")
def sweep(colour, level, uniform, scale, e, f, faces, inverse, buffer, sums, summed):
    """Solve the equations of all cells of one colour for their own value; if `summed`, `sums` (h,) += f times it."""
    own, other, right, inv = e[colour], e[1 - colour], f[colour], inverse[colour]
    n, sb, sa = np.uint64(level[3]), np.uint64(level[4]), np.uint64((level[1] + 1) * level[4])
    wa, wb, wc = scale[0], scale[1], scale[2]
    g0, g1, g2, g3, g4, g5 = faces[0], faces[1], faces[2], faces[3], faces[4], faces[5]
    for a in range(level[0]):
        start = row_start(level, a, 0)
        for b in range(level[1]):
            i, turned = np.uint64(start), np.uint64(start + 2 * ((a + b + colour) & 1) - 1)
            if uniform:
                relax_even(n, i, turned, sa, sb, other, wa, wb, wc, inv, right, own)
            else:
                if colour == RED:
                    gather_red(n, i, turned, sa, sb, other, g0, g1, g2, g3, g4, g5, buffer)
                else:
                    gather_black(n, i, turned, sa, sb, other, g0, g1, g2, g3, g4, g5, buffer)
                relax_row(n, i, inv, right, buffer, own)
            if summed:
                add_product(n, i, right, own, sums)
            start += level[4]


@njit(cache=True, nogil=True, error_model="numpy")
def start_sweep(level, e, f, inverse):
    """The red sweep of a field of zeros."""
    own, right, inv = e[RED], f[RED], inverse[RED]
    end = level[5] + (level[0] + 2) * (level[1] + 1) * level[4]
    for i in range(np.uint64(level[5]), np.uint64(end)):
        own[i] = inv[i] * right[i]


@njit(cache=True, nogil=True, error_model="numpy")
def add_open_flow(n, i, flow, inverse, whole):
    """Closed cells of a uniform medium, whose neighbours are not told, have no flow."""
    zero = flow[0] * 0
    for h in range(n):
        whole[h] += flow[h] if inverse[i + h] > zero else zero


@njit(cache=True, nogil=True, error_model="numpy")
def restrict(fine, coarse, uniform, scale, e, f, faces, inverse, buffer, whole):
    """Residual after the first two sweeps, summed over blocks: black cells have none, red ones what black sent them."""
    m, black, inv = coarse[3], e[BLACK], inverse[RED]
    n, sb, sa = np.uint64(fine[3]), np.uint64(fine[4]), np.uint64((fine[1] + 1) * fine[4])
    wa, wb, wc = scale[0], scale[1], scale[2]
    g0, g1, g2, g3, g4, g5 = faces[0], faces[1], faces[2], faces[3], faces[4], faces[5]
    for a in range(coarse[0]):
        for b in range(coarse[1]):
            whole[: fine[3]] = 0
            for y in range(2 * a, min(2 * a + 2, fine[0])):
                for x in range(2 * b, min(2 * b + 2, fine[1])):
                    start = row_start(fine, y, x)
                    i, turned = np.uint64(start), np.uint64(start + 2 * ((y + x) & 1) - 1)
                    if uniform:
                        gather_even(n, i, turned, sa, sb, black, wa, wb, wc, buffer)
                    else:
                        gather_red(n, i, turned, sa, sb, black, g0, g1, g2, g3, g4, g5, buffer)
                    add_open_flow(n, i, buffer, inv, whole)
            at = row_start(coarse, a, b)
            split_row(whole[: fine[3]], (a + b) & 1, f[RED, at : at + m], f[BLACK, at : at + m])


@njit(cache=True, nogil=True, error_model="numpy")
def add_where_open(n, i, more, inverse, own):
    zero = more[0] * 0
    for h in range(n):
        own[i + h] += more[h] if inverse[i + h] > zero else zero


@njit(cache=True, nogil=True, error_model="numpy")
def prolong(fine, coarse, e, inverse, whole):
    """Add the correction of each block to its red cells (the next sweep sets the black ones anew)."""
    n, m, red, inv = fine[3], coarse[3], e[RED], inverse[RED]
    for a in range(coarse[0]):
        for b in range(coarse[1]):
            at = row_start(coarse, a, b)
            join_row(e[RED, at : at + m], e[BLACK, at : at + m], (a + b) & 1, whole[:n])
            for i in range(2 * a, min(2 * a + 2, fine[0])):
                for j in range(2 * b, min(2 * b + 2, fine[1])):
                    add_where_open(np.uint64(n), np.uint64(row_start(fine, i, j)), whole, inv, red)
