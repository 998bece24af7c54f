"""What `inspect` says about each kind of file."""

import os
import subprocess
import sys

import h5py
import hdf5plugin
import numpy as np
import pytest
from read_layouts import SHAPE, bliss, compressed, counts, eiger

import operando.read
from operando.read import inspect


def row(look, what):
    return next((where, detail) for name, where, detail in look.rows if name == what)


def test_bliss_file(tmp_path):
    look = inspect(bliss(tmp_path, [counts(12), counts(12, 2)], 3, 4))
    assert look.readable
    assert look.headline.endswith("sample.h5 · ESRF BLISS · scan 1.1 · started 2025-03-04T22:18:03+01:00")
    where, detail = row(look, "frames")
    assert where == "/1.1/measurement/eiger"
    assert detail.startswith("12 x 41 x 67 uint32, bitshuffle-LZ4, ")
    assert row(look, "positions") == ("sx, sz", "3 x 4 grid, 33 x 1 um, rows in one direction, complete")
    assert row(look, "monitor")[0] == "ct34"
    assert row(look, "dead") == ("2^32-1", "1.49 % of pixels of frame 0")
    assert row(look, "scans")[1] == "2 scans, 24 frames in all"
    assert look.engine == "fast: bitshuffle-LZ4, one frame a chunk"


def test_size_on_disk_is_that_of_the_chunks(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        stored = compressed(file, "d", counts(4)).id.get_storage_size()
    assert (
        f"{stored / 1000:.3g} kB on disk, {stored / 4000:.3g} kB a frame"
        in row(inspect(tmp_path / "f.h5"), "frames")[1]
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("same", "rows in one direction, complete"),
        ("snake", "rows back and forth, complete"),
        ("cut", "3 of 12 points missing"),
    ],
)  # fmt: skip
def test_order_and_completeness_of_the_grid(tmp_path, path, words):
    file = bliss(tmp_path, [counts(12)], 3, 4)
    if path != "same":
        with h5py.File(file, "r+") as opened:
            x = opened["1.1/instrument/positioners/sx"][()].reshape(3, 4)
            x[1] = x[1, ::-1] if path == "snake" else x[1]
            x, z = x.ravel(), opened["1.1/instrument/positioners/sz"][()]
            if path == "cut":
                x[9:], z[9:] = np.nan, np.nan
            opened["1.1/instrument/positioners/sx"][...], opened["1.1/instrument/positioners/sz"][...] = x, z
    assert words in row(inspect(file), "positions")[1]


def test_eiger_master_tells_its_mask(tmp_path):
    look = inspect(eiger(tmp_path, counts(6)))
    assert "Eiger master" in look.headline
    assert row(look, "frames")[0] == "/entry/data/data_000001 ... data_000002"
    assert row(look, "mask") == (
        "pixel_mask",
        f"{100 * (SHAPE[0] + 1) / (SHAPE[0] * SHAPE[1]):.3g} % of pixels",
    )
    assert row(look, "time")[1] == "0.11 s a frame, 0.55 s from first to last"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(chunks=(1, *SHAPE), **hdf5plugin.Bitshuffle(cname="zstd")), "weighted: bitshuffle-zstd"),
        (dict(chunks=(2, *SHAPE), **hdf5plugin.Bitshuffle(cname="lz4")), "weighted: chunks of 2 x 41 x 67 are not"),
        ({"chunks": (1, *SHAPE), "compression": "gzip"}, "weighted: gzip"),
        ({}, "weighted: not compressed"),
    ],
)  # fmt: skip
def test_engine_is_explained(tmp_path, options, words):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("d", data=counts(4), **options)
    assert inspect(tmp_path / "f.h5").engine.startswith(words)


def test_folder_lists_its_files_and_the_bad_one(tmp_path):
    eiger(tmp_path, counts(4), per_file=4)
    (tmp_path / "zzz.h5").write_bytes(b"")
    look = inspect(tmp_path)
    assert not look.readable
    assert "zzz.h5" in look.why
    assert [where for _, where, _ in look.rows] == ["series_data_000001.h5", "series_master.h5", "zzz.h5"]


def test_poni_and_results(tmp_path):
    config = '{"pixel1": 1e-4, "pixel2": 1e-4, "orientation": 3}'
    poni = f"poni_version: 2.1\nDetector: Detector\nDetector_config: {config}\n"
    (tmp_path / "a.poni").write_text(
        poni + "Distance: 0.25\nPoni1: 0.1\nPoni2: 0.1\nRot1: 0\nRot2: 0\nRot3: 0\nWavelength: 1e-10\n"
    )
    look = inspect(tmp_path / "a.poni")
    assert look.readable
    assert row(look, "distance")[1] == "250 mm"
    with h5py.File(tmp_path / "results.nxs", "w") as file:
        file.attrs["format"] = "operando-results/1"
        group = file.create_group("entry/xrd")
        group.attrs["NX_class"] = "NXdata"
        for name in ("total_counts", "total_counts_err", "total_counts_errors", "flag"):
            group[name] = np.zeros(3)
        group.create_group("pattern")  # a group of its own: told in its own row, not as a variable
    assert row(inspect(tmp_path), "group") == ("xrd", "total_counts")


def test_zarr(tmp_path):
    pytest.importorskip("zarr")
    import xarray as xr

    xr.Dataset({"c": ("x", np.arange(3.0))}).to_zarr(tmp_path / "s.zarr", consolidated=False)
    assert row(inspect(tmp_path / "s.zarr"), "array") == ("c", "3 float64")


def test_cycler_file(tmp_path):
    (tmp_path / "c.csv").write_text(
        "Test Time / s,Voltage / V,Current / A\n"
        + "".join(f"{i * 60},{3 + 0.01 * i},0.001\n" for i in range(121))
    )
    look = inspect(tmp_path / "c.csv")
    assert look.readable, look.why
    assert row(look, "rows")[1] == "121, 2 h"
    assert ("column", "voltage", "3 to 4.2 V") in look.rows


def test_columns_are_told_as_people_write_them():
    from xarray import DataArray

    from operando.read.inspect import _reach

    assert (
        _reach("utc", DataArray([1741123023.0, 1741126623.0])) == "2025-03-04 21:17:03 to 2025-03-04 22:17:03"
    )
    assert _reach("step", DataArray([0, 3], attrs={"units": "1"})) == "0 to 3"


def test_names_of_the_room_are_functions_whatever_was_imported_first():
    code = """
import operando.read.cycler, operando.read.inspect
from operando.read import cycler, inspect
assert cycler.__code__ and inspect.__code__
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert callable(operando.read.open_scans)


def test_importing_the_room_leaves_heavy_packages_alone():
    code = "import sys, operando.read; print({'h5py', 'hdf5plugin', 'fabio', 'pyFAI', 'zarr'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        == "set()\n"
    )


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="a file that cannot be read needs /proc")
def test_what_the_disk_says_is_told_of_its_file_alone(tmp_path):
    (tmp_path / "a.mpr").symlink_to("/proc/self/mem")
    found = inspect(tmp_path / "a.mpr")
    assert not found.readable
    assert "cannot be read" in found.why


def test_a_file_of_objects_is_not_proposed_to_be_trusted(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"x")
    assert "pickle" not in inspect(tmp_path / "a.npy").why
    (tmp_path / "a.npy").write_bytes(b"PK\x03\x04" + bytes(60))
    assert "not a whole .npy file" in inspect(tmp_path / "a.npy").why
    np.save(tmp_path / "a.npy", np.ones(3))
    (tmp_path / "a.npy").write_bytes(
        (tmp_path / "a.npy").read_bytes().replace(b"'shape': (3,)", b"'shape': (3, ")
    )
    assert "not a whole .npy file" in inspect(tmp_path / "a.npy").why
    np.savez(tmp_path / "two.npz", a=[1], b=[2])
    (tmp_path / "two.npz").rename(tmp_path / "a.npy")
    assert "several arrays" in inspect(tmp_path / "a.npy").why
