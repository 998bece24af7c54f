"""Spots on a ring with gaps, families, ratios, and the false rate on smooth rings."""

import numpy as np
import pytest
import xarray as xr

from operando.core import Flag
from operando.core.errors import InputError
from operando.diffraction import (
    Family,
    family_ratio,
    find_ring_spots,
    fit_peaks,
    overlapping,
    pair_families,
    plane_angle,
)

AZIMUTH = np.arange(360) + 0.5
LCO = (25.0, 90.0, 160.0, 205.0, 275.0, 345.0)


def ring(spots, sigma=3.0, height=200.0, level=100.0, seed=0, gap=None):
    """Counts along a ring with spots, as intensity with its counting error; NaN in gaps."""
    away = np.mod(AZIMUTH[:, None] - np.atleast_1d(spots).astype(float) + 180, 360) - 180
    mu = level * (1 + 0.1 * np.cos(np.deg2rad(AZIMUTH))) + height * np.exp(-0.5 * (away / sigma) ** 2).sum(1)
    counts = np.random.default_rng(seed).poisson(mu).astype(float)
    if gap is not None:
        counts[gap] = np.nan
    return xr.Dataset(
        {"intensity": ("azimuth", counts), "intensity_err": ("azimuth", np.sqrt(np.maximum(counts, 1)))},
        {"azimuth": AZIMUTH},
    )


def test_the_six_spots_of_lco_are_found_where_they_are():
    pulls = []
    for seed in range(40):
        found = find_ring_spots(ring(LCO, seed=seed))
        assert found.sizes["spot"] == 6
        pulls.append(((found["azimuth"] - np.array(LCO)) / found["azimuth_err"]).values)
        np.testing.assert_allclose(found["width"], 3.0, atol=1.0)
    assert np.std(pulls) == pytest.approx(1, abs=0.15)
    assert abs(np.mean(pulls)) < 0.2


def test_smooth_rings_have_almost_no_spots():
    for level in (4.0, 100.0, 5000.0):
        number = [
            find_ring_spots(ring([0.0], height=0.0, level=level, seed=s)).sizes["spot"] for s in range(100)
        ]
        assert np.mean(number) < 0.05


def test_a_spot_across_zero_is_one_spot():
    found = find_ring_spots(ring([359.8]))
    assert found.sizes["spot"] == 1
    assert min(float(found["azimuth"][0]), 360 - float(found["azimuth"][0])) < 1


def test_no_spot_cut_by_a_gap_has_an_azimuth():
    rng = np.random.default_rng(5)
    for seed in range(100):
        place = rng.uniform(0, 360)
        start = place + rng.uniform(-5, 4)
        gap = np.mod(AZIMUTH - start, 360) < rng.uniform(2, 40)
        found = find_ring_spots(ring([place], seed=seed, gap=gap))
        for spot in range(found.sizes["spot"]):
            if np.isfinite(found["azimuth"][spot]):
                away = abs((float(found["azimuth"][spot]) - place + 180) % 360 - 180)
                assert away < 5 * float(found["azimuth_err"][spot])
            else:
                assert int(found["flag"][spot]) != 0


def test_a_gap_far_away_does_no_harm():
    found = find_ring_spots(ring([90.0], gap=(AZIMUTH > 200) & (AZIMUTH < 359)))
    assert found["flag"].values.tolist() == [0]


def test_families_by_the_angle_of_their_planes():
    families = pair_families(find_ring_spots(ring(LCO)), names={"par": 0.0, "perp": 70.0})
    assert [f.name for f in families] == ["par", "perp"]
    np.testing.assert_allclose(families[1].azimuths_deg, [25, 160, 205, 345], atol=1.5)
    titanium = pair_families(find_ring_spots(ring((30, 90, 150, 210, 330))))
    assert [len(f.azimuths_deg) for f in titanium] == [1, 4]
    assert titanium[1].name == "angle60"
    assert plane_angle(np.array([0.0, 90.0, 270.0, 25.0])) == pytest.approx([90, 0, 0, 65])


def test_overlapping_windows_are_named():
    families = [
        Family("a", (20.0, 200.0), 10),
        Family("b", (355.0,), 10),
        Family("c", (100.0,), 10),
        Family("d", (6.0,), 10),
    ]
    assert overlapping(families) == [("a", "d"), ("b", "d")]


def test_ratio_within_three_percent_with_honest_error():
    q = 1.3 + 0.0025 * np.arange(40)
    shape = np.exp(-0.5 * ((q - 1.345) / 0.008) ** 2)
    rng = np.random.default_rng(2)
    one, two = (fit_peaks(q, rng.poisson(a * shape + 3, (4000, 40))) for a in (150, 100))
    found = family_ratio(one, two)
    assert float(found["ratio"].mean()) == pytest.approx(1.5, rel=0.03)
    assert float(((found["ratio"] - 1.5) / found["ratio_err"]).std()) == pytest.approx(1, abs=0.07)
    one["flag"][0] = Flag.CUT_BY_GAP
    assert int(family_ratio(one, two)["flag"][0]) == Flag.CUT_BY_GAP


def test_uneven_azimuths_are_refused():
    with pytest.raises(InputError, match="evenly"):
        find_ring_spots(ring([90.0]).isel(azimuth=slice(0, 200)))


def test_scatter_beyond_counting_is_measured_on_demand():
    rng = np.random.default_rng(9)
    number = {"counted": 0, "measured": 0}
    for seed in range(12):
        grainy = ring([90.0], height=4000.0, level=5000.0, seed=seed)
        grainy["intensity"] = grainy["intensity"] + 350 * rng.standard_normal(
            360
        )  # five times the counting error
        for noise in number:
            number[noise] += find_ring_spots(grainy, noise=noise).sizes["spot"]
    assert number["counted"] > 24
    assert 12 <= number["measured"] <= 13
