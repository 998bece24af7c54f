# mypy: disable-error-code="call-arg"
"""The fused kernel: LZ4, bit planes and binning of 32 frames at a time, block by block, in cache.

For each bitshuffle block of each frame LZ4 is decoded only as far as bits of wanted pixels go. The low planes of
the 32 frames are interleaved (byte = frame), turned into sums along the pixels, and each run of consecutive pixels
of one atom is one subtraction for all 32 frames. Four planes (a nibble) are done at a time: 17 pixels of at most 15
counts fit in a byte, so that arithmetic modulo 256 is exact. Rare pixels with bits at or above `side` planes (dead
ones among them) are noted one by one and taken out. Reference: `tests/unit/test_stream_fused.py`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ._lz4 import HEADER, big32, decode, touches
from ._vector import (
    LANES,
    add_run,
    add_shares,
    add_wide,
    expand,
    interleave,
    load8,
    prefetch,
    prefix,
    store8,
    turn,
)

#: pixels whose sums along the row are held at a time, and most pixels of a run: 17 * 15 < 256
TILE = 512
RUN = 17
#: how many nibbles (groups of four planes) may be summed; pixels above are noted one by one
NIBBLES = 3
#: most noted pixels a frame; a frame with more is left to the engine for decoded images
NOTES = 2048

#: bytes of the next block that are fetched ahead
AHEAD = 768
GOOD, DAMAGED, LEAVE = 0, 1, 2


@njit(nogil=True, cache=True)
def note(
    planes, plane, used, side, bits, valid, first, dead, pixels, values, count
):  # pragma: no cover - compiled
    """Note wanted pixels with bits in planes `side` to `used`, and clear them in all planes.

    Returns how many are noted, -1 if more than fit. A dead pixel is noted with value -1.
    """
    for k in range(plane):
        high = 0
        for p in range(side, used):
            high |= load8(planes + p * plane + k)
        high &= load8(valid + k)
        if high == 0:
            continue
        for bit in range(8):
            if high >> bit & 1:
                value = 0
                for p in range(bits):
                    if p < used:
                        value |= (load8(planes + p * plane + k) >> bit & 1) << p
                if count >= pixels.size:
                    return -1
                pixels[count] = first + 8 * k + bit
                values[count] = -1 if value == dead else value
                count += 1
        for p in range(used):
            store8(planes + p * plane + k, load8(planes + p * plane + k) & ~high)
    return count


@njit(nogil=True, cache=True)
def _block(source, end, safe, out, size, plane, valid, bits):  # pragma: no cover - compiled
    """Decode one block; returns how many planes hold bits of wanted pixels, or -1."""
    done = decode(source, end, safe, out, size, plane, valid)
    if done < 0:
        return -1
    used = min(bits, done // plane)
    while used > 0 and not touches(out + (used - 1) * plane, valid, plane):
        used -= 1
    return used


@njit(nogil=True, cache=True)
def start(chunks, sizes, pixels, itemsize, block, position, status, noted):  # pragma: no cover - compiled
    """Check the headers of up to 32 chunks and put every frame at its first block."""
    for frame in range(chunks.size):
        position[frame] = HEADER
        noted[frame] = 0
        status[frame] = GOOD
        chunk = chunks[frame]
        if sizes[frame] < HEADER or big32(chunk) != 0 or big32(chunk + 4) != pixels * itemsize:
            status[frame] = DAMAGED
        elif big32(chunk + 8) != block * itemsize:
            status[frame] = LEAVE


@njit(nogil=True, cache=True)
def advance(
    number, chunks, sizes, pixels, itemsize, block, valid, wanted, ahead, work, stride, used,
    position, status, note_pixel, note_value, noted, dead,
):  # fmt: skip # pragma: no cover - compiled
    """Decode block `number` of every frame; returns how many nibbles hold bits of wanted pixels.

    chunks, sizes   (n,) addresses and lengths of the HDF5 chunks
    block           pixels of one bitshuffle block
    valid           (pixels / 8,) packed bits of wanted pixels
    wanted, ahead   whether this block is wanted, and the next (which is then fetched ahead)
    work            (32 * stride,) bytes: one decoded block a frame; planes not in use are zero up to the last nibble
    position, status, noted  (n,) state of each frame: GOOD, DAMAGED or LEAVE (to the other engine); how many pixels
                    are in note_pixel and note_value, -1 means dead
    """
    bits = 8 * itemsize
    side = min(4 * NIBBLES, bits - 1)
    first = number * block
    count = min(block, (pixels - first) & -8)
    plane = count >> 3
    mask = np.int64(valid.ctypes.data) + (first >> 3)
    need = 0
    for frame in range(chunks.size):
        used[frame] = 0
        if status[frame] != GOOD:
            continue
        source, safe = chunks[frame] + position[frame] + 4, chunks[frame] + sizes[frame]
        if source > safe or source + big32(source - 4) > safe:
            status[frame] = DAMAGED
            continue
        end = source + big32(source - 4)
        position[frame] = end - chunks[frame]
        if ahead:  # it is due after those of 31 other frames
            for line in range(0, AHEAD, 64):
                prefetch(end + line)
        if not wanted:
            continue
        here = np.int64(work.ctypes.data) + frame * stride
        found = _block(source, end, safe, here, count * itemsize, plane, mask, bits)
        if found < 0:
            status[frame] = DAMAGED
            continue
        if found > side:
            noted[frame] = note(
                here,
                plane,
                found,
                side,
                bits,
                mask,
                first,
                dead,
                note_pixel[frame],
                note_value[frame],
                noted[frame],
            )
            if noted[frame] < 0:
                status[frame] = LEAVE
                continue
            found = side
        used[frame] = found
        need = max(need, found)
    nibbles = (need + 3) >> 2
    if nibbles:
        for frame in range(LANES):
            begin = used[frame] * plane if frame < chunks.size else 0
            work[frame * stride + begin : frame * stride + 4 * nibbles * plane] = 0
    return nibbles


@njit(nogil=True, cache=True)
def _interleaved(planes, stride, plane, column, columns, nibble, wide):  # pragma: no cover - compiled
    """Four planes of 32 frames side by side: [4][TILE // 8][32] bytes at address `wide`."""
    for p in range(4):
        at = planes + (4 * nibble + p) * plane + column
        for k in range(0, columns, 16):
            interleave(wide + (p * (TILE // 8) + k) * LANES, at + k, stride)


@njit(nogil=True, cache=True)
def _void(planes, stride, plane, column, columns, nibble, mask, used, n):  # pragma: no cover - compiled
    """Whether no frame has a wanted bit in these four planes of this tile."""
    size = min(columns, plane - column)
    for frame in range(n):
        for p in range(4 * nibble, min(4 * nibble + 4, used[frame])):
            if touches(planes + frame * stride + p * plane + column, mask + column, size):
                return False
    return True


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
    wide, sums      work space of `_interleaved` and of `prefix`; the rest: see `advance`
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
                if nibble and _void(planes, stride, plane, column, columns, nibble, mask, used, chunks.size):
                    continue
                _interleaved(planes, stride, plane, column, columns, nibble, wide_at)
                prefix(sums_at, wide_at, TILE // 8 * LANES, columns)
                _add_runs(sums_at, run_end[runs], run_atom[runs], np.int64(total[nibble].ctypes.data))
    _rest(chunks, sizes, pixels, itemsize, valid, position, status, note_pixel, note_value, noted, dead)
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
                if nibble and _void(planes, stride, plane, column, columns, nibble, mask, used, chunks.size):
                    continue
                _interleaved(planes, stride, plane, column, columns, nibble, wide_at)
                expand(counts_at, wide_at, TILE // 8 * LANES, columns)
                for pixel in range(begin, min(begin + TILE, number * block + 8 * plane)):
                    entry, stop = first[pixel], first[pixel + 1]
                    if stop > entry:
                        add_shares(
                            sums_at, counts_at + LANES * (pixel - begin), np.float32(1 << (4 * nibble)),
                            bins_at + 4 * entry, share_at + 4 * entry, stop - entry,
                        )  # fmt: skip
    _rest(chunks, sizes, pixels, itemsize, valid, position, status, note_pixel, note_value, noted, dead)


@njit(nogil=True, cache=True)
def _rest(
    chunks, sizes, pixels, itemsize, valid, position, status, note_pixel, note_value, noted, dead
):  # pragma: no cover - compiled
    """The last pixels, fewer than 8, are stored as they are: note them one by one."""
    first = pixels & -8
    for frame in range(chunks.size):
        if status[frame] != GOOD:
            continue
        at = chunks[frame] + position[frame]
        if sizes[frame] - position[frame] != (pixels - first) * itemsize:
            status[frame] = DAMAGED
            continue
        for pixel in range(first, pixels):
            value = 0
            for byte in range(itemsize):
                value |= load8(at + (pixel - first) * itemsize + byte) << (8 * byte)
            if valid[pixel >> 3] >> (pixel & 7) & 1 and value != 0:
                if noted[frame] >= note_pixel.shape[1]:
                    status[frame] = LEAVE
                    break
                note_pixel[frame, noted[frame]] = pixel
                note_value[frame, noted[frame]] = -1 if value == dead else value
                noted[frame] += 1


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
