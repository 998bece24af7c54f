"""dQ/dV, dV/dQ and the ordering point of LiCoO2, recovered from a voltage curve with known derivative."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.special import erf

from operando.core.flags import Flag
from operando.echem import branch, differential_capacity, differential_voltage, ordering_point, voltage_noise

# true dQ/dV: background and three peaks (place V, width V, charge mAh): 3.92 plateau and the pair around ordering
PEAKS = [(3.92, 0.010, 0.60), (4.07, 0.012, 0.07), (4.18, 0.012, 0.07)]
LEVEL, LOW, HIGH = 1.0, 3.80, 4.25


def true_dqdv(volts, broaden=0.0):
    total = np.full(len(volts), LEVEL)
    for place, width, area in PEAKS:
        s = np.hypot(width, broaden)
        total += area / (s * np.sqrt(2 * np.pi)) * np.exp(-0.5 * ((volts - place) / s) ** 2)
    return total


def true_charge(volts):
    total = LEVEL * (volts - LOW)
    for place, width, area in PEAKS:
        total = total + 0.5 * area * (
            erf((volts - place) / width / np.sqrt(2)) - erf((LOW - place) / width / np.sqrt(2))
        )
    return total


def charge_curve(rng, noise=5e-4, records=6000, sign=1):
    fine = np.linspace(LOW, HIGH, 200_001)
    charge = np.linspace(0, true_charge(np.array([HIGH]))[0], records)
    volts = np.interp(charge, true_charge(fine), fine) + rng.normal(0, noise, records)
    if sign < 0:
        charge, volts = -charge, volts[::-1]
    time = np.arange(records) * 10.0
    return xr.Dataset(
        {
            "time": ("record", time), "utc": ("record", time), "voltage": ("record", volts),
            "current": ("record", np.full(records, sign * 1e-4)), "capacity": ("record", charge),
            "step": ("record", np.ones(records, np.int32)), "cycle": ("record", np.zeros(records, np.int32)),
        }
    )  # fmt: skip


@pytest.mark.parametrize("sign", [1, -1])
def test_dqdv_is_the_truth_broadened_as_stated_with_pulls_of_one(rng, sign):
    pulls = []
    for _ in range(10):
        curve = differential_capacity(
            branch(charge_curve(rng, sign=sign), kind="charge" if sign > 0 else "discharge")
        )
        good = curve.dqdv_flag.values == 0
        total = curve.attrs["resolution_V"] / 2.354820045
        pull = (curve.dqdv - true_dqdv(curve.voltage.values, total)).values / curve.dqdv_err.values
        pulls.append(pull[good][::8])  # values closer than the smoothing are one value
    width = np.sqrt(np.mean(np.concatenate(pulls) ** 2))
    assert 0.8 < width < 1.25, width


def test_dqdv_conserves_the_charge_and_knows_its_noise(rng):
    part = branch(charge_curve(rng, noise=3e-4))
    curve = differential_capacity(part)
    total = float(curve.dqdv.sum() * np.diff(curve.voltage.values)[0])
    assert total == pytest.approx(curve.attrs["capacity_mAh"], rel=0.01)
    assert curve.attrs["voltage_noise_V"] == pytest.approx(3e-4, rel=0.1)


def test_a_voltage_in_steps_of_the_converter_has_their_noise():
    volts = np.round(np.linspace(3.8, 4.2, 5000) / 0.001) * 0.001
    assert voltage_noise(volts) == pytest.approx(0.001 / np.sqrt(12), rel=0.05)


def test_dvdq_is_the_truth_smoothed_with_pulls_of_one(rng):
    pulls = []
    for _ in range(10):
        part = charge_curve(rng)
        curve = differential_voltage(part, sigma_mAh=0.02)
        fine = np.linspace(LOW, HIGH, 400_001)
        q = true_charge(fine)
        grid = np.linspace(0, q[-1], 20_001)
        volts = np.interp(grid, q, fine)
        from scipy.ndimage import gaussian_filter1d

        step = grid[1] - grid[0]
        truth = gaussian_filter1d(volts, 0.02 / step, order=1, mode="nearest", truncate=6) / step
        expected = np.interp(curve.capacity.values, grid, truth)
        good = curve.dvdq_flag.values == 0
        pulls.append(((curve.dvdq.values - expected) / curve.dvdq_err.values)[good][::40])
    width = np.sqrt(np.mean(np.concatenate(pulls) ** 2))
    assert 0.8 < width < 1.25, width


def test_ordering_point_is_recovered_with_pulls_of_one(rng):
    fine = np.linspace(4.09, 4.16, 70_001)
    place = fine[true_dqdv(fine, np.hypot(0.006, 3e-4)).argmin()]
    charge = true_charge(np.array([place]))[0]
    pulls, flags = [], []
    for _ in range(20):
        point = ordering_point(charge_curve(rng, noise=3e-4), sigma_V=0.006, rng=rng, repeats=30)
        flags.append(int(point.flag))
        pulls.append((float(point.voltage) - place) / float(point.voltage_err))
        assert abs(float(point.capacity) - charge) < 0.02
    assert flags == [0] * 20
    width = np.sqrt(np.mean(np.square(pulls)))
    assert 0.6 < width < 1.5, width


def test_no_ordering_point_is_said_not_invented(rng):
    part = charge_curve(rng)
    point = ordering_point(part, window_V=(3.85, 3.92), rng=rng, repeats=0)
    assert int(point.flag) == Flag.WINDOW_EDGE
    assert np.isnan(float(point.voltage))
