"""Kernels against plain numpy, and damaged input: LZ4, bit planes, vector steps, and the fused sums."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from stream_frames import bitshuffle, compress, lz4_block, lz4_decode

from operando.core import _lz4
from operando.stream import _vector

SPACE = np.empty(2**17, np.uint8)


def decode(block: bytes, size: int, plane: int = 0, valid: np.ndarray | None = None) -> bytes | None:
    """Our decoder on a buffer with guard bytes behind the slack: they have to stay."""
    source = np.frombuffer(block, np.uint8).copy()
    out = np.full(size + _lz4.SLACK + 64, 0xA5, np.uint8)
    start = source.ctypes.data
    mask = 0 if valid is None else valid.ctypes.data
    done = _lz4.decode(start, start + source.size, start + source.size, out.ctypes.data, size, plane, mask)
    assert (out[size + _lz4.SLACK :] == 0xA5).all()
    return None if done < 0 else out[:done].tobytes()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.binary(max_size=40), st.integers(1, 300), st.integers(4, 700)), max_size=12),
    st.binary(max_size=40),
)
def test_lz4_agrees_with_the_format_on_any_mix_of_literals_and_matches(parts, tail):
    block, text = lz4_block(parts, tail)
    assert lz4_decode(block) == text
    assert decode(block, len(text)) == text


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_lz4_never_writes_outside_on_damaged_blocks(data):
    block, text = lz4_block([(b"abcdefgh" * 3, 5, 200), (b"xy", 256, 600)], b"tail!")
    broken = bytearray(block)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(broken[: data.draw(st.integers(0, len(broken)))])
    result = decode(cut, len(text))
    assert result is None or len(result) == len(text)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(32, 256))
def test_decoding_may_stop_only_where_no_wanted_bit_follows(seed, plane):
    """Planes left out are exactly those in which every remaining bit is masked."""
    rng = np.random.default_rng(seed)
    planes = np.zeros((32, plane), np.uint8)
    planes[:3] = rng.integers(0, 256, (3, plane))
    gap = slice(plane // 3, plane // 3 + 3)
    planes[:, gap] = 255
    if seed % 3 == 0:
        planes[rng.integers(3, 32), rng.integers(plane)] |= 1 << rng.integers(8)
    valid = np.full(plane, 255, np.uint8)
    valid[gap] = 0
    done = decode(compress(planes.tobytes()), planes.size, plane, valid)
    assert done is not None
    kept = len(done) // plane
    assert done[: kept * plane] == planes[:kept].tobytes()
    assert not (planes[kept:] & valid).any()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([np.uint8, np.uint16, np.uint32]), st.integers(1, 9000), st.integers(0, 2**32 - 1))
def test_whole_chunks_come_back_as_numpy_packs_them(dtype, pixels, seed):
    rng = np.random.default_rng(seed)
    image = rng.poisson(1.5, pixels).astype(dtype)
    image[rng.random(pixels) < 0.02] = np.iinfo(dtype).max
    chunk = bitshuffle(image)
    assert (unpack(chunk, pixels, dtype) == image).all()


def unpack(chunk: bytes, pixels: int, dtype) -> np.ndarray | None:
    source, out = np.frombuffer(chunk, np.uint8).copy(), np.empty(pixels, dtype)
    good = _lz4.decode_frame(
        source.ctypes.data, source.size, pixels, out.itemsize, SPACE.ctypes.data, SPACE.size, out.ctypes.data
    )
    return out if good else None


@pytest.mark.parametrize("cut", [0, 5, 11, 12, 14, 20, -1])
def test_truncated_chunks_are_noticed(cut):
    chunk = bitshuffle(np.arange(5000, dtype=np.uint32))
    assert unpack(chunk[:cut], 5000, np.uint32) is None


def test_a_chunk_of_another_size_is_noticed():
    assert unpack(bitshuffle(np.arange(5000, dtype=np.uint32)), 4999, np.uint32) is None


def test_hdf5_writes_what_we_read():
    """The helper that makes our test chunks follows the same format as the HDF5 filter."""
    import h5py
    import hdf5plugin

    image = np.random.default_rng(0).poisson(1.0, (101, 99)).astype(np.uint32)
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        data = file.create_dataset(
            "d", data=image[None], chunks=(1, 101, 99), **hdf5plugin.Bitshuffle(cname="lz4")
        )
        _, chunk = data.id.read_direct_chunk((0, 0, 0))
    assert (unpack(chunk, image.size, np.uint32).reshape(image.shape) == image).all()
    assert chunk[:12] == bitshuffle(image.ravel())[:12] == struct.pack(">QI", image.nbytes, 8192)


@njit
def _interleave(target, source, stride):
    _vector.interleave(target.ctypes.data, source.ctypes.data, stride)


@njit
def _prefix(target, source, count):
    _vector.prefix(target.ctypes.data, source.ctypes.data, 32 * count, count)


@njit
def _expand(target, source, count):
    _vector.expand(target.ctypes.data, source.ctypes.data, 32 * count, count)


@njit
def _turn(target, source):
    _vector.turn(target.ctypes.data, 4 * target.shape[1], source.ctypes.data)


@njit
def _add_run(total, after, before):
    _vector.add_run(total.ctypes.data, after.ctypes.data, before.ctypes.data)


def test_vector_steps_against_numpy():
    rng = np.random.default_rng(1)
    rows, turned = rng.integers(0, 256, (32, 40), dtype=np.uint8), np.zeros((16, 32), np.uint8)
    _interleave(turned, rows, 40)
    assert (turned == rows[:, :16].T).all()
    planes = rng.integers(0, 256, (4, 64, 32), dtype=np.uint8)
    bits = np.unpackbits(planes[..., None], axis=3, bitorder="little")  # plane, byte, frame, pixel in byte
    counts = np.einsum("pkfi,p->kif", bits.astype(int), [1, 2, 4, 8]).reshape(512, 32)
    got, sums = np.zeros((512, 32), np.uint8), np.zeros((513, 32), np.uint8)
    _expand(got, planes, 64)
    _prefix(sums, planes, 64)
    assert (got == counts).all()
    assert (sums[1:] == np.cumsum(counts, 0) % 256).all()
    assert not sums[0].any()
    total = np.full(32, 60000, np.uint16)
    _add_run(total, sums[20], sums[7])
    assert (total == 60000 + counts[7:20].sum(0) % 256).all()
    eight, out = rng.integers(-9, 9, (8, 32), dtype=np.int32), np.zeros((32, 11), np.int32)
    _turn(out, eight)
    assert (out[:, :8] == eight.T).all()
    assert not out[:, 8:].any()
