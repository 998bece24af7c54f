"""The coin cell twin through a whole run: files and experiment.toml in, Li content, maps and report out."""

import numpy as np
import pytest

pytest.importorskip("xraylib")

from operando import show
from operando.core.errors import ExperimentError
from operando.flow import run
from operando.twin.coin_cell import CoinCell, State, simulate_coin_cell

STATES = (
    State("lithiated", 1.01, 0.0, True),
    State("half", 0.6, 5.0, False, 0.3, 0.001),
    State("delithiated", 0.26, 10.0, True, -0.1, -0.0005),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("coin") / "cell"
    simulate_coin_cell(
        CoinCell.demo(
            pixels=20, pitch_mm=1.0, tomogram_um=(250.0, 5.0), states=STATES, flux_per_s_mm2=1e11, seed=5
        ),
        place,
    )
    return place


@pytest.fixture(scope="module")
def results(folder):
    return run(folder / "experiment.toml")[1]


def test_content_drift_and_place_are_those_of_the_truth(results):
    states = results.groups["compton/states"]
    for name in ("x_li", "x_li_emr"):
        assert abs(float(states[name][1]) - 0.6) < 3 * float(states[f"{name}_err"][1])
        assert float(states[f"{name}_err"][1]) < 0.05
    drift = states["angle_drift"].values
    np.testing.assert_allclose(drift - drift[0], [0, 0.3, -0.1], atol=0.02)
    maps = results.groups["compton"]
    assert abs(maps.attrs["turn_deg"] - CoinCell().tomogram_turn_deg) < 1
    assert (np.diff(maps["y"].values) > 0).all()
    assert "the scattering angle moved" in " ".join(results.notes)


def test_maps_are_upright_and_of_the_cathode_only(results):
    x = results.groups["compton"]["x_li"].isel(state=0)
    seen = np.isfinite(x.values)
    assert 0.2 < seen.mean() < 0.6
    y, along = np.meshgrid(x["y"].values, x["x"].values, indexing="ij")
    centre = CoinCell().cathode_centre_mm
    assert along[seen].mean() == pytest.approx(centre[0] - 0.4, abs=1.2)  # cut on the side of +x
    assert y[seen].mean() == pytest.approx(centre[1], abs=1.2)


def test_it_has_its_chapter_and_figures(results, tmp_path):
    text = show.write_report(results, tmp_path / "report.html").read_text()
    assert "Li content of the cathode goes from" in text
    names = {path.stem for path in show.write_figures(results, tmp_path / "figures")}
    assert {
        "compton-content",
        "compton-maps",
        "compton-profiles",
        "compton-spectra",
        "compton-drift",
    } <= names


@pytest.mark.parametrize(("old", "new", "told"), [
    ("x = 0.26", "hour = 99.0", "two states of different known x|hour"),
    ("raw/state_01_region_2.h5", "raw/none.h5", "no such file: raw/none.h5"),
    ('file = "tomogram.h5"', 'file = "ct.h5"', "no such file: ct.h5"),
    ("[0.0, 72.0, 130.0]", "[0.0, 72.0]", "heights_um"),
])  # fmt: skip
def test_what_is_missing_is_said_with_its_line(folder, old, new, told):
    (folder / "bad.toml").write_text((folder / "experiment.toml").read_text().replace(old, new))
    with pytest.raises(ExperimentError, match=told):
        run(folder / "bad.toml")


def test_a_tomogram_without_a_cathode_is_refused(folder):
    text = (
        (folder / "experiment.toml")
        .read_text()
        .replace("lateral_um = 250.0", "labels = { anode = 3 }, lateral_um = 250.0")
    )
    (folder / "bad.toml").write_text(text)
    with pytest.raises(ExperimentError, match="names no label 'cathode'"):
        run(folder / "bad.toml", folder / "other")
