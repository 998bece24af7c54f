"""Kernels of the phase field: one row of one grain, and the step over the active spans of every grain.

Grain q lives in a box of its own, padded by one cell (zeros) on every side that the box does not close around
the periodic domain. `box[q]` = z0, nz, y0, ny, x0, nx (x0 and y0 unwrapped), `start[q]` the first value of the
padded box in the flat pool, `first[q]` its first padded row in the row tables. `lo`, `hi` hold for every row the
hull [lo, hi) of cells above the cutoff ("core"); a step updates each core widened by one cell in every direction,
nothing else. Two pools (old, new) take turns; `s` is the sum of eta^2 over grains, `k` that of kappa eta^2.

Rows are given by unsigned offsets into flat arrays: signed ones, or slices, keep the compiler from vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

EMPTY_LO, EMPTY_HI = 1 << 30, -(1 << 30)
OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
INLINE: dict[str, Any] = {**OPTIONS, "forceinline": True}
ONE, TWO = np.uintp(1), np.uintp(2)
FLUSH = 1e-30  # smaller values are zero: denormal numbers are a hundred times slower


@njit(**INLINE)
def row_2d(old, new, s, s_new, c, below, above, out, j, n, gamma2, kappa, rate, drive):
    """eta' = eta - rate (eta^3 - eta + 2 gamma eta (S - eta^2) - kappa lap(eta) + 6 U eta (1 - eta)) on n cells.

    c             offset of the cell before the first one in `old`; below, above, out: of the first one
    j             offset of the first cell in s and s_new, which gathers eta'^2
    kappa         already divided by dx^2; gamma2 = 2 gamma, rate = L dt, drive = 6 U
    """
    for i in range(n):
        e = old[c + i + ONE]
        e2 = e * e
        lap = old[c + i] + old[c + i + TWO] + old[below + i] + old[above + i] - 4.0 * e
        v = e - rate * (e * (e2 - 1.0 + gamma2 * (s[j + i] - e2)) - kappa * lap + drive * (e * (1.0 - e)))
        v = v if v > FLUSH else 0.0
        new[out + i] = v
        s_new[j + i] += v * v


@njit(**INLINE)
def row_3d(old, new, s, s_new, c, below, above, left, right, out, j, n, gamma2, kappa, rate, drive):
    """As `row_2d` with the rows at y - 1 and y + 1."""
    for i in range(n):
        e = old[c + i + ONE]
        e2 = e * e
        lap = old[c + i] + old[c + i + TWO] + old[below + i] + old[above + i] + old[left + i] + old[right + i]
        lap -= 6.0 * e
        v = e - rate * (e * (e2 - 1.0 + gamma2 * (s[j + i] - e2)) - kappa * lap + drive * (e * (1.0 - e)))
        v = v if v > FLUSH else 0.0
        new[out + i] = v
        s_new[j + i] += v * v


@njit(**INLINE)
def row_mean(
    old, new, s, s_new, k, k_new, three, c, below, above, left, right, out, j, n, gamma2, kappa, rate, drive
):
    """As the others with kappa replaced by its mean over grains, sum(kappa eta^2) / sum(eta^2), where there are any."""
    for i in range(n):
        e = old[c + i + ONE]
        e2 = e * e
        lap = old[c + i] + old[c + i + TWO] + old[below + i] + old[above + i] - 4.0 * e
        if three:
            lap += old[left + i] + old[right + i] - 2.0 * e
        mean = k[j + i] / s[j + i] if s[j + i] > 1e-12 else kappa
        v = e - rate * (e * (e2 - 1.0 + gamma2 * (s[j + i] - e2)) - mean * lap + drive * (e * (1.0 - e)))
        v = v if v > FLUSH else 0.0
        new[out + i] = v
        s_new[j + i] += v * v
        k_new[j + i] += kappa * v * v


@njit(**INLINE)
def _row(
    old, new, s, s_new, k, k_new, three, mean, c, below, above, left, right, j, n, gamma2, kappa, rate, drive
):
    """The row that the model asks for; offsets are of the cell before the first one, in padded rows."""
    c, j, n = np.uintp(c), np.uintp(j), np.uintp(n)
    down, up, out = np.uintp(below) + ONE, np.uintp(above) + ONE, c + ONE
    one, two = np.uintp(left) + ONE, np.uintp(right) + ONE
    if mean:
        row_mean(
            old, new, s, s_new, k, k_new, three, c, down, up, one, two, out, j, n, gamma2, kappa, rate, drive
        )
    elif three:
        row_3d(old, new, s, s_new, c, down, up, one, two, out, j, n, gamma2, kappa, rate, drive)
    else:
        row_2d(old, new, s, s_new, c, down, up, out, j, n, gamma2, kappa, rate, drive)


@njit(**INLINE)
def _core(values, base, a, b, cutoff):
    """Hull of the cells above the cutoff within [a, b) of the padded row at `base`."""
    while a < b and values[base + a + 1] < cutoff:
        a += 1
    while b > a and values[base + b] < cutoff:
        b -= 1
    if a >= b:
        return EMPTY_LO, EMPTY_HI
    return a, b


@njit(**OPTIONS)
def _step_grain(
    old, new, start, first, box, lo, hi, lo_new, hi_new, wrote_lo, wrote_hi, s, s_new, k, k_new,
    shape, active, gamma2, kappa, rate, drive, cutoff, mean,
):  # fmt: skip
    """One explicit step of one grain. Returns (alive, touches the edge of its box)."""
    nz, ny, nx = shape
    z0, bz, y0, by, x0, bx = box
    three = ny > 1
    pad = 1 if three else 0
    per, p = by + 2 * pad, bx + 2  # rows in a plane, values in a row
    full_x, full_y = bx == nx, by == ny
    alive, edge = False, False
    for jz in range(min(bz, active - z0)):
        z = z0 + jz
        for jy in range(by):
            r = (jz + 1) * per + jy + pad
            up = r + per if z + 1 < active else r
            down = r - per if z > 0 else r
            t = first + r
            a = min(lo[t] - 1, min(lo[first + up], lo[first + down]))
            b = max(hi[t] + 1, max(hi[first + up], hi[first + down]))
            left, right = r, r
            if three:
                left = r + by - 1 if full_y and jy == 0 else r - 1
                right = r - by + 1 if full_y and jy == by - 1 else r + 1
                a = min(a, min(lo[first + left], lo[first + right]))
                b = max(b, max(hi[first + left], hi[first + right]))
            if a < b and full_x and (a < 0 or b > bx):
                a, b = 0, bx
            a, b = max(a, 0), min(b, bx)
            base = start + r * p
            if wrote_lo[t] < wrote_hi[t]:  # what an earlier step left outside this span
                for i in range(wrote_lo[t], min(a, wrote_hi[t])):
                    new[base + 1 + i] = 0.0
                for i in range(max(b, wrote_lo[t]), wrote_hi[t]):
                    new[base + 1 + i] = 0.0
            if a >= b:
                wrote_lo[t], wrote_hi[t] = EMPTY_LO, EMPTY_HI
                lo_new[t], hi_new[t] = EMPTY_LO, EMPTY_HI
                if full_x:
                    new[base], new[base + 1 + bx] = 0.0, 0.0
                continue
            wrote_lo[t], wrote_hi[t] = a, b
            y = (y0 + jy) % ny if three else 0
            g = (z * ny + y) * nx
            x = (x0 + a) % nx
            done = a
            while done < b:  # two pieces where the box crosses the periodic border
                n = min(b - done, nx - x)
                _row(
                    old, new, s, s_new, k, k_new, three, mean, base + done, start + down * p + done,
                    start + up * p + done, start + left * p + done, start + right * p + done,
                    g + x, n, gamma2, kappa, rate, drive,
                )  # fmt: skip
                done += n
                x = 0
            if full_x:
                new[base], new[base + 1 + bx] = new[base + bx], new[base + 1]
            ca, cb = _core(new, base, a, b, cutoff)
            lo_new[t], hi_new[t] = ca, cb
            if ca < cb:
                alive = True
                edge |= not full_x and (ca < 1 or cb > bx - 1)
                edge |= three and not full_y and (jy == 0 or jy == by - 1)
                edge |= (jz == 0 and z0 > 0) or (jz == bz - 1 and z < nz - 1)
    return alive, edge


@njit(**OPTIONS)
def step_boxes(
    pool, start, first, boxes, alive, lo, hi, wrote_lo, wrote_hi, s, k, now, steps,
    shape, active, gamma, kappas, rates, drives, cutoff, mean,
):  # fmt: skip
    """Up to `steps` steps of all grains; stops early when a core reaches the edge of its box.

    pool (2, n), lo, hi, wrote_lo, wrote_hi (2, rows), s, k (2, cells); `now` is the index of the current state.
    Returns (steps done, index of the current state, a box must grow).
    """
    used = active * shape[1] * shape[2]
    for n in range(steps):
        then = 1 - now
        s[then, :used] = 0.0
        if mean:
            k[then, :used] = 0.0
        old, new, s_old, s_new, k_old, k_new = pool[now], pool[then], s[now], s[then], k[now], k[then]
        lo_old, hi_old, lo_new, hi_new = lo[now], hi[now], lo[then], hi[then]
        wl, wh = wrote_lo[then], wrote_hi[then]
        grow = False
        for q in range(boxes.shape[0]):
            if not alive[q]:
                continue
            box = (boxes[q, 0], boxes[q, 1], boxes[q, 2], boxes[q, 3], boxes[q, 4], boxes[q, 5])
            alive[q], edge = _step_grain(
                old, new, start[q], first[q], box, lo_old, hi_old, lo_new, hi_new, wl, wh, s_old, s_new,
                k_old, k_new, shape, active, 2.0 * gamma, kappas[q], rates[q], drives[q], cutoff, mean,
            )  # fmt: skip
            grow |= edge
        now = then
        if grow:
            return n + 1, now, True
    return steps, now, False


@njit(**OPTIONS)
def step_dense(eta, s, k, now, steps, shape, active, gamma, kappas, rates, drives, mean):
    """The same equation for every grain in every active cell, the compiled peer of `step_boxes`.

    eta (2, grains * nz * ny * (nx + 2)) with x halos; s, k (2, nz * ny * nx). Returns the index of the current state.
    """
    nz, ny, nx = shape
    p = nx + 2
    three = ny > 1
    for _ in range(steps):
        then = 1 - now
        s[then, : active * ny * nx] = 0.0
        if mean:
            k[then, : active * ny * nx] = 0.0
        old, new, s_old, s_new, k_old, k_new = eta[now], eta[then], s[now], s[then], k[now], k[then]
        for q in range(kappas.size):
            for z in range(active):
                down, up = max(z - 1, 0), min(z + 1, active - 1)
                for y in range(ny):
                    left, right = (y - 1) % ny, (y + 1) % ny
                    start = q * nz * ny * p
                    base = start + (z * ny + y) * p
                    _row(
                        old, new, s_old, s_new, k_old, k_new, three, mean, base, start + (down * ny + y) * p,
                        start + (up * ny + y) * p, start + (z * ny + left) * p, start + (z * ny + right) * p,
                        (z * ny + y) * nx, nx, 2.0 * gamma, kappas[q], rates[q], drives[q],
                    )  # fmt: skip
                    new[base], new[base + nx + 1] = new[base + nx], new[base + 1]
        now = then
    return now


def empty_rows(rows: int) -> np.ndarray:
    """Row tables (lo, hi) of no core at all, (2, 2, rows) int32: [which table][buffer][row]."""
    table = np.empty((2, 2, rows), np.int32)
    table[0], table[1] = EMPTY_LO, EMPTY_HI
    return table
