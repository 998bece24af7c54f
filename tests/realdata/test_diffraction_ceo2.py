"""CeO2 on a Pilatus 1M: a wrong flip is noticed, rings lie where lattice and reference pattern have them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from operando.core import Geometry, Phase
from operando.diffraction import check_orientation, fit_peaks, ring_window

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "xrd_ceo2_pilatus1m"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/data/xrd_ceo2_pilatus1m is not here"),
]
CEO2 = Phase.from_parameters("CeO2", a=5.4113, spacegroup="Fm-3m")


@pytest.fixture(scope="module")
def image():
    import fabio

    return fabio.open(str(FOLDER / "CeO2_Pilatus1M.tif")).data


def geometry(image, flip):
    return Geometry.from_poni(FOLDER / "CeO2_Pilatus1M.poni", flip=flip).for_shape(image.shape)


@pytest.mark.parametrize(("flip", "verdict"), [("vertical", "right"), ("none", "wrong"), ("both", "wrong")])
def test_flip(image, flip, verdict):
    found = check_orientation(image, geometry(image, flip))
    assert (found.verdict, found.best) == (verdict, "vertical")
    assert 'flip = "vertical"' in found.message


def two_theta(q, wavelength):
    return np.rad2deg(2 * np.arcsin(q * wavelength / (4 * np.pi)))


def rings(image):
    """Fitted ring positions and those of the lattice in degrees, for rings that the detector shows whole."""
    g = geometry(image, "vertical")
    q, live = g.q(), image >= 0
    edges = np.linspace(1.5, 5.2, 1101)
    counts = np.histogram(q[live], edges, weights=image[live])[0]
    weight = np.histogram(q[live], edges, weights=g.solid_angle()[live])[0]
    centre = 0.5 * (edges[1:] + edges[:-1])
    found = []
    for reflection in CEO2.reflections(4.8, 1.8):
        low, high = ring_window(reflection, half_width=0.06)
        inside = (centre > low) & (centre < high)
        fit = fit_peaks(centre[inside], counts[inside][None], weight[inside], shape="pseudo-voigt")
        found.append((float(fit["q"][0]), reflection.q))
    return two_theta(np.array(found), g.wavelength_A)


def test_rings_lie_where_the_lattice_has_them(image):
    fitted, lattice = rings(image).T
    seen = np.isfinite(fitted)
    assert seen.sum() >= 5
    assert np.abs(fitted - lattice)[seen].max() < 0.004


def test_rings_lie_where_the_reference_pattern_has_them(image):
    angle, intensity = np.loadtxt(FOLDER / "CeO2_Pilatus1M.xy").T
    wavelength = geometry(image, "vertical").wavelength_A
    q = 4 * np.pi / wavelength * np.sin(np.deg2rad(angle) / 2)
    fitted, lattice = rings(image).T
    compared = 0
    for ours, known in zip(fitted, lattice, strict=True):
        near = np.abs(angle - known) < 0.4
        fit = fit_peaks(
            q[near], intensity[near][None] * 100, variance=intensity[near][None] * 100, shape="pseudo-voigt"
        )
        theirs = two_theta(float(fit["q"][0]), wavelength)
        if np.isfinite(theirs) and np.isfinite(ours):
            assert abs(theirs - ours) < 0.004
            compared += 1
    assert compared >= 5


def test_distance_from_these_rings_is_that_of_the_poni(image):
    from operando.diffraction import distance_from_standard

    g = geometry(image, "vertical")
    fitted = rings(image)[0, 0]
    reflection = CEO2.reflections(4.8, 1.8)[0]
    q = 4 * np.pi / g.wavelength_A * np.sin(np.deg2rad(fitted) / 2)
    found = distance_from_standard(q, 1e-5, reflection, g)
    assert abs(found.relative_change) < 5e-4
    moved = distance_from_standard(q, 1e-5, reflection, replace(g, distance_m=g.distance_m * 1.01))
    assert moved.relative_change == pytest.approx(found.relative_change)
