# mypy: disable-error-code="call-arg"
"""One bitshuffle block of up to 32 compressed frames: decoded as far as wanted, odd pixels taken out, interleaved."""

from __future__ import annotations

import numpy as np
from numba import njit

from ..core._lz4 import HEADER, big32, decode, touches
from ..core._memory import load8, prefetch, store8
from ._vector import LANES, interleave

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
def interleaved(planes, stride, plane, column, columns, nibble, wide):  # pragma: no cover - compiled
    """Four planes of 32 frames side by side: [4][TILE // 8][32] bytes at address `wide`."""
    for p in range(4):
        at = planes + (4 * nibble + p) * plane + column
        for k in range(0, columns, 16):
            interleave(wide + (p * (TILE // 8) + k) * LANES, at + k, stride)


@njit(nogil=True, cache=True)
def void(planes, stride, plane, column, columns, nibble, mask, used, n):  # pragma: no cover - compiled
    """Whether no frame has a wanted bit in these four planes of this tile."""
    size = min(columns, plane - column)
    for frame in range(n):
        for p in range(4 * nibble, min(4 * nibble + 4, used[frame])):
            if touches(planes + frame * stride + p * plane + column, mask + column, size):
                return False
    return True


@njit(nogil=True, cache=True)
def finish(
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
