"""The whole chain on the coin cell twin: files in, registered tomogram, Li content of states and maps out."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import h5py
import numpy as np
import pytest

pytest.importorskip("xraylib")

from operando import compton
from operando.core import Flag
from operando.core.errors import InputError
from operando.read import cycler, hexitec_histogram
from operando.twin.coin_cell import CoinCell, CoinTruth, State, coin_cell_cube, simulate_coin_cell
from operando.twin.coin_cell.structure import LABELS

STATES = (
    State("lithiated", 1.01, 0.0, True),
    State("half", 0.6, 5.0, False, 0.3, 0.001),
    State("delithiated", 0.26, 10.0, True, -0.1, -0.0005),
)  # fmt: skip
CELL = CoinCell.demo(
    pixels=20, pitch_mm=1.0, tomogram_um=(250.0, 5.0), states=STATES, flux_per_s_mm2=1e11, lateral=0.8, dead=0.01,
    noisy=0.01, seed=5,
)  # fmt: skip
MATERIALS = {
    "cathode": compton.Material(LABELS["cathode"], "LiNi0.6Mn0.2Co0.2O2", 2.97),
    "separator": compton.Material(LABELS["separator"], "C32H60O19LiF6NS2", 1.25),
    "anode": compton.Material(LABELS["anode"], "Li", 0.534),
    "steel": compton.Material(LABELS["steel"], "Fe70Cr19Ni11", 7.9),
}
CAMERA = compton.Pinhole(115.0, (20, 20), 1.0, 90.0, CELL.distance_mm, pinhole_mm=CELL.pinhole_mm)


@lru_cache(maxsize=1)
def cubes():
    return [[coin_cell_cube(CELL, s, r) for r in range(3)] for s in range(3)]


@lru_cache(maxsize=1)
def tomogram():
    from operando.twin.coin_cell.structure import tomogram, tomogram_z_um

    return compton.Tomogram(tomogram(CELL), tomogram_z_um(CELL), CELL.tomogram_um[0], MATERIALS)


@lru_cache(maxsize=1)
def registered() -> compton.Registration:
    image = cubes()[0][0]["counts"].values.sum(-1).astype(float)
    bad = compton.bad_pixels(cubes()[0][0]["counts"].values, cubes()[0][0]["energy"].values, 115.0)
    image[~bad["good"].values] = np.nan
    shares = compton.sheet_shares(tomogram(), CELL.regions_um, CELL.sheet_um, pinhole=CAMERA)
    return compton.register_image(image, shares[0, :3], tomogram().lateral_um, CAMERA)


@lru_cache(maxsize=2)
def shares(absorption: bool) -> np.ndarray:
    there = replace(tomogram(), labels=registered().align(tomogram().labels, tomogram().lateral_um))
    fine = compton.sheet_shares(there, CELL.regions_um, CELL.sheet_um, pinhole=CAMERA, absorption=absorption)
    return compton.through_pinhole(fine, there.lateral_um, CAMERA)


@lru_cache(maxsize=2)
def analysed(absorption: bool = True):
    energy = cubes()[0][0]["energy"].values
    imaging = compton.Imaging(CAMERA, compton.detector_regions(), absorption=absorption, block=4)
    names = [s.name for s in STATES]
    momenta = compton.momenta_of_states(
        [[c["counts"].values for c in row] for row in cubes()], energy, imaging, names=names
    )
    monitor = np.array([[c.attrs["monitor"] for c in row] for row in cubes()])
    volume = shares(False)
    cathode = volume[0, 0] > 0.5 * volume[0, 0].max()
    result = compton.lithium_of_states(
        momenta, compton.fractions_from_shares(shares(True)[:, :3]), cathode, {"lithiated": 1.01, "delithiated": 0.26},
        imaging, monitor=monitor, transmission=compton.cathode_transmission(shares(True), volume),
    )  # fmt: skip
    return momenta, result, cathode


def test_image_is_registered_on_the_tomogram():
    found = registered()
    assert found.inverted
    assert not found.ambiguous
    assert found.chi2_other > 2 * found.chi2
    assert found.turn_deg == pytest.approx(CELL.tomogram_turn_deg, abs=max(4 * found.turn_err_deg, 1.0))
    assert np.abs(np.array(found.shift_mm) - CELL.tomogram_shift_mm).max() < 0.05  # a twentieth of a pixel


def test_volume_fractions_and_light_of_the_truth():
    truth = CoinTruth.of(CELL)
    seen = truth.maps["seen"].values[:, :, ::-1, ::-1]
    cathode = truth.maps["cathode"].values[::-1, ::-1].astype(bool)
    found = compton.fractions_from_shares(shares(True)[:, :3])
    assert np.abs(found.alpha - seen[1, 3] / np.maximum(seen[2, 3], 1e-30))[cathode].mean() < 0.006
    assert (
        np.abs(found.alpha - found.beta - (seen[1, 3] - seen[0, 3]) / np.maximum(seen[2, 3], 1e-30))[
            cathode
        ].std()
        < 0.01
    )
    light = compton.cathode_transmission(shares(True), shares(False))
    true = truth.maps["transmission"].values[0][::-1, ::-1]
    inner = cathode & (shares(False)[0, 0] > 0.9 * shares(False)[0, 0].max())
    ratio = (light / true)[inner]
    assert ratio.std() / ratio.mean() < 0.03
    assert true[cathode].min() / true[cathode].max() < 0.5  # the paper calls absorption "below 1 %"


def test_states_and_drift():
    momenta, result, _ = analysed()
    assert momenta["angle_drift"].values[:, 0] - momenta["angle_drift"].values[0, 0] == pytest.approx(
        [s.angle_deg for s in STATES], abs=0.02
    )
    for name in ("x_li", "x_li_emr"):
        x, err = float(result.states[name][1]), float(result.states[f"{name}_err"][1])
        assert abs(x - 0.6) < 3 * err + 0.02, (name, x, err)
        assert err < 0.05
    assert result.by_emr.kind == "quadratic, known curvature"


def test_absorption_correction_gives_the_mean_over_the_mass():
    """More Li is left on the far side, which the cathode itself puts in the shade: without correction x comes
    out low.
    """
    truth = CoinTruth.of(CELL)
    cathode = truth.maps["cathode"].values.astype(bool)
    x, light = truth.maps["x_li"].values[1], truth.maps["transmission"].values[0]
    expected = np.average(x[cathode], weights=light[cathode]) - np.average(x[cathode])
    assert expected < -0.02
    errors, found = [], []
    for absorption in (True, False):
        _, result, _ = analysed(absorption)
        found.append(float(result.states["x_li"][1]))
        errors.append(float(result.states["x_li_err"][1]))
    assert abs(found[0] - 0.6) < 3 * errors[0]
    assert found[1] - found[0] == pytest.approx(expected, abs=0.012)


def test_multiple_scattering_correction_and_its_switch():
    """The twin scatters 4 % twice. Taken off, the fit's own ratio comes nearer to x; calibrated x hardly moves."""
    momenta, plain, cathode = analysed()
    size = 24
    at = (np.arange(size) + 0.5) / size * 2 - 1
    ball = 1e22 * (
        (at[:, None, None] ** 2 + at[:, None] ** 2 + at**2) < 1
    )  # even directions, as the twin has them
    twice = compton.double_scattering(
        ball, 0 * ball, (100.0,) * 3, CAMERA, np.random.default_rng(1), photons=50_000
    )
    twice = twice * (CELL.multiple / float(twice["fraction"]))
    fractions = compton.fractions_from_shares(shares(True)[:, :3])
    light = compton.cathode_transmission(shares(True), shares(False))
    monitor = np.array([[c.attrs["monitor"] for c in row] for row in cubes()])
    found = {}
    for multiple in (True, False):
        imaging = compton.Imaging(CAMERA, compton.detector_regions(), multiple=multiple)
        found[multiple] = compton.lithium_of_states(
            momenta, fractions, cathode, {"lithiated": 1.01, "delithiated": 0.26}, imaging, monitor=monitor,
            transmission=light, twice=twice,
        ).states  # fmt: skip
    assert np.allclose(found[False]["ratio"], plain.states["ratio"])
    off = {k: abs(float(v["ratio"][0]) - 1.01) for k, v in found.items()}
    assert off[True] < 0.6 * off[False]
    assert float(found[True]["x_li"][1]) == pytest.approx(float(found[False]["x_li"][1]), abs=0.02)


def test_map_follows_the_lateral_profile():
    truth = CoinTruth.of(CELL)
    _, result, cathode = analysed()
    x = truth.maps["x_li"].values[1, ::-1, ::-1]
    inside = cathode & np.isfinite(x)
    blocks = [
        np.where(inside, v, 0.0).reshape(5, 4, 5, 4).sum((1, 3)) for v in (np.nan_to_num(x), np.ones_like(x))
    ]
    whole = blocks[1] > 11
    expected = blocks[0][whole] / blocks[1][whole]
    found, err = (result.maps[n].values[1][whole] for n in ("x_li", "x_li_err_fit"))
    pull = (found - expected) / err
    assert 0.5 < np.sqrt((pull**2).mean()) < 1.8
    assert np.ptp(expected) > 0.1
    outside = result.maps["x_li"].values[1][blocks[1] == 0]
    assert np.isnan(outside).all()
    marked = compton.significant_difference(result.maps.isel(state=1), 1.01)
    assert marked["significant"].values[whole].mean() > 0.5


def test_wrong_input_is_told():
    momenta, _, cathode = analysed()
    imaging = compton.Imaging(CAMERA, compton.detector_regions())
    fractions = compton.fractions_from_shares(shares(True)[:, :3])
    with pytest.raises(InputError, match="reference states: none"):
        compton.lithium_of_states(momenta, fractions, cathode, {}, imaging)
    with pytest.raises(InputError, match="expected"):
        compton.momenta_of_states([[np.zeros((20, 20, 7))] * 3], cubes()[0][0]["energy"].values, imaging)


def test_too_few_counts_are_a_flag_and_no_number():
    _, _, cathode = analysed()
    momenta, _, _ = analysed()
    few = momenta.copy()
    few["counts"] = momenta["counts"] * np.array([1.0, 1e-6, 1.0])[:, None, None, None, None]
    imaging = compton.Imaging(CAMERA, compton.detector_regions())
    fractions = compton.fractions_from_shares(shares(True)[:, :3])
    result = compton.lithium_of_states(
        few, fractions, cathode, {"lithiated": 1.01, "delithiated": 0.26}, imaging
    )
    assert np.isnan(result.states["x_li"][1])
    assert int(result.states["x_li_flag"][1]) & Flag.TOO_FEW_COUNTS
    assert np.isfinite(result.states["x_li"].values[[0, 2]]).all()


def test_a_dark_state_is_missing_and_the_others_are_not():
    """A shutter that stayed closed: no lines, no Compton peak; nothing is made up for it."""
    energy = cubes()[0][0]["energy"].values
    rows = [[c["counts"].values for c in row] for row in cubes()]
    rows[1] = [np.minimum(c, 1) * (np.arange(c.shape[2]) % 97 == 0) for c in rows[1]]
    imaging = compton.Imaging(CAMERA, compton.detector_regions())
    momenta = compton.momenta_of_states(rows, energy, imaging, names=[s.name for s in STATES])
    assert momenta["state_flag"].values.tolist() == [0, Flag.TOO_FEW_COUNTS, 0]
    fractions = compton.fractions_from_shares(shares(True)[:, :3])
    known = {"lithiated": 1.01, "delithiated": 0.26}
    result = compton.lithium_of_states(momenta, fractions, analysed()[2], known, imaging)
    for data in (result.states, result.maps):
        assert np.isnan(data["x_li"].isel(state=1)).all()
        assert (data["x_li_flag"].isel(state=1).values & Flag.TOO_FEW_COUNTS).all()
        assert np.isfinite(data["x_li"].isel(state=0)).any()
    with pytest.raises(InputError, match="1 usable reference"):
        compton.lithium_of_states(
            momenta, fractions, analysed()[2], {"lithiated": 1.01, "half": 0.6}, imaging
        )


def test_files_of_the_twin_are_what_is_in_memory(tmp_path):
    cell = CoinCell.tiny(states=STATES[:2])
    truth = simulate_coin_cell(cell, tmp_path / "run")
    stored = hexitec_histogram(tmp_path / "run" / "raw" / "state_01_region_3.h5")
    memory = coin_cell_cube(cell, 1, 2)
    assert np.array_equal(stored["counts"], memory["counts"])
    assert stored.attrs["monitor"] == pytest.approx(memory.attrs["monitor"])
    assert CoinTruth.load(tmp_path / "run").states["x"].values.tolist() == truth.states["x"].values.tolist()
    assert cycler(tmp_path / "run" / "echem" / "cell.csv")["voltage"].max() < 4.5
    with h5py.File(tmp_path / "run" / "tomogram.h5") as file:
        assert file["labels"].attrs["label_cathode"] == 1
    with pytest.raises(InputError, match="an experiment here already"):
        simulate_coin_cell(cell, tmp_path / "run")
    again = coin_cell_cube(cell, 1, 2, seed=cell.seed)
    assert np.array_equal(again["counts"], memory["counts"])
