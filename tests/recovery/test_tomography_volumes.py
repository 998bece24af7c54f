"""Volumes made elsewhere through a whole run: every format gives the same and the truth; what cannot be, is said."""

from __future__ import annotations

import numpy as np
import pytest
from tomography_twin import cell, greys, image, known

pytest.importorskip("xraylib")
pytest.importorskip("zarr")
pytest.importorskip("cc3d")

import tifffile
import zarr

from operando.core.errors import InputError, OperandoError, ReadError
from operando.flow import run, tomography_plan
from operando.read.volume_file import open_volume

CELL = cell(scans=2, scan_period_s=3600.0)


def experiment(folder, files, more="", voxel="voxel_um = 1.7"):
    g = greys(CELL)
    words = ", ".join(f"{n} = {g[n]:.5g}" for n in ("lithium", "interphase", "electrolyte", "steel"))
    (folder / "experiment.toml").write_text(
        f'title = "volumes"\n[tomography]\nvolumes = "{files}"\n{voxel}\ntimes_s = [0.0, 3600.0]\n'
        f"greys = {{ {words} }}\n{more}\n"
    )
    return folder / "experiment.toml"


def written(folder, kind, values):
    """One volume in one of the formats that people keep."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if kind == "folder":
        folder.mkdir(parents=True)
        for k, plane in enumerate(values):
            tifffile.imwrite(folder / f"slice_{k}.tif", plane)  # slice_10 comes after slice_9
    elif kind == "stack":
        tifffile.imwrite(folder.with_suffix(".tif"), values)
    elif kind == "zarr":
        group = zarr.open_group(folder.with_suffix(".zarr"), mode="w")
        array = group.create_array("attenuation", shape=values.shape, chunks=(16, 64, 64), dtype="float32")
        array[:] = values
        array.attrs["voxel_um"] = 1.7
    else:
        import h5py

        with h5py.File(folder.with_suffix(".h5"), "w") as file:
            file.create_dataset("volume", data=values, chunks=(8, 32, 32), compression="gzip")


@pytest.fixture(scope="module")
def scans():
    return [image(CELL, k).values for k in range(2)]


@pytest.fixture(scope="module")
def results(tmp_path_factory, scans):
    """A run from folders of TIFF."""
    place = tmp_path_factory.mktemp("volumes")
    for k, values in enumerate(scans):
        written(place / "ct" / f"v_{k}", "folder", values)
    return run(experiment(place, "ct/v_*"))[1]


def test_folders_of_tiff_give_the_truth(results):
    truth = known(CELL).maps
    for scan in range(2):
        for name in ("bottom", "top"):
            found = results.groups["tomography"].isel(time=scan).sel(electrode=name)
            maps = results.groups["tomography/maps"].isel(time=scan).sel(electrode=name)
            used = maps["used"].values > 0
            share = (truth["contact"].isel(time=scan).sel(electrode=name).values[used] > 0.5).mean()
            assert float(found["contact_share"]) == pytest.approx(share, abs=0.03)
            face = truth["surface_height"].isel(time=scan).sel(surface=f"interphase_{name}").values
            assert np.nanstd((maps["face"].values - face)[used]) < 0.3 * 1.7


@pytest.mark.parametrize("kind", ["stack", "zarr", "hdf5"])
def test_every_format_is_read_alike(tmp_path, scans, kind):
    written(tmp_path / "v", kind, scans[0])
    (path,) = tmp_path.iterdir()
    file = open_volume(path)
    assert file.shape == scans[0].shape
    np.testing.assert_array_equal(file.read(), scans[0])
    cut = file.read((10, 51), (5, 70, 3, 100), 4)
    block = scans[0][10:50, 5:69, 3:99].astype(float).reshape(10, 4, 16, 4, 24, 4).mean((1, 3, 5))
    np.testing.assert_allclose(cut, block, rtol=1e-6)


def test_a_zarr_run_with_region_rows_and_binning(tmp_path, scans, results):
    for k, values in enumerate(scans):
        holes = values.copy()
        holes[:, :3] = np.nan
        written(tmp_path / f"v_{k}", "zarr", holes)
    more = "region = [14, 114, 20, 120]\nmargin_um = 0.0"
    seen = run(experiment(tmp_path, "v_*.zarr", more, voxel=""))[1]
    assert any("2.3 % of the voxels are not numbers" in note for note in seen.notes)
    found = seen.groups["tomography/maps"]
    assert dict(found.sizes)["y"] == 100
    whole = results.groups["tomography/maps"]
    here, there = (
        m["face"].isel(time=0).sel(electrode="bottom").values
        for m in (found, whole.isel(y=slice(14, 114), x=slice(20, 120)))
    )
    both = np.isfinite(here) & np.isfinite(there)
    assert both.mean() > 0.8
    assert np.median(np.abs(here - there)[both]) < 0.1
    binned = run(
        experiment(tmp_path, "v_*.zarr", "binning = 2\nblur_um = 1.7", voxel=""), tmp_path / "binned"
    )[1]
    assert binned.groups["tomography"].attrs["voxel_um"] == pytest.approx(3.4)
    stack = (r.groups["tomography"]["stack_thickness"].values for r in (binned, results))
    np.testing.assert_allclose(*stack, atol=1.0)


@pytest.mark.parametrize(("change", "kind", "more", "voxel", "told"), [
    (lambda v: (v[0], v[1][:, :, :-2]), "zarr", "", "", r"v_1 is \(96, 128, 126\)"),
    (lambda v: (v[0] * np.nan, v[1]), "zarr", "", "", "over half of the voxels are not numbers"),
    (lambda v: v, "zarr", "", "voxel_um = 0.85", "voxel_um = 0.85, but v_0.zarr says 1.7"),
    (lambda v: v, "stack", "", "", "voxel size of v_0.tif is not known"),
    (lambda v: (v[0] * 0, v[1] * 0), "stack", "", "voxel_um = 1.7", "no collector at both ends|no section"),
    (lambda v: v, "zarr", "region = [0, 500, 0, 100]", "", "region 0 to 500 of 128 voxels"),
    (lambda v: v, "zarr", "memory_gb = 0.1", "", r"takes about 0.157 GB.*binning = 2 takes 0.0197 GB"),
])  # fmt: skip
def test_what_cannot_be_measured_is_said(tmp_path, scans, change, kind, more, voxel, told):
    for k, values in enumerate(change(scans)):
        written(tmp_path / f"v_{k}", kind, np.asarray(values, np.float32))
    ending = {"zarr": ".zarr", "stack": ".tif"}[kind]
    with pytest.raises(InputError) as error:
        run(experiment(tmp_path, f"v_*{ending}", more, voxel))
    import re

    assert re.search(told, str(error.value), re.S), str(error.value)


def test_a_folder_with_another_image_and_other_wrong_files_are_told(tmp_path):
    written(tmp_path / "a", "folder", np.zeros((4, 8, 9), np.float32))
    tifffile.imwrite(tmp_path / "a" / "slice_3.tif", np.zeros((8, 7), np.float32))
    with pytest.raises(ReadError, match=r"slice_3.tif: an image of \(8, 7\) pixels among images of \(8, 9\)"):
        open_volume(tmp_path / "a").read()
    (tmp_path / "b.tif").write_bytes(b"II*\0broken")
    with pytest.raises(ReadError, match="damaged"):
        open_volume(tmp_path / "b.tif")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReadError, match="no TIFF"):
        open_volume(tmp_path / "empty")
    with pytest.raises(ReadError, match="no such file"):
        open_volume(tmp_path / "none.h5")


def test_spam_that_is_not_installed_is_told_before_the_work(tmp_path, scans, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "spam.DIC", None)  # as if it were not there
    for k, values in enumerate(scans):
        written(tmp_path / f"v_{k}", "zarr", values[:4, :4, :4])
    with pytest.raises(OperandoError, match=r"spam.DIC[\s\S]*pip install"):
        run(experiment(tmp_path, "v_*.zarr", 'displacement = "spam"', voxel=""))


def test_a_disk_too_small_for_the_series_is_told_before_the_first_scan(tmp_path, monkeypatch):
    from operando.twin.symmetric_cell import SymmetricCell, simulate

    simulate(SymmetricCell.demo(scans=2, scan_period_s=3600.0, projections=24), tmp_path)
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr(tomography_plan.shutil, "disk_usage", lambda place: usage)
    with pytest.raises(
        OperandoError, match=r"volumes of 2 scans need 0\.0257 GB, the disk has 0.001 GB free"
    ):
        run(tmp_path / "experiment.toml")
    assert not list((tmp_path / "run").glob("volumes/*"))
