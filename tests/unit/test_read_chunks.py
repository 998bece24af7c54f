"""Bitshuffle-LZ4 chunks of any shape are decoded without the HDF5 filter, and damage in them is told."""

import h5py
import hdf5plugin
import numpy as np
import pytest

from operando.core.errors import ReadError
from operando.read import open_scans
from operando.read.hdf5_chunks import decoded_here, values

LZ4 = hdf5plugin.Bitshuffle(cname="lz4")


@pytest.fixture
def counts():
    return np.random.default_rng(1).poisson(0.4, (11, 37, 45)).astype(np.uint32)


def written(path, data, chunks, dtype=None, **more):
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry/data")
        entry.create_dataset(
            "data", data=data if dtype is None else data.astype(dtype), chunks=chunks, **{**LZ4, **more}
        )
    return path


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i4", "u8", "f4", "f8", ">u2"])
@pytest.mark.parametrize("chunks", [(4, 37, 45), (1, 37, 45), (3, 10, 20), (11, 5, 45)])
def test_values_are_those_of_hdf5(tmp_path, counts, chunks, dtype):
    path = written(tmp_path / "a.h5", counts, chunks, dtype)
    with h5py.File(path) as file:
        stored = file["entry/data/data"]
        assert decoded_here(stored)
        for part in ((), np.s_[3:9], np.s_[3:9, 5:36], np.s_[0:11, 36:37, 44:45], np.s_[5:5], np.s_[9:99]):
            part = part if isinstance(part, tuple) else (part,)
            np.testing.assert_array_equal(values(stored, *part), stored[part] if part else stored[()])
            assert values(stored, *part).dtype == stored.dtype


def test_what_was_not_written_or_not_filtered_is_as_in_hdf5(tmp_path, counts):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        made = file.create_dataset("d", (12, 8, 8), "u2", chunks=(4, 8, 8), fillvalue=7, **LZ4)
        made[:4] = 3
        made.id.write_direct_chunk((8, 0, 0), np.full((4, 8, 8), 5, "<u2").tobytes(), filter_mask=1)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(values(file["d"])[:, 0, 0], [3] * 4 + [7] * 4 + [5] * 4)
        np.testing.assert_array_equal(values(file["d"]), file["d"][()])


def test_other_filters_go_through_hdf5(tmp_path, counts):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        zstd = hdf5plugin.Bitshuffle(cname="zstd")
        for name, more in (("gzip", {"compression": "gzip"}), ("plain", {}), ("zstd", zstd),
                           ("both", {"fletcher32": True, **LZ4})):  # fmt: skip
            stored = file.create_dataset(name, data=counts, chunks=(4, 37, 45), **more)
            assert not decoded_here(stored)
            np.testing.assert_array_equal(values(stored, slice(2, 7)), counts[2:7])
        assert values(file.create_dataset("scalar", data=3.0)) == 3.0


def spoiled(path, rng, at, size):
    """Random bytes over part of a chunk, as a bad disk leaves them."""
    raw = bytearray(path.read_bytes())
    first = at + int(rng.integers(0, size - 8))
    raw[first : first + 8] = rng.bytes(8)
    path.write_bytes(bytes(raw))


@pytest.mark.parametrize("ndim", [3, 4])
def test_frames_in_chunks_of_several_are_read(tmp_path, counts, ndim):
    data = counts if ndim == 3 else counts[:10].reshape(2, 5, 37, 45)
    path = written(tmp_path / "a.h5", data, (4, 37, 45) if ndim == 3 else (1, 3, 37, 45))
    (scan,) = open_scans([path])
    read = np.concatenate([block.load() for block in scan.frames.blocks(size=3)])
    np.testing.assert_array_equal(read, data.reshape(-1, 37, 45))


def test_a_damaged_chunk_of_several_frames_never_crashes_the_process(tmp_path, counts):
    """The filter of HDF5 takes lengths in the chunk at their word; here all damage is told, or leaves numbers."""
    path = written(tmp_path / "good.h5", counts, (4, 37, 45))
    with h5py.File(path) as file:
        found = file["entry/data/data"].id.get_chunk_info_by_coord((4, 0, 0))
    place, size = found.byte_offset, found.size
    rng, told = np.random.default_rng(0), 0
    for number in range(40):
        bad = tmp_path / f"{number}.h5"
        bad.write_bytes(path.read_bytes())
        spoiled(bad, rng, place, size)
        (scan,) = open_scans([bad])
        try:
            read = np.concatenate([block.load() for block in scan.frames.blocks(size=4)])
        except ReadError as error:
            told += error.what.startswith("frames 4 to 7 cannot be decoded")
        else:  # bytes that are still a stream give other numbers, and no others than of this chunk
            np.testing.assert_array_equal(np.delete(read, np.s_[4:8], 0), np.delete(counts, np.s_[4:8], 0))
    assert told > 10


@pytest.mark.parametrize("header", [b"\xff" * 12, b"\x00" * 12, b"\x7f" * 8 + b"\x00\x00\x20\x00"])
def test_a_damaged_header_never_crashes_the_process(tmp_path, counts, header):
    path = written(tmp_path / "a.h5", counts, (4, 37, 45))
    with h5py.File(path) as file:
        at = file["entry/data/data"].id.get_chunk_info_by_coord((8, 0, 0)).byte_offset
    raw = bytearray(path.read_bytes())
    raw[at : at + 12] = header
    path.write_bytes(bytes(raw))
    (scan,) = open_scans([path])
    with pytest.raises(ReadError, match="frames 5 to 9 cannot be decoded"):
        [block.load() for block in scan.frames.blocks(size=5)]
