"""What is broken, missing or unclear is said in one error that names the place; nothing invented comes out."""

import logging
import os

import h5py
import hdf5plugin
import numpy as np
import pytest
from read_layouts import DEAD, SHAPE, bliss, compressed, counts, eiger

from operando.core.errors import ReadError
from operando.read import inspect, open_scans


def refuses(path, words, **kwargs):
    """Opening raises a ReadError that says `words`, and inspecting says them too without raising."""
    with pytest.raises(ReadError, match=words) as caught:
        open_scans(path, **kwargs)
    look = inspect(path, **kwargs) if not isinstance(path, list) else None
    assert look is None or (not look.readable and look.why)
    return caught.value


def test_truncated_file_says_how_much_is_there(tmp_path):
    master = eiger(tmp_path, counts(8))
    part = tmp_path / "series_data_000002.h5"
    size = part.stat().st_size
    os.truncate(part, size // 2)
    error = refuses(master, "truncated HDF5 file")
    assert str(part) in error.where
    assert f"{size // 2:,} of {size:,}" in error.what


def test_missing_linked_file_is_named(tmp_path):
    master = eiger(tmp_path, counts(8))
    (tmp_path / "series_data_000002.h5").unlink()
    error = refuses(master, "series_data_000002.h5 is missing")
    assert "data_000002" in error.what
    assert error.where == str(master)


def test_missing_file_behind_a_virtual_dataset_is_named(tmp_path):
    path = bliss(tmp_path, [counts(12)], 3, 4)
    (tmp_path / "scan0001" / "eiger_0001.h5").unlink()
    refuses(path, "scan0001/eiger_0001.h5 is missing")


def test_external_link_to_a_dataset_that_is_not_there(tmp_path):
    master = eiger(tmp_path, counts(8))
    with h5py.File(tmp_path / "series_data_000001.h5", "r+") as file:
        file.move("entry/data/data", "entry/data/other")
    error = refuses(master, "no 'data' in /entry/data")
    assert "series_data_000001.h5" in error.where
    assert "other" in error.fix


def test_folder_moved_with_absolute_links_still_opens(tmp_path):
    master = eiger(tmp_path, counts(4))
    with h5py.File(master, "r+") as file:
        del file["entry/data/data_000001"]
        file["entry/data/data_000001"] = h5py.ExternalLink(
            "/gone/away/series_data_000001.h5", "/entry/data/data"
        )
    assert len(open_scans(master)[0].frames) == 4


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "an empty file"), (b"hello" * 999, "not an HDF5 file"), (None, "no such file")],
)
def test_not_an_hdf5_file(tmp_path, content, words):
    path = tmp_path / "scan.h5"
    if content is not None:
        path.write_bytes(content)
    refuses(path, words)


@pytest.mark.parametrize(
    "data", [np.zeros(50), np.float64(3.0), np.array([[b"a"] * 20] * 20), np.zeros((5, 20, 20), "c8")]
)
def test_dataset_that_is_no_stack_of_images(tmp_path, data):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["d"] = data
    refuses(tmp_path / "f.h5", "not a stack of images", dataset="/d")


def test_a_group_or_nothing_in_place_of_the_dataset(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["g/d"] = np.zeros((3, 20, 20))
    refuses(tmp_path / "f.h5", "a group, not a dataset", dataset="/g")
    error = refuses(tmp_path / "f.h5", "no 'x' in /g", dataset="/g/x")
    assert "There is: d" in error.fix


def test_unclear_dataset_lists_the_candidates(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["a/one"], file["two"] = np.zeros((3, 20, 20)), np.zeros((3, 20, 30), "u2")
        file["again"] = file["two"]
        file["spectra"] = np.zeros((3, 20, 4096))
        file["spectra"].attrs["interpretation"] = "spectrum"
    error = refuses(tmp_path / "f.h5", "not clear which dataset")
    assert error.fix.count("20 x") == 2
    assert "/a/one  3 x 20 x 20 float64" in error.fix
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file["x"] = np.zeros(7)
    refuses(tmp_path / "e.h5", "no dataset of frames")


def test_links_in_a_circle(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")
    refuses(tmp_path / "f.h5", "circle", dataset="/a")


def test_no_frames_yet(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("d", (0, *SHAPE), "u4", maxshape=(None, *SHAPE), chunks=(1, *SHAPE))
    refuses(tmp_path / "f.h5", "no frames yet", dataset="/d")


def test_filter_without_plugin(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((1, *SHAPE))
        plist.set_filter(30999, h5py.h5z.FLAG_OPTIONAL, (1,))
        space = h5py.h5s.create_simple((3, *SHAPE))
        h5py.h5d.create(file.id, b"d", h5py.h5t.STD_U32LE, space, plist)
    refuses(tmp_path / "f.h5", "filter 30999, which is not installed", dataset="/d")


STORAGE = {
    "bslz4": (dict(chunks=(1, *SHAPE), **hdf5plugin.Bitshuffle(cname="lz4"))),
    "gzip": {"chunks": (1, *SHAPE), "compression": "gzip"},
    "parts": {"chunks": (1, 16, 16)},
}


@pytest.mark.parametrize("kind", STORAGE)
@pytest.mark.parametrize(("dtype", "dead"), [("u4", DEAD), ("u2", 65535), ("i4", -1), ("f4", np.nan)])
def test_frames_never_written_are_dead_and_not_zero(tmp_path, caplog, kind, dtype, dead):
    frames = np.random.default_rng(0).poisson(2, (6, *SHAPE)).astype(dtype)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        data = file.create_dataset("d", frames.shape, dtype, **STORAGE[kind])
        for i in (0, 1, 4):
            data[i] = frames[i]
    with caplog.at_level(logging.WARNING):
        (scan,) = open_scans(tmp_path / "f.h5")
    assert "3 of 6 frames were never written (first: frame 2)" in caplog.text
    frames[[2, 3, 5]] = dead
    got = np.concatenate([block.load() for block in scan.frames.blocks(size=4)])
    np.testing.assert_array_equal(got, frames)
    assert np.flatnonzero(scan.frames.missing).tolist() == [2, 3, 5]
    look = inspect(tmp_path / "f.h5")
    assert look.readable
    assert any(what == "missing" and detail.startswith("3 frames") for what, _, detail in look.rows)


def test_a_chunk_never_written_is_handed_on_as_a_dead_chunk(tmp_path):
    frames = counts(5)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        data = file.create_dataset("d", frames.shape, "u4", **STORAGE["bslz4"])
        data[0], data[4] = frames[0], frames[4]
    (scan,) = open_scans(tmp_path / "f.h5")
    (block,) = scan.frames.blocks()
    with h5py.File("x", "w", driver="core", backing_store=False) as file:
        copy = file.create_dataset("d", frames.shape, "u4", **STORAGE["bslz4"])
        for i, chunk in enumerate(block.chunks):
            copy.id.write_direct_chunk((i, 0, 0), chunk)
        held = copy[()]
    assert (held[1:4] == DEAD).all()
    np.testing.assert_array_equal(held[[0, 4]], frames[[0, 4]])


def test_unwritten_contiguous_dataset_is_all_missing(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("d", (3, *SHAPE), "u4")
    (scan,) = open_scans(tmp_path / "f.h5")
    assert scan.frames.missing.all()
    assert (next(iter(scan.frames.blocks())).load() == DEAD).all()
    assert inspect(tmp_path / "f.h5").readable


def test_file_cut_after_it_was_opened(tmp_path):
    master = eiger(tmp_path, counts(4))
    (scan,) = open_scans(master)
    os.truncate(tmp_path / "series_data_000001.h5", 3000)
    with pytest.raises(ReadError, match="are there"):
        list(scan.frames.blocks())
    (tmp_path / "series_data_000001.h5").unlink()
    with pytest.raises(ReadError, match="cannot be read any more"):
        list(scan.frames.blocks())


def test_damaged_chunk_says_which_frames(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        data = compressed(file, "d", counts(4))
        data.id.write_direct_chunk((2, 0, 0), b"\x00" * 100)
    (scan,) = open_scans(tmp_path / "f.h5")
    with pytest.raises(ReadError, match="frame 2 cannot be decoded"):
        next(iter(scan.frames.blocks(2))).load()


def test_data_files_of_two_measurements(tmp_path):
    master = eiger(tmp_path, counts(8))
    with h5py.File(tmp_path / "series_data_000002.h5", "w") as file:
        compressed(file, "entry/data/data", counts(4, dtype="uint16"))
    refuses(master, "uint16")


def test_mask_of_another_detector_is_left_out_and_said(tmp_path, caplog):
    master = eiger(tmp_path, counts(2))
    with h5py.File(master, "r+") as file:
        del file["entry/instrument/detector/detectorSpecific/pixel_mask"]
        file["entry/instrument/detector/detectorSpecific/pixel_mask"] = np.zeros((5, 5), "u4")
    (scan,) = open_scans(master)
    assert scan.frames.mask is None
    assert "mask left out" in caplog.text


def test_folders_and_globs_without_frames(tmp_path):
    refuses(tmp_path, "an empty folder")
    (tmp_path / "notes.txt").write_text("x")
    refuses(tmp_path, "no HDF5 files or images among 1 files")
    with pytest.raises(ReadError, match="no file matches"):
        open_scans(str(tmp_path / "*.h5"))
    with pytest.raises(ReadError, match="no paths"):
        open_scans([])
    (tmp_path / "a.tif").write_bytes(b"x")
    (tmp_path / "a.h5").write_bytes(b"x")
    refuses(tmp_path, "several kinds: .h5, .tif")
    with pytest.raises(ReadError, match=r"one kind of file|is not an image"):
        open_scans([tmp_path / "a.h5", tmp_path / "a.tif"])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_permission_denied(tmp_path):
    master = eiger(tmp_path, counts(2))
    master.chmod(0)
    refuses(master, "permission denied")


def test_permission_denied_as_hdf5_reports_it(tmp_path, monkeypatch):
    path = eiger(tmp_path, counts(2))

    def denied(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(h5py, "File", denied)
    with pytest.raises(ReadError, match="permission denied"):
        open_scans(path)


def test_foreign_file_names_what_it_lacks(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("nothing of use\n")
    look = inspect(path)
    assert not look.readable
    assert look.why


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_chunk_never_crashes_the_process(tmp_path, seed):
    """The HDF5 filter does, for chunks such as these: frames are decoded without it."""
    rng = np.random.default_rng(seed)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        data = compressed(file, "d", counts(2))
        stored = bytearray(data.id.read_direct_chunk((1, 0, 0))[1])
        start = int(rng.integers(0, len(stored) - 40))
        if seed % 2:
            stored[start:start] = stored[start : start + 40]
        else:
            for place in rng.integers(12, len(stored), 20):
                stored[place] ^= 1 << int(rng.integers(8))
        data.id.write_direct_chunk((1, 0, 0), bytes(stored))
    (scan,) = open_scans(tmp_path / "f.h5")
    (block,) = scan.frames.blocks()
    try:
        image = block.load()[1]
    except ReadError as error:
        told = error.what
        assert told == "frame 1 cannot be decoded (the compressed image is damaged)"
    else:  # bits of literals: other counts, and nobody can know
        assert image.shape == SHAPE


def test_content_that_no_check_foresaw_is_told_with_its_file(tmp_path):
    from operando.core.trust import taken_at_its_word

    with pytest.raises(ReadError, match="this map is damaged, or not as its kind should be") as caught:  # noqa: SIM117
        with taken_at_its_word(tmp_path / "a.map", "this map"):
            [][3]
    assert caught.value.where == str(tmp_path / "a.map")
    assert "IndexError" in caught.value.what
    with pytest.raises(ReadError, match="more than the memory"), taken_at_its_word("a"):
        raise MemoryError
    with pytest.raises(FileNotFoundError), taken_at_its_word("a"):  # the disk's own word is clear
        open(tmp_path / "none").close()
