"""Geometry against trigonometry done by hand and against pyFAI."""

import numpy as np
import pytest

from operando.core import Geometry
from operando.core.errors import GeometryError

SHAPE = (200, 300)
FLAT = Geometry(0.1, 0.01, 0.02, 0.6888, (75e-6, 75e-6), SHAPE)


def by_hand(geometry):
    """q and azimuth without tilts: row grows up, column grows right (orientation 3)."""
    up = (np.arange(SHAPE[0]) + 0.5)[:, None] * 75e-6 - geometry.poni1_m
    right = (np.arange(SHAPE[1]) + 0.5)[None, :] * 75e-6 - geometry.poni2_m
    two_theta = np.arctan2(np.hypot(up, right), geometry.distance_m)
    q = 4 * np.pi * np.sin(two_theta / 2) / geometry.wavelength_A
    return q, np.degrees(np.arctan2(up, right)) % 360


def test_q_and_azimuth_by_hand():
    q, azimuth = by_hand(FLAT)
    assert FLAT.q() == pytest.approx(q, rel=1e-9)
    difference = (FLAT.azimuth() - azimuth + 180) % 360 - 180
    assert np.abs(difference).max() < 1e-4
    assert FLAT.azimuth().min() >= 0
    assert FLAT.azimuth().max() < 360


@pytest.mark.parametrize(("orientation", "flips"), [(3, ()), (4, (1,)), (2, (0,)), (1, (0, 1))])
def test_orientation_says_which_corner_came_first(orientation, flips):
    """The same scene stored from another corner: the PONI is counted from that corner too, in pyFAI."""
    from pyFAI.detectors import Detector
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    geometry = Geometry(0.1, 0.01, 0.02, 0.6888, (75e-6, 75e-6), SHAPE, orientation=orientation)
    peer = AzimuthalIntegrator(
        0.1,
        0.01,
        0.02,
        detector=Detector(75e-6, 75e-6, max_shape=SHAPE, orientation=orientation),
        wavelength=0.6888e-10,
    )
    assert geometry.q() == pytest.approx(peer.center_array(unit="q_A^-1"))
    chi = np.degrees(peer.center_array(unit="chi_rad")) % 360
    assert np.abs((geometry.azimuth() - chi + 180) % 360 - 180).max() < 1e-4


@pytest.mark.parametrize(("flip", "axes"), [("vertical", 0), ("horizontal", 1), ("both", (0, 1))])
def test_flip_turns_the_stored_image(flip, axes):
    turned = Geometry(0.1, 0.01, 0.02, 0.6888, (75e-6, 75e-6), SHAPE, flip=flip)
    assert (turned.q() == np.flip(FLAT.q(), axes)).all()


POSITION = "Distance: 0.1\nPoni1: 0.01\nPoni2: 0.02\nRot1: 0\nRot2: 0\nRot3: 0\n"
WAVE = "Wavelength: 6.888e-11\n"
V1 = "PixelSize1: 7.5e-05\nPixelSize2: 7.5e-05\n" + POSITION
PLAIN = '"pixel1": 7.5e-05, "pixel2": 7.5e-05, "max_shape": [200, 300]'
V2 = f"poni_version: 2\nDetector: Detector\nDetector_config: {{{PLAIN}}}\n" + POSITION
V21 = f'poni_version: 2.1\nDetector: Detector\nDetector_config: {{{PLAIN}, "orientation": 3}}\n' + POSITION


@pytest.mark.parametrize("text", [V1 + WAVE, V2 + WAVE, V21 + WAVE])
def test_every_version_of_poni(tmp_path, text):
    file = tmp_path / "a.poni"
    file.write_text(text)
    geometry = Geometry.from_poni(file).for_shape(SHAPE)
    assert geometry.q() == pytest.approx(FLAT.q(), rel=1e-9)


def test_orientation_of_poni_21_is_kept(tmp_path):
    file = tmp_path / "a.poni"
    file.write_text(
        f'poni_version: 2.1\nDetector: Eiger4M\nDetector_config: {{"orientation": 2}}\n{POSITION}{WAVE}'
    )
    geometry = Geometry.from_poni(file)
    assert (geometry.orientation, geometry.shape, geometry.detector) == (2, (2167, 2070), "Eiger4M")
    assert 0.02 < geometry.detector_mask().mean() < 0.1


def test_another_detector_size_is_refused():
    with pytest.raises(GeometryError, match="images are 100 x 100 pixels, the geometry is for 200 x 300"):
        FLAT.for_shape((100, 100))


@pytest.mark.parametrize("text", ["", "hello", "Distance: abc\n", "\x00\x01"])
def test_what_is_no_poni_is_refused(tmp_path, text):
    file = tmp_path / "a.poni"
    file.write_text(text)
    with pytest.raises(GeometryError):
        Geometry.from_poni(file)


def test_a_poni_without_wavelength_is_refused(tmp_path):
    file = tmp_path / "a.poni"
    file.write_text(V1)
    with pytest.raises(GeometryError, match="wavelength"):
        Geometry.from_poni(file)


def test_geometry_survives_pickling():
    import pickle

    _ = FLAT.integrator
    assert pickle.loads(pickle.dumps(FLAT)) == FLAT
