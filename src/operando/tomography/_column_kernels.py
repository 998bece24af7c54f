"""The column-wise rule of paper 004, marching along z over bands of rows, so that memory is read in order.

A band is a few rows y: what lies at one z is one run of memory, long enough for the processor to read ahead. Arrays
are whole and contiguous, rows are cut out of them by number: the compiler then knows that neighbours along x are
neighbours in memory, and turns the loops over x into vector instructions. The literal form, column by column, is
tests/unit/column_rule_literal.py.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

LITHIUM, VOID, STEEL, DARK = 1, 2, 4, 8
BAND = 16  # rows: the voxels of a band of 1024 columns at a few z stay in the second cache


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def mark_lithium(grey, y0, y1, up, steel, lithium, void, interphase, ahead, label, first, last, dark):
    """Li of the columns of rows y0 to y1, from the collector on.

    grey, label (z, y, x), label uint8, bits are set; up: the collector is at z = 0, else at the last z. first, last
    (y, x), dark (y - y0, x) int32 in out: steps from the collector to the first and last Li voxel, and to the last
    voxel of Li that is darker than `void`; -1 where there is none.
    """
    nz, _, nx = grey.shape
    state = np.zeros((y1 - y0, nx), np.int32)  # 0 in the steel, 1 in lithium, 2 past it
    phase = np.zeros(y1 - y0, np.int32)  # 0 and 1 where that is the state of the whole row, else -1
    begun = np.zeros(y1 - y0, np.bool_)  # all columns of the row have lithium
    bits, total = np.empty(nx, np.int32), np.empty(nx, np.float32)
    for step in range(nz):
        near = min(ahead, nz - 1 - step)
        limit = np.float32(interphase * near) if near > 0 else np.float32(-np.inf)
        z, way = (step, 1) if up else (nz - 1 - step, -1)
        running = np.int32(0)
        for y in range(y0, y1):
            here, mine, k = grey[z, y], state[y - y0], y - y0
            if phase[k] == 0 and count_under(here, steel) == 0:
                label[z, y, :] = STEEL
                running += np.int32(nx)
                continue
            sum_rows(grey, z + way, y, way, near, total)
            if phase[k] == 1 and count_over(total, limit) == 0:
                running += plain_lithium(here, lithium, void, bits)
            else:
                running += step_state(here, total, limit, steel, lithium, void, mine, bits)
                phase[k] = 1 if mine.min() == 1 and mine.max() == 1 else (0 if mine.max() == 0 else -1)
            if not begun[k]:
                begun[k] = begin(bits, np.int32(step), first[y]) == 0
            go_on(bits, np.int32(step), last[y], dark[k])
            out = label[z, y]
            for x in range(nx):
                out[x] = np.uint8(bits[x] & (LITHIUM | STEEL))
        if running == 0:
            break


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
def plain_lithium(here, lithium, void, bits):
    """`step_state` of a row all of whose columns are in lithium and stay so."""
    for x in range(len(bits)):
        g = np.float32(here[x])
        bits[x] = np.int32(LITHIUM if g < lithium else 0) | np.int32(
            DARK if (g < lithium) & (g < void) else 0
        )
    return np.int32(len(bits))


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def step_state(here, total, limit, steel, lithium, void, state, bits):
    """One z of `mark_lithium`: bits (DARK: lithium under `void`) and new states; the number of columns that go on."""
    running = np.int32(0)
    for x in range(len(state)):
        g, s = np.float32(here[x]), state[x]
        in_steel = (s == 0) & (g >= steel)
        inside = (s < 2) & (not in_steel)
        is_lithium = inside & (g < lithium)
        bits[x] = (
            np.int32(STEEL if in_steel else 0)
            | np.int32(LITHIUM if is_lithium else 0)
            | np.int32(DARK if is_lithium & (g < void) else 0)
        )
        s = np.int32(2) if inside & (total[x] > limit) else (np.int32(1) if inside else s)
        state[x] = s
        running += np.int32(1 if s < 2 else 0)
    return running


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def begin(bits, step, first):
    """First voxel of lithium; how many columns have none yet."""
    without = np.int32(0)
    for x in range(len(bits)):
        f = step if (first[x] < 0) & ((bits[x] & LITHIUM) > 0) else first[x]
        first[x] = f
        without += np.int32(f < 0)
    return without


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def go_on(bits, step, last, dark):
    """Last voxel of lithium, and last dark one."""
    for x in range(len(bits)):
        last[x] = step if (bits[x] & LITHIUM) > 0 else last[x]
        dark[x] = step if (bits[x] & DARK) > 0 else dark[x]


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def mark_voids(grey, y0, y1, up, lithium, void, below, ahead, label):
    """Interface voids of the columns of rows y0 to y1, from the bulk electrolyte towards the collector.

    below: `void` in the numbers of grey (for integers the next whole number up): rows are compared as stored. A run of
    dark voxels ends where one is not dark and the one before it is; it is judged there by the voxels under it. Rows
    without a void are passed over by a loop that writes nothing; voids are then looked for eight columns at a time.
    """
    nz, _, nx = grey.shape
    ended = np.zeros((nx + 7) // 8 * 8, np.uint8)
    eight = ended.view(np.uint64)
    for step in range(nz - 2, -1, -1):
        z, way = (step, 1) if up else (nz - 1 - step, -1)
        near = min(ahead, step + 1)
        low, high = np.float32(void * near), np.float32(lithium * near)
        for y in range(y0, y1):
            here, before = grey[z, y], grey[z + way, y]
            if count_voids(grey, z, y, here, before, way, near, below, low, high) == 0:
                continue
            for x in range(nx):
                ended[x] = np.uint8((here[x] >= below) & (before[x] < below))
            for word in range(len(eight)):
                if eight[word] != 0:
                    for x in range(8 * word, min(8 * word + 8, nx)):
                        if ended[x]:
                            mark_run(grey, z, y, x, way, near, below, low, high, label)


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def count_voids(grey, z, y, here, before, way, near, below, low, high):
    """How many dark runs end at a row and are voids; beyond the paper's 3 to 5 voxels ahead, how many end."""
    if near == 3:
        return voids_of_three(before, here, grey[z - way, y], grey[z - 2 * way, y], below, low, high)
    if near == 4:
        b, c, d = grey[z - way, y], grey[z - 2 * way, y], grey[z - 3 * way, y]
        return voids_of_four(before, here, b, c, d, below, low, high)
    if near == 5:
        b, c, d, e = grey[z - way, y], grey[z - 2 * way, y], grey[z - 3 * way, y], grey[z - 4 * way, y]
        return voids_of_five(before, here, b, c, d, e, below, low, high)
    count = np.int32(0)
    for x in range(len(here)):
        count += np.int32((here[x] >= below) & (before[x] < below))
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
    """A dark run ends at z: it is a void where the next voxels are lithium in the mean."""
    total = np.float32(0)
    for k in range(near):
        total += np.float32(grey[z - k * way, y, x])
    if low < total < high:
        z += way
        while 0 <= z < len(grey) and grey[z, y, x] < below:
            label[z, y, x] |= np.uint8(VOID)
            z += way


@njit(cache=True, nogil=True, parallel=True, error_model="numpy", boundscheck=False)
def march(grey, up, steel, lithium, void, interphase, below, ahead, depth, label, first, last, contact):
    """The rule on a volume. grey, label (z, y, x) contiguous, label zeros; the rest (y, x) in out.

    contact: 1 a column with Li and no voxel under `void` in its last `depth`; 0 a column with Li and such a voxel;
    2 no Li at all. up, first, last: see `mark_lithium`.
    """
    ny, nx = grey.shape[1:]
    for band in prange((ny + BAND - 1) // BAND):
        y0, y1 = band * BAND, min(band * BAND + BAND, ny)
        dark = np.full((y1 - y0, nx), -1, np.int32)
        for y in range(y0, y1):
            first[y, :] = -1
            last[y, :] = -1
        mark_lithium(grey, y0, y1, up, steel, lithium, void, interphase, ahead, label, first, last, dark)
        mark_voids(grey, y0, y1, up, lithium, void, below, ahead, label)
        for y in range(y0, y1):
            for x in range(nx):
                seen = dark[y - y0, x]
                clear = (seen < 0) | (last[y, x] - seen >= depth)
                contact[y, x] = 2 if last[y, x] < 0 else (1 if clear else 0)
