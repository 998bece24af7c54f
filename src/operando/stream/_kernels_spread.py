# mypy: disable-error-code="call-arg"
"""From sums of 32 frames, side by side, to one row of bins a frame."""

from __future__ import annotations

import numpy as np
from numba import njit

from ._vector import LANES, add_wide, turn


@njit(nogil=True, cache=True)
def spread(total, nibbles, first, atoms, out):  # pragma: no cover - compiled
    """out[frame, bin] = sum of the atoms of that bin over nibbles, for (n, bins) int32.

    atoms[first[bin] : first[bin + 1]] are those of a bin. Eight bins are summed for 32 frames, then turned.
    """
    tile = np.empty((8, LANES), np.int32)
    tile_at, rows = np.int64(tile.ctypes.data), np.int64(total.ctypes.data)
    n, bins = out.shape
    layer = np.int64(2 * LANES) * total.shape[1]
    for start in range(0, bins, 8):
        tile[:] = 0
        stop = min(start + 8, bins)
        for b in range(start, stop):
            for k in range(first[b], first[b + 1]):
                for nibble in range(nibbles):
                    counts = rows + nibble * layer + 2 * LANES * np.int64(atoms[k])
                    add_wide(tile_at + 4 * LANES * (b - start), counts, np.int64(4 * nibble))
        if n == LANES and stop - start == 8:
            turn(np.int64(out.ctypes.data) + 4 * start, np.int64(4 * bins), tile_at)
        else:
            for frame in range(n):
                for b in range(start, stop):
                    out[frame, b] = tile[b - start, frame]


@njit(nogil=True, cache=True)
def spread_wide(total, nibbles, first, atoms, out):  # pragma: no cover - compiled
    """As `spread`, for (n, bins) int64 and bins of so many pixels that 32 bits may not do."""
    tile = np.empty(LANES, np.int32)
    tile_at, rows = np.int64(tile.ctypes.data), np.int64(total.ctypes.data)
    layer = np.int64(2 * LANES) * total.shape[1]
    out[:] = 0
    for b in range(out.shape[1]):
        for start in range(first[b], first[b + 1], 64):
            tile[:] = 0
            for k in range(start, min(start + 64, first[b + 1])):
                for nibble in range(nibbles):
                    counts = rows + nibble * layer + 2 * LANES * np.int64(atoms[k])
                    add_wide(tile_at, counts, np.int64(4 * nibble))
            for frame in range(out.shape[0]):
                out[frame, b] += tile[frame]


@njit(nogil=True, cache=True)
def turn_shares(sums, signal, variance):  # pragma: no cover - compiled
    """signal, variance[frame, bin] = sums[bin, 0 or 1, frame], float32."""
    n, bins = signal.shape
    tile = np.empty((8, LANES), np.float32)
    tile_at = np.int64(tile.ctypes.data)
    for which in range(2):
        out = signal if which == 0 else variance
        for start in range(0, bins, 8):
            stop = min(start + 8, bins)
            if n == LANES and stop - start == 8:
                tile[:] = sums[start:stop, which]
                turn(np.int64(out.ctypes.data) + 4 * start, np.int64(4 * bins), tile_at)
            else:
                for frame in range(n):
                    for b in range(start, stop):
                        out[frame, b] = sums[b, which, frame]
