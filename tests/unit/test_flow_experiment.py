from pathlib import Path

import pytest

from operando.core.errors import ExperimentError
from operando.flow.experiment import load_experiment
from operando.flow.toml_text import to_toml

GOOD = """\
title = "test"

[cell]
area_cm2 = 0.007
layers = [
  { name = "LCO", phase = "LCO", thickness_um = 20.0 },
  { name = "Ti", thickness_um = 0.5 },
]

[phases]
LCO = { a = 2.8035, c = 14.0, spacegroup = "R-3m" }

[cycler]
file = "cell.csv"

[xrd]
scans = "raw/*.h5"
geometry = "a.poni"
mask = "none"
grid = { rows = 3, columns = 4, step_z_um = 1.0, step_x_um = 33.0 }
rings = [
  { name = "LCO003", phase = "LCO", hkl = [0, 0, 3] },
  { name = "LCO110", phase = "LCO", hkl = [1, 1, 0] },
]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "raw").mkdir()
    for name in ("raw/b.h5", "raw/a.h5", "a.poni", "cell.csv"):
        (tmp_path / name).touch()
    return tmp_path


def load(folder, text=GOOD, **overrides):
    (folder / "experiment.toml").write_text(text)
    return load_experiment(folder / "experiment.toml", overrides)


def test_paths_are_relative_to_the_file(folder, monkeypatch):
    monkeypatch.chdir("/")
    experiment = load(folder)
    assert experiment.xrd.scans == [str(folder / "raw/a.h5"), str(folder / "raw/b.h5")]
    assert experiment.xrd.geometry == str(folder / "a.poni")
    assert experiment.xrd.mask == "none"


def test_the_resolved_file_loads_to_the_same_experiment(folder):
    experiment = load(folder)
    again = folder / "again.toml"
    again.write_text(to_toml(experiment.model_dump(mode="json", exclude_none=True)))
    assert load_experiment(again) == experiment


@pytest.mark.parametrize(
    ("old", "new", "line", "what", "fix"),
    [
        ("step_z_um = 1.0", "step_z_nm = 1000.0", 20, "unknown key xrd.grid.step_z_nm", "step_z_um"),
        ("thickness_um = 0.5", "thickness_mm = 0.5", 7, "unknown key cell.layers.1.thickness_mm", "thickness_um"),
        ('geometry = "a.poni"', 'geomtry = "a.poni"', 18, "unknown key xrd.geomtry", "Did you mean geometry?"),
        ('geometry = "a.poni"\n', "", 16, "xrd.geometry is missing", "Add geometry"),
        ('mask = "none"', 'mask = "none"\nmsak = 3', 20, "unknown key xrd.msak", "mask"),
        ("area_cm2 = 0.007", 'area_cm2 = "0.7 mm2"', 4, "cell.area_cm2", "number in cm2"),
        ("area_cm2 = 0.007", "area_cm2 = -1", 4, "greater than 0", ""),
        ("rows = 3", "rows = 3.5", 20, "xrd.grid.rows", ""),
        ("hkl = [1, 1, 0]", "hkl = [1, 1]", 23, "xrd.rings.1.hkl", ""),
        ('geometry = "a.poni"', 'geometry = "calib/b.poni"', 18, "no such file: calib/b.poni", "relative"),
        ('scans = "raw/*.h5"', 'scans = "raw/*.cbf"', 17, "no file matches", ""),
        ('phase = "LCO", hkl = [1, 1, 0]', 'phase = "Ti", hkl = [1, 1, 0]', 1, "names phase 'Ti'", ""),
    ],
)  # fmt: skip
def test_errors_name_line_key_and_what_was_expected(folder, old, new, line, what, fix):
    assert old in GOOD
    with pytest.raises(ExperimentError) as caught:
        load(folder, GOOD.replace(old, new))
    assert what in caught.value.what
    assert fix in caught.value.fix
    if line != 1:
        assert caught.value.where.endswith(f"line {line}"), caught.value.where


def test_what_is_no_toml_says_so(folder):
    with pytest.raises(ExperimentError, match="not valid TOML"):
        load(folder, "title = ")
    with pytest.raises(ExperimentError, match="no such file"):
        load_experiment(Path(folder / "absent.toml"))


def test_flags_beat_the_file(folder):
    assert load(folder, **{"xrd.grid.rows": 7}).xrd.grid.rows == 7
    with pytest.raises(ExperimentError, match=r"unknown key xrd\.gird"):
        load(folder, **{"xrd.gird": 7})
