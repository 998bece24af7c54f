"""What a run says of tortuosity maps: the median, its error, and whether two volumes differ."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from operando.flow.transport_summary import compare_maps, of_map


def as_map(tau):
    return xr.Dataset({"tau_factor": (("y", "x"), np.reshape(tau, (1, -1)))})


def test_error_of_the_median_covers_the_true_one():
    """250 maps of 200 independent domains: pull width 1 within 10 %."""
    rng = np.random.default_rng(0)
    pulls = []
    for _ in range(250):
        found = of_map(as_map(1.5 + 0.2 * rng.standard_normal(200)), rng)
        pulls.append((float(found["tau_median"]) - 1.5) / float(found["tau_median_err"]))
    assert np.std(pulls) == pytest.approx(1, abs=0.12)
    assert abs(np.mean(pulls)) < 0.2


def test_domains_without_a_path_are_infinite_and_those_outside_do_not_count():
    found = of_map(as_map([1.0, 2.0, np.inf, np.inf, np.inf, np.nan, np.nan]), np.random.default_rng(0))
    assert int(found["domains"]) == 5
    assert float(found["blocked"]) == pytest.approx(0.6)
    assert np.isinf(found["tau_median"])
    assert np.isnan(found["tau_median_err"])
    assert float(found["tau_low"]) == 2
    nothing = of_map(as_map([np.nan, np.nan]), np.random.default_rng(0))
    assert np.isnan(nothing["tau_median"])
    assert int(nothing["domains"]) == 0


def test_two_volumes_differ_where_they_do_and_at_the_stated_rate_where_they_do_not():
    rng = np.random.default_rng(1)

    def compared(one, other):
        groups = {"transport/map/a": as_map(one), "transport/map/b": as_map(other)}
        return compare_maps(["a", "b"], groups)

    alike = [float(compared(*rng.gamma(2, size=(2, 60)))["p_value"][0]) for _ in range(300)]
    assert np.mean(np.array(alike) < 0.05) == pytest.approx(0.05, abs=0.03)
    cracked = np.where(rng.random(200) < 0.3, np.inf, 1.2 + 0.1 * rng.standard_normal(200))
    found = compared(1.2 + 0.1 * rng.standard_normal(200), cracked)
    assert float(found["p_value"][0]) < 1e-3
    assert float(found["larger"][0]) == pytest.approx(0.65, abs=0.06)
    assert compared([np.nan], [1.0]) is None
