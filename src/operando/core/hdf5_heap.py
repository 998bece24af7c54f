"""Global heaps of an HDF5 file that would make the library read for ever.

A heap holds paths of virtual datasets and strings of variable length. Where a page of it was zeroed (a full disk, a
broken copy), libhdf5 (2.0.0 too) finds free space of no size, and steps over it again and again.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from .errors import ReadError

#: signature, version 1, three bytes of zero, size of the collection
_HEAD = struct.Struct("<4sB3xQ")
#: index, number of references, four bytes, size of the object; index 0 is the free space behind the last one
_ITEM = struct.Struct("<HHxxxxQ")
#: heaps are looked for in so much of both ends of a file: what lies between is frames
LOOKED_AT = 16 * 2**20


def check_heaps(path: str | Path) -> None:
    """Raise `ReadError` where a global heap near either end of the file cannot be stepped through."""
    size = Path(path).stat().st_size
    if size < _HEAD.size:
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        parts = [(0, size)] if size <= 2 * LOOKED_AT else [(0, LOOKED_AT), (size - LOOKED_AT, size)]
        for start, stop in parts:
            place = held.find(b"GCOL\x01\0\0\0", start, stop)
            while place >= 0:
                if _endless(held, place, size):
                    raise ReadError(
                        f"damaged: the heap at byte {place:,} holds a space of no size", where=str(path),
                        fix="Copy the file again, or leave it out.",
                    )  # fmt: skip
                place = held.find(b"GCOL\x01\0\0\0", place + 8, stop)


def _endless(held: mmap.mmap, place: int, size: int) -> bool:
    if place + _HEAD.size > size:
        return False
    end = place + _HEAD.unpack_from(held, place)[2]
    here = place + _HEAD.size
    while here + _ITEM.size <= min(end, size):
        index, _, length = _ITEM.unpack_from(held, here)
        if index == 0:
            return length == 0
        here += _ITEM.size + (length + 7) // 8 * 8
    return False
