"""Numbers of Compton scattering that must come out exactly, and the camera."""

from __future__ import annotations

import numpy as np
import pytest

from operando import compton
from operando.core.errors import GeometryError, InputError


def test_peak_and_slopes_of_the_paper():
    assert compton.compton_energy(115.0, 90.0) == pytest.approx(93.874, abs=5e-4)
    assert compton.energy_per_degree(115.0, 90.0) == pytest.approx(-0.301, abs=5e-4)
    assert compton.momentum_slope(115.0, 93.8737665, 90.0) == pytest.approx(1.131, abs=5e-4)
    camera = compton.Pinhole(115.0, (2, 2))
    assert compton.momentum_resolution(camera, 0.8) == pytest.approx(0.905, abs=5e-4)
    assert 2 / compton.momentum_slope(115.0, 93.874, 90.0) == pytest.approx(1.77, abs=0.01)


def test_peak_is_conserved_energy_and_momentum():
    """Independent of the formula: four-momenta of photon and electron at rest, electron on its mass shell."""
    rng = np.random.default_rng(1)
    for energy, angle in zip(rng.uniform(10, 300, 20), rng.uniform(5, 175, 20), strict=True):
        out = compton.compton_energy(energy, angle)
        cos = np.cos(np.deg2rad(angle))
        electron = 510.99895 + energy - out
        momentum2 = energy**2 + out**2 - 2 * energy * out * cos
        assert electron**2 - momentum2 == pytest.approx(510.99895**2, rel=1e-9)


def test_momentum_is_zero_at_the_peak_positive_above_and_inverts():
    angles = np.linspace(60, 150, 7)[:, None]
    peak = compton.compton_energy(115.0, angles)
    assert np.abs(compton.electron_momentum(115.0, peak, angles)).max() < 1e-9
    assert (compton.electron_momentum(115.0, peak + 0.1, angles) > 0).all()
    p = np.linspace(-25, 25, 101)
    energy = compton.scattered_energy(115.0, p, angles)
    assert np.abs(compton.electron_momentum(115.0, energy, angles) - p).max() < 1e-9


def test_jacobian_is_the_derivative():
    energy, step = np.linspace(70, 110, 41), 1e-4
    low, high = (compton.electron_momentum(115.0, energy + s, 87.0) for s in (-step, step))
    assert np.allclose((high - low) / (2 * step), compton.momentum_slope(115.0, energy, 87.0), rtol=1e-7)


def test_angle_from_energies_with_error():
    peak = compton.compton_energy(115.0, 91.3)
    angle, err = compton.scattering_angle(115.0, peak, 0.0, 0.01)
    assert angle == pytest.approx(91.3, abs=1e-9)
    moved = compton.scattering_angle(115.0, peak + 0.01)[0]
    assert err == pytest.approx(abs(moved - angle), rel=1e-3)
    with pytest.raises(InputError, match="no scattering angle"):
        compton.scattering_angle(17.0, 17.5)


def test_cross_section_has_the_thomson_limit_and_its_area():
    assert compton.klein_nishina(0.001, 0.0) == pytest.approx(7.94e-26, rel=1e-3)
    assert compton.klein_nishina(115.0, 90.0, 1.0) > 1.9 * compton.klein_nishina(115.0, 90.0)
    pytest.importorskip("xraylib")
    energy = np.arange(60, 114.9, 0.01)
    p = compton.electron_momentum(115.0, energy, 90.0)
    total = (compton.scattering_weight(115.0, energy, 90.0) * compton.atomic_profile("Li", p)).sum() * 0.01
    assert total == pytest.approx(3 * compton.klein_nishina(115.0, 90.0), rel=0.02)


@pytest.mark.parametrize(
    ("atom", "value"), [("Li", 2.59), ("O", 2.78), ("Mn", 7.16), ("Co", 6.98), ("Ni", 6.90), ("C", 2.89)]
)
def test_profiles_from_shells_agree_with_the_tables_of_atoms(atom, value):
    pytest.importorskip("xraylib")
    assert compton.atomic_profile(atom, 0.0) == pytest.approx(value, abs=0.02)


def test_profiles_sum_to_the_electrons_and_blurring_keeps_them():
    pytest.importorskip("xraylib")
    p = np.arange(-99, 99, 0.02)
    for formula in ("Li", "LiNi0.6Mn0.2Co0.2O2"):
        for blur in (0.0, 0.905):
            area = compton.atomic_profile(formula, p, blur).sum() * 0.02
            assert area == pytest.approx(compton.electrons(formula), rel=0.01)


@pytest.mark.parametrize(
    ("formula", "sharp", "blurred"), [("Li", 0.57, 1.41), ("LiNi0.6Mn0.2Co0.2O2", 1.74, 2.47)]
)
def test_lithium_is_narrower_than_nmc(formula, sharp, blurred):
    pytest.importorskip("xraylib")
    p = np.linspace(0, 4, 4001)
    for blur, width in ((0.0, sharp), (0.905, blurred)):
        j = compton.atomic_profile(formula, p, blur)
        assert 2 * p[np.abs(j - j[0] / 2).argmin()] == pytest.approx(width, abs=0.015)


def test_formulas_are_checked():
    pytest.importorskip("xraylib")
    with pytest.raises(InputError, match="no formula"):
        compton.composition("Ni0.6(Mn")
    with pytest.raises(InputError, match="unknown element"):
        compton.composition("Xx2")


def test_pinhole_inverts_and_tilts():
    camera = compton.Pinhole(115.0, (80, 80), distance_mm=100.0)
    y, x = camera.places_mm()
    assert y[0] == pytest.approx(9.875)
    assert x[-1] == pytest.approx(-9.875)
    angles = camera.angles()
    assert (
        angles[0, 40] > 90 > angles[-1, 40]
    )  # what is further along the beam scatters backwards to the pinhole
    assert angles[0].mean() == pytest.approx(90 + np.rad2deg(np.arctan(0.09875)), abs=0.05)
    assert np.array_equal(camera.upright(camera.upright(angles)), angles)
    assert np.ptp(compton.Pinhole(115.0, (4, 4)).angles()) == 0
    with pytest.raises(GeometryError):
        compton.Pinhole(115.0, (4, 4), angle_deg=200.0)


def test_camera_from_its_own_peaks():
    rng = np.random.default_rng(2)
    true = compton.Pinhole(115.0, (40, 40), 0.5, 90.4, 97.0)
    peak = compton.compton_energy(115.0, true.angles())
    error = np.full(peak.shape, 0.02)
    errors = []
    for _ in range(30):
        found, numbers = compton.refine_pinhole(
            compton.Pinhole(115.0, (40, 40), 0.5, 90.0, 120.0),
            peak + error * rng.standard_normal(peak.shape),
            error,
        )
        errors.append(
            [
                (found.angle_deg - 90.4) / numbers["angle_err_deg"],
                (found.distance_mm - 97.0) / numbers["distance_err_mm"],
            ]
        )
    assert (np.abs(np.mean(errors, axis=0)) < 0.8).all()
    assert (np.std(errors, axis=0) > 0.6).all()
    assert (np.std(errors, axis=0) < 1.4).all()
    with pytest.raises(GeometryError, match="pixels have a Compton peak"):
        compton.refine_pinhole(true, np.full((40, 40), np.nan), error)
