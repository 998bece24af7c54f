"""Techniques on one time axis: what goes together, and what only drifts."""

import numpy as np
import pytest
import xarray as xr

from operando.flow.joint import FEWEST, Series, correlation, effective_number, joint
from operando.flow.results import Results
from operando.show.chapters.joint import chapter


def one(name, technique, time, value):
    return Series(
        name, technique, "1", np.asarray(time, float), np.asarray(value, float), np.full(len(time), 0.1)
    )


def autoregressive(n, phi, rng):
    x = np.zeros(n + 100)
    noise = rng.standard_normal(n + 100)
    for i in range(1, n + 100):
        x[i] = phi * x[i - 1] + noise[i]
    return x[100:]


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_unrelated_series_go_together_no_more_often_than_stated(phi):
    rng, time = np.random.default_rng(3), np.arange(40)
    p = [
        correlation(
            one("a", "A", time, autoregressive(40, phi, rng)),
            one("b", "B", time, autoregressive(40, phi, rng)),
        )[2]
        for _ in range(300)
    ]
    assert np.mean(np.array(p) < 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert np.mean(np.array(p) < 0.05) > 0.005


def test_slow_series_are_worth_fewer_times():
    rng = np.random.default_rng(1)
    slow, fast = (np.mean([effective_number(*(autoregressive(200, phi, rng) for _ in range(2))) for _ in range(30)])
                  for phi in (0.9, 0.0))  # fmt: skip
    assert slow < 60 < 150 < fast


def test_a_relation_is_found_across_different_times():
    rng = np.random.default_rng(2)
    fine = np.linspace(0, 100, 400)
    signal = np.interp(fine, np.arange(0, 101, 5), rng.standard_normal(21))
    coarse = np.arange(2.0, 98, 4)
    rho, error, p, number, free = correlation(
        one("a", "A", fine, signal), one("b", "B", coarse, 3 - 2 * np.interp(coarse, fine, signal))
    )
    assert rho < -0.99
    assert error < 0.05
    assert p < 1e-4
    assert number == len(coarse)
    assert free <= number


def test_too_few_common_times_say_nothing():
    short = one("a", "A", np.arange(FEWEST - 1), np.arange(FEWEST - 1.0))
    assert np.isnan(correlation(short, one("b", "B", np.arange(50), np.arange(50.0)))[0])
    apart = one("b", "B", np.arange(100, 150), np.arange(50.0))
    assert np.isnan(correlation(one("a", "A", np.arange(50), np.arange(50.0)), apart)[0])
    flat = one("b", "B", np.arange(50), np.ones(50))
    assert np.isnan(correlation(one("a", "A", np.arange(50), np.arange(50.0)), flat)[0])


def test_groups_and_chapter_of_two_techniques():
    rng = np.random.default_rng(5)
    time = np.arange(0, 3000.0, 100)
    wave = autoregressive(len(time), 0.5, rng)
    names = {"time": ("time", time, {"units": "s"})}
    groups = {
        "clock": xr.Dataset({"voltage": ("time", 3.5 + 0.1 * wave, {"units": "V"}),
                             "voltage_flag": ("time", np.r_[2, np.zeros(len(time) - 1, int)])}, coords=names),
        "tomography": xr.Dataset({"contact": (("time", "electrode"), np.stack([0.5 - 0.1 * wave, wave * 0 + 0.4], 1)),
                                  "contact_err": (("time", "electrode"), np.full((len(time), 2), 0.01))},
                                 coords=names | {"electrode": ["top", "bottom"]}),
    }  # fmt: skip
    joint(None, groups)
    found = groups["joint/correlation"]
    assert list(found["pair"].values) == ["voltage · contact top"]  # the bottom does not change
    assert float(found["correlation"][0]) < -0.99
    assert np.isnan(groups["joint/cycler/voltage"]["value"].values[0])  # before the record
    page = chapter(Results("two", {"title": "two"}, groups))
    assert "go together beyond their own slow changes" in page.findings[0]
    assert page.tables[0].rows[0][0] == "voltage · contact top"
    assert set(page.figures[0].table["technique"]) == {"cycler", "tomography"}


def test_one_technique_has_no_chapter():
    groups = {}
    joint(None, groups)
    assert groups == {}
