"""dQ/dV, dV/dQ and the ordering point of LiCoO2, recovered from a voltage curve with known derivative."""

from __future__ import annotations

import sys
from functools import lru_cache

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


@lru_cache
def clean_curve(peaks):
    fine = np.linspace(LOW, HIGH, 200_001)
    return fine, true_charge(fine)


def charge_curve(rng, noise=5e-4, records=6000, sign=1):
    fine, below = clean_curve(tuple(PEAKS))
    charge = np.linspace(0, below[-1], records)
    volts = np.interp(charge, below, fine) + rng.normal(0, noise, records)
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


@pytest.mark.parametrize(
    ("noise", "sigma", "sign"),
    [(5e-4, 0.003, 1), (5e-4, 0.003, -1), (2e-5, 0.003, 1), (1e-3, 0.006, 1), (1e-4, 0.01, 1)],
)
def test_dqdv_is_the_truth_broadened_as_stated_with_pulls_of_one(rng, noise, sigma, sign):
    pulls = []
    for _ in range(40):
        part = branch(charge_curve(rng, noise=noise, sign=sign), kind="charge" if sign > 0 else "discharge")
        curve = differential_capacity(part, sigma_V=sigma)
        good = curve.dqdv_flag.values == 0
        total = curve.attrs["resolution_V"] / 2.354820045
        pull = (curve.dqdv - true_dqdv(curve.voltage.values, total)).values / curve.dqdv_err.values
        pulls.append(pull[good][::8])  # values closer than the smoothing are one value
    width = np.sqrt(np.mean(np.concatenate(pulls) ** 2))
    assert 0.8 < width < 1.2, width


def test_dqdv_conserves_the_charge_and_knows_its_noise(rng):
    part = branch(charge_curve(rng, noise=3e-4))
    curve = differential_capacity(part)
    total = float(curve.dqdv.sum() * np.diff(curve.voltage.values)[0])
    assert total == pytest.approx(curve.attrs["capacity_mAh"], rel=0.01)
    assert curve.attrs["voltage_noise_V"] == pytest.approx(3e-4, rel=0.1)


def test_a_voltage_in_steps_of_the_converter_has_their_noise():
    volts = np.round(np.linspace(3.8, 4.2, 5000) / 0.001) * 0.001
    assert voltage_noise(volts) == pytest.approx(0.001 / np.sqrt(12), rel=0.05)


@pytest.mark.parametrize(("noise", "records"), [(5e-4, 6000), (2e-5, 6000), (2e-3, 6000), (5e-4, 1500)])
def test_dvdq_is_the_truth_smoothed_with_pulls_of_one(rng, noise, records):
    from scipy.ndimage import gaussian_filter1d

    fine = np.linspace(LOW, HIGH, 400_001)
    grid = np.linspace(0, true_charge(fine[-1:])[0], 20_001)
    step = grid[1] - grid[0]
    volts = np.interp(grid, true_charge(fine), fine)
    truth = gaussian_filter1d(volts, 0.02 / step, order=1, mode="nearest", truncate=6) / step
    pulls = []
    for _ in range(40):
        curve = differential_voltage(charge_curve(rng, noise=noise, records=records), sigma_mAh=0.02)
        expected = np.interp(curve.capacity.values, grid, truth)
        good = curve.dvdq_flag.values == 0
        pulls.append(((curve.dvdq.values - expected) / curve.dvdq_err.values)[good][::40])
    width = np.sqrt(np.mean(np.concatenate(pulls) ** 2))
    assert 0.8 < width < 1.2, width


# as above, and a pair of which one peak is wider and higher than the other
SKEWED = [PEAKS[0], (4.075, 0.016, 0.09), (4.175, 0.011, 0.05)]


@pytest.mark.parametrize(
    ("noise", "sigma", "records", "sign", "peaks"),
    [
        (3e-4, 0.006, 6000, 1, PEAKS), (3e-4, 0.004, 6000, -1, SKEWED), (1e-3, 0.006, 6000, 1, SKEWED),
        (3e-5, 0.003, 6000, 1, PEAKS), (3e-4, 0.020, 1500, 1, SKEWED),
    ],
)  # fmt: skip
def test_ordering_point_is_recovered_with_pulls_of_one(rng, monkeypatch, noise, sigma, records, sign, peaks):
    monkeypatch.setattr(sys.modules[__name__], "PEAKS", peaks)
    fine = np.linspace(4.10, 4.15, 5001)
    whole = true_charge(np.array([HIGH]))[0]
    pulls = []
    for _ in range(120):
        point = ordering_point(
            charge_curve(rng, noise=noise, records=records, sign=sign), sigma_V=sigma, rng=rng
        )
        assert int(point.flag) == 0
        place = fine[true_dqdv(fine, np.hypot(point.attrs["sigma_V"], noise)).argmin()]
        below = true_charge(np.array([place]))[0]
        charge = below if sign > 0 else below - whole
        pulls.append(
            [
                (float(point.voltage) - place) / float(point.voltage_err),
                (float(point.capacity) - charge) / float(point.capacity_err),
            ]
        )
    width = np.sqrt(np.mean(np.square(pulls), axis=0))
    assert (width > 0.8).all(), width
    assert (width < 1.2).all(), width


def test_the_floor_between_the_peaks_gives_the_point_to_a_tenth_of_a_millivolt(rng):
    point = ordering_point(charge_curve(rng, noise=3e-4))
    assert float(point.voltage) == pytest.approx(4.125, abs=3e-4)
    assert float(point.voltage_err) < 1e-4
    assert point.attrs["sigma_V"] == pytest.approx(0.11 / 7, rel=0.03)


def test_no_ordering_point_is_said_not_invented(rng):
    part = charge_curve(rng)
    point = ordering_point(part, window_V=(3.85, 3.92), rng=rng)
    assert int(point.flag) == Flag.WINDOW_EDGE
    assert np.isnan(float(point.voltage))
