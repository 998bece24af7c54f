"""Frames in memory as a detector file would hold them: a plain, slow LZ4 and bitshuffle to test ours against."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from operando.core import ArrayFrames, FrameBlock, Geometry


def lz4_block(parts, tail: bytes) -> tuple[bytes, bytes]:
    """An LZ4 block of (literals, offset, match length) and last literals, and the text it stands for."""
    block, text = bytearray(), bytearray()
    for literals, offset, length in parts:
        literals = literals if text or literals else b"?"
        text += literals
        offset = min(offset, len(text))
        block += bytes([min(len(literals), 15) << 4 | min(length - 4, 15)])
        block += _more(len(literals)) + literals + struct.pack("<H", offset) + _more(length - 4)
        for _ in range(length):
            text.append(text[-offset])
    block += bytes([min(len(tail), 15) << 4]) + _more(len(tail)) + tail
    return bytes(block), bytes(text + tail)


def _more(length: int) -> bytes:
    return b"" if length < 15 else b"\xff" * ((length - 15) // 255) + bytes([(length - 15) % 255])


def lz4_decode(block: bytes) -> bytes:
    """The format, byte by byte."""
    at, text = 0, bytearray()

    def length(short: int) -> int:
        nonlocal at
        while short >= 15:
            more = block[at]
            at += 1
            short += more
            if more != 255:
                break
        return short

    while True:
        token = block[at]
        at += 1
        count = length(token >> 4)
        text += block[at : at + count]
        at += count
        if at == len(block):
            return bytes(text)
        offset = block[at] | block[at + 1] << 8
        at += 2
        for _ in range(length(token & 15) + 4):
            text.append(text[-offset])


def compress(text: bytes) -> bytes:
    """LZ4 with matches 256, one plane, or 1 back: what real blocks are made of. Ends with 5 literals."""
    parts, literals, at = [], bytearray(), 0
    stop = len(text) - 5
    distances = (1, 2, len(text) // 32, 256)
    while at < stop:
        best = max(((_match(text, at, d, stop), d) for d in distances if 0 < d <= at), default=(0, 1))
        if best[0] >= 4:
            parts.append((bytes(literals), best[1], best[0]))
            literals = bytearray()
            at += best[0]
        else:
            literals.append(text[at])
            at += 1
    return lz4_block(parts, bytes(literals) + text[max(stop, 0) :])[0]


def _match(text: bytes, at: int, distance: int, stop: int) -> int:
    here = np.frombuffer(text, np.uint8)
    differs = np.flatnonzero(here[at:stop] != here[at - distance : stop - distance])
    return int(differs[0]) if differs.size else stop - at


def bitshuffle(pixels: np.ndarray) -> bytes:
    """A flat image as an HDF5 bitshuffle-LZ4 chunk with blocks of 8192 bytes."""
    size = 8192 // pixels.itemsize
    chunk = struct.pack(">QI", pixels.nbytes, 8192)
    whole = pixels.size & -8
    for first in range(0, whole, size):
        part = pixels[first : min(first + size, whole)]
        bits = np.unpackbits(part.view(np.uint8).reshape(part.size, part.itemsize), axis=1, bitorder="little")
        block = compress(np.packbits(bits.T, axis=1, bitorder="little").tobytes())
        chunk += struct.pack(">I", len(block)) + block
    return chunk + pixels[whole:].tobytes()


@dataclass(frozen=True)
class Chunked:
    """Counts in memory, handed out as compressed chunks; `chunks` overrides them (to damage one)."""

    plain: ArrayFrames
    chunks: tuple[bytes, ...]

    @classmethod
    def of(cls, counts: np.ndarray, mask: np.ndarray | None = None) -> Chunked:
        return cls(ArrayFrames(counts, mask=mask), tuple(bitshuffle(image.ravel()) for image in counts))

    name = "chunked"
    dead_value = None
    time_s = None
    monitor = None
    shape = property(lambda self: self.plain.shape)
    dtype = property(lambda self: self.plain.dtype)
    mask = property(lambda self: self.plain.mask)
    digest = property(lambda self: self.plain.digest)

    def __len__(self) -> int:
        return len(self.plain)

    def blocks(self, start: int = 0, stop: int | None = None, size: int = 32):
        for block in self.plain.blocks(start, stop, size):
            chunks = tuple(self.chunks[i] for i in block.index)
            yield FrameBlock(block.index, block.shape, block.dtype, block.load, "bslz4", chunks)


def small_geometry(shape: tuple[int, int] = (96, 90), flip="none", orientation: int = 3) -> Geometry:
    """A detector of 1 mm pixels whose beam centre lies off its middle."""
    return Geometry(
        0.12, 0.041, 0.052, 0.7, (1e-3, 1e-3), shape, rot1=0.1, rot2=-0.05, orientation=orientation, flip=flip
    )


def small_counts(
    n: int, shape: tuple[int, int] = (96, 90), dtype=np.uint32, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Poisson counts with gaps at the dead value, and the mask of the gaps."""
    rng = np.random.default_rng(seed)
    rate = 0.3 + 3 * np.exp(-((np.hypot(*np.indices(shape)) % 37 - 20) ** 2) / 8)
    counts = rng.poisson(rate, (n, *shape)).astype(dtype)
    mask = np.zeros(shape, bool)
    mask[shape[0] // 2 : shape[0] // 2 + 4] = True
    mask[:, shape[1] // 3 : shape[1] // 3 + 3] = True
    counts[:, mask] = np.iinfo(dtype).max
    return counts, mask
