"""The film electrode beside measured profiles, in a run."""

import numpy as np
import pytest

pytest.importorskip("pybamm")

from operando import show
from operando.core.errors import ExperimentError
from operando.flow import run
from operando.twin.film import FilmCell, simulate

MODEL = """
[film_model]
family = "perp"
steps = [{ hold = 4.3, hours = 2.3 }]
blur_um = 0.9
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("film")
    simulate(FilmCell.demo(columns=3, maps=4, map_period_s=2000.0), place)
    text = (place / "experiment.toml").read_text()
    if "[lithium]" not in text:
        text += '\n[lithium]\nring = "LCO003"\ncalibration = "LiCoO2 film"\n'
    (place / "model.toml").write_text(text + MODEL)
    return place


def test_profiles_are_compared_on_the_grid_and_clock_of_the_maps(folder, tmp_path):
    _, results = run(folder / "model.toml")
    compared, lithium = results.groups["model/film/compare"], results.groups["lithium"]
    np.testing.assert_array_equal(compared["z"], np.sort(lithium["z"].values))
    np.testing.assert_array_equal(compared["time"], lithium["time"])
    assert abs(compared.attrs["start_s"] - 600) < 40  # the twin rests for 600 s
    seen = np.isfinite(compared["residual"])
    pull = ((compared["measured"] - compared["modelled"]) / compared["measured_err"]).where(seen)
    np.testing.assert_allclose(pull.values[seen.values], compared["residual"].values[seen.values], rtol=1e-6)
    assert abs(float(compared["modelled"].isel(time=0).mean()) - 0.95) < 0.01
    assert float(compared["modelled"].isel(time=-1).mean()) < 0.6
    text = show.write_report(results, tmp_path / "report.html").read_text()
    assert "Measured and modelled profiles of perp" in text


@pytest.mark.parametrize(("old", "new", "told"), [
    ('family = "perp"', 'family = "none"', "no lithium content of family"),
    ("{ hold = 4.3, hours = 2.3 }", "{ hold = 4.3 }", "hold needs hours"),
    ("{ hold = 4.3, hours = 2.3 }", "{ hold = 4.3, rest = 1.0 }", "a step is"),
])  # fmt: skip
def test_what_cannot_be_compared_is_said(folder, old, new, told):
    (folder / "bad.toml").write_text((folder / "model.toml").read_text().replace(old, new))
    with pytest.raises(ExperimentError, match=told):
        run(folder / "bad.toml", folder / "bad")
