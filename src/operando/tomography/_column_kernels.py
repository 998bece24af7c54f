"""The column-wise rule of paper 004, marching along z over bands of rows.

A band is a few rows y: what lies at one z is one run of memory. Dark voxels are counted over such runs first, in the
order of memory: the processor reads ahead, and the second cache then holds what the rule needs around each voxel
(several rows read at once stop it from reading ahead: float32 took one and a half times as long). Voids are judged in
the same march, where they begin. Arrays are whole and contiguous, rows are cut out of them by number: the compiler
then knows that neighbours along x are neighbours in memory, and turns the loops over x into vector instructions. The
literal form, column by column, is tests/unit/column_rule_literal.py.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from ._column_voids import mark_voids

LITHIUM, STEEL, DARK = 1, 4, 8
# rows, z: 1000 float32 columns of them and of what is ahead and behind stay in the second cache
BAND, CHUNK = 32, 2


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def count_dark(grey, y0, y1, begin, end, up, below, dark):
    """dark (z, y - y0): voxels under `below` in rows y0 to y1, from step `begin` to step `end`: z after z, so that they
    are read in order."""
    nz = grey.shape[0]
    for step in range(begin, min(end, nz)):
        z = step if up else nz - 1 - step
        for y in range(y0, y1):
            dark[step % len(dark), y - y0] = count_below(grey[z, y], below)


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def count_below(row, below):
    count = np.int32(0)
    for x in range(len(row)):
        count += np.int32(row[x] < below)
    return count


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def mark_lithium(grey, step, y, up, steel, lithium, void, interphase, ahead, state, phase, bits, total, label,
                 first, last, dark, held):  # fmt: skip
    """Li of the columns of row y at a step from the collector. Returns the phase of the row.

    grey, label (z, y, x), label uint8, bits are set; up: the collector is at z = 0, else at the last z. first, last,
    dark (x,) int32 in out: steps from the collector to the first and last Li voxel, and to the last voxel of Li that is
    darker than `void`; -1 where there is none. state (x,) uint8: 0 in the steel, 1 in lithium, 2 past it; phase: that
    of the whole row, else -1. bits, total (x,): room. held (1,): a step that `last` has yet to be set to, else -1.
    """
    nz = grey.shape[0]
    near = min(ahead, nz - 1 - step)
    limit = np.float32(interphase * near) if near > 0 else np.float32(-np.inf)
    z, way = (step, 1) if up else (nz - 1 - step, -1)
    here, out = grey[z, y], label[z, y]
    if phase == 0 and count_under(here, steel) == 0:
        out[:] = STEEL
        return phase
    if near == 4 and phase == 1:  # the usual case: sums are not kept
        a, b, c, d = grey[z + way, y], grey[z + 2 * way, y], grey[z + 3 * way, y], grey[z + 4 * way, y]
        whole = over_of_four(a, b, c, d, limit) == 0
    else:
        sum_rows(grey, z + way, y, way, near, total)
        whole = phase == 1 and count_over(total, limit) == 0
    if whole and count_under(here, lithium) == len(here):
        held[0] = step
        all_lithium(here, void, np.int32(step), first, dark, out)
        return phase
    if held[0] >= 0:
        last[:] = held[0]
        held[0] = -1
    if near == 4 and phase == 1 and not whole:
        sum_rows(grey, z + way, y, way, near, total)
    if whole:
        plain_lithium(here, lithium, void, bits)
    else:
        step_state(here, total, limit, steel, lithium, void, state, bits)
        low, high = state.min(), state.max()
        phase = np.int32(low) if low == high else np.int32(-1)
    go_on(bits, np.int32(step), first, last, dark)
    for x in range(len(out)):
        out[x] |= bits[x] & np.uint8(LITHIUM | STEEL)
    return phase


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def sum_rows(grey, z, y, way, count, total):
    """total (x,) float32: sum of `count` voxels from z on in the direction `way`, in that order."""
    if count == 0:
        total[:] = 0
        return
    if count == 1:
        set_row(grey[z, y], total)
    else:
        set_pair(grey[z, y], grey[z + way, y], total)
    k = 2
    while k + 1 < count:
        add_pair(grey[z + k * way, y], grey[z + (k + 1) * way, y], total)
        k += 2
    if k < count:
        add_row(grey[z + k * way, y], total)


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def over_of_four(a, b, c, d, limit):
    count = np.int32(0)
    for x in range(len(a)):
        total = ((np.float32(a[x]) + np.float32(b[x])) + np.float32(c[x])) + np.float32(d[x])
        count += np.int32(total > limit)
    return count


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def set_row(a, total):
    for x in range(len(total)):
        total[x] = np.float32(a[x])


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def add_row(a, total):
    for x in range(len(total)):
        total[x] += np.float32(a[x])


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def set_pair(a, b, total):
    for x in range(len(total)):
        total[x] = np.float32(a[x]) + np.float32(b[x])


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def add_pair(a, b, total):
    for x in range(len(total)):
        total[x] = (total[x] + np.float32(a[x])) + np.float32(b[x])


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def count_under(here, steel):
    count = np.int32(0)
    for x in range(len(here)):
        count += np.int32(np.float32(here[x]) < steel)
    return count


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def count_over(total, limit):
    count = np.int32(0)
    for x in range(len(total)):
        count += np.int32(total[x] > limit)
    return count


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def all_lithium(here, void, step, first, dark, out):
    """`go_on` and the label of a row all of whose voxels are lithium; `last` is held back."""
    if count_under(first, np.float32(0)) > 0:
        for x in range(len(first)):
            first[x] = step if first[x] < 0 else first[x]
    if count_under(here, void) > 0:
        for x in range(len(here)):
            dark[x] = step if np.float32(here[x]) < void else dark[x]
    for x in range(len(out)):
        out[x] |= np.uint8(LITHIUM)


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def plain_lithium(here, lithium, void, bits):
    """`step_state` of a row all of whose columns are in lithium and stay so."""
    for x in range(len(bits)):
        g = np.float32(here[x])
        bits[x] = np.uint8(LITHIUM if g < lithium else 0) | np.uint8(
            DARK if (g < lithium) & (g < void) else 0
        )


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def step_state(here, total, limit, steel, lithium, void, state, bits):
    """One z of `mark_lithium`: bits (DARK: lithium under `void`) and new states."""
    for x in range(len(state)):
        g, s = np.float32(here[x]), state[x]
        in_steel = (s == 0) & (g >= steel)
        inside = (s < 2) & (not in_steel)
        is_lithium = inside & (g < lithium)
        bits[x] = (
            np.uint8(STEEL if in_steel else 0)
            | np.uint8(LITHIUM if is_lithium else 0)
            | np.uint8(DARK if is_lithium & (g < void) else 0)
        )
        state[x] = np.uint8(2) if inside & (total[x] > limit) else (np.uint8(1) if inside else s)


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def go_on(bits, step, first, last, dark):
    """First voxel of lithium, last one, and last dark one."""
    for x in range(len(bits)):
        b = bits[x]
        first[x] = step if (first[x] < 0) & ((b & LITHIUM) > 0) else first[x]
        last[x] = step if (b & LITHIUM) > 0 else last[x]
        dark[x] = step if (b & DARK) > 0 else dark[x]


@njit(cache=True, nogil=True, parallel=True, error_model="numpy", boundscheck=False)
def march(grey, up, steel, lithium, void, interphase, below, ahead, depth, label, first, last, contact):
    """The rule on a volume. grey, label (z, y, x) contiguous, label zeros; the rest (y, x) in out.

    contact: 1 a column with Li and no voxel under `void` in its last `depth`; 0 a column with Li and such a voxel;
    2 no Li at all. up, first, last: see `mark_lithium`.
    """
    nz, ny, nx = grey.shape
    for band in prange((ny + BAND - 1) // BAND):
        y0, y1 = band * BAND, min(band * BAND + BAND, ny)
        dark = np.full((y1 - y0, nx), -1, np.int32)
        state, phase = np.zeros((y1 - y0, nx), np.uint8), np.zeros(y1 - y0, np.int32)
        bits, total = np.empty(nx, np.uint8), np.empty(nx, np.float32)
        begun = np.zeros((nx + 7) // 8 * 8, np.uint8)
        first[y0:y1] = -1
        last[y0:y1] = -1
        held = np.full(y1 - y0, -1, np.int32)
        some = np.zeros((CHUNK + ahead, y1 - y0), np.int32)
        count_dark(grey, y0, y1, 0, ahead, up, below, some)
        for start in range(0, nz, CHUNK):
            end = min(start + CHUNK, nz)
            count_dark(grey, y0, y1, start + ahead, end + ahead, up, below, some)
            for y in range(y0, y1):
                k = y - y0
                for step in range(start, end):
                    if phase[k] < 2:
                        phase[k] = mark_lithium(grey, step, y, up, steel, lithium, void, interphase, ahead, state[k],
                                                phase[k], bits, total, label, first[y], last[y], dark[k],
                                                held[k : k + 1])  # fmt: skip
                    if some[step % len(some), k] > 0:
                        mark_voids(grey, step, y, up, lithium, void, below, ahead, begun, label)
        for y in range(y0, y1):
            if held[y - y0] >= 0:
                last[y] = held[y - y0]
            for x in range(nx):
                seen = dark[y - y0, x]
                clear = (seen < 0) | (last[y, x] - seen >= depth)
                contact[y, x] = 2 if last[y, x] < 0 else (1 if clear else 0)
