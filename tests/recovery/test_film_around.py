"""What a run says of its own geometry, and of grains: roundness, distance from a standard, ratios, limits, epitaxy."""

import re

import numpy as np
import pytest

from operando.core.errors import ExperimentError
from operando.flow import load_experiment, run
from operando.twin.film import FilmCell, simulate

FARTHER, SHIFT_M = 1.002, 75e-6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("around")
    simulate(
        FilmCell.demo(maps=4, map_period_s=1200.0, seed=3, columns=8, grain_births_per_mm_map=(30.0, 10.0)),
        place,
    )
    text = (place / "experiment.toml").read_text()
    (place / "all.toml").write_text(text.replace("[epitaxy]", "[epitaxy]\nmin_grains = 5"))
    return place


@pytest.fixture(scope="module")
def results(folder):
    return run(folder / "all.toml", folder / "right")[1]


@pytest.fixture(scope="module")
def skewed(folder):
    """The same frames, with a geometry that is too far away and off centre."""
    poni = (folder / "calib" / "detector.poni").read_text()
    poni = re.sub(r"(?m)^Distance: (.*)$", lambda m: f"Distance: {float(m[1]) * FARTHER}", poni)
    poni = re.sub(r"(?m)^Poni2: (.*)$", lambda m: f"Poni2: {float(m[1]) + SHIFT_M}", poni)
    (folder / "calib" / "skewed.poni").write_text(poni)
    text = (
        (folder / "all.toml")
        .read_text()
        .replace("detector.poni", "skewed.poni")
        .replace(", grains = true", "")
    )
    (folder / "skewed.toml").write_text(text.split("[epitaxy]")[0])
    return run(folder / "skewed.toml", folder / "skewed")[1]


def test_distance_of_a_standard_mends_a_wrong_geometry(results, skewed):
    right, wrong = (r.groups["xrd/standard"] for r in (results, skewed))
    assert abs(float(right["relative_change"].mean())) < 3e-4
    ratio = (
        right["distance"].values / wrong["distance"].values
    )  # the same place on the axis, whatever was stated
    np.testing.assert_allclose(ratio, 1.0, atol=4e-4)
    assert wrong.attrs["given_mm"] / right.attrs["given_mm"] == pytest.approx(FARTHER)


def test_first_harmonic_is_the_shift_of_the_beam_centre(results, skewed, folder):
    before, after = (r.groups["xrd/Ti100/sectors"].sel(harmonic=1) for r in (results, skewed))
    q = float(after["q0"].mean())
    energy = 12.398 / load_wavelength(folder)
    radius = results.groups["xrd/standard"].attrs["given_mm"] * np.tan(
        2 * np.arcsin(q * 12.398 / energy / 4 / np.pi)
    )
    expected = 1e3 * SHIFT_M / radius
    grown = np.hypot(  # harmonics add as vectors; phases of first harmonics are azimuths
        *(
            (after["amplitude"] * turn(np.deg2rad(after["phase"]))).mean()
            - (before["amplitude"] * turn(np.deg2rad(before["phase"]))).mean()
            for turn in (np.cos, np.sin)
        )
    )
    assert float(grown) == pytest.approx(expected, rel=0.15)
    assert float(after["p_flat"].max()) < 0.01


def load_wavelength(folder):
    poni = (folder / "calib" / "detector.poni").read_text()
    return 1e10 * float(re.search(r"(?m)^Wavelength: (.*)$", poni)[1])


def test_images_and_ratios_of_a_ring_hold_what_the_maps_hold(results):
    image, around = results.groups["xrd/LCO003/image"], results.groups["xrd/LCO003/azimuth"]
    assert image["intensity"].dims == ("time", "azimuth", "q")
    assert image.sizes["azimuth"] == around.sizes["azimuth"]
    ring, ratio = results.groups["xrd/LCO003"], results.groups["xrd/LCO003/ratio"]
    one, two = (ring["area"].sel(family=f).isel(time=1, x=2) for f in ("perp", "par"))
    np.testing.assert_allclose(ratio["ratio"].isel(pair=0, time=1, x=2), one / two)
    assert (ratio["depth_err"] < 0.1 * ratio["depth"]).any()


def test_limit_of_the_grain_search_is_told_with_its_false_rate(results):
    limit = results.groups["grains/limit"]
    assert 10 < limit.attrs["limit_50"] < limit.attrs["limit_95"] < 400
    assert limit.attrs["limit_50_err"] < 0.1 * limit.attrs["limit_50"]
    assert limit.attrs["false_rate"] < 0.02


def test_early_grains_sit_near_the_prediction_and_have_a_p_value(results):
    tests, predicted = results.groups["epitaxy/tests"], results.groups["epitaxy/predicted"]
    np.testing.assert_allclose(sorted(predicted["azimuth"].values), np.arange(0, 360, 60), atol=0.1)
    enough = tests["so_far_number"].values >= 5
    assert enough.any()
    assert np.isnan(tests["so_far_p"].values[~enough]).all()
    assert np.nanmin(tests["so_far_p"].values) < 0.05


def test_figures_and_movie_of_all_this(results, tmp_path):
    from PIL import Image

    from operando import show
    from operando.show.movie import write_movie

    names = {path.stem for path in show.write_figures(results, tmp_path / "figures")}
    assert {"epitaxy", "grain-limit", "roundness", "LCO003-ratio", "grains"} <= names
    with Image.open(write_movie(results, tmp_path / "c.gif", "xrd/LCO003:c:perp", dpi=50)) as movie:
        assert movie.n_frames == results.groups["xrd"].sizes["time"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('standard = "Ti100"', 'standard = "Ti1"', "no ring is called"),
        ('substrate = "Ti"', 'substrate = "Cu"', "not among"),
        (", grains = true", "", "grains = true"),
    ],
)
def test_what_does_not_exist_is_refused(folder, old, new, told):
    (folder / "bad.toml").write_text((folder / "all.toml").read_text().replace(old, new))
    with pytest.raises(ExperimentError, match=told):
        load_experiment(folder / "bad.toml")
