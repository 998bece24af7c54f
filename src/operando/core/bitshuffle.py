"""Bitshuffle-LZ4 chunks, as HDF5 stores them, decoded without trust in a byte of them.

The HDF5 filter itself may crash the process on a damaged chunk: it takes lengths inside the chunk at their word.
"""

from __future__ import annotations

import numpy as np

#: bytes of one block that a chunk may announce; the filter's own are 8192
LARGEST_BLOCK = 1 << 20


def decode_bslz4(chunk, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray | None:
    """One chunk (bytes, or an array of them) as an array of `shape`; None where the chunk is damaged."""
    from ._lz4 import SLACK, decode_frame

    data, image = np.frombuffer(chunk, np.uint8), np.empty(shape, dtype)
    work = np.empty(LARGEST_BLOCK + SLACK, np.uint8)
    good = decode_frame(
        data.ctypes.data,
        data.size,
        image.size,
        image.itemsize,
        work.ctypes.data,
        work.size,
        image.ctypes.data,
    )
    return image if good else None
