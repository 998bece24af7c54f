"""Circular statistics: p-values uniform without an effect, small with one, absent when they must be."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from operando.core.errors import InputError
from operando.core.flags import Flag
from operando.diffraction import circular

SHADOW = np.where((np.arange(360) > 200) | ((np.arange(360) > 50) & (np.arange(360) < 56)), 0.0, 1.0)
HEXAGON = (0, 60, 120, 180, 240, 300)


def draw(rng, n, coverage):
    if coverage is None:
        return rng.uniform(0, 360, n)
    return rng.choice(360, n, p=coverage / coverage.sum()) + rng.random(n)


@pytest.mark.parametrize("coverage", [None, SHADOW], ids=["full", "shadow"])
@pytest.mark.parametrize("n", [6, 40])
@pytest.mark.parametrize("test", ["rayleigh", "rayleigh6", "kuiper", "kuiper6", "v", "prediction"])
def test_p_values_are_uniform_on_500_null_samples(test, n, coverage):
    rng = np.random.default_rng(abs(hash((n, coverage is None))) % 2**32)
    run = {
        "rayleigh": lambda a: circular.rayleigh(a, coverage=coverage),
        "rayleigh6": lambda a: circular.rayleigh(a, fold=6, coverage=coverage),
        "kuiper": lambda a: circular.kuiper(a, coverage=coverage),
        "kuiper6": lambda a: circular.kuiper(a, fold=6, coverage=coverage),
        "v": lambda a: circular.v_test(a, 0.0, fold=6, coverage=coverage),
        "prediction": lambda a: circular.prediction_test(a, HEXAGON, coverage=coverage),
    }[test]
    p = [run(draw(rng, n, coverage))[1] for _ in range(500)]
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_shadow_alone_is_no_texture_but_would_seem_one_without_its_coverage():
    azimuth = draw(np.random.default_rng(1), 80, SHADOW)
    assert circular.rayleigh(azimuth)[1] < 1e-6
    assert circular.rayleigh(azimuth, coverage=SHADOW)[1] > 0.01


def test_epitaxial_grains_are_found_and_the_wrong_prediction_is_not():
    rng = np.random.default_rng(2)
    azimuth = (rng.choice(HEXAGON[:4], 40) + rng.normal(0, 6, 40)) % 360
    assert circular.prediction_test(azimuth, HEXAGON, coverage=None)[1] < 1e-3
    assert circular.prediction_test(azimuth, [30, 90, 150, 210, 270, 330])[1] > 0.5
    assert circular.rayleigh(azimuth, fold=6)[1] < 1e-6
    assert circular.kuiper(azimuth, fold=6)[1] < 1e-3
    assert circular.v_test(azimuth, 0.0, fold=6)[1] < 1e-3


def test_rayleigh_series_agrees_with_samples():
    rng = np.random.default_rng(3)
    for scale in (0.0, 0.2, 0.35):
        azimuth = np.degrees(rng.vonmises(1.0, 2 * scale + 1e-9, 25)) % 360
        exact = circular._sampled_p(
            circular.rayleigh(azimuth)[0], circular._null("rayleigh", 25, None, 1, 100_000)
        )
        assert circular.rayleigh(azimuth)[1] == pytest.approx(exact, abs=4 * np.sqrt(exact / 1e5) + 2e-4)


def test_mean_wraps_and_its_error_is_honest():
    rng = np.random.default_rng(4)
    pulls = []
    for _ in range(400):
        m = circular.circular_mean((2.0 + rng.normal(0, 15, 50)) % 360)
        pulls.append(((m["mean"] - 2.0 + 180) % 360 - 180) / m["mean_err"])
    assert np.std(pulls) == pytest.approx(1.0, abs=0.1)
    assert m["spread"] == pytest.approx(15, abs=4 * m["spread_err"])
    assert stats.circmean(np.radians([350, 20, 5.0])) == pytest.approx(
        np.radians(circular.circular_mean([350, 20, 5.0])["mean"])
    )
    assert np.isnan(circular.circular_mean([])["mean"])


def test_kuiper_does_not_depend_on_the_origin():
    azimuth = np.random.default_rng(5).uniform(0, 360, 30)
    turned = [circular.kuiper((azimuth + turn) % 360)[0] for turn in (0, 33, 180, 359)]
    np.testing.assert_allclose(turned, turned[0], rtol=1e-9)


def test_no_p_value_below_the_stated_number_of_grains_or_without_a_map():
    rng = np.random.default_rng(6)
    count = [30, 9, 0, 12]
    index = np.repeat(np.arange(4), count)
    grains = xr.Dataset(
        {
            "azimuth": ("grain", rng.uniform(0, 360, 51)), "map_index": ("grain", index),
            "flag": ("grain", np.zeros(51, int)),
            "map_flag": ("time", [0, 0, int(Flag.NO_DATA), 0]),
            "coverage": (("time", "azimuth_bin"), np.ones((4, 360))),
        },
        coords={"time": np.arange(4.0)},
    )  # fmt: skip
    result = circular.azimuth_tests(grains, HEXAGON, samples=500)
    assert list(np.isfinite(result.prediction_p.values)) == [True, False, False, True]
    assert list(result.flag.values) == [0, int(Flag.TOO_FEW_COUNTS), int(Flag.NO_DATA), 0]
    assert np.isnan(result.kuiper_p.values[1:3]).all()
    with pytest.raises(InputError, match="at least one azimuth"):
        circular.rayleigh([])
