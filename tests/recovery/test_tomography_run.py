"""The symmetric-cell twin through a whole run: projections and experiment.toml in, contact, voids and report out.

Bounds are those measured on the twin of the size of `operando simulate --cell symmetric` (see docs/tomography.md).
"""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("xraylib")
pytest.importorskip("zarr")
pytest.importorskip("cc3d")

from operando import show
from operando.core.errors import ExperimentError, InputError
from operando.flow import run
from operando.twin.symmetric_cell import SymmetricCell, Truth, simulate

ELECTRODES = ("bottom", "top")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("symmetric") / "cell"
    simulate(SymmetricCell.demo(scans=2, scan_period_s=3600.0), place)
    return place


@pytest.fixture(scope="module")
def results(folder):
    return run(folder / "experiment.toml")[1]


@pytest.fixture(scope="module")
def known(folder):
    return Truth.load(folder)


def section(results, values):
    """Truth on the columns that the run measured."""
    used = results.groups["tomography/maps"]["used"].isel(time=0).values > 0
    return np.asarray(values)[..., used]


def found_map(results, what, scan, electrode):
    values = results.groups["tomography/maps"][what].isel(time=scan).sel(electrode=electrode).values
    return section(results, values)


@pytest.mark.parametrize("electrode", ["bottom", "top"])
@pytest.mark.parametrize("scan", [0, 1])
def test_contact_within_3_points_voids_within_5_percent_or_a_twentieth_of_a_voxel(
    results, known, electrode, scan
):
    maps = known.maps.isel(time=scan).sel(electrode=electrode)
    found = results.groups["tomography"].isel(time=scan).sel(electrode=electrode)
    contact = section(results, maps["contact"].values) > 0.5
    assert abs(float(found["contact_share"]) - contact.mean()) < 0.03
    assert abs(float(found["contact_share"]) - contact.mean()) < 2 * float(found["contact_share_err"])
    assert (found_map(results, "contact", scan, electrode) == contact).mean() > 0.97
    void = float(section(results, maps["void_thickness"].values).mean())
    assert float(found["void_thickness"]) == pytest.approx(void, rel=0.05)
    assert int(found["reliable"]) == 1


@pytest.mark.parametrize("electrode", ["bottom", "top"])
@pytest.mark.parametrize("scan", [0, 1])
def test_faces_collectors_and_thickness_within_0_3_voxel(results, known, electrode, scan):
    true = known.maps["surface_height"].isel(time=scan)
    face = section(results, true.sel(surface=f"interphase_{electrode}").values)
    off = (found_map(results, "face", scan, electrode) - face) / 1.7
    assert np.nanstd(off) < 0.1
    assert abs(np.nanmean(off)) < 0.05
    lithium = section(
        results, known.maps["lithium_thickness"].isel(time=scan).sel(electrode=electrode).values
    )
    off = (found_map(results, "lithium", scan, electrode) - lithium) / 1.7
    assert np.sqrt(np.nanmean(off**2)) < 0.3
    steel = section(results, true.sel(surface=f"steel_{electrode}").values)
    gap = abs(face - steel)
    off = (found_map(results, "gap", scan, electrode) - gap) / 1.7
    assert np.sqrt(np.nanmean(off**2)) < 0.12


@pytest.mark.parametrize("electrode", ["bottom", "top"])
def test_ra_within_2_percent(results, known, electrode):
    used = results.groups["tomography/maps"]["used"].isel(time=0).values > 0
    y, x = np.nonzero(used)
    design = np.stack([np.ones(len(x)), x, y], 1)
    for scan in range(2):
        height = (
            known.maps["surface_height"].isel(time=scan).sel(surface=f"interphase_{electrode}").values[used]
        )
        rest = height - design @ np.linalg.lstsq(design, height, rcond=None)[0]
        found = results.groups["tomography/roughness"]["R_a"].isel(time=scan).sel(interface=electrode)
        assert float(found) == pytest.approx(abs(rest).mean(), rel=0.02)


@pytest.mark.parametrize("electrode", ["bottom", "top"])
def test_local_current_within_its_error_and_no_hot_spot_where_there_is_none(results, known, electrode):
    current = results.groups["tomography/current"].isel(interval=0).sel(electrode=electrode)
    true = section(
        results, known.maps["current_density_prescribed"].isel(interval=0).sel(electrode=electrode).values
    )
    off = section(results, current["current_density"].values) - true
    pull = off / section(results, current["current_density_err"].values)
    assert 0.8 < np.nanstd(pull) < 1.2
    assert abs(np.nanmean(off)) < 2 * float(current["mean_err"])
    assert abs(np.nanmean(off)) < 0.05 * abs(true.mean())
    assert (
        results.groups["tomography/hot_spots"]["electrode"].values == ELECTRODES.index(electrode)
    ).sum() == 0


@pytest.mark.parametrize("electrode", ["bottom", "top"])
def test_share_of_the_charge_from_lithium_within_0_03(results, known, electrode):
    seconds = float(np.diff(known.scans["time"].values)[0])
    charge = float(np.diff(known.scans["charge"].values)[0]) * (1 if electrode == "top" else -1)
    grown = known.maps["current_density_prescribed"].isel(interval=0).sel(electrode=electrode).values
    true = -section(results, grown).mean() * seconds / 3600 / charge
    found = results.groups["tomography"].isel(interval=0).sel(electrode=electrode)
    assert abs(float(found["lithium_fraction"]) - true) < 0.03
    assert float(found["lithium_fraction_err"]) < 0.1


def test_it_is_on_the_clock_with_a_floor_and_without_false_hot_spots(results, known):
    found = results.groups["tomography"]
    np.testing.assert_allclose(np.diff(found["time"].values), 3600.0, atol=1.0)
    assert found["cell_current"].values[1] == pytest.approx(2e-3 * found.attrs["section_cm2"], rel=0.02)
    current = results.groups["tomography/current"]
    assert "even and odd" in current.attrs["floor_source"]
    assert (current["floor"].values > 0).all()
    assert any("no two scans without current" in note for note in results.notes)


def test_it_has_its_chapter_and_figures(results, tmp_path):
    text = show.write_report(results, tmp_path / "report.html").read_text()
    assert "Contact of the bottom electrode goes from" in text
    names = {path.stem for path in show.write_figures(results, tmp_path / "figures")}
    assert {
        f"tomography-{n}"
        for n in ("sections", "time", "contact", "thickness", "current", "relief", "porosity")
    } <= names


def test_a_run_that_was_killed_goes_on(folder, results):
    again = run(folder / "experiment.toml")[1]
    made = [p for p in again.processes if p.name == "tomography_scan"]
    assert made
    assert all("found from an earlier run" in p.detail for p in made)


@pytest.mark.parametrize(("old", "new", "told"), [
    ("ct/scan_*.h5", "ct/none_*.h5", "no file matches"),
    ("voxel_um = 1.7", "voxel_um = 1.7\nvolumes = 'ct/*.h5'", "either scans"),
    ("voxel_um = 1.7", "voxel_um = 1.7\ngreys = { void = 0.5, lithium = 0.2 }", "must rise"),
    ("voxel_um = 1.7", "voxel_um = 1.7\nstill = [1, 1]", "names one scan twice"),
    ("distance_mm = 40.0", "", "phase retrieval"),
    ("voxel_um = 1.7", "voxel_um = 1.7\ntimes_s = [0.0]", "1 times for 2 files"),
])  # fmt: skip
def test_what_is_wrong_is_said(folder, results, tmp_path, old, new, told):
    text = (folder / "experiment.toml").read_text().replace(old, new)
    (folder / "bad.toml").write_text(text)
    with pytest.raises(ExperimentError, match=told):
        run(folder / "bad.toml", folder / "run_bad")


def write_volumes(folder, shapes):
    import h5py

    for k, shape in enumerate(shapes):
        with h5py.File(folder / f"v_{k}.h5", "w") as file:
            file["volume"] = np.zeros(shape, np.float32)
    (folder / "experiment.toml").write_text(
        'title = "volumes"\n[tomography]\nvolumes = "v_*.h5"\nvoxel_um = 1.7\ntimes_s = [0.0, 900.0]\n'
        "greys = { lithium = 0.1, electrolyte = 7.0, steel = 70.0 }\n"
    )


def test_volumes_of_different_size_and_volumes_without_a_cell(tmp_path):
    write_volumes(tmp_path, [(40, 32, 32), (40, 32, 30)])
    with pytest.raises(ExperimentError, match="is \\(40, 32, 30\\) voxels"):
        run(tmp_path / "experiment.toml")
    write_volumes(tmp_path, [(40, 32, 32), (40, 32, 32)])
    with pytest.raises(InputError, match=r"no collector at both ends|no section of the sample"):
        run(tmp_path / "experiment.toml", tmp_path / "other")
