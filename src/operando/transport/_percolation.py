"""Which conducting voxels are joined to both ends of a domain: a flood from one end and one back, 64 voxels at once."""

from __future__ import annotations

import numpy as np
from numba import njit

ONE, TOP = np.uint64(1), np.uint64(63)
STEPS = tuple(np.uint64(n) for n in (1, 2, 4, 8, 16, 32))


@njit(cache=True, nogil=True, error_model="numpy")
def fill_word(marks, open_):
    """Marked bits spread over the runs of open bits that they lie in."""
    up, way = marks, open_
    for n in STEPS:
        up |= way & (up << n)
        way &= way << n
    down, way = up, open_
    for n in STEPS:
        down |= way & (down >> n)
        way &= way >> n
    return down


@njit(cache=True, nogil=True, error_model="numpy")
def fill_row(marks, open_):
    """`fill_word` along a row of words, in place, over their borders as well; only where bits were added or carried."""
    carry = np.uint64(0)
    for w in range(len(marks)):
        seeds = marks[w] | (carry & open_[w])
        marks[w] = fill_word(seeds, open_[w])
        carry = marks[w] >> TOP
    carry = np.uint64(0)
    for w in range(len(marks) - 1, -1, -1):
        seeds = marks[w] | (carry & open_[w])
        if seeds != marks[w]:
            marks[w] = fill_word(seeds, open_[w])
        carry = (marks[w] & ONE) << TOP


@njit(cache=True, nogil=True, error_model="numpy")
def visit(a, b, marks, open_):
    """Take over the marks of the four rows around and spread them; returns whether anything was new."""
    na, nb, words = open_.shape
    new = False
    for w in range(words):
        around = np.uint64(0)
        if a > 0:
            around |= marks[a - 1, b, w]
        if a + 1 < na:
            around |= marks[a + 1, b, w]
        if b > 0:
            around |= marks[a, b - 1, w]
        if b + 1 < nb:
            around |= marks[a, b + 1, w]
        seeds = marks[a, b, w] | (around & open_[a, b, w])
        if seeds != marks[a, b, w]:
            marks[a, b, w] = seeds
            new = True
    if new:
        fill_row(marks[a, b], open_[a, b])
    return new


@njit(cache=True, nogil=True, error_model="numpy")
def flood(open_, word, bit):
    """Bits (a, b, word) joined to the open ones of the plane at `bit` of `word`."""
    na, nb, _ = open_.shape
    marks = np.zeros_like(open_)
    for a in range(na):
        for b in range(nb):
            marks[a, b, word] = open_[a, b, word] & (ONE << np.uint64(bit))
            if marks[a, b, word] != np.uint64(0):
                fill_row(marks[a, b], open_[a, b])
    new = True
    while new:
        new = False
        for a in range(na):
            for b in range(nb):
                new = visit(a, b, marks, open_) or new
        if new:
            new = False
            for a in range(na - 1, -1, -1):
                for b in range(nb - 1, -1, -1):
                    new = visit(a, b, marks, open_) or new
    return marks


def percolating(open_: np.ndarray) -> np.ndarray:
    """Which open voxels (a, b, c) lead from the first plane of the last axis to its last one, through faces."""
    na, nb, nc = open_.shape
    packed = np.packbits(open_, axis=-1, bitorder="little")
    words = np.zeros((na, nb, -(-packed.shape[2] // 8) * 8), np.uint8)
    words[:, :, : packed.shape[2]] = packed
    joined = flood(flood(words.view("<u8"), 0, 0), (nc - 1) // 64, (nc - 1) % 64)
    return np.unpackbits(joined.view(np.uint8), axis=-1, count=nc, bitorder="little").view(bool)
