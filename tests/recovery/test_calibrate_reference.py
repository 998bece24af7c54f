"""A geometry refined on the rings of a reference: the true one comes back, within its errors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from operando.core import ArrayFrames, Geometry
from operando.core.errors import InputError
from operando.flow.calibrate import calibrate, calibrate_file, sentences, write_poni

CEO2 = 5.4113 / np.sqrt([3, 4, 8, 11, 12, 16, 19, 20, 24])
TRUE = Geometry(0.12, 0.0355, 0.0425, 0.4959, (1.5e-4, 1.5e-4), (512, 480), 0.006, -0.009)
START = replace(TRUE, distance_m=0.1207, poni1_m=0.0358, poni2_m=0.0423, rot1=0.004, rot2=-0.006)
NAMES = ("distance_m", "poni1_m", "poni2_m", "rot1", "rot2")
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "xrd_ceo2_pilatus1m"


@pytest.fixture(scope="module")
def ceo2(tmp_path_factory):
    """A file of spacings: names of calibrants have lattice parameters of their own."""
    path = tmp_path_factory.mktemp("reference") / "ceo2.D"
    path.write_text("# CeO2\n" + "\n".join(f"{d:.7f}" for d in CEO2) + "\n")
    return path


def rings(rng, counts=60.0):
    """Poisson counts of rings 1.6 pixels wide on a flat background, with a dead module gap."""
    two_theta = np.deg2rad(TRUE.two_theta())
    sigma = 1.6 * TRUE.pixel_m[0] / TRUE.distance_m
    image = np.full(two_theta.shape, 4.0)
    for d in CEO2:
        centre = 2 * np.arcsin(TRUE.wavelength_A / (2 * d))
        image += counts * np.exp(-0.5 * ((two_theta - centre) / (sigma * np.cos(centre) ** 2)) ** 2)
    image = rng.poisson(image).astype(np.uint32)
    image[250:262] = 2**32 - 1
    return image


def frames(image):
    return ArrayFrames(image[None], dead_value=2**32 - 1)


def test_the_true_geometry_is_found_within_its_errors(ceo2):
    pulls = []
    for seed in range(8):
        parameters = calibrate(frames(rings(np.random.default_rng(seed))), START, ceo2).found.parameters
        true = np.array([getattr(TRUE, name) for name in NAMES])
        cov = parameters["covariance"].values
        off = parameters["value"].values - true
        pulls.append(np.linalg.solve(np.linalg.cholesky(cov), off))  # distance and tilts go together
        assert parameters.attrs["goodness"] < 1.6
        assert abs(off[0]) < 2e-5
    assert 0.75 < np.sqrt(np.mean(np.square(pulls))) < 1.3


def test_residuals_before_are_those_of_the_start():
    done = calibrate(frames(rings(np.random.default_rng(1))), START, "CeO2")
    points = done.found.points
    assert float(np.abs(points["residual_start"]).max()) > 20 * float(points["residual"].std())
    assert list(done.found.parameters["start"].values) == [getattr(START, name) for name in NAMES]
    assert any(topic == "distance" and "was 120.7" in text for topic, text in sentences(done))


def test_a_grain_on_a_ring_is_left_out():
    image = rings(np.random.default_rng(2))
    two_theta, azimuth = TRUE.two_theta(), TRUE.azimuth()
    edge = np.rad2deg(2 * np.arcsin(TRUE.wavelength_A / (2 * CEO2[2]))) * 1.006
    spot = (abs(two_theta - edge) < 0.04) & (abs(azimuth - 42.5) < 2)
    image[spot] += 900
    done = calibrate(frames(image), START, "CeO2")
    assert not done.found.points["used"].values.all()
    assert abs(done.geometry.distance_m - TRUE.distance_m) < 2e-5


def test_a_written_poni_is_read_as_it_was(tmp_path):
    write_poni(TRUE, tmp_path / "true.poni")
    again = Geometry.from_poni(tmp_path / "true.poni")
    np.testing.assert_allclose(again.q(), TRUE.q(), rtol=1e-12)
    assert again.orientation == TRUE.orientation


@pytest.mark.parametrize(("change", "reference", "words"), [
    ({}, "CeO3", "no reference powder"),
    ({"distance_m": 1.2}, "CeO2", "no ring of the reference"),
    ({"distance_m": 0.11}, "CeO2", "places on the rings"),
    ({"distance_m": 0.13}, "CeO2", "pixels off"),
    ({"distance_m": 0.2}, "CeO2", "pixels off"),
])  # fmt: skip
def test_what_cannot_be_refined_is_told(change, reference, words):
    with pytest.raises(InputError, match=words):
        calibrate(frames(rings(np.random.default_rng(3))), replace(START, **change), reference)


def test_an_output_that_exists_and_a_wrong_flip_are_refused(tmp_path):
    import fabio.tifimage

    image = rings(np.random.default_rng(4))
    fabio.tifimage.TifImage(data=image).write(str(tmp_path / "ceo2.tif"))
    write_poni(START, tmp_path / "start.poni")
    args = (tmp_path / "ceo2.tif", tmp_path / "start.poni", "CeO2")
    with pytest.raises(InputError, match="exists already"):
        calibrate_file(*args, tmp_path / "start.poni")
    with pytest.raises(InputError, match="sharper"):
        calibrate_file(*args, tmp_path / "new.poni", flip="horizontal")
    assert not (tmp_path / "new.poni").exists()
    calibrate_file(*args, tmp_path / "new.poni")
    assert abs(Geometry.from_poni(tmp_path / "new.poni").distance_m - TRUE.distance_m) < 3e-5


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/xrd_ceo2_pilatus1m is not here")
def test_a_pilatus_frame_leads_back_to_the_poni_made_by_others(tmp_path):
    given = Geometry.from_poni(REAL / "CeO2_Pilatus1M.poni", flip="vertical")
    moved = replace(
        given, distance_m=1.01 * given.distance_m, poni1_m=given.poni1_m + 4e-4, rot1=given.rot1 + 2e-3
    )
    write_poni(moved.for_shape((1043, 981)), tmp_path / "moved.poni")
    done = calibrate_file(
        REAL / "CeO2_Pilatus1M.tif", tmp_path / "moved.poni", "CeO2", tmp_path / "out.poni", flip="vertical"
    )
    points = done.found.points
    rest = points["residual"].values[points["used"].values]
    assert np.sqrt((rest**2).mean()) < 0.008  # deg: a sixth of a pixel, what its modules leave
    assert abs(done.geometry.distance_m / given.distance_m - 1) < 3e-4
