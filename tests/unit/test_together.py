"""Sections of several experiments in one file."""

import tomllib

import pytest

from operando.flow import load_experiment
from operando.flow.together import joined
from operando.twin.film import FilmCell, simulate

COIN = """
title = "coin"
[cell]
area_cm2 = 1.5
layers = [{ name = "NMC", thickness_um = 70.0 }]
[cycler]
file = "coin.csv"
clock_offset_s = 4.0
[compton]
energy_keV = 115.0
pitch_mm = 0.25
sheet_um = 250.0
heights_um = [0.0, 72.0, 130.0]
cathode = { formula = "NiO2", density_g_cm3 = 3.0 }
separator = { formula = "C2H4O", density_g_cm3 = 1.2 }
anode = { formula = "Li", density_g_cm3 = 0.5 }
tomogram = { file = "ct.h5" }
states = [
  { name = "full", x = 1.0, regions = ["a1.h5", "a2.h5", "a3.h5"] },
  { name = "empty", x = 0.3, regions = ["b1.h5", "b2.h5", "b3.h5"] },
]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("together")
    simulate(FilmCell.tiny(maps=1), place / "film")
    (place / "coin").mkdir()
    (place / "coin" / "experiment.toml").write_text(COIN)
    (place / "coin" / "coin.csv").touch()
    for name in ("ct", "a1", "a2", "a3", "b1", "b2", "b3"):
        (place / "coin" / f"{name}.h5").touch()
    return place


def test_paths_of_each_part_hold_from_the_common_folder(folder):
    parts = (("film", ("cell", "phases", "cycler", "xrd")), ("coin", ("compton", "unknown")))
    text = joined(
        folder, parts, "both", lithium={"ring": "LCO003", "calibration": "LiCoO2 film"}, future={"a": 1}
    )
    data = tomllib.loads(text)
    assert data["xrd"]["mask"] == "detector"  # a word, not a path
    assert data["xrd"]["geometry"].startswith("film/")
    assert "future" not in data
    (folder / "experiment.toml").write_text(text)
    experiment = load_experiment(folder / "experiment.toml")
    assert experiment.title == "both"
    assert len(experiment.xrd.scans) == 1
    assert experiment.compton.tomogram.file == str(folder / "coin" / "ct.h5")
    assert experiment.compton.states[1].regions[2] == str(folder / "coin" / "b3.h5")
    assert experiment.lithium.ring == "LCO003"
    assert experiment.compton.separate  # the cycler is that of the film
    assert experiment.compton.cycler.file == str(folder / "coin" / "coin.csv")
    assert experiment.compton.cycler.clock_offset_s == 4.0
    assert experiment.compton.cell.area_cm2 == 1.5
    assert experiment.cell.area_cm2 == pytest.approx(0.007)
    assert experiment.phases["Ti"].a == pytest.approx(2.951)
