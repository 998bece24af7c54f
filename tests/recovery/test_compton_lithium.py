"""Li content of a coin cell from its twin: pulls over many seeds, with and without drift correction, fit against
EMR, and the planned error against the scatter that is seen."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("xraylib")

from operando import compton
from operando.twin.coin_cell import CoinCell, CoinTruth, summed_spectra
from operando.twin.coin_cell.measure import angles_deg

CELL = CoinCell.tiny(flux_per_s_mm2=1e10, beam_loss=0.0)
SEEDS = 200
MOMENTA = compton.Momenta(6.0, 0.1)
STATES = slice(1, -1)  # five states; the first and the last are the references


@lru_cache(maxsize=1)
def scene():
    """Camera (one column for each region: 1 mm off its axis is nothing), templates, fractions, cathode rows."""
    truth = CoinTruth.of(CELL)
    camera = compton.Pinhole(
        115.0, (CELL.pixels, 3), CELL.pitch_mm, 90.0, CELL.distance_mm, pinhole_mm=CELL.pinhole_mm
    )
    one = compton.Pinhole(115.0, (CELL.pixels, 1), CELL.pitch_mm, 90.0, CELL.distance_mm)
    shape = compton.response(one, MOMENTA, polarisation=CELL.polarisation)
    wide = compton.momentum_resolution(one, CELL.resolution_keV)
    templates = {
        name: compton.template(f, shape, wide) for name, f in (("Li", "Li"), ("host", "Ni0.6Mn0.2Co0.2O2"))
    }
    seen = truth.maps["seen"].values[:, :, ::-1, ::-1].sum(-1)
    cathode = seen[0, 0] > 0.02 * seen[0, 0].max()
    seen = np.where(cathode, seen, 1.0)
    fractions = compton.VolumeFractions(
        np.where(cathode, seen[1, 3] / seen[2, 3], np.nan)[:, None],
        np.where(cathode, seen[0, 3] / seen[2, 3], np.nan)[:, None],
        (seen[0, 2] / seen[1, 2])[:, None],
    )  # fmt: skip
    return truth, camera, shape, templates, fractions, cathode[:, None]


def measure(seed: int, correct: bool = True) -> tuple[xr.Dataset, xr.Dataset]:
    """EMR and fit of all states from the photons of one seed."""
    _, camera, shape, templates, fractions, cathode = scene()
    data = summed_spectra(CELL, seed)
    energy, n = data["energy"].values, data["counts"].values
    nominal = compton.nominal_calibration(camera.shape, energy)
    scale, offset, angle = np.zeros(len(n)), np.zeros(len(n)), np.zeros(len(n))
    stacks = [np.ascontiguousarray(state.transpose(1, 0, 2)) for state in n]
    if correct:
        total = xr.DataArray(n.sum((1, 2)), dims=("exposure", "energy"), coords={"energy": energy})
        drift = compton.scale_drift(total, compton.detector_regions())
        scale, offset = drift["scale"].values, drift["offset"].values

    def momenta() -> xr.DataArray:
        parts = [
            compton.momentum_counts(
                stack, nominal, camera, MOMENTA, scale_drift=scale[i], offset_drift_keV=offset[i],
                angle_drift_deg=angle[i], threads=1,
            )
            for i, stack in enumerate(stacks)
        ]  # fmt: skip
        return xr.concat(parts, "state")

    counts = momenta()
    if correct:
        angle = compton.angle_drift(counts.sum(("y", "x")), camera, reference=None)["angle"].values
        counts = momenta()
    regions = counts.rename(x="region").expand_dims("x", -1).transpose("region", "state", "y", "x", "p_z")
    part = compton.separate_components(regions, fractions, components=("cathode",))["cathode"]
    summed = compton.sum_pixels(part, cathode)
    return compton.momentum_ratio(summed, response=shape), compton.fit_components(summed, templates)


def contents(value, error, curvature: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """x and its error for the five states, calibrated by the two references."""
    known = [s.x for s in CELL.states]
    references = [compton.Reference(known[i], float(value[i]), float(error[i])) for i in (0, -1)]
    x, err, _ = compton.momentum_calibration(references, curvature=curvature).invert(
        value.values, error.values
    )
    return x[STATES], err[STATES]


@lru_cache(maxsize=1)
def campaign() -> dict[str, np.ndarray]:
    """(seeds, estimate and error, states) of both estimators, drifts corrected."""
    _, _, _, templates, _, _ = scene()
    bend = compton.theoretical_curvature(
        templates["host"], templates["Li"], MOMENTA.middles, compton.Windows()
    )
    found: dict[str, list] = {"emr": [], "fit": [], "raw": []}
    for seed in range(SEEDS):
        emr, fit = measure(seed)
        found["emr"].append(contents(emr["emr"], emr["emr_err"], bend))
        found["fit"].append(contents(fit["ratio"], fit["ratio_err"]))
        found["raw"].append((fit["ratio"].values, emr["emr"].values))
    return {name: np.array(rows) for name, rows in found.items()}


def true_x() -> np.ndarray:
    return scene()[0].states["x"].values[STATES]


@pytest.mark.parametrize("estimator", ["emr", "fit"])
def test_li_content_of_five_states_within_its_error(estimator):
    values = campaign()[estimator]
    pull = (values[:, 0] - true_x()) / values[:, 1]
    width = pull.std(0)
    assert ((width > 0.8) & (width < 1.2)).all(), width
    assert (np.abs(pull.mean(0)) < 4 / np.sqrt(SEEDS) + 0.1).all(), pull.mean(0)
    assert 0.8 < pull.std() < 1.2


def test_drift_biases_what_is_not_corrected():
    truth, _, _, templates, _, _ = scene()
    bend = compton.theoretical_curvature(
        templates["host"], templates["Li"], MOMENTA.middles, compton.Windows()
    )
    wrong = []
    for seed in range(10):
        emr, _ = measure(seed, correct=False)
        wrong.append(contents(emr["emr"], emr["emr_err"], bend))
    bias = (np.array(wrong)[:, 0] - true_x()).mean(0)
    corrected = (campaign()["emr"][:, 0] - true_x()).mean(0)
    moved = np.argmax(np.abs(truth.states["angle"].values[STATES]))  # 0.3 degrees
    assert bias[moved] < -0.2  # a shifted profile looks broader, as if Li were missing
    assert abs(corrected[moved]) < 0.02


def test_fit_beats_two_windows_at_equal_counts():
    values = campaign()
    emr, fit = (values[name][:, 0] - true_x() for name in ("emr", "fit"))
    gain = emr.std() / fit.std()
    assert gain > 1.15, gain  # the whole profile knows more than two windows
    assert values["emr"][:, 1].mean() / values["fit"][:, 1].mean() == pytest.approx(gain, rel=0.1)


@pytest.mark.parametrize("estimator", ["fit", "emr"])
def test_planned_error_is_the_observed_scatter(estimator):
    """The plan, from flux, thickness and time alone, against the scatter of the twin's sums (references
    without noise).
    """
    truth, _, _, _, _, cathode = scene()
    light = truth.maps["seen"].values[0, :, ::-1, ::-1]
    camera = compton.Pinhole(
        115.0, (CELL.pixels,) * 2, CELL.pitch_mm, 90.0, CELL.distance_mm, pinhole_mm=CELL.pinhole_mm
    )
    rows = cathode[:, 0]
    on_axis = camera.solid_angles().max() * (CELL.pitch_mm / 10) ** 2 * 100
    grams = [light[i][rows].sum() / on_axis for i in (0, 2, 3)]
    regions = np.array([truth.maps["seen"].values[r, 3, ::-1, ::-1][rows].sum() for r in range(3)])
    thick = np.array([CELL.cathode_um, CELL.separator_um, CELL.sheet_um * regions[0] / regions[2]]) * 1e-4
    density = np.array([CELL.cathode_g_cm3, CELL.separator_g_cm3, CELL.anode_g_cm3])
    transmission = tuple(np.array(grams) / (thick * density))  # of the sum of all these pixels: one big pixel
    plan = compton.Plan(
        camera, CELL.flux_per_s_mm2, clear_um=CELL.region2_um - CELL.cathode_um, transmission=transmission, x=0.7,
        multiple=CELL.multiple,
    )  # fmt: skip
    expected = compton.expected_error(plan, CELL.exposure_s)
    raw = campaign()["raw"][:, 0 if estimator == "fit" else 1]
    known = np.array([s.x for s in CELL.states])
    slope = np.polyfit(known, raw.mean(0), 1)[0]
    observed = raw.std(0, ddof=1).mean() / abs(slope)
    assert expected[f"x_err_{estimator}"] == pytest.approx(observed, rel=0.10)
    wanted = compton.exposure_for(plan, 0.5 * expected["x_err_fit"])
    assert wanted == pytest.approx(4 * CELL.exposure_s, rel=1e-3)


def test_the_twin_spreads_what_a_line_sees():
    assert (
        np.ptp(angles_deg(CELL)) > 5
    )  # degrees: without an angle for each pixel the peak would be 3 keV wide
