# mypy: disable-error-code="call-arg"
"""The fused kernel: LZ4 (`core._lz4`), bit planes and binning of 32 frames at a time, block by block, in cache.

For each bitshuffle block of each frame LZ4 is decoded only as far as bits of wanted pixels go. The low planes of
the 32 frames are interleaved (byte = frame), turned into sums along the pixels, and each run of consecutive pixels
of one atom is one subtraction for all 32 frames. Four planes (a nibble) are done at a time: 17 pixels of at most 15
counts fit in a byte, so that arithmetic modulo 256 is exact. Rare pixels with bits at or above `side` planes (dead
ones among them) are noted one by one and taken out. Reference: `tests/unit/test_stream_fused.py`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ._kernels_blocks import NIBBLES, NOTES, RUN, TILE, advance, finish, interleaved, start, void
from ._vector import LANES, add_run, add_shares, expand, prefix

__all__ = ["NIBBLES", "NOTES", "RUN", "TILE", "fused", "fused_split"]


@njit(nogil=True, cache=True)
def _add_runs(sums, runs, atoms, total):  # pragma: no cover - compiled
    """Add every run of a tile to its atom; addresses of [TILE + 1][32] sums and uint16 [atoms][32]."""
    before = sums
    for run in range(runs.size):
        after = sums + LANES * np.int64(runs[run])
        add_run(total + 2 * LANES * np.int64(atoms[run]), after, before)
        before = after


@njit(nogil=True, cache=True)
def fused(
    chunks, sizes, pixels, itemsize, block, valid, tile_of, tile_start, run_of, run_end, run_atom,
    work, stride, wide, sums, total, used, position, status, note_pixel, note_value, noted, dead,
):  # fmt: skip # pragma: no cover - compiled
    """Sum up to 32 frames into atoms: total[nibble][atom][frame], uint16. Returns how many nibbles are in use.

    tile_of         (blocks + 1,) first tile of each block; no tile: the block is not decoded
    tile_start      (tiles,) first pixel of each tile within its block
    run_of          (tiles + 1,) first run of each tile; run_end within the tile, run_atom the atom of each run
    wide, sums      work space of `interleaved` and of `prefix`; the rest: see `advance`
    """
    planes, wide_at, sums_at = (
        np.int64(work.ctypes.data),
        np.int64(wide.ctypes.data),
        np.int64(sums.ctypes.data),
    )
    in_use = 1
    total[0] = 0
    start(chunks, sizes, pixels, itemsize, block, position, status, noted)
    for number in range(tile_of.size - 1):
        plane = min(block, (pixels - number * block) & -8) >> 3
        mask = np.int64(valid.ctypes.data) + (number * block >> 3)
        ahead = number + 2 < tile_of.size and tile_of[number + 2] > tile_of[number + 1]
        nibbles = advance(
            number, chunks, sizes, pixels, itemsize, block, valid, tile_of[number + 1] > tile_of[number], ahead,
            work, stride, used, position, status, note_pixel, note_value, noted, dead,
        )  # fmt: skip
        if nibbles > in_use:
            total[in_use:nibbles] = 0
            in_use = nibbles
        if nibbles == 0:
            continue
        for tile in range(tile_of[number], tile_of[number + 1]):
            column = tile_start[tile] >> 3
            columns = min(TILE // 8, (plane - column + 15) & -16)
            runs = slice(run_of[tile], run_of[tile + 1])
            for nibble in range(nibbles):
                if nibble and void(planes, stride, plane, column, columns, nibble, mask, used, chunks.size):
                    continue
                interleaved(planes, stride, plane, column, columns, nibble, wide_at)
                prefix(sums_at, wide_at, TILE // 8 * LANES, columns)
                _add_runs(sums_at, run_end[runs], run_atom[runs], np.int64(total[nibble].ctypes.data))
    finish(chunks, sizes, pixels, itemsize, valid, position, status, note_pixel, note_value, noted, dead)
    return in_use


@njit(nogil=True, cache=True)
def fused_split(
    chunks, sizes, pixels, itemsize, block, valid, tile_of, tile_start, first, bins, share,
    work, stride, wide, counts, sums, used, position, status, note_pixel, note_value, noted, dead,
):  # fmt: skip # pragma: no cover - compiled
    """Share up to 32 frames among bins: sums[bin] = signal[32] and variance[32], float32.

    first, bins, share  entries of each pixel, see `split.Split`; the rest: see `fused` and `advance`
    """
    planes, wide_at, counts_at = (
        np.int64(work.ctypes.data),
        np.int64(wide.ctypes.data),
        np.int64(counts.ctypes.data),
    )
    bins_at, share_at, sums_at = (
        np.int64(bins.ctypes.data),
        np.int64(share.ctypes.data),
        np.int64(sums.ctypes.data),
    )
    sums[:] = 0
    start(chunks, sizes, pixels, itemsize, block, position, status, noted)
    for number in range(tile_of.size - 1):
        plane = min(block, (pixels - number * block) & -8) >> 3
        mask = np.int64(valid.ctypes.data) + (number * block >> 3)
        ahead = number + 2 < tile_of.size and tile_of[number + 2] > tile_of[number + 1]
        nibbles = advance(
            number, chunks, sizes, pixels, itemsize, block, valid, tile_of[number + 1] > tile_of[number], ahead,
            work, stride, used, position, status, note_pixel, note_value, noted, dead,
        )  # fmt: skip
        for tile in range(tile_of[number], tile_of[number + 1]) if nibbles else range(0):
            column = tile_start[tile] >> 3
            columns = min(TILE // 8, (plane - column + 15) & -16)
            begin = number * block + tile_start[tile]
            for nibble in range(nibbles):
                if nibble and void(planes, stride, plane, column, columns, nibble, mask, used, chunks.size):
                    continue
                interleaved(planes, stride, plane, column, columns, nibble, wide_at)
                expand(counts_at, wide_at, TILE // 8 * LANES, columns)
                for pixel in range(begin, min(begin + TILE, number * block + 8 * plane)):
                    entry, stop = first[pixel], first[pixel + 1]
                    if stop > entry:
                        add_shares(
                            sums_at, counts_at + LANES * (pixel - begin), np.float32(1 << (4 * nibble)),
                            bins_at + 4 * entry, share_at + 4 * entry, stop - entry,
                        )  # fmt: skip
    finish(chunks, sizes, pixels, itemsize, valid, position, status, note_pixel, note_value, noted, dead)
