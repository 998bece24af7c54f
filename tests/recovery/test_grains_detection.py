"""The detection limit is what a repeated search finds, and the false rate stays under what was stated."""

import numpy as np
import pytest
from grain_simulator import make_map, random_grains, spot

from operando.core.errors import InputError
from operando.diffraction.detection import Efficiency, detection_limit, false_rate, fit_efficiency
from operando.diffraction.grains import GrainSearch, find_spots
from operando.diffraction.ring_sums import sum_maps


def test_efficiency_parameters_have_honest_errors():
    rng = np.random.default_rng(0)
    truth = Efficiency(np.log(40), np.log(0.3), np.zeros((2, 2)))
    counts, pulls = np.geomspace(15, 120, 10), []
    for _ in range(200):
        fit = fit_efficiency(counts, np.full(10, 150.0), rng.binomial(150, truth(counts)).astype(float))
        for chance in (0.5, 0.95):
            value, error = fit.limit(chance)
            pulls.append((np.log(value) - np.log(truth.limit(chance)[0])) / (error / value))
    assert np.std(pulls) == pytest.approx(1, abs=0.12)
    with pytest.raises(InputError, match="do not bracket"):
        fit_efficiency(counts, np.full(10, 100.0), np.full(10, 99.0))


def test_limit_in_a_map_with_grains_predicts_another_search():
    rng = np.random.default_rng(1)
    reference = sum_maps([make_map(rng, [], 0) for _ in range(4)])
    data = make_map(rng, random_grains(rng, 20), 0)
    table, _ = detection_limit(
        data, reference, [15, 25, 40, 60, 90, 140], width_deg=0.9, width_q=0.004, spots=120, rng=rng
    )
    assert 15 < table.attrs["limit_50"] < table.attrs["limit_95"] < 140
    np.testing.assert_allclose(table.fit, table.efficiency, atol=0.12)
    # the simulator's own spots, at the 50 % and far above the 95 % limit
    for counts, low, high in (
        (table.attrs["limit_50"], 0.3, 0.7),
        (1.5 * table.attrs["limit_95"], 0.95, 1.0),
    ):
        plain = make_map(rng, [], 0, shape=(20, 12))
        weight = plain.weight.values
        extra = rng.poisson(counts * spot(120.3, 2.545) * weight / weight.max(), plain.signal.shape)
        plain.signal.values += extra
        got = find_spots(plain, reference, GrainSearch())
        share = len(np.unique(got.column("point")[np.abs(got.column("azimuth") + 0.5 - 120.3) < 3])) / 240
        assert low <= share <= high


@pytest.mark.parametrize("exposure", [None, 1.0, 10.0])
def test_false_rate_is_at_most_the_stated_one(exposure):
    rng = np.random.default_rng(2)
    background = make_map(rng, [], 0, shape=(20, 20), level=2.0, exposure=1.0)
    smooth = background.signal.copy(
        data=np.broadcast_to(background.signal.values.mean((0, 1)), background.signal.shape).copy()
    )
    expected = type(background)(smooth * (exposure or 1), smooth, background.weight * (exposure or 1))
    search = GrainSearch(false_rate=0.05)
    got = false_rate(expected, search=search, reference_exposure=exposure, images=4000, rng=rng)
    assert got["rate"] < 0.05 + 3 * got["rate_err"]
    assert got["number"] > 5  # the bound is not idle
