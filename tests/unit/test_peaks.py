"""What fit_peaks promises about flags, shapes, weights and messages."""

import numpy as np
import pytest
import xarray as xr
from scipy.special import ndtr

from operando.core import Flag, Sums
from operando.core.errors import InputError
from operando.diffraction import fit_peaks

STEP, N = 0.0025, 40
Q = 1.30 + STEP * np.arange(N)
EDGES = np.append(Q - STEP / 2, Q[-1] + STEP / 2)


def mean(q0=1.345, sigma=0.008, counts=500.0, background=1.0, slope=0.0, w=1.0):
    line = background + slope * (np.arange(N) / (N - 1) - 0.5)
    return w * (counts * np.diff(ndtr((EDGES - q0) / sigma)) + line)


def draw(m, rows=1, seed=0):
    return np.random.default_rng(seed).poisson(m, (rows, N))


def has(fit, flag):
    return (fit["flag"].values & int(flag)) != 0


def test_noise_free_profile_gives_back_its_parameters_whatever_the_bin_width():
    for sigma in (0.0012, 0.0025, 0.01):  # half a bin to four bins
        fit = fit_peaks(Q, np.round(mean(sigma=sigma, counts=1e9, background=1e5)).astype(np.int64)[None])
        assert float(fit["q"][0]) == pytest.approx(1.345, abs=1e-7)
        assert float(fit["width"][0]) == pytest.approx(sigma, rel=1e-4)
        assert float(fit["area"][0]) == pytest.approx(1e9 * STEP, rel=1e-4)
        assert float(fit["background"][0]) == pytest.approx(1e5, rel=1e-3)


def test_weight_divides_and_changes_no_position():
    w = np.random.default_rng(5).uniform(2, 8, N)
    counts = np.round(1e6 * mean(w=w)).astype(np.int64)
    fit = fit_peaks(Q, counts[None], 1e6 * w)
    assert float(fit["q"][0]) == pytest.approx(1.345, abs=1e-7)
    assert float(fit["area"][0]) == pytest.approx(500 * STEP, rel=1e-4)


def test_pseudo_voigt_finds_its_mixing():
    t = (EDGES - 1.345) / 0.006
    lorentz = np.arctan(t / np.sqrt(2 * np.log(2))) / np.pi
    m = 1e8 * np.diff(0.6 * ndtr(t) + 0.4 * lorentz) + 1e4
    fit = fit_peaks(Q, np.round(m)[None], shape="pseudo-voigt")
    assert float(fit["eta"][0]) == pytest.approx(0.4, abs=2e-3)
    assert float(fit["width"][0]) == pytest.approx(0.006, rel=2e-3)
    assert int(fit["flag"][0]) == 0


def test_a_gaussian_fit_of_a_lorentzian_is_called_poor_and_keeps_its_value():
    t = (EDGES - 1.345) / 0.004
    fit = fit_peaks(Q, np.round(1e5 * np.diff(np.arctan(t) / np.pi) + 100)[None])
    assert has(fit, Flag.POOR_FIT).all()
    assert float(fit["q"][0]) == pytest.approx(1.345, abs=1e-4)


def test_goodness_is_one_at_any_count_level():
    for counts, background in ((60, 0.1), (2000, 5.0), (1e5, 500.0)):
        fit = fit_peaks(Q, draw(mean(counts=counts, background=background), 4000))
        assert float(fit["goodness"].mean()) == pytest.approx(1.0, abs=0.04)
        assert has(fit, Flag.POOR_FIT).mean() < 1e-3


def test_pure_background_is_too_few_counts():
    fit = fit_peaks(Q, draw(mean(counts=0, background=2.0), 4000))
    assert has(fit, Flag.TOO_FEW_COUNTS | Flag.WINDOW_EDGE | Flag.NOT_CONVERGED).mean() > 0.999
    assert np.isnan(fit["q"].values[fit["flag"].values != 0]).all()


def test_nothing_measured_and_nothing_counted_are_told_apart():
    counts = np.zeros((2, N), int)
    weight = np.ones((2, N))
    weight[0] = 0
    assert fit_peaks(Q, counts, weight)["flag"].values.tolist() == [
        int(Flag.NO_DATA),
        int(Flag.TOO_FEW_COUNTS),
    ]


def test_peak_at_the_window_edge():
    fit = fit_peaks(Q, draw(mean(q0=Q[0] + 0.002), 50))
    assert (has(fit, Flag.WINDOW_EDGE)).all()
    fit = fit_peaks(Q, draw(mean(q0=Q[-1] + 0.004), 50))
    assert (fit["flag"].values != 0).all()


def test_no_spot_cut_by_a_gap_gives_a_value():
    """1000 spots, each with a gap of random place and size that takes bins within two sigma of the centre."""
    rng = np.random.default_rng(7)
    q0, sigma = rng.uniform(1.33, 1.37, 1000), rng.uniform(0.004, 0.012, 1000)
    counts = rng.poisson(
        [mean(q, s, n) for q, s, n in zip(q0, sigma, rng.uniform(50, 3000, 1000), strict=True)]
    )
    centre = q0 + rng.uniform(-2, 2, 1000) * sigma
    half = rng.uniform(STEP / 2, 0.01, 1000)
    weight = np.where(np.abs(Q - centre[:, None]) <= np.maximum(half, 0.51 * STEP)[:, None], 0.0, 1.0)
    fit = fit_peaks(Q, np.where(weight > 0, counts, 0), weight)
    assert (weight == 0).any(1).all()
    wrong = (np.abs(fit["q"] - q0) > 5 * fit["q_err"]).values
    assert not wrong.any()
    assert (fit["flag"].values != 0).mean() > 0.99


def test_a_gap_far_from_the_peak_does_no_harm():
    weight = np.ones(N)
    weight[:4] = 0
    counts = draw(mean(q0=1.36, sigma=0.006), 500) * (weight > 0)
    fit = fit_peaks(Q, counts, weight)
    assert (fit["flag"].values == 0).all()
    assert abs(float(((fit["q"] - 1.36) / fit["q_err"]).mean())) < 0.2


def test_scaled_counts_fit_as_counts():
    counts = draw(mean(), 200)
    plain = fit_peaks(Q, counts)
    scaled = fit_peaks(Q, counts * 0.37, np.full(N, 0.37), variance=counts * 0.37**2)
    np.testing.assert_allclose(scaled["q"], plain["q"], rtol=1e-9)
    np.testing.assert_allclose(scaled["q_err"], plain["q_err"], rtol=1e-6)
    np.testing.assert_allclose(scaled["area"], plain["area"], rtol=1e-6)


def test_dims_are_kept_and_threads_change_nothing():
    counts = draw(mean(), 10000).reshape(2, 50, 100, N)
    labelled = xr.DataArray(counts, dims=("family", "z", "x", "q"), coords={"q": Q, "z": np.arange(50.0)})
    one = fit_peaks(None, labelled.transpose("z", "q", "family", "x"), threads=1)
    assert one["q"].dims == ("z", "family", "x")
    assert one["q"].attrs["units"] == "1/angstrom"
    two = fit_peaks(Sums(labelled, labelled, xr.DataArray(np.ones(N), dims="q")), threads=2)
    xr.testing.assert_identical(two.transpose("z", "family", "x")["q"], one["q"])


def test_fixed_width_is_kept():
    fit = fit_peaks(Q, draw(mean(sigma=0.008, counts=80), 2000), width=0.008)
    assert np.allclose(fit["width"].values[fit["flag"].values == 0], 0.008)
    assert float(((fit["q"] - 1.345) / fit["q_err"]).std()) == pytest.approx(1, abs=0.07)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((Q[:-1], np.ones((3, N))), "last axis must be q"),
        ((Q, np.ones((3, N)), np.ones((2, N))), "does not fit counts"),
        ((Q[:4], np.ones((3, 4))), "six or more"),
        ((Q[::-1], np.ones((3, N))), "ascending"),
        ((None, xr.DataArray(np.ones((3, N)), dims=("x", "energy"))), "none is called q"),
    ],
)
def test_bad_input_says_what_is_wrong(arguments, says):
    with pytest.raises(InputError, match=says):
        fit_peaks(*arguments)


def test_unknown_shape():
    with pytest.raises(InputError, match="unknown peak shape"):
        fit_peaks(Q, np.ones((3, N)), shape="voigt")
