"""Conductivity, interfacial resistance, activation energy and diffusion, recovered with honest errors."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from operando.core.errors import InputError
from operando.core.flags import Flag
from operando.echem import (
    area_resistance,
    arrhenius,
    circuit_impedance,
    conductivity,
    cottrell,
    film_diffusion,
    fit_circuit,
    fit_series,
    kramers_kronig,
    sweep_onset,
)

FREQUENCY = np.geomspace(2e5, 0.05, 60)
CIRCUIT = "R0-p(R1,CPE1)-p(R2,CPE2)"
# polymer electrolyte: 30 um, 0.5 cm2, 1.75e-4 S/cm; interface 87.3 Ohm cm2; charge transfer 40 Ohm
THICKNESS_UM, AREA_CM2, SIGMA, R_INT = 30.0, 0.5, 1.75e-4, 87.3
TRUTH = np.array([THICKNESS_UM * 1e-4 / (SIGMA * AREA_CM2), R_INT / AREA_CM2, 2e-6, 0.85, 40.0, 1.5e-3, 0.9])


def spectrum(rng, truth=TRUTH, noise=0.003, circuit=CIRCUIT, **attrs):
    z = circuit_impedance(circuit, truth, FREQUENCY)
    z = z + noise * np.abs(z) * (rng.normal(size=len(z)) + 1j * rng.normal(size=len(z)))
    return xr.Dataset(
        {"z_re": ("frequency", z.real), "z_im": ("frequency", z.imag)},
        coords={"frequency": FREQUENCY},
        attrs=attrs,
    )


def test_conductivity_and_interfacial_resistance_have_pulls_of_one(rng):
    pulls = []
    for _ in range(200):
        fit = fit_circuit(spectrum(rng), CIRCUIT, TRUTH * rng.uniform(0.85, 1.1, 7))
        r0, err = float(fit.value[0]), float(fit.value_err[0])
        sigma = conductivity(r0, thickness_um=THICKNESS_UM, area_cm2=AREA_CM2, resistance_err=err)
        interface = area_resistance(fit, "R1", area_cm2=AREA_CM2)
        pulls.append(
            [
                (float(sigma.conductivity) - SIGMA) / float(sigma.conductivity_err),
                (float(interface.resistance) - R_INT) / float(interface.resistance_err),
            ]
        )
        assert int(fit.flag) == 0
    width = np.sqrt(np.mean(np.square(pulls), axis=0))
    assert (width > 0.8).all(), width
    assert (width < 1.2).all(), width


def test_given_errors_are_absolute_and_goodness_is_one(rng):
    data = spectrum(rng, noise=0.003)
    err = 0.003 * np.hypot(data.z_re.values, data.z_im.values)
    fit = fit_circuit(data, CIRCUIT, TRUTH, z_err=err)
    assert float(fit.goodness) == pytest.approx(1.0, abs=0.4)
    twice = fit_circuit(data, CIRCUIT, TRUTH, z_err=2 * err)
    np.testing.assert_allclose(twice.value_err, 2 * fit.value_err, rtol=1e-3)


def test_the_error_of_a_sum_of_resistances_uses_their_correlation(rng):
    sums, errors = [], []
    for _ in range(25):
        total = area_resistance(fit_circuit(spectrum(rng), CIRCUIT, TRUTH), ["R1", "R2"], area_cm2=1.0)
        sums.append(float(total.resistance))
        errors.append(float(total.resistance_err))
    assert np.std(sums) == pytest.approx(np.mean(errors), rel=0.4)


def test_a_series_follows_the_interface_by_state_of_charge(rng):
    states = np.linspace(87.3, 99.6, 6)
    spectra = [
        spectrum(rng, np.r_[TRUTH[0], r / AREA_CM2, TRUTH[2:]], voltage=4.2 - 0.1 * i)
        for i, r in enumerate(states)
    ]
    series = fit_series(spectra, CIRCUIT, TRUTH)
    found = area_resistance(series, "R1", area_cm2=AREA_CM2)
    assert (np.abs(found.resistance - states) < 4 * found.resistance_err).all()
    np.testing.assert_allclose(series.voltage, 4.2 - 0.1 * np.arange(6))


def test_a_circuit_that_does_not_fit_is_flagged(rng):
    fit = fit_circuit(spectrum(rng), "R0-p(R1,C1)", [30.0, 200.0, 1e-5])
    assert int(fit.flag) & Flag.POOR_FIT


@pytest.mark.parametrize("circuit", ["R0-p(R1", "R0-Q1", "R0-R0", "R0+R1", "R0-p(R1,CPE1)-"])
def test_a_circuit_that_is_not_understood_gives_one_clear_error(circuit):
    with pytest.raises(InputError):
        fit_circuit(spectrum(np.random.default_rng(0)), circuit, [1.0, 1.0])


@pytest.mark.parametrize(
    ("circuit", "values", "limit_low", "limit_high"),
    [
        ("R0-p(R1,C1)", [10, 50, 1e-6], 60, 10),
        ("R0-Ws1", [10, 30, 2.0], 40, 10),
        ("R0-p(R1-p(R2,C2),C1)", [5, 20, 30, 1e-3, 1e-6], 55, 5),
    ],
)
def test_circuits_have_the_right_limits(circuit, values, limit_low, limit_high):
    low, high = circuit_impedance(circuit, values, np.array([1e-7, 1e12]))
    assert low.real == pytest.approx(limit_low, rel=1e-3)
    assert high.real == pytest.approx(limit_high, rel=1e-3)


def test_kramers_kronig_passes_a_true_spectrum_and_finds_a_drift(rng):
    good = kramers_kronig(spectrum(rng, noise=1e-3))
    assert good.attrs["rms"] < 3e-3
    drifting = spectrum(rng, noise=1e-3)
    growth = 1 + 0.3 * (np.arange(60) / 59) ** 4
    bad = kramers_kronig(drifting.assign(z_re=drifting.z_re * growth))
    assert bad.attrs["rms"] > 3 * good.attrs["rms"]


def test_arrhenius_recovers_the_activation_energy_with_pulls_of_one(rng):
    temperature = np.array([298.0, 308.0, 318.0, 328.0, 338.0])
    truth, pulls = 62.0, []
    for _ in range(200):
        value = 1e4 * np.exp(-truth * 1e3 / 8.31446261815324 / temperature)
        err = 0.05 * value
        fit = arrhenius(temperature, value + rng.normal(0, err), err)
        pulls.append((float(fit.activation_energy) - truth) / float(fit.activation_energy_err))
    assert np.std(pulls) == pytest.approx(1.0, abs=0.15)
    assert float(fit.activation_energy_eV) == pytest.approx(float(fit.activation_energy) / 96.485, rel=1e-4)


def transient(time, diffusion, length_cm, charge_C):
    k = (2 * np.arange(400) + 1) ** 2 * np.pi**2 / 4
    rate = diffusion / length_cm**2
    return 2 * charge_C * rate * np.exp(-k[None, :] * rate * time[:, None]).sum(axis=1)


def test_diffusion_in_a_film_is_recovered_with_pulls_of_one(rng):
    time, truth, pulls = np.geomspace(1, 3e4, 400), 2e-10, []
    for _ in range(200):
        clean = transient(time, truth, 10e-4, 0.36)
        fit = film_diffusion(time, clean + 2e-6 + rng.normal(0, 1e-6, len(time)), thickness_um=10.0)
        pulls.append((float(fit.D) - truth) / float(fit.D_err))
    assert 0.8 < np.sqrt(np.mean(np.square(pulls))) < 1.2
    assert float(fit.charge) == pytest.approx(0.1, rel=0.02)


def test_cottrell_is_the_short_time_limit_of_the_same_film(rng):
    time, truth = np.linspace(1, 200, 500), 2e-10
    concentration, area, length = 0.02, 0.5, 10e-4
    charge = 96485.33212 * concentration * area * length
    current = transient(time, truth, length, charge) + rng.normal(0, 1e-9, 500)
    fit = cottrell(time, current, area_cm2=area, concentration_mol_cm3=concentration)
    assert float(fit.D) == pytest.approx(truth, rel=0.01)


def test_the_onset_of_a_sweep_by_its_rule(rng):
    volts = np.linspace(3.0, 5.2, 4401)
    density = np.where(volts > 4.3, 0.001 * np.exp((volts - 4.5) / 0.05), 0.0)
    onsets, errors = [], []
    for _ in range(30):
        current = (density + rng.normal(0, 2e-5, len(volts))) * AREA_CM2 / 1e3
        found = sweep_onset(volts, current, area_cm2=AREA_CM2)
        onsets.append(float(found.onset))
        errors.append(float(found.onset_err))
    assert abs(np.mean(onsets) - 4.5) < 3 * np.mean(errors)
    assert np.std(onsets) < 2 * np.mean(errors)
    never = sweep_onset(volts, np.zeros(4401), area_cm2=1.0)
    assert np.isnan(float(never.onset))
    assert int(never.flag) == Flag.NO_DATA
