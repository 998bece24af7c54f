# mypy: disable-error-code="call-arg"
"""LZ4 blocks and bitshuffle, safe on any input: nothing is read or written outside the given bounds.

Formats: LZ4 block format description (github.com/lz4/lz4, doc/lz4_Block_format.md); bitshuffle's HDF5 filter header
(8 bytes total size, 4 bytes block size, big endian; then 4 bytes length before each block) and its layout, in which
byte k of bit plane b holds bit b of the elements 8k to 8k + 7, lowest bit first.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ._memory import copy8, copy32, fill32, load8, load16, load32, load64, store8

#: room that must lie behind every output buffer: copies go in steps of up to 32 bytes
SLACK = 64
#: matches from this length on are looked at before they are copied
LONG = 384
HEADER = 12
ZERO = np.uint64(0)


@njit(nogil=True, cache=True)
def big32(address):  # pragma: no cover - compiled
    """Four bytes, big endian."""
    return load8(address) << 24 | load8(address + 1) << 16 | load8(address + 2) << 8 | load8(address + 3)


@njit(nogil=True, cache=True)
def touches(address, valid, size):  # pragma: no cover - compiled
    """Whether any bit is set in both of two stretches of `size` bytes."""
    found = ZERO
    words = size >> 3
    for word in range(words):
        found |= load64(address + 8 * word) & load64(valid + 8 * word)
    rest = 0
    for byte in range(words << 3, size):
        rest |= load8(address + byte) & load8(valid + byte)
    return found != ZERO or rest != 0


@njit(nogil=True, cache=True, inline="always")
def _length(source, end, length):  # pragma: no cover - compiled
    """A length that goes on in further bytes: (where it ends, length), or (-1, 0) if the input ends first."""
    while True:
        if source >= end:
            return -1, 0
        more = load8(source)
        source += 1
        length += more
        if more != 255:
            return source, length


@njit(nogil=True, cache=True, inline="always")
def _copy_match(target, offset, length):  # pragma: no cover - compiled
    """Repeat what lies `offset` bytes back; writes up to 31 bytes too far. Short ones take few branches."""
    stop = target + length
    if offset >= 8:
        copy8(target, target - offset)
        copy8(target + 8, target + 8 - offset)
        if length > 16:
            target += 16
            if offset >= 32:
                while target < stop:
                    copy32(target, target - offset)
                    target += 32
            else:
                while target < stop:
                    copy8(target, target - offset)
                    target += 8
    else:
        _copy_near(target, stop, offset)


@njit(nogil=True, cache=True)
def _copy_near(target, stop, offset):  # pragma: no cover - compiled
    """A period of less than 8 bytes: the pattern is made in a register where it divides 8."""
    if offset == 1 or offset == 2 or offset == 4:
        if offset == 2:
            pattern = np.uint64(load16(target - 2)) * np.uint64(0x0001000100010001)
        elif offset == 1:
            pattern = np.uint64(load8(target - 1)) * np.uint64(0x0101010101010101)
        else:
            pattern = np.uint64(load32(target - 4)) * np.uint64(0x0000000100000001)
        fill32(target, pattern)
        target += 32
        while target < stop:
            fill32(target, pattern)
            target += 32
    else:  # write 8 bytes one by one, then go back by a multiple of the period
        for byte in range(8):
            store8(target + byte, load8(target + byte - offset))
        target += 8
        offset *= (7 + offset) // offset
        while target < stop:
            copy8(target, target - offset)
            target += 8


@njit(nogil=True, cache=True)
def _rest_is_void(
    source, end, target, stop, offset, length, out, plane, valid
):  # pragma: no cover - compiled
    """Whether all that follows is a repeated plane and last literals without a bit in `valid`."""
    tail = stop - target - length
    if tail > plane or source >= end or source + 1 + tail != end or tail >= 15 or load8(source) != tail << 4:
        return False
    if tail and touches(source + 1, valid + plane - tail, tail):
        return False
    if offset == plane:
        column = (target - out) % plane
        return not (
            touches(target - plane, valid + column, plane - column) or touches(target - column, valid, column)
        )
    period = 0
    for byte in range(1, offset + 1):
        period |= load8(target - byte)
    return period == 0


@njit(nogil=True, cache=True)
def decode(source, end, safe, out, size, plane, valid):  # pragma: no cover - compiled
    """Decode one LZ4 block of exactly `size` bytes to `out`; returns the bytes decoded, or -1 if it is damaged.

    source, end  the block; `safe` is the end of readable memory
    plane        bytes of one bit plane
    valid        address of `plane` bytes with the bits that matter, or 0. Where only bits that do not matter follow,
                 decoding stops at the end of the plane it is in, and the result is less than `size`
    """
    target, stop = out, out + size
    while True:
        if source >= end:
            return -1
        token = load8(source)
        source += 1
        length = token >> 4
        if length == 15:
            source, length = _length(source, end, length)
            if source < 0:
                return -1
        if length > end - source or length > stop - target:
            return -1
        if source + length + 32 <= safe:
            copy32(target, source)
            for step in range(32, length, 32):
                copy32(target + step, source + step)
        else:
            for step in range(length):
                store8(target + step, load8(source + step))
        source += length
        target += length
        if source == end:
            return size if target == stop else -1
        if end - source < 2:
            return -1
        offset = load16(source)
        source += 2
        length = token & 15
        if length == 15:
            source, length = _length(source, end, length)
            if source < 0:
                return -1
        length += 4
        if offset == 0 or offset > target - out or length > stop - target:
            return -1
        if (
            length >= LONG and valid != 0 and plane >= 32 and (offset == plane or offset <= 4)
            and _rest_is_void(source, end, target, stop, offset, length, out, plane, valid)
        ):  # fmt: skip
            column = (target - out) % plane
            if column:
                _copy_match(target, offset, plane - column)
                target += plane - column
            return target - out
        _copy_match(target, offset, length)
        target += length


@njit(nogil=True, cache=True)
def untranspose(planes, size, itemsize, out):  # pragma: no cover - compiled
    """Bit planes of `size` elements (a multiple of 8) at address `planes` back to elements at address `out`."""
    plane = size >> 3
    for byte in range(itemsize):
        for k in range(plane):
            word = ZERO
            for bit in range(8):
                word |= np.uint64(load8(planes + (8 * byte + bit) * plane + k)) << np.uint64(8 * bit)
            swap = (word ^ (word >> np.uint64(7))) & np.uint64(0x00AA00AA00AA00AA)
            word ^= swap ^ (swap << np.uint64(7))
            swap = (word ^ (word >> np.uint64(14))) & np.uint64(0x0000CCCC0000CCCC)
            word ^= swap ^ (swap << np.uint64(14))
            swap = (word ^ (word >> np.uint64(28))) & np.uint64(0x00000000F0F0F0F0)
            word ^= swap ^ (swap << np.uint64(28))
            for pixel in range(8):
                store8(
                    out + (8 * k + pixel) * itemsize + byte,
                    np.int64((word >> np.uint64(8 * pixel)) & np.uint64(255)),
                )


@njit(nogil=True, cache=True)
def decode_frame(chunk, size, pixels, itemsize, work, work_size, out):  # pragma: no cover - compiled
    """Decode a whole chunk of `size` bytes into `pixels` elements at address `out`; returns False if it is damaged.

    `work` is the address of `work_size` bytes: one block and `SLACK`.
    """
    if size < HEADER or big32(chunk) != 0 or big32(chunk + 4) != pixels * itemsize:
        return False
    block = big32(chunk + 8)
    if block == 0:
        block = 8192
    if block % (8 * itemsize) or block + SLACK > work_size:
        return False
    block //= itemsize
    source, safe = chunk + HEADER, chunk + size
    first = 0
    while first + 8 <= pixels:
        count = min(block, (pixels - first) & -8)
        if source + 4 > safe:
            return False
        end = source + 4 + big32(source)
        if end > safe or decode(source + 4, end, safe, work, count * itemsize, count >> 3, 0) < 0:
            return False
        untranspose(work, count, itemsize, out + first * itemsize)
        source = end
        first += count
    rest = (pixels - first) * itemsize
    if safe - source != rest:
        return False
    for byte in range(rest):
        store8(out + first * itemsize + byte, load8(source + byte))
    return True
