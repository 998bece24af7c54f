"""Symmetric cell: Butler-Volmer for any alphas, parts of the voltage, constriction against an independent solve."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from operando.core.errors import InputError
from operando.models import Interface, SymmetricCell, cell_voltage, interface_from_maps, overpotential

F, R = 96485.33212, 8.31446261815324
TIME = np.linspace(0, 3600, 5)


@pytest.mark.parametrize("alphas", [(0.5, 0.5), (0.3, 0.7), (0.7, 0.2), (1.0, 1.0)])
def test_overpotential_inverts_butler_volmer(alphas):
    i = np.concatenate([-np.logspace(-8, 6, 40), [0.0], np.logspace(-8, 6, 40)])
    eta = overpotential(i, 0.7, *alphas, temperature_K=300.0)
    f = F / (R * 300.0)
    back = 0.7 * (np.expm1(alphas[0] * f * eta) - np.expm1(-alphas[1] * f * eta))
    np.testing.assert_allclose(back, i, rtol=1e-8, atol=1e-15)


def test_overpotential_of_half_is_the_inverse_hyperbolic_sine():
    i = np.linspace(-50, 50, 11)
    expected = 2 * R * 298.15 / F * np.arcsinh(i / 1.4)
    np.testing.assert_allclose(overpotential(i, 0.7), expected, rtol=1e-12)
    np.testing.assert_allclose(overpotential(i, 0.7, 0.5, 0.5 + 1e-12), expected, rtol=1e-9)


def test_larger_anodic_alpha_makes_stripping_easier():
    """What the labels mean: alpha_anodic belongs to the exponential that grows on stripping."""
    strip, plate = overpotential(np.array([10.0, -10.0]), 1.0, 0.7, 0.3)
    assert strip < -plate


def test_voltage_is_the_paper_formula():
    cell = SymmetricCell()
    top, bottom = Interface(0.25 * cell.area_cm2, 12.0), Interface(0.1 * cell.area_cm2, 30.0)
    found = cell_voltage(cell, TIME, top, bottom, current_mA_per_cm2=1.0)
    thermal = 2 * R * cell.temperature_K / F
    kinetic = thermal * (np.arcsinh(4.0 / 2) + np.arcsinh(10.0 / 2))
    ohmic = 1e-3 * (0.1 / 2.1e-3 + 42e-4 / 1e-5)
    np.testing.assert_allclose(found.voltage, kinetic + ohmic, rtol=1e-12)
    parts = sum(
        found[n] for n in ("kinetic_top", "kinetic_bottom", "electrolyte", "interphase", "constriction")
    )
    np.testing.assert_allclose(parts, found.voltage, rtol=1e-12)


def test_total_and_nominal_current_agree_and_reversal_changes_the_sign():
    cell = SymmetricCell()
    top, bottom = Interface(0.004), Interface(0.02)
    areal = cell_voltage(cell, TIME, top, bottom, current_mA_per_cm2=2.0).voltage
    total = cell_voltage(cell, TIME, top, bottom, current_mA=2.0 * cell.area_cm2).voltage
    back = cell_voltage(cell, TIME, top, bottom, current_mA_per_cm2=-2.0).voltage
    np.testing.assert_allclose(areal, total, rtol=1e-12)
    np.testing.assert_allclose(areal, -back, rtol=1e-12)
    lopsided = cell.changed(alpha_anodic=0.3, alpha_cathodic=0.7)
    forth = cell_voltage(lopsided, TIME, top, bottom, current_mA_per_cm2=2.0).voltage
    swapped = cell_voltage(lopsided, TIME, bottom, top, current_mA_per_cm2=-2.0).voltage
    np.testing.assert_allclose(forth, -swapped, rtol=1e-12)


def test_fixed_contact_takes_the_first_time_and_lets_the_interphase_grow():
    cell = SymmetricCell()
    loss = Interface(np.linspace(0.02, 0.002, 5), np.linspace(0, 40, 5))
    moving = cell_voltage(cell, TIME, Interface(0.02), loss, current_mA_per_cm2=1.0)
    fixed = cell_voltage(cell, TIME, Interface(0.02), loss, current_mA_per_cm2=1.0, contact="fixed")
    assert float(moving.kinetic_bottom[-1]) > float(fixed.kinetic_bottom[-1])
    np.testing.assert_allclose(fixed.kinetic_bottom, float(fixed.kinetic_bottom[0]))
    np.testing.assert_allclose(moving.interphase, fixed.interphase)
    less = cell_voltage(cell, TIME, Interface(0.02), loss.scaled(0.25), current_mA_per_cm2=1.0)
    assert (less.voltage > moving.voltage).all()


def test_current_fraction_lowers_the_kinetic_part_only():
    cell = SymmetricCell()
    full = cell_voltage(cell, TIME, Interface(0.01, 5.0), Interface(0.01), current_mA_per_cm2=1.0)
    half = cell_voltage(cell, TIME, Interface(0.01, 5.0, 0.51), Interface(0.01), current_mA_per_cm2=1.0)
    assert float(half.kinetic_top[0]) == pytest.approx(
        float(overpotential(0.51 * cell.area_cm2 / 0.01, 1.0, temperature_K=cell.temperature_K))
    )
    np.testing.assert_allclose(half.interphase, full.interphase)


def test_errors_of_the_inputs_reach_the_voltage(rng):
    cell = SymmetricCell()
    face = Interface(0.01, 20.0, contact_err_cm2=0.001, interphase_err_um=2.0)
    found = cell_voltage(cell, TIME, face, Interface(0.02), current_mA_per_cm2=1.0)
    drawn = [
        float(
            cell_voltage(cell, TIME[:1], Interface(a, t), Interface(0.02), current_mA_per_cm2=1.0).voltage[0]
        )
        for a, t in zip(rng.normal(0.01, 0.001, 2000), rng.normal(20.0, 2.0, 2000), strict=True)
    ]
    assert float(found.voltage_err[0]) == pytest.approx(np.std(drawn), rel=0.08)


# ---------------------------------------------------------------- constriction
def losing_contact(rng, shape=(10, 10)):
    smooth = gaussian_filter(rng.normal(size=shape), 1.0)
    return [smooth > np.quantile(smooth, 1 - share) for share in (0.6, 0.25, 0.04)]


def test_full_contact_has_no_constriction():
    face = interface_from_maps(SymmetricCell(), [np.ones((16, 16), bool)], 2.0, 1.0, interphase_um=10.0)
    assert float(face.constriction_ohm_cm2[0]) == pytest.approx(0.0, abs=1e-4)


def test_slow_kinetics_spread_the_current_at_a_price(rng):
    """Even current through a spot needs more voltage than the current that the electrolyte would choose."""
    maps = [losing_contact(rng, (48, 48))[2]]
    slow, fast = (
        float(
            interface_from_maps(SymmetricCell(exchange_mA_per_cm2=i0), maps, 2.0, 1.0).constriction_ohm_cm2[0]
        )
        for i0 in (0.01, 1e5)
    )
    assert slow > 1.02 * fast > 0


def test_edge_error_gives_errors(rng):
    face = interface_from_maps(SymmetricCell(), losing_contact(rng, (64, 64)), 2.0, 1.0, edge_err_px=0.3)
    assert (np.asarray(face.contact_err_cm2) > 0).all()
    assert (np.asarray(face.constriction_err_ohm_cm2) > 0).all()
    found = cell_voltage(SymmetricCell(), TIME[:3], face, Interface(0.02), current_mA_per_cm2=1.0)
    assert (found.voltage_err > 0).all()


# ---------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("face", "options", "said"),
    [
        (Interface(0.0), {"current_mA": 1.0}, "no current can pass"),
        (Interface(np.full(5, np.nan)), {"current_mA": 1.0}, "no current can pass"),
        (Interface(25.0), {"current_mA": 1.0}, "not a share"),
        (Interface(0.01), {}, "give the current once"),
        (Interface(0.01), {"current_mA": 1.0, "current_mA_per_cm2": 1.0}, "give the current once"),
        (Interface(0.01, lithium_fraction=1.4), {"current_mA": 1.0}, "lithium_fraction"),
        (Interface(np.full(3, 0.01)), {"current_mA": 1.0}, "3 contact areas for 5 times"),
        (Interface(0.01), {"current_mA": 1.0, "contact": "lost"}, "unknown contact"),
        (Interface(0.01), {"current_mA": np.ones(3)}, "3 currents for 5 times"),
    ],
)
def test_bad_input_is_refused(face, options, said):
    with pytest.raises(InputError, match=said):
        cell_voltage(SymmetricCell(), TIME, face, Interface(0.02), **options)


def test_map_without_contact_is_refused():
    with pytest.raises(InputError, match="no contact"):
        interface_from_maps(SymmetricCell(), [np.zeros((8, 8), bool)], 2.0, 1.0)
    with pytest.raises(InputError, match="must be positive"):
        SymmetricCell(exchange_mA_per_cm2=0.0)
