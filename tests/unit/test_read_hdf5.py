"""Frames in HDF5 layouts: what comes out is what h5py decodes, and the chunks are the stored ones."""

import os
import pickle
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from read_layouts import DEAD, SHAPE, START_S, bliss, compressed, counts, eiger, lima, virtual

from operando.core import Frames
from operando.core.errors import ReadError
from operando.core.grid import ScanGrid
from operando.read import open_scans


def decoded(frames, size=5):
    return np.concatenate([block.load() for block in frames.blocks(size=size)])


def decode_chunks(frames, size=5):
    """What the HDF5 filter makes of the handed-on chunks: written as they are into a file in memory."""
    chunks = [chunk for block in frames.blocks(size=size) for chunk in block.chunks]
    with h5py.File("x", "w", driver="core", backing_store=False) as file:
        data = file.create_dataset(
            "d",
            (len(chunks), *frames.shape),
            frames.dtype,
            chunks=(1, *frames.shape),
            **hdf5plugin.Bitshuffle(cname="lz4"),
        )
        for i, chunk in enumerate(chunks):
            data.id.write_direct_chunk((i, 0, 0), chunk)
        return data[()]


@pytest.mark.parametrize("dtype", ["uint32", "uint16", "uint8"])
def test_eiger_master_hands_on_the_stored_chunks_in_order(tmp_path, dtype):
    frames = counts(11, dtype=dtype)
    (scan,) = open_scans(eiger(tmp_path, frames))
    assert isinstance(scan.frames, Frames)
    assert scan.frames.dead_value == np.iinfo(dtype).max
    assert {block.codec for block in scan.frames.blocks()} == {"bslz4"}
    np.testing.assert_array_equal(decode_chunks(scan.frames), frames)
    np.testing.assert_array_equal(decoded(scan.frames), frames)


def test_eiger_master_tells_mask_and_mid_exposure_times(tmp_path):
    (scan,) = open_scans(eiger(tmp_path, counts(6)))
    assert scan.frames.mask[:, 30].all()
    assert scan.frames.mask[5, 5]
    assert scan.frames.mask.sum() == SHAPE[0] + 1
    assert scan.started_s == START_S
    np.testing.assert_allclose(scan.frames.time_s - START_S, 0.05 + 0.11 * np.arange(6), atol=1e-6)


def test_several_triggers_leave_the_times_of_frames_unknown(tmp_path):
    master = eiger(tmp_path, counts(6))
    with h5py.File(master, "r+") as file:
        file["entry/instrument/detector/detectorSpecific/ntrigger"][()] = 6
    (scan,) = open_scans(master)
    assert scan.frames.time_s is None
    assert scan.started_s == START_S


def test_bytes_on_disk_are_passed_on_unchanged(tmp_path):
    frames = counts(3)
    (scan,) = open_scans(eiger(tmp_path, frames, per_file=3))
    with h5py.File(tmp_path / "series_data_000001.h5") as file:
        stored = [file["entry/data/data"].id.read_direct_chunk((i, 0, 0))[1] for i in range(3)]
    (block,) = scan.frames.blocks()
    assert list(block.chunks) == stored


@pytest.mark.parametrize(
    ("start", "stop", "size"), [(0, None, 32), (3, 9, 2), (7, 100, 4), (10, 11, 1), (5, 5, 3)]
)
def test_any_range_in_any_blocks_gives_the_same_frames(tmp_path, start, stop, size):
    frames = counts(11)
    (scan,) = open_scans(eiger(tmp_path, frames, per_file=3))
    blocks = list(scan.frames.blocks(start, stop, size))
    index = np.concatenate([np.zeros(0, int), *(block.index for block in blocks)])
    np.testing.assert_array_equal(index, np.arange(len(frames))[start:stop])
    assert all(len(block) <= size and len(block.chunks) == len(block) for block in blocks)
    for block in blocks:
        np.testing.assert_array_equal(block.load(), frames[block.index])
        np.testing.assert_array_equal(block.time_s, scan.frames.time_s[block.index])


def test_bliss_file_is_one_scan_an_entry_with_positions_monitor_and_times(tmp_path):
    maps = [counts(12, seed) for seed in range(1, 12)]
    scans = open_scans(bliss(tmp_path, maps, 3, 4))
    assert [scan.name.split("::")[1].split("/")[1] for scan in scans] == [f"{i}.1" for i in range(1, 12)]
    for scan, frames in zip(scans, maps, strict=True):
        np.testing.assert_array_equal(decode_chunks(scan.frames), frames)
        np.testing.assert_allclose(scan.x_um, 33.0 * (np.arange(12) % 4) - 500, atol=1e-9)
        np.testing.assert_allclose(scan.z_um, np.arange(12) // 4 + 20)
        np.testing.assert_array_equal(scan.frames.monitor, 1e5 + np.arange(12))
        np.testing.assert_allclose(scan.frames.time_s - scan.started_s, 0.05 + 0.2 * np.arange(12), atol=1e-6)
    assert np.diff([scan.started_s for scan in scans]).tolist() == [60.0] * 10
    assert ScanGrid.from_positions(scans[0].x_um, scans[0].z_um).shape == (3, 4)


def test_motors_that_move_are_found_without_a_title_and_can_be_named(tmp_path):
    path = bliss(tmp_path, [counts(12)], 3, 4, title="my map")
    (guessed,) = open_scans(path)
    (named,) = open_scans(path, motors=("sz", "sx"), monitor="elapsed_time")
    np.testing.assert_allclose(guessed.x_um, 33.0 * (np.arange(12) % 4) - 500, atol=1e-9)
    np.testing.assert_array_equal(named.x_um, guessed.z_um)
    np.testing.assert_array_equal(named.z_um, guessed.x_um)
    np.testing.assert_array_equal(named.frames.monitor, 0.2 * np.arange(12))
    (still,) = open_scans(path, motors=("sx", "sy"))
    assert set(still.z_um) == {3000.0}
    for wrong, words in ((("sx", "nope"), "'nope'"), (("sx", "omega"), "omega")):
        with pytest.raises(ReadError, match=words):
            open_scans(path, motors=wrong)
    with pytest.raises(ReadError, match="no counter 'i99'"):
        open_scans(path, monitor="i99")


def test_aborted_scan_has_fewer_frames_than_positions(tmp_path):
    path = bliss(tmp_path, [counts(12)], 3, 4)
    with h5py.File(path, "r+") as file:
        del file["1.1/instrument/eiger/data"]
        virtual(
            file, "1.1/instrument/eiger/data", [("scan0001/eiger_0000.h5", 5)], "entry_0000/measurement/data"
        )
    (scan,) = open_scans(path)
    assert len(scan.frames) == len(scan.x_um) == len(scan.frames.monitor) == 5


def test_a_collection_file_leads_through_external_entries(tmp_path):
    bliss(tmp_path, [counts(12, 1), counts(12, 2)], 3, 4)
    (tmp_path / "up").mkdir()
    with h5py.File(tmp_path / "up" / "collection.h5", "w") as file:
        for i in (1, 2):
            file[f"sample_{i}.1"] = h5py.ExternalLink("../sample.h5", f"/{i}.1")
    scans = open_scans(tmp_path / "up" / "collection.h5")
    for seed, scan in enumerate(scans, 1):
        np.testing.assert_array_equal(decoded(scan.frames), counts(12, seed))
        assert scan.x_um is not None


def test_virtual_dataset_with_offsets_and_gaps(tmp_path):
    frames = counts(20)
    for i in range(2):
        with h5py.File(tmp_path / f"part{i}.h5", "w") as file:
            compressed(file, "d", frames[10 * i : 10 * i + 10])
    layout = h5py.VirtualLayout((16, *SHAPE), "uint32")
    layout[8:14] = h5py.VirtualSource(tmp_path / "part1.h5", "d", (10, *SHAPE))[3:9]
    layout[0:6] = h5py.VirtualSource(tmp_path / "part0.h5", "d", (10, *SHAPE))[4:10]
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file.create_virtual_dataset("d", layout, fillvalue=0)
    (scan,) = open_scans(tmp_path / "all.h5", dataset="/d")
    expected = np.full((16, *SHAPE), DEAD, "uint32")
    expected[0:6], expected[8:14] = frames[4:10], frames[13:19]
    np.testing.assert_array_equal(decode_chunks(scan.frames), expected)
    np.testing.assert_array_equal(decoded(scan.frames), expected)
    np.testing.assert_array_equal(np.flatnonzero(scan.frames.missing), [6, 7, 14, 15])


def test_virtual_dataset_of_half_frames_is_read_through_hdf5(tmp_path):
    frames = counts(4)
    with h5py.File(tmp_path / "halves.h5", "w") as file:
        file["top"], file["bottom"] = frames[:, :20], frames[:, 20:]
    layout = h5py.VirtualLayout((4, *SHAPE), "uint32")
    layout[:, :20] = h5py.VirtualSource(tmp_path / "halves.h5", "top", (4, 20, SHAPE[1]))
    layout[:, 20:] = h5py.VirtualSource(tmp_path / "halves.h5", "bottom", (4, 21, SHAPE[1]))
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file.create_virtual_dataset("d", layout)
    (scan,) = open_scans(tmp_path / "all.h5")
    assert {block.codec for block in scan.frames.blocks()} == {"raw"}
    np.testing.assert_array_equal(decoded(scan.frames), frames)


def test_virtual_dataset_of_another_type_than_its_source_is_read_through_hdf5(tmp_path):
    frames = counts(4, dtype="uint16")
    with h5py.File(tmp_path / "narrow.h5", "w") as file:
        compressed(file, "d", frames)
    with h5py.File(tmp_path / "wide.h5", "w") as file:
        virtual(file, "d", [("narrow.h5", 4)], "d", "uint32")
    (scan,) = open_scans(tmp_path / "wide.h5")
    assert {block.codec for block in scan.frames.blocks()} == {"raw"}
    np.testing.assert_array_equal(decoded(scan.frames), frames)
    first = scan.frames.digest
    os.utime(tmp_path / "narrow.h5", ns=(0, 0))
    assert open_scans(tmp_path / "wide.h5")[0].frames.digest != first


STORAGE = {
    "zstd": (dict(chunks=(1, *SHAPE), **hdf5plugin.Bitshuffle(cname="zstd"))),
    "no codec": (dict(chunks=(1, *SHAPE), **hdf5plugin.Bitshuffle(cname="none"))),
    "lz4": (dict(chunks=(1, *SHAPE), **hdf5plugin.LZ4())),
    "gzip": {"chunks": (1, *SHAPE), "compression": "gzip"},
    "several frames a chunk": (dict(chunks=(3, *SHAPE), **hdf5plugin.Bitshuffle(cname="lz4"))),
    "parts of frames": (dict(chunks=(1, 16, 16), **hdf5plugin.Bitshuffle(cname="lz4"))),
    "two filters": (dict(chunks=(1, *SHAPE), fletcher32=True, **hdf5plugin.Bitshuffle(cname="lz4"))),
    "contiguous": {},
    "big-endian": (dict(dtype=">u4", chunks=(1, *SHAPE), **hdf5plugin.Bitshuffle(cname="lz4"))),
}


@pytest.mark.parametrize("kind", STORAGE)
def test_everything_else_comes_decoded(tmp_path, kind):
    frames = counts(7)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("d", data=frames.astype(STORAGE[kind].get("dtype", "u4")), **STORAGE[kind])
    (scan,) = open_scans(tmp_path / "f.h5", dataset="/d")
    assert {block.codec for block in scan.frames.blocks()} == {"raw"}
    assert all(block.chunks is None for block in scan.frames.blocks())
    assert not scan.frames.missing.any()
    np.testing.assert_array_equal(decoded(scan.frames, 3), frames)


def test_four_dimensions_are_frames_in_the_order_of_storage(tmp_path):
    frames = counts(6)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset(
            "d",
            data=frames.reshape(2, 3, *SHAPE),
            chunks=(1, 1, *SHAPE),
            **hdf5plugin.Bitshuffle(cname="lz4"),
        )
    (scan,) = open_scans(tmp_path / "f.h5")
    assert len(scan.frames) == 6
    np.testing.assert_array_equal(decode_chunks(scan.frames), frames)
    np.testing.assert_array_equal(decoded(scan.frames, 4), frames)


def test_a_file_behind_a_user_block_is_read_at_the_right_place(tmp_path):
    frames = counts(3)
    with h5py.File(tmp_path / "f.h5", "w", userblock_size=1024) as file:
        compressed(file, "d", frames)
    (scan,) = open_scans(tmp_path / "f.h5")
    np.testing.assert_array_equal(decode_chunks(scan.frames), frames)


def test_a_chunk_that_skipped_its_filter_is_not_handed_on(tmp_path):
    frames = counts(3)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        data = compressed(file, "d", frames)
        data.id.write_direct_chunk((1, 0, 0), frames[1].tobytes(), filter_mask=1)
    (scan,) = open_scans(tmp_path / "f.h5")
    assert {block.codec for block in scan.frames.blocks()} == {"raw"}
    np.testing.assert_array_equal(decoded(scan.frames), frames)


def test_frames_travel_to_other_processes(tmp_path):
    frames = counts(12)
    (scan,) = open_scans(bliss(tmp_path, [frames], 3, 4))
    travelled = pickle.loads(pickle.dumps(scan))
    np.testing.assert_array_equal(decode_chunks(travelled.frames), frames)
    assert travelled.frames.digest == scan.frames.digest
    block = pickle.loads(pickle.dumps(next(iter(scan.frames.blocks(size=3)))))
    np.testing.assert_array_equal(block.load(), frames[:3])


def test_scans_come_in_order_of_start_time(tmp_path):
    for name, hour in (("a", 20), ("b", 18), ("c", 19)):
        master = eiger(tmp_path, counts(2), series=name)
        with h5py.File(master, "r+") as file:
            place = "entry/instrument/detector/detectorSpecific/data_collection_date"
            del file[place]
            file[place] = f"2025-03-04T{hour}:00:00+01:00"
    scans = open_scans(str(tmp_path / "*_master.h5"))
    assert [Path(scan.name.split("::")[0]).name[0] for scan in scans] == ["b", "c", "a"]


def test_data_files_beside_their_master_are_not_counted_twice(tmp_path):
    eiger(tmp_path, counts(7))
    for given in (tmp_path, str(tmp_path / "*.h5"), sorted(tmp_path.glob("*.h5"))):
        scans = open_scans(given)
        assert [len(scan.frames) for scan in scans] == [7]


def test_relative_dataset_name_is_taken_in_every_entry(tmp_path):
    path = bliss(tmp_path, [counts(4, 1), counts(4, 2)], 2, 2)
    with h5py.File(path, "r+") as file:
        for i in (1, 2):
            file[f"{i}.1/measurement/camera"] = np.zeros((4, 20, 20), "u2")
    with pytest.raises(ReadError, match=r"(?s)not clear which.*eiger"):
        open_scans(path)
    for name in ("eiger", "measurement/eiger"):
        scans = open_scans(path, dataset=name)
        assert [int(decoded(scan.frames)[0, 0, 0]) for scan in scans] == [100, 200]
    (one,) = open_scans(path, dataset="/2.1/measurement/camera")
    assert one.frames.shape == (20, 20)
    assert one.x_um is not None


def test_digest_follows_the_data_and_nothing_else(tmp_path):
    master = eiger(tmp_path, counts(9))

    def digest():
        return open_scans(master)[0].frames.digest

    first = digest()
    assert digest() == first
    part = tmp_path / "series_data_000002.h5"
    status = part.stat()
    with h5py.File(part, "r+") as file:
        data = file["entry/data/data"]
        data[0] = np.roll(data[0], 1)
    os.utime(part, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert digest() != first  # the first chunk of every file is looked at, whatever its clock says
    second = digest()
    os.utime(part, ns=(0, 0))
    assert digest() != second
    third = digest()
    with h5py.File(master, "r+") as file:
        file["entry/instrument/detector/detectorSpecific/pixel_mask"][0, 0] = 1
    assert digest() != third


def test_lima_files_beside_each_other_are_one_scan_each(tmp_path):
    lima(tmp_path / "scan", counts(7), 3)
    scans = open_scans(tmp_path / "scan", dataset="/entry_0000/measurement/data")
    np.testing.assert_array_equal(np.concatenate([decoded(s.frames) for s in scans]), counts(7))
