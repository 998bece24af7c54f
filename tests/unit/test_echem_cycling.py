"""Steps, cycles, rates, critical currents, plating and the balance against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from operando.core.errors import InputError
from operando.echem import (
    alignment,
    critical_current_density,
    cycles,
    faraday_thickness,
    lithium_balance,
    lithium_content,
    nyquist,
    plated,
    rate_capability,
    steps,
    summary,
    thin,
)
from operando.echem.clock import Clock


def table(plan, interval=10.0, with_steps=True, instrument_cycles=None) -> xr.Dataset:
    """A record of (hours, mA, volts) pieces; the cycler writes a record at the start and the end of each step."""
    time, current, voltage, step, cycle, begin = [], [], [], [], [], 0.0
    for number, (hours, milliampere, volts) in enumerate(plan):
        t = np.append(np.arange(0, hours * 3600, interval), hours * 3600)
        time.append(begin + t)
        current.append(np.full(len(t), milliampere / 1e3))
        voltage.append(np.broadcast_to(volts, len(t)) if np.ndim(volts) == 0 else np.linspace(*volts, len(t)))
        step.append(np.full(len(t), number if with_steps else 0))
        cycle.append(np.full(len(t), instrument_cycles[number] if instrument_cycles else 0))
        begin += hours * 3600
    t, i = np.concatenate(time), np.concatenate(current)
    charge = np.concatenate([[0], np.cumsum(i[1:] * np.diff(t) / 3.6)])
    return xr.Dataset(
        {
            "time": ("record", t), "utc": ("record", 1.7e9 + t), "voltage": ("record", np.concatenate(voltage)),
            "current": ("record", i), "capacity": ("record", charge),
            "step": ("record", np.concatenate(step).astype(np.int32)),
            "cycle": ("record", np.concatenate(cycle).astype(np.int32)),
        }
    )  # fmt: skip


CYCLE = [(1.0, 0.0, 3.5), (2.0, 0.5, (3.6, 4.2)), (0.5, 0.0, 4.1), (1.9, -0.5, (4.0, 3.4))]


def test_steps_by_hand():
    runs = steps(table(CYCLE), area_cm2=0.25, nominal_mAh=1.0, current_err=1e-6)
    assert list(runs.kind.values) == ["rest", "charge", "rest", "discharge"]
    np.testing.assert_allclose(runs.capacity, [0, 1.0, 0, -0.95], atol=1e-12)
    np.testing.assert_allclose(runs.duration, np.array([1, 2, 0.5, 1.9]) * 3600)
    np.testing.assert_allclose(runs.areal_current, [0, 2.0, 0, -2.0], atol=1e-9)
    np.testing.assert_allclose(runs.c_rate, [0, 0.5, 0, 0.5], atol=1e-9)
    np.testing.assert_allclose(runs.voltage, [3.5, 3.9, 4.1, 3.7], atol=2e-3)
    np.testing.assert_allclose(runs.energy, [0, 3.9e-3, 0, -0.95 * 3.7e-3], atol=2e-6)
    np.testing.assert_allclose(runs.capacity_err[1], 2.0 * 1e-3)


def test_a_switch_without_a_step_index_is_seen_in_the_current():
    assert list(steps(table(CYCLE, with_steps=False)).kind.values) == ["rest", "charge", "rest", "discharge"]


@pytest.mark.parametrize("instrument", [None, [0, 0, 0, 0, 1, 1, 1, 1]])
def test_cycles_and_efficiencies_by_hand(instrument):
    every = cycles(
        table(CYCLE * 2, instrument_cycles=instrument), area_cm2=0.5, nominal_mAh=1.0, current_err=1e-6
    )
    np.testing.assert_allclose(every.charge_capacity, [1.0, 1.0])
    np.testing.assert_allclose(every.discharge_capacity, [0.95, 0.95])
    np.testing.assert_allclose(every.coulombic_efficiency, 0.95)
    # an offset of 1 uA adds to one half and takes from the other: 2e-3 mAh of 1 and 1.9e-3 of 0.95
    np.testing.assert_allclose(every.coulombic_efficiency_err, 0.95 * (2e-3 + 2e-3), rtol=1e-6)
    np.testing.assert_allclose(every.energy_efficiency, 0.95 * 3.7 / 3.9, rtol=1e-3)
    np.testing.assert_allclose(every.discharge_areal_capacity, 1.9)
    np.testing.assert_allclose(every.discharge_rate, 0.5)


def test_half_a_cycle_has_no_efficiency():
    every = cycles(table(CYCLE[:2]))
    assert np.isnan(every.coulombic_efficiency.values).all()
    with pytest.raises(InputError):
        cycles(table(CYCLE), begins_with="somewhere")


def test_rate_capability_averages_equal_rates():
    plan = []
    for rate, hours in ((0.1, 10.0), (0.1, 9.8), (1.0, 0.8), (2.0, 0.3)):
        plan += [(1.0, 0.5, (3.5, 4.2)), (hours, -rate, (4.2, 3.0))]
    found = rate_capability(table(plan), nominal_mAh=1.0)
    np.testing.assert_allclose(found.rate, [0.1, 1.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(found.capacity, [0.99, 0.8, 0.6], rtol=1e-6)
    np.testing.assert_allclose(found.retention, [1.0, 0.8 / 0.99, 0.6 / 0.99], rtol=1e-6)
    assert float(found.capacity_err[0]) == pytest.approx(0.01, rel=1e-6)
    assert np.isnan(float(found.capacity_err[1]))


def stepped(voltages):
    plan = []
    for density, volts in voltages:
        plan += [
            (1.0, density * 0.5, volts),
            (1.0, -density * 0.5, -volts if np.ndim(volts) == 0 else (-volts[1], -volts[0])),
        ]
    return table(plan, interval=60.0)


def test_critical_current_density_between_the_last_good_and_the_first_bad():
    short = stepped([(0.1, 0.02), (0.2, 0.04), (0.3, 0.06), (0.4, (0.08, 0.005)), (0.5, 0.001)])
    found = critical_current_density(short, area_cm2=0.5)
    assert str(found.reason.values) == "short"
    assert float(found.last_good) == pytest.approx(0.3)
    assert float(found.critical) == pytest.approx(0.35)
    assert float(found.critical_err) == pytest.approx(0.1 / np.sqrt(12))
    high = critical_current_density(
        stepped([(0.1, 0.02), (0.2, 0.04), (0.3, 1.5)]), area_cm2=0.5, limit_V=1.0
    )
    assert str(high.reason.values) == "polarisation"
    good = critical_current_density(stepped([(0.1, 0.02), (0.2, 0.04)]), area_cm2=0.5)
    assert str(good.reason.values) == "none"
    assert np.isnan(float(good.critical))
    assert float(good.last_good) == pytest.approx(0.2)


def test_faraday_thickness_is_4_85_um_per_mAh_cm2():
    assert faraday_thickness(1.0) == pytest.approx(4.85, abs=0.005)


def test_plated_thickness_and_its_error_by_hand():
    capacity = xr.DataArray([0.0, 0.01, 0.02], dims="time")
    found = plated(capacity, 0.01, area_err_cm2=5e-4, capacity_err=1e-4, efficiency=0.9, efficiency_err=0.02)
    per = 3.6 / 96485.33212 * 13.0 * 1e4
    np.testing.assert_allclose(found.thickness, np.array([0, 1, 2]) * 0.9 * per)
    areal_err = np.hypot(0.01, 2.0 * 0.05)
    np.testing.assert_allclose(found.thickness_err[2], per * np.hypot(areal_err * 0.9, 2 * 0.02))


def test_the_balance_closes_for_dense_lithium_and_finds_what_is_missing(rng):
    area = 0.01
    charge = xr.DataArray(np.linspace(0, 0.02, 11), dims="time")
    rise_um = faraday_thickness(charge / area)
    volume = rise_um * 1e-4 * area * 1e12
    closed = lithium_balance(charge, area_cm2=area, volume_um3=volume, displacement_um=rise_um)
    np.testing.assert_allclose(closed.missing_volume, 0, atol=1e-9)
    np.testing.assert_allclose(closed.excess_displacement, 0, atol=1e-9)
    pulls = []
    for _ in range(400):
        seen = 0.9 * volume + rng.normal(0, 2e4, 11)
        rise = 1.2 * rise_um + rng.normal(0, 0.1, 11)
        found = lithium_balance(
            charge,
            area_cm2=area,
            volume_um3=seen,
            volume_err_um3=2e4,
            displacement_um=rise,
            displacement_err_um=0.1,
        )
        pulls.append(float((found.missing_fraction[-1] - 0.1) / found.missing_fraction_err[-1]))
        pulls.append(
            float(
                (found.excess_displacement[-1] - 0.2 * found.charge[-1]) / found.excess_displacement_err[-1]
            )
        )
    assert np.std(pulls) == pytest.approx(1.0, abs=0.1)
    assert np.isnan(float(closed.missing_fraction[0]))
    with pytest.raises(InputError, match="volume_um3"):
        lithium_balance(charge, area_cm2=area)


def test_one_area_for_charge_and_images_does_not_blur_their_ratio():
    charge, area = xr.DataArray([0.01], dims="time"), 0.01
    volume = faraday_thickness(charge / area) * 1e-4 * area * 1e12
    shared = lithium_balance(charge, area_cm2=area, area_err_cm2=1e-3, volume_um3=0.8 * volume)
    assert float(shared.missing_fraction_err[0]) == pytest.approx(0.0, abs=1e-12)
    apart = lithium_balance(
        charge,
        area_cm2=area,
        area_err_cm2=1e-3,
        volume_um3=0.8 * volume,
        imaged_area_cm2=area,
        imaged_area_err_cm2=0.0,
    )
    assert float(apart.missing_fraction_err[0]) == pytest.approx(0.08, rel=1e-6)


def test_lithium_content_falls_by_charge_from_the_ordering_point():
    found = lithium_content(
        xr.DataArray([0.5, 0.6], dims="record"), ordering_mAh=0.5, full_mAh=2.0, ordering_err_mAh=0.01
    )
    np.testing.assert_allclose(found.x, [0.5, 0.45])
    np.testing.assert_allclose(found.x_err, 0.005)
    with pytest.raises(InputError):
        lithium_content(xr.DataArray([0.5], dims="record"), ordering_mAh=0.5, full_mAh=0.0)


def test_a_thinned_record_keeps_every_extreme(rng):
    record = table(CYCLE * 20, interval=2.0)
    spiked = record.assign(voltage=record.voltage.copy(data=record.voltage.values))
    spiked["voltage"][12_345] = 9.9
    shown = thin(spiked, points=600)
    assert shown.sizes["record"] < 1000
    assert 12_345 in shown.record.values
    np.testing.assert_array_equal(shown.voltage, spiked.voltage.values[shown.record.values])
    for name in ("voltage", "current", "capacity"):
        assert float(shown[name].max()) == float(spiked[name].max())
        assert float(shown[name].min()) == float(spiked[name].min())
    assert thin(record.isel(record=slice(0, 50)), points=600).sizes["record"] == 50


def test_the_alignment_figure_puts_switches_on_the_clock_of_the_detector():
    record = table(CYCLE)
    utc = 1.7e9 - 100.0 + np.arange(0, 5 * 3600, 15.0)
    figure = alignment(utc, np.zeros(len(utc)), record, Clock(offset_s=40.0, offset_err_s=2.0))
    np.testing.assert_allclose(figure.event_time, np.array([1.0, 3.0, 3.5]) * 3600 - 40.0 + 100.0)
    np.testing.assert_allclose(figure.event_err, 2.0)


def test_nyquist_and_bode_columns():
    spectrum = xr.Dataset(
        {"z_re": ("frequency", [3.0]), "z_im": ("frequency", [-4.0])}, coords={"frequency": [1.0]}
    )
    figure = nyquist(spectrum)
    assert float(figure.modulus[0]) == 5.0
    assert float(figure.minus_z_im[0]) == 4.0
    assert float(figure.phase[0]) == pytest.approx(-53.13, abs=0.01)


def test_the_quick_look_says_what_was_measured():
    said = summary(
        table(CYCLE * 2).assign_attrs(format="csv", start="", start_local="", warnings=["beware"]),
        area_cm2=0.5,
    )
    assert said["steps"] == "2 charge, 2 discharge, 4 rest"
    assert said["charge capacity"] == "1 mAh first, 1 mAh last (2 mAh/cm2)"
    assert said["coulombic efficiency"].startswith("95.00%")
    assert said["started"] == "unknown"
    assert said["note 1"] == "beware"
