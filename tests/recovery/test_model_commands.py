"""operando model ...: results and a report from the command line."""

import sys

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("pybamm")
pytest.importorskip("SALib")

from operando.cli import main
from operando.flow import read_results


def called(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["operando", "model", *map(str, words)])
    with pytest.raises(SystemExit) as done:
        main()
    return done.value.code or 0


def test_film(monkeypatch, tmp_path):
    assert called(monkeypatch, "film", "-o", tmp_path / "m", "--cells", 60) == 0
    film = read_results(tmp_path / "m" / "results.nxs").groups["model/film"]
    assert 1.2 < float(film["areal_capacity"].max()) < 1.45
    text = (tmp_path / "m" / "report.html").read_text()
    assert "The front moves at" in text
    assert "not explained by it" in text


def test_grain_selection(monkeypatch, tmp_path):
    assert called(monkeypatch, "grain-selection", "-o", tmp_path / "m") == 0
    groups = read_results(tmp_path / "m" / "results.nxs").groups
    scan = groups["model/grain_selection/scan"]
    strain = np.interp([298.15, 353.15], scan["temperature"].values, scan["strain"].values)
    np.testing.assert_allclose(strain, [9778, 10891], rtol=2e-4)
    assert 320 < float(groups["model/grain_selection/crossover"]["temperature"]) < 345
    assert "The winner changes at" in (tmp_path / "m" / "report.html").read_text()


def test_what_is_not_known_of_a_metal_is_asked_for(monkeypatch, tmp_path, capsys):
    assert called(monkeypatch, "grain-selection", "Na", "-o", tmp_path / "m") == 2
    assert "not known" in capsys.readouterr().err


def test_phase_field_and_its_movie(monkeypatch, tmp_path):
    from PIL import Image

    words = (
        "phase-field",
        "-o",
        tmp_path / "m",
        "--size",
        "20x60",
        "--grains",
        12,
        "--duration",
        60,
        "--frames",
        6,
    )
    assert called(monkeypatch, *words, "--movie") == 0
    film = read_results(tmp_path / "m" / "results.nxs").groups["model/phase_field/film"]
    assert (film["grain"].isel(time=-1) >= 0).all()
    with Image.open(tmp_path / "m" / "growth.gif") as movie:
        assert movie.n_frames == 6
    assert called(monkeypatch, "phase-field", "-o", tmp_path / "n", "--size", "wide") == 2


def test_symmetric_cell_from_a_table(monkeypatch, tmp_path, capsys):
    time = np.linspace(0, 3600, 13)
    table = pd.DataFrame({
        "time_s": time, "current_mA": 0.1, "contact_top_cm2": np.linspace(0.02, 0.01, 13), "contact_bottom_cm2": 0.02,
        "interphase_top_um": np.linspace(1, 5, 13), "voltage_V": 0.05,
    })  # fmt: skip
    table.to_csv(tmp_path / "contact.csv", index=False)
    assert (
        called(monkeypatch, "symmetric", tmp_path / "contact.csv", "--area-cm2", 0.0314, "-o", tmp_path / "m")
        == 0
    )
    found = read_results(tmp_path / "m" / "results.nxs").groups["model/symmetric"]
    assert float(found["voltage"][-1]) > float(found["voltage_fixed_contact"][-1])
    table.drop(columns="current_mA").to_csv(tmp_path / "contact.csv", index=False)
    assert (
        called(monkeypatch, "symmetric", tmp_path / "contact.csv", "--area-cm2", 0.0314, "-o", tmp_path / "n")
        == 2
    )
    assert "no column current_mA" in capsys.readouterr().err
