"""One phase or two, and how much of each, from simulated windows."""

import numpy as np
import pytest
from scipy.special import ndtr

from operando.core import Flag
from operando.diffraction import fit_two_peaks

STEP, N, SIGMA = 0.0022, 48, 0.0055
Q = 1.29 + STEP * np.arange(N)
EDGES = np.append(Q - STEP / 2, Q[-1] + STEP / 2)
Q_HIGH, Q_LOW = 1.3464, 1.3340  # LCO(003) at c = 14.00 and 14.13
RANGES = ((1.325, 1.3402), (1.3402, 1.355))


def simulate(counts, fraction, low=Q_LOW, high=Q_HIGH, background=0.5, seed=0):
    counts, fraction = np.atleast_1d(counts)[:, None], np.atleast_1d(fraction)[:, None]
    peaks = [np.diff(ndtr((EDGES - np.reshape(p, (-1, 1))) / SIGMA), axis=1) for p in (low, high)]
    mu = counts * (fraction * peaks[0] + (1 - fraction) * peaks[1] + background / N)
    return np.random.default_rng(seed).poisson(mu)


def test_one_phase_is_called_two_in_under_one_percent():
    for counts in (60, 400, 5000):
        fit = fit_two_peaks(Q, simulate(np.full(5000, counts), 0.0), ranges=RANGES)
        assert (fit["peaks"].values == 2).mean() < 0.01
        free = fit_two_peaks(Q, simulate(np.full(5000, counts), 0.0))
        assert (free["peaks"].values == 2).mean() < 0.01


def test_fraction_and_positions_have_honest_errors():
    rows = 8000
    rng = np.random.default_rng(3)
    fraction, counts = rng.uniform(0.25, 0.75, rows), rng.uniform(1500, 6000, rows)
    low, high = Q_LOW - rng.uniform(0, 0.002, rows), Q_HIGH + rng.uniform(0, 0.002, rows)
    fit = fit_two_peaks(Q, simulate(counts, fraction, low, high))
    two = (fit["peaks"].values == 2) & (fit["flag"].values == 0)
    assert two.mean() > 0.97
    for name, truth in (("fraction", fraction), ("q_mean", fraction * low + (1 - fraction) * high)):
        pull = ((fit[name].values - truth) / fit[f"{name}_err"].values)[two]
        assert pull.std() == pytest.approx(1, abs=0.1), name
        assert abs(pull.mean()) < 0.1, name
    for peak, truth in ((0, low), (1, high)):
        pull = ((fit["q"].values[:, peak] - truth) / fit["q_err"].values[:, peak])[two]
        assert pull.std() == pytest.approx(1, abs=0.1)


def test_separate_widths():
    narrow, wide = 0.004, 0.007
    mu = (
        20000 * (0.4 * np.diff(ndtr((EDGES - 1.327) / wide)) + 0.6 * np.diff(ndtr((EDGES - 1.350) / narrow)))
        + 5
    )
    fit = fit_two_peaks(Q, np.random.default_rng(0).poisson(mu, (500, N)), widths="separate")
    assert (fit["peaks"] == 2).all()
    np.testing.assert_allclose(fit["width"].mean(fit["width"].dims[0]), [wide, narrow], rtol=0.02)
    assert float(((fit["fraction"] - 0.4) / fit["fraction_err"]).std()) == pytest.approx(1, abs=0.12)


def test_a_single_peak_is_given_to_its_phase():
    fit = fit_two_peaks(Q, np.vstack([simulate([900.0], 0.0), simulate([900.0], 1.0)]), ranges=RANGES)
    assert fit["peaks"].values.tolist() == [1, 1]
    assert fit["fraction"].values.tolist() == [0.0, 1.0]
    assert np.isnan(fit["q"].values[0, 0])
    assert fit["q"].values[0, 1] == pytest.approx(Q_HIGH, abs=1e-3)
    assert (fit["fraction_err"].values > 0.02).all()
    unknown = fit_two_peaks(Q, simulate([900.0], 0.0))
    assert np.isnan(unknown["fraction"].values).all()
    assert float(unknown["q_mean"][0]) == pytest.approx(Q_HIGH, abs=1e-3)


def test_gaps_and_darkness_are_flagged():
    counts = simulate(np.full(4, 3000.0), 0.5)
    weight = np.ones((4, N))
    weight[0, 20:23] = 0
    weight[1] = 0
    counts[2] = 0
    fit = fit_two_peaks(Q, counts * (weight > 0), weight)
    assert fit["flag"].values[0] & Flag.CUT_BY_GAP
    assert fit["flag"].values[1] == Flag.NO_DATA
    assert fit["flag"].values[2] == Flag.TOO_FEW_COUNTS
    assert np.isnan(fit["q_mean"].values[:3]).all()
    assert fit["peaks"].values.tolist() == [0, 0, 0, 2]


def test_peaks_that_stand_far_apart_are_both_found():
    """The single peak split in two halves, as a start, then leads to the lesser of two maxima."""
    rows = 2000
    rng = np.random.default_rng(5)
    apart, fraction = rng.uniform(4.5, 7, rows) * SIGMA, rng.uniform(0.1, 0.9, rows)
    low, high = 1.3425 - apart / 2, 1.3425 + apart / 2
    fit = fit_two_peaks(Q, simulate(rng.uniform(500, 3000, rows), fraction, low, high))
    assert (fit["peaks"].values == 2).mean() > 0.99
    pull = ((fit["fraction"] - fraction) / fit["fraction_err"]).values
    assert np.nanstd(pull) == pytest.approx(1, abs=0.1)
    assert (np.abs(pull) < 5).mean() > 0.99
