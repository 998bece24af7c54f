"""The column-wise rule of paper 004, marching along z with the inner loop over x, so that memory is read in order.

The state of every column of a row y is kept in short arrays of 32 bits, which the compiler turns into vector
instructions. The literal form, column by column, is tests/unit/column_rule_literal.py.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

LITHIUM, VOID, STEEL = 1, 2, 4


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def mark_lithium(grey, y, steel, lithium, void, interphase, ahead, label, first, last, dark):
    """Li of the columns of row y, from z = 0 (the collector) up.

    grey (z, y, x); label (z, y, x) uint8, bits are set. first, last, dark (x,) int32 in out: first and last Li voxel,
    last voxel of Li that is darker than `void`; -1 where there is none.
    """
    nz, _, nx = grey.shape
    state = np.zeros(nx, np.int32)  # 0 in the steel, 1 in lithium, 2 past it
    bits = np.empty(nx, np.int32)
    total = np.empty(nx, np.float32)
    rows = np.empty((ahead + 1, nx), np.float32)  # grey values of this z and the next, as numbers
    for k in range(min(ahead, nz)):
        copy_row(grey[k, y], rows[k])
    for z in range(nz):
        if z + ahead < nz:
            copy_row(grey[z + ahead, y], rows[(z + ahead) % (ahead + 1)])
        near = min(ahead, nz - 1 - z)
        limit = np.float32(interphase * near) if near > 0 else np.float32(-np.inf)
        total[:] = 0
        for k in range(1, near + 1):
            add_row(rows[(z + k) % (ahead + 1)], total)
        running = step_lithium(
            rows[z % (ahead + 1)],
            total,
            limit,
            steel,
            lithium,
            void,
            np.int32(z),
            state,
            bits,
            first,
            last,
            dark,
        )
        out = label[z, y]
        for x in range(nx):
            out[x] = np.uint8(bits[x])
        if running == 0:
            break


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def copy_row(source, target):
    for x in range(len(target)):
        target[x] = np.float32(source[x])


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def add_row(row, total):
    for x in range(len(total)):
        total[x] += row[x]


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def step_lithium(here, total, limit, steel, lithium, void, z, state, bits, first, last, dark):
    """One z of `mark_lithium`: new bits and states of a row; the number of columns that go on."""
    running = np.int32(0)
    for x in range(len(state)):
        g, s = here[x], state[x]
        in_steel = (s == 0) & (g >= steel)
        inside = (s < 2) & (not in_steel)
        is_lithium = inside & (g < lithium)
        bits[x] = np.int32(STEEL if in_steel else 0) | np.int32(LITHIUM if is_lithium else 0)
        first[x] = z if is_lithium & (first[x] < 0) else first[x]
        last[x] = z if is_lithium else last[x]
        dark[x] = z if is_lithium & (g < void) else dark[x]
        s = np.int32(2) if inside & (total[x] > limit) else (np.int32(1) if inside else s)
        state[x] = s
        running += np.int32(1 if s < 2 else 0)
    return running


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def lengthen(here, below, run, ended):
    """Runs of dark voxels grow by this row; ended (x,) uint8 is 1 where one ended in it, which keeps its length."""
    for x in range(len(run)):
        dark = here[x] < below
        ended[x] = np.uint8((not dark) & (run[x] > 0))
        run[x] += np.int32(1 if dark else 0)


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def mark_voids(grey, y, lithium, void, below, ahead, label):
    """Interface voids of the columns of row y, from the bulk electrolyte (last z) down to the collector.

    below: `void` in the numbers of grey (for integers the next whole number up), so that rows are compared as stored.
    Ends of runs are looked for eight columns at a time: they are few.
    """
    nz, _, nx = grey.shape
    run = np.zeros(nx, np.int32)
    ended = np.zeros((nx + 7) // 8 * 8, np.uint8)
    eight = ended.view(np.uint64)
    for z in range(nz - 1, -1, -1):
        lengthen(grey[z, y], below, run, ended)
        for word in range(len(eight)):
            if eight[word] != 0:
                for x in range(8 * word, min(8 * word + 8, nx)):
                    if ended[x]:
                        finish_run(grey, z, y, x, run[x], lithium, void, ahead, label)
                        run[x] = 0


@njit(cache=True, nogil=True, error_model="numpy", boundscheck=False)
def finish_run(grey, z, y, x, length, lithium, void, ahead, label):
    """A dark run ended at z: mark it where lithium goes on beyond it."""
    near = min(ahead, z + 1)
    total = np.float32(0)
    for k in range(near):
        total += np.float32(grey[z - k, y, x])
    if np.float32(void * near) < total < np.float32(lithium * near):
        for k in range(1, length + 1):
            label[z + k, y, x] |= np.uint8(VOID)


@njit(cache=True, nogil=True, parallel=True, error_model="numpy", boundscheck=False)
def march(grey, steel, lithium, void, interphase, below, ahead, depth, label, first, last, contact):
    """The rule on a slab. grey (z, y, x), z = 0 at the collector; label (z, y, x) zeros; the rest (y, x) in out.

    contact: 1 a column with Li and no voxel under `void` in its last `depth`; 0 a column with Li and such a voxel;
    2 no Li at all.
    """
    ny, nx = grey.shape[1:]
    for y in prange(ny):
        dark = np.full(nx, -1, np.int32)
        first[y, :] = -1
        last[y, :] = -1
        mark_lithium(grey, y, steel, lithium, void, interphase, ahead, label, first[y], last[y], dark)
        mark_voids(grey, y, lithium, void, below, ahead, label)
        for x in range(nx):
            clear = (dark[x] < 0) | (last[y, x] - dark[x] >= depth)
            contact[y, x] = 2 if last[y, x] < 0 else (1 if clear else 0)
