"""Flatness of a ring, distance from a standard and orientation on images of known geometry."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from operando.core import Geometry, Phase
from operando.core.errors import GeometryError, InputError
from operando.diffraction import azimuth_flatness, check_orientation, distance_from_standard

SHAPE = (400, 360)
TILTED = Geometry(0.1, 0.021, 0.013, 0.7, (1e-4, 1e-4), SHAPE, rot1=0.03, rot2=-0.02)
AU = Phase.from_parameters("Au", a=4.078, spacegroup="Fm-3m")


def rings(geometry, counts=30.0, seed=0):
    q = geometry.q()
    lam = 2 + counts * sum(np.exp(-0.5 * ((q - r.q) / 0.02) ** 2) for r in AU.reflections(6.0))
    return np.random.default_rng(seed).poisson(lam).astype(np.uint32)


@pytest.mark.parametrize("flip", ["none", "vertical", "horizontal", "both"])
def test_the_flip_of_the_image_is_found_whatever_was_given(flip):
    image = rings(replace(TILTED, flip=flip))
    image[5:9] = 2**32 - 1  # dead rows
    for given in ("none", "vertical", "horizontal", "both"):
        found = check_orientation(image, replace(TILTED, flip=given))
        assert found.best == flip
        assert found.verdict == ("right" if given == flip else "wrong")


def test_an_image_that_cannot_tell_is_undecided():
    centred = Geometry(0.1, SHAPE[0] / 2 * 1e-4, SHAPE[1] / 2 * 1e-4, 0.7, (1e-4, 1e-4), SHAPE)
    assert check_orientation(rings(centred), centred).verdict == "undecided"
    flat = np.random.default_rng(0).poisson(3, SHAPE)
    assert check_orientation(flat, TILTED).verdict == "undecided"


def test_image_of_another_size():
    with pytest.raises(GeometryError, match="pixels"):
        check_orientation(np.ones((10, 400)), TILTED)
    with pytest.raises(InputError, match="live pixels"):
        check_orientation(-np.ones(SHAPE), TILTED)


def wavy(first=3e-4, second=2e-4, err=1e-4, seed=0, q0=2.669):
    azimuth = np.arange(0, 360, 10.0)
    phi = np.deg2rad(azimuth)
    q = q0 * (1 + first * np.cos(phi - np.deg2rad(50)) + second * np.cos(2 * (phi - np.deg2rad(120))))
    noise = err * np.random.default_rng(seed).standard_normal(q.size)
    return xr.Dataset(
        {"q": ("azimuth", q + noise), "q_err": ("azimuth", np.full(q.size, err))}, {"azimuth": azimuth}
    )


def test_harmonics_are_recovered_with_honest_errors():
    many = [azimuth_flatness(wavy(seed=s)) for s in range(300)]
    amplitude = np.array([m["amplitude"].values for m in many])
    error = np.array([m["amplitude_err"].values for m in many])
    np.testing.assert_allclose(amplitude.mean(0), [3e-4, 2e-4], rtol=0.02)
    np.testing.assert_allclose(((amplitude - [3e-4, 2e-4]) / error).std(0), 1, atol=0.12)
    np.testing.assert_allclose(np.mean([m["phase"] for m in many], 0), [50, 120], atol=1)
    assert np.mean([m["goodness"] for m in many]) == pytest.approx(1, abs=0.05)
    assert float(many[0]["p_flat"]) < 1e-6


def test_a_flat_ring_is_flat_with_uniform_p():
    p = np.array([float(azimuth_flatness(wavy(0, 0, seed=s))["p_flat"]) for s in range(400)])
    assert np.abs(np.sort(p) - np.linspace(0, 1, 400)).max() < 0.08


def test_too_little_of_the_ring_is_refused():
    with pytest.raises(InputError, match="half of the ring"):
        azimuth_flatness(wavy().sel(azimuth=slice(0, 160)))
    with pytest.raises(InputError, match="azimuths"):
        azimuth_flatness(wavy().isel(azimuth=slice(None, None, 9)))


def test_wrong_distance_is_mended_by_a_ring_of_known_spacing():
    reflection, wrong = AU.reflection((1, 1, 1)), 1.013
    geometry = Geometry(0.2 * wrong, 0.02, 0.02, 0.6888, (75e-6, 75e-6), (500, 500))
    angle = 2 * np.arcsin(reflection.q * 0.6888 / (4 * np.pi))
    seen = 4 * np.pi / 0.6888 * np.sin(np.arctan(np.tan(angle) / wrong) / 2)
    found = distance_from_standard(seen, 1e-4, reflection, geometry)
    assert found.distance_m == pytest.approx(0.2, rel=1e-9)
    assert found.applied_to(geometry).distance_m == found.distance_m
    nudged = distance_from_standard(seen + 1e-4, 1e-4, reflection, geometry)
    assert nudged.distance_m - found.distance_m == pytest.approx(found.distance_err_m, rel=1e-3)
