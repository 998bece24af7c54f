"""Ring windows, families with gaps, component maps and azimuth profiles."""

import numpy as np
import pytest
import xarray as xr

from operando.core import Flag, Geometry, Phase, Sums
from operando.core.errors import InputError
from operando.diffraction import (
    Family,
    azimuth_profile,
    component_map,
    coverage,
    family_profile,
    fit_peaks,
    ring_window,
)
from operando.diffraction._coverage import complete_cells

LCO = Phase.from_parameters("LiCoO2", a=2.8035, c=14.0, spacegroup="R-3m")
Q0, HALF, BINS = 1.3464, 0.05, 46


@pytest.fixture(scope="module")
def detector():
    """Pixels of an Eiger 4M within the window of LCO(003): azimuth, q, weight, and which lie in module gaps."""
    size = (2167, 2070)
    geometry = Geometry(
        0.12, 1083 * 75e-6 + 1e-3, 1035 * 75e-6, 0.6888, (75e-6, 75e-6), size, detector="Eiger4M"
    )
    q = geometry.q()
    near = np.abs(q - Q0) < HALF
    weight = geometry.solid_angle() * geometry.polarisation(0.99)
    return geometry.azimuth()[near], q[near], weight[near], geometry.detector_mask()[near]


def cells_of(azimuth, q):
    """Number of the cell of each pixel, row by row of azimuth; those outside are in one cell beyond the last."""
    row, column = np.floor(azimuth).astype(int), np.floor((q - Q0 + HALF) / (2 * HALF) * BINS).astype(int)
    inside = (row >= 0) & (row < 360) & (column >= 0) & (column < BINS)
    return np.where(inside, row * BINS + column, 360 * BINS)


def summed(cells, values):
    return np.bincount(cells, values, 360 * BINS + 1)[:-1].reshape(360, BINS)


def binned(azimuth, q, values):
    return summed(cells_of(azimuth, q), values)


def as_sums(signal, weight):
    azimuth, q = np.arange(360) + 0.5, Q0 - HALF + 2 * HALF / BINS * (np.arange(BINS) + 0.5)
    coords = {"azimuth": azimuth, "q": q}
    dims = ("frame", "azimuth", "q")[3 - signal.ndim :]
    data = xr.DataArray(signal, dims=dims, coords=coords)
    return Sums(data, data, xr.DataArray(weight, dims=("azimuth", "q"), coords=coords))


def spots(azimuth, q, centres, sigma_q=0.006, sigma_deg=3.0, q0=Q0, per_pixel=3.0, background=0.3):
    away = np.mod(azimuth[:, None] - np.asarray(centres) + 180, 360) - 180
    return (
        per_pixel * np.exp(-0.5 * ((q - q0) / sigma_q) ** 2) * np.exp(-0.5 * (away / sigma_deg) ** 2).sum(1)
        + background
    )


def test_window_follows_the_expected_change_of_d():
    reflection = LCO.reflection((0, 0, 3))
    low, high = ring_window(reflection, half_width=0.02, change=(-0.005, 0.025))
    assert low == pytest.approx(2 * np.pi / (14.0 / 3 * 1.025) - 0.02)
    assert high == pytest.approx(2 * np.pi / (14.0 / 3 * 0.995) + 0.02)


def test_reflection_outside_the_detector_is_refused():
    with pytest.raises(InputError, match="does not lie on the detector") as caught:
        ring_window(LCO.reflection((0, 0, 3)), q_range=(1.5, 6.0))
    assert "LiCoO2(003)" in str(caught.value)


def test_every_cell_of_an_unmasked_detector_is_whole(detector):
    azimuth, q, weight, _ = detector
    assert (~complete_cells(binned(azimuth, q, weight))).mean() < 5e-4


def test_module_gaps_are_found_and_little_else(detector):
    azimuth, q, weight, gap = detector
    whole = complete_cells(binned(azimuth, q, weight * ~gap))
    masked, total = binned(azimuth, q, gap * 1.0), binned(azimuth, q, np.ones(len(q)))
    lost = (total > 0) & (masked == total)
    assert lost.sum() > 300
    assert not (whole & lost).any()
    assert (~whole & (masked == 0)).mean() < 0.05


def test_windows_cut_by_gaps_are_left_out_and_named(detector):
    azimuth, q, weight, gap = detector
    w = binned(azimuth, q, weight * ~gap)
    share = coverage(as_sums(w, w), [25, 160, 205, 345]).min("q").values
    profile = family_profile(as_sums(w, w), [25, 160, 205, 345], 10)
    whole = [a for a, s in zip([25.0, 160.0, 205.0, 345.0], share, strict=True) if s == 1]
    assert profile.weight.attrs["azimuths_used"] == whole
    assert 0 < len(whole) < 4


def test_family_wraps_at_360(detector):
    azimuth, q, weight, _ = detector
    lam = spots(azimuth, q, [358.0])
    sums = as_sums(binned(azimuth, q, lam * weight), binned(azimuth, q, weight))
    a, b = (family_profile(sums, [centre], 10) for centre in (358.0, -2.0))
    xr.testing.assert_allclose(a.signal, b.signal)
    assert float(a.signal.sum()) == pytest.approx(
        float(binned(*_within(azimuth, q, lam * weight, 358, 10)).sum()), rel=1e-6
    )


def _within(azimuth, q, values, centre, half):
    cell = np.floor(azimuth) + 0.5
    keep = np.abs(np.mod(cell - centre + 180, 360) - 180) <= half
    return azimuth[keep], q[keep], values[keep]


def test_no_spot_cut_by_a_gap_or_shadow_gives_a_value(detector):
    """1000 spots anywhere on the ring, a straight gap or a shadow laid over each, in one frame or forty added up: none
    gives a value without a flag."""
    azimuth, q, weight, _ = detector
    rng = np.random.default_rng(11)
    cells, radians, flagged = cells_of(azimuth, q), np.deg2rad(azimuth), 0
    for trial in range(1000):
        frames = 40 if trial % 2 else 1
        centre, sigma_deg = rng.uniform(0, 360), rng.uniform(1, 4)
        if (
            trial % 3
        ):  # a straight gap through the spot, 10 to 40 pixels wide (a pixel is 0.0043 1/angstrom here)
            turn, c = rng.uniform(0, np.pi), np.deg2rad(centre)
            across = q * np.cos(radians - turn) - Q0 * np.cos(c - turn)
            masked = np.abs(across + rng.uniform(-0.01, 0.01)) < rng.uniform(5, 20) * 0.0043
        else:  # a shadow that begins within the spot
            masked = np.mod(azimuth - (centre + rng.uniform(-1, 1) * sigma_deg), 360) < 160
        open_weight = frames * weight * ~masked
        w = summed(cells, open_weight)
        lam = summed(cells, spots(azimuth, q, [centre], sigma_deg=sigma_deg, per_pixel=20.0) * open_weight)
        sums = as_sums(rng.poisson(lam), w)
        fit = fit_peaks(family_profile(sums, [centre], max(8, 2 * sigma_deg)))
        flagged += int(fit["flag"]) != 0
    assert flagged == 1000


def test_whole_spots_are_not_flagged_and_right(detector):
    azimuth, q, weight, _ = detector
    rng = np.random.default_rng(12)
    pulls = []
    for centre in rng.uniform(0, 360, 100):
        w = binned(azimuth, q, weight)
        sums = as_sums(rng.poisson(binned(azimuth, q, spots(azimuth, q, [centre]) * weight)), w)
        fit = fit_peaks(family_profile(sums, [centre], 8))
        assert int(fit["flag"]) == 0
        pulls.append(float((fit["q"] - Q0) / fit["q_err"]))
    assert np.std(pulls) == pytest.approx(1, abs=0.25)
    assert abs(np.mean(pulls)) < 0.4


def test_component_map_is_the_ring_above_its_background():
    q = Q0 - HALF + 2 * HALF / 60 * (np.arange(60) + 0.5)
    w = np.random.default_rng(0).uniform(5, 15, 60)
    lam = w * (2.0 + 10 * (q - Q0) + 8 * np.exp(-0.5 * ((q - Q0) / 0.006) ** 2))
    counts = np.random.default_rng(1).poisson(lam, (4000, 60))
    counts[0] = 0
    data = xr.DataArray(counts, dims=("x", "q"), coords={"q": q})
    weight = xr.DataArray(np.broadcast_to(w, (4000, 60)).copy(), dims=("x", "q"), coords={"q": q})
    weight[1, 30] = 0
    weight[2] = 0
    found = component_map(Sums(data, data, weight))
    truth = 8 * 0.006 * np.sqrt(2 * np.pi)
    good = found["flag"] == 0
    assert found["flag"].values[1:3].tolist() == [int(Flag.CUT_BY_GAP), int(Flag.NO_DATA)]
    assert np.isnan(found["intensity"].values[1:3]).all()
    pull = ((found["intensity"] - truth) / found["intensity_err"]).where(good).values[3:]
    assert np.mean(pull) == pytest.approx(0, abs=0.1)
    assert np.std(pull) == pytest.approx(1, abs=0.05)


def test_azimuth_profile_has_spots_where_they_are_and_nan_in_gaps(detector):
    azimuth, q, weight, gap = detector
    lam = spots(azimuth, q, [70.0], per_pixel=50.0)
    sums = as_sums(
        np.random.default_rng(2).poisson(binned(azimuth, q, lam * weight * ~gap)),
        binned(azimuth, q, weight * ~gap),
    )
    found = azimuth_profile(sums)
    assert float(found["intensity"].idxmax()) == pytest.approx(70, abs=1.5)
    cut = ~complete_cells(sums.weight.values).all(1)
    assert np.isnan(found["intensity"].values[cut]).all()
    assert np.isfinite(found["intensity"].values[~cut]).all()
    far = found["intensity"].where(np.abs(found["azimuth"] - 70) > 20)
    assert abs(float((far / found["intensity_err"]).mean())) < 0.3


def test_bad_input_says_what_to_do():
    sums = as_sums(np.ones((360, BINS)), np.ones((360, BINS)))
    with pytest.raises(InputError, match="azimuth"):
        family_profile(sums.sum("azimuth"), [20])
    with pytest.raises(InputError, match="no azimuth bin within"):
        family_profile(sums, [20.0], 0.1)
    with pytest.raises(InputError, match="half width"):
        Family("perp", (), 10)
    with pytest.raises(InputError, match="leaves nothing"):
        component_map(sums, core=(1.2, 1.5))
