"""Orientation maps through a run: grains, shares, comparison, chapter."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from test_microscopy import voronoi

from operando import show
from operando.core.errors import ExperimentError
from operando.flow import run

STEP = 0.5


def write_ang(path, rotation, label, rng):
    """A map of lithium as EDAX writes it, a tenth of a degree of noise."""
    wobble = Rotation.from_rotvec(np.radians(0.1) * rng.standard_normal((label.size, 3)))
    euler = (wobble * rotation[label.ravel()]).as_euler("ZXZ") % (2 * np.pi)
    head = ["# Phase 1", "# MaterialName Lithium", "# Symmetry 43", "# LatticeConstants 3.51 3.51 3.51 90 90 90",
            "# GRID: SqrGrid", f"# XSTEP: {STEP}", f"# YSTEP: {STEP}", f"# NCOLS_ODD: {label.shape[1]}",
            f"# NCOLS_EVEN: {label.shape[1]}", f"# NROWS: {label.shape[0]}"]  # fmt: skip
    y, x = (STEP * g.ravel() for g in np.indices(label.shape))
    rows = [
        f"{a:.5f} {b:.5f} {c:.5f} {u} {v} 30.0 0.9 0" for (a, b, c), u, v in zip(euler, x, y, strict=True)
    ]
    path.write_text("\n".join(head + rows))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place, rng = tmp_path_factory.mktemp("ebsd"), np.random.default_rng(4)
    spin = Rotation.from_euler("z", rng.uniform(0, 360, (60, 1)), degrees=True)
    tilt = Rotation.from_rotvec(np.radians(5) * rng.standard_normal((60, 3)))
    write_ang(place / "cold.ang", tilt * spin, voronoi((90, 110), 60, rng), rng)
    write_ang(place / "hot.ang", Rotation.random(60, random_state=5), voronoi((90, 110), 60, rng), rng)
    (place / "experiment.toml").write_text("""
title = "Lithium, cold and hot"
[ebsd]
maps = [{ name = "25 C", file = "cold.ang" }, { name = "80 C", file = "hot.ang" }]
""")
    return place


@pytest.fixture(scope="module")
def results(folder):
    return run(folder / "experiment.toml")[1]


def test_the_texture_of_one_condition_is_found_and_told_from_the_other(results):
    shares = results.groups["ebsd/shares"].sel(by="grains")
    assert float(shares["share"].sel(map="25 C", pole="(001)")) > 0.9
    assert float(shares["p_adjusted"].sel(map="25 C", pole="(001)")) < 1e-6
    assert (shares["p_adjusted"].sel(map="80 C") > 0.01).all()
    assert float(results.groups["ebsd/compare"]["p_any"][0]) < 1e-3
    image = results.groups["ebsd/25 C/image"]["colour"]
    red = image.values.reshape(-1, 3)
    assert (red.argmax(1) == 0).mean() > 0.95  # (001) is the red corner


def test_chapter_and_figures(results, tmp_path):
    text = show.write_report(results, tmp_path / "report.html").read_text()
    assert "the shares differ" in text
    assert "25 C: (001) more often than without texture" in text
    names = {path.stem for path in show.write_figures(results, tmp_path / "figures")}
    assert {"ebsd-maps", "ebsd-shares", "ebsd-density"} <= names


def test_measured_grains_start_a_phase_field(folder):
    from operando.flow.model_runs import phase_field

    groups = phase_field(
        metal="Li", form="consistent", temperature_C=25.0, anisotropy=0.105, barrier_111_eV=0.2, shape=(16, 100),
        nuclei=2, duration_s=40.0, rate_um_per_s=0.2, frames=3, seed=1, ebsd=folder / "cold.ang",
    )  # fmt: skip
    film = groups["model/phase_field/film"]
    assert set(film["orientation"].values) == {"001"}
    assert 3 < film.sizes["grain_id"] < 40


@pytest.mark.parametrize(("old", "new", "told"), [
    ("80 C", "25 C", "two maps have one name"), ("hot.ang", "none.ang", "no such file"),
    ('file = "hot.ang"', 'file = "hot.ang", laue = 3', "laue"),
])  # fmt: skip
def test_what_is_wrong_is_said(folder, old, new, told):
    (folder / "bad.toml").write_text((folder / "experiment.toml").read_text().replace(old, new))
    with pytest.raises(ExperimentError, match=told):
        run(folder / "bad.toml")
