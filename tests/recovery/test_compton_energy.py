"""Energy scale of pixels, drift of scale and angle, and bad pixels, from the coin cell twin."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("xraylib")

from operando import compton
from operando.core import Flag
from operando.core.errors import InputError
from operando.twin.coin_cell import CoinCell, CoinTruth, State, coin_cell_cube

CELL = CoinCell.demo(
    pixels=16, pitch_mm=1.25, tomogram_um=(625.0, 5.0), flux_per_s_mm2=2e9, dead=0.02, noisy=0.02
)
REGIONS = compton.detector_regions()


@lru_cache(maxsize=1)
def cubes() -> list[list[xr.Dataset]]:
    return [[coin_cell_cube(CELL, s, r) for r in range(3)] for s in range(len(CELL.states))]


def camera(cell: CoinCell = CELL) -> compton.Pinhole:
    return compton.Pinhole(
        115.0, (cell.pixels,) * 2, cell.pitch_mm, 90.0, cell.distance_mm, pinhole_mm=cell.pinhole_mm
    )


def calibrated() -> tuple[xr.Dataset, np.ndarray]:
    energy = cubes()[0][0]["energy"].values
    total = sum(c["counts"].astype(np.int64) for row in cubes() for c in row)
    return compton.calibrate_energy(total, energy, REGIONS), energy


def test_pixels_get_their_energy_scale_within_errors():
    found, _ = calibrated()
    truth = CoinTruth.of(CELL)
    good = ~truth.pixels["dead"].values & ~truth.pixels["noisy"].values
    drift = 1 + truth.states["scale"].values.mean()
    for energy in (30.0, 60.0, 94.0):
        channel = (energy - truth.pixels["offset"].values) / (truth.pixels["gain"].values * drift)
        error = (found["lower"] + found["gain"] * channel).values - energy
        assert np.abs(np.median(error[good])) < 0.012  # keV; lines on a bent background are some eV off
        assert np.std(error[good]) < 0.03
    pull = error[good] / found["energy_err"].values[good]
    assert 0.6 < np.std(pull) < 1.3
    assert (found["flag"].values[truth.pixels["dead"].values] == Flag.TOO_FEW_COUNTS).all()
    assert np.isnan(found["gain"].values[truth.pixels["dead"].values]).all()


def test_no_line_is_looked_for_finer_than_a_channel():
    counts, energy = cubes()[0][0]["counts"].values[:2, 0], cubes()[0][0]["energy"].values
    shifts = compton.find_lines(counts, energy, REGIONS, compton.EnergyCheck(resolution_keV=1e-9))
    assert shifts.sizes == {"spectrum": 2, "region": len(REGIONS)}


def test_scale_and_angle_drift_of_every_state():
    found, energy = calibrated()
    truth = CoinTruth.of(CELL)
    spectra = [
        compton.energy_spectrum(sum(c["counts"].values for c in row), found, energy) for row in cubes()
    ]
    drift = compton.scale_drift(xr.concat(spectra, "exposure"), REGIONS)
    true = truth.states["scale"].values
    at94 = 94 * (1 + drift["scale"].values) + drift["offset"].values - 94  # what is added to nominal energies
    expected = 94 * (true - true.mean())
    assert np.abs(at94 - expected).max() < 0.015
    profiles = [
        compton.momentum_counts(
            sum(c["counts"].values for c in row), found, camera(), scale_drift=float(drift["scale"][i]),
            offset_drift_keV=float(drift["offset"][i]),
        ).sum(("y", "x"))
        for i, row in enumerate(cubes())
    ]  # fmt: skip
    angle = compton.angle_drift(
        xr.concat(profiles, "exposure"), camera(), scale_err_keV=drift["peak_err"].values
    )
    wrong = angle["angle"].values - truth.states["angle"].values
    assert np.abs(wrong).max() < 0.02  # degrees; the largest drift is 0.3
    assert (np.abs(wrong[1:]) < 4 * angle["angle_err"].values[1:]).all()


def test_one_state_moved_by_a_third_of_a_degree():
    states = (State("before", 1.01, reference=True), State("after", 1.01, angle_deg=0.3))
    cell = CoinCell.tiny(states=states, flux_per_s_mm2=2e9, gain_spread=0.0, offset_spread_keV=0.0)
    seen = [coin_cell_cube(cell, s, 0) for s in range(2)]
    nominal = compton.nominal_calibration((16, 16), seen[0]["energy"].values)
    profiles = [
        compton.momentum_counts(c["counts"].values, nominal, camera(cell)).sum(("y", "x")) for c in seen
    ]
    found = compton.angle_drift(xr.concat(profiles, "exposure"), camera(cell))
    assert float(found["angle"][1]) == pytest.approx(0.3, abs=0.02)
    assert abs(float(found["angle"][1]) - 0.3) < 4 * float(found["angle_err"][1])


def test_camera_is_found_from_the_peaks_of_its_pixels():
    """Distance and angle of the pinhole are 7 mm and 0.6 degrees off at first."""
    cell = CoinCell.tiny(
        distance_mm=97.0, angle_deg=90.3, flux_per_s_mm2=2e9, gain_spread=0.0, offset_spread_keV=0.0
    )
    seen = coin_cell_cube(cell, 0, 0)
    guess = compton.Pinhole(115.0, (16, 16), cell.pitch_mm, 89.7, 104.0, pinhole_mm=cell.pinhole_mm)
    nominal = compton.nominal_calibration((16, 16), seen["energy"].values)
    counts = compton.momentum_counts(seen["counts"].values, nominal, guess)
    coarse, energy, error = compton.peak_energies(counts, guess, block=2)
    found, numbers = compton.refine_pinhole(coarse, energy, error)
    assert found.angle_deg == pytest.approx(90.3, abs=0.05)
    assert found.distance_mm == pytest.approx(97.0, abs=1.0)
    assert abs(found.distance_mm - 97.0) < 4 * numbers["distance_err_mm"] * max(numbers["chi2"], 1.0) ** 0.5


def test_bad_pixels_are_found():
    truth = CoinTruth.of(CELL)
    seen = cubes()[0][0]
    found = compton.bad_pixels(seen["counts"].values, seen["energy"].values, 115.0)
    assert np.array_equal(found["dead"].values, truth.pixels["dead"].values)
    assert np.array_equal(found["noisy"].values, truth.pixels["noisy"].values)
    assert truth.pixels["dead"].values.sum() > 0
    assert truth.pixels["noisy"].values.sum() > 0


def test_missing_lines_are_an_error_and_faint_ones_a_flag():
    dark = replace(CELL, lines=(("Cd", 0.0), ("W", 0.0)), flux_per_s_mm2=5e8)
    seen = coin_cell_cube(dark, 0, 0)
    with pytest.raises(InputError, match="missing in every pixel"):
        compton.calibrate_energy(seen["counts"], seen["energy"].values, REGIONS)
    total = cubes()[0][0]["counts"].values.sum((0, 1))[None]
    short = compton.find_lines(total[:, :400], cubes()[0][0]["energy"].values[:400], REGIONS)
    assert short["flag"].values[0].tolist()[1:] == [Flag.NO_DATA] * 2  # W and Pb are beyond this spectrum
    one = compton.fit_scale(short)
    assert np.isnan(one["offset"]).all()
    assert int(one["flag"][0]) == Flag.TOO_FEW_COUNTS


def test_a_faint_state_has_no_angle_but_a_flag():
    empty = xr.DataArray(
        np.ones((1, 160)), dims=("exposure", "p_z"), coords={"p_z": compton.Momenta().middles}
    )
    found = compton.angle_drift(empty, camera(), reference=None)
    assert np.isnan(found["angle"]).all()
    assert int(found["flag"][0]) == Flag.TOO_FEW_COUNTS
