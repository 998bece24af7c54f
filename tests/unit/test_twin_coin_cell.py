"""The coin cell twin against arithmetic that does not use it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("xraylib")

from operando.core.errors import InputError
from operando.twin.coin_cell import CoinCell, CoinTruth, expected
from operando.twin.coin_cell.materials import HOST, LI, SEPARATOR, formula_shells
from operando.twin.coin_cell.measure import angles_deg
from operando.twin.coin_cell.spectra import ENERGY, STEP_KEV, cross_section, twice_scattered

CELL = CoinCell.tiny(gain_spread=0.0, offset_spread_keV=0.0)


def test_cross_section_is_klein_nishina_times_electrons():
    """r0^2 / 2 k^2 (k + 1/k - (1 - P)) at 90 degrees, k = 93.874 / 115."""
    k = 93.8738 / 115
    one = 7.9408e-26 / 2 * k**2 * (k + 1 / k - (1 - CELL.polarisation))
    for formula in (LI, ((8, 1.0),), SEPARATOR):
        shells = formula_shells(formula)
        whole = sum(count for count, _, _ in shells)
        area = cross_section(CELL, shells, 90.0).sum() * STEP_KEV
        assert area == pytest.approx(whole * one, rel=0.03)
    assert sum(count for count, _, _ in formula_shells(HOST)) == pytest.approx(43.2, abs=0.02)


def test_twice_scattered_photons_spread_on_both_sides_of_the_peak():
    spectrum = twice_scattered(CELL, 90.0)
    assert spectrum.sum() * STEP_KEV == pytest.approx(1.0)
    assert spectrum[ENERGY > 106].sum() * STEP_KEV < 0.01  # two turns of 45 degrees lose least: 101.5 keV
    assert spectrum[ENERGY < 58].sum() * STEP_KEV < 0.01


def test_peak_of_a_pixel_is_at_its_angle():
    cube = expected(CELL, CELL.states[0], 2)
    energy = (np.arange(CELL.channels) + 0.5) * CELL.keV_per_channel
    theta = angles_deg(CELL)
    for row in (3, 8, 12):
        window = np.abs(energy - 94) < 6
        spectrum = cube[row, 8, window]
        near = spectrum > 0.8 * spectrum.max()
        peak = np.average(energy[window][near], weights=spectrum[near])
        exact = 115 / (1 + 115 / 510.999 * (1 - np.cos(np.deg2rad(theta[row, 8]))))
        assert peak == pytest.approx(exact, abs=0.08)


def test_counts_go_with_exposure_and_drift_moves_the_peak():
    state = CELL.states[1]
    longer = replace(CELL, exposure_s=2 * CELL.exposure_s)
    assert np.allclose(expected(longer, state, 0), 2 * expected(CELL, state, 0), rtol=1e-9)
    still, moved = replace(state, angle_deg=0.0, scale=0.0), replace(state, angle_deg=0.5, scale=0.0)
    cell = replace(CELL, states=(still, moved))
    mean = []
    for which in (still, moved):
        spectrum = expected(replace(cell, beam_loss=0.0), which, 0).sum((0, 1))
        window = slice(600, 740)
        mean.append(np.average(np.arange(1024)[window], weights=spectrum[window]) * CELL.keV_per_channel)
    assert mean[1] - mean[0] == pytest.approx(-0.15, abs=0.05)  # 0.301 keV a degree


def test_the_image_is_upside_down_and_the_near_side_is_brighter():
    truth = CoinTruth.of(CELL)
    image = (expected(CELL, CELL.states[0], 0) - expected(CELL, CELL.states[0], 1)).sum(-1)
    cathode = truth.maps["seen"].values[0, 0]
    assert np.corrcoef(image[::-1, ::-1].ravel(), cathode.ravel())[0, 1] > 0.9
    assert np.corrcoef(image.ravel(), cathode.ravel())[0, 1] < 0.8
    light = truth.maps["transmission"].values[0][truth.maps["cathode"].values.astype(bool)]
    assert light.max() / light.min() > 2


def test_truth_has_the_contents_that_were_asked():
    truth = CoinTruth.of(CoinCell.demo())
    thick = truth.maps["fraction"].values[0, 0]
    for i, state in enumerate(truth.cell.states):
        x = truth.maps["x_li"].values[i]
        inside = np.isfinite(x)
        assert np.average(x[inside], weights=thick[inside]) == pytest.approx(state.x, abs=0.01)
        assert (np.ptp(x[inside]) < 1e-9) == (state.reference or state.x == 1.01)


def test_li_in_oxygen_orbitals_is_harder_to_see():
    changes = []
    for where in ("Li 2s", "O 2p"):
        cell = replace(CELL, li_electron=where)
        p = slice(640, 700)
        high, low = (
            expected(cell, s, 0)[8, 8] - expected(cell, s, 1)[8, 8] for s in (cell.states[1], cell.states[3])
        )
        changes.append((high[p].max() / high.sum()) / (low[p].max() / low.sum()) - 1)
    assert changes[0] > 2 * changes[1]


def test_impossible_cells():
    with pytest.raises(InputError, match="region 3"):
        CoinCell(region3_um=80.0)
    with pytest.raises(InputError, match="no states"):
        CoinCell(states=())
