"""The film electrode beside measured profiles, in a run."""

import numpy as np
import pytest

pytest.importorskip("pybamm")

from operando import show
from operando.core.errors import ExperimentError
from operando.flow import load_experiment, run
from operando.twin.film import FilmCell, Truth, simulate

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
    assert abs(float(compared["x_modelled"].isel(time=0).mean()) - 0.95) < 0.01
    assert float(compared["x_modelled"].isel(time=-1).mean()) < 0.6
    residual = compared["x_measured"] - compared["x_modelled"]
    assert float(residual.isel(time=-1).mean()) > 0.03  # of a film that was not full at first, as this one is
    text = show.write_report(results, tmp_path / "report.html").read_text()
    assert "Measured and modelled profiles of perp" in text


def test_a_model_that_follows_the_record_has_the_content_that_the_twin_has(folder):
    """With the charge of the cycler and the film full at first, what has one phase agrees to the counting noise."""
    changed = {"steps": "record", "start_x": 1.0, "diffusivity_poor": 8e-12, "diffusivity_rich": 3e-12}
    _, results = run(
        folder / "model.toml", overrides={f"film_model.{key}": value for key, value in changed.items()}
    )
    compared, known = results.groups["model/film/compare"], Truth.load(folder)
    there = compared["x_modelled"].transpose("time", "z")
    film = compared["residual"].notnull().transpose("time", "z").values
    true = known.maps["x_li"].transpose("time", "z", "x").mean("x").values
    last = film[-1]
    np.testing.assert_allclose(there.values[-1][last], true[-1][last], atol=0.01)
    # chi-square of about 11 points over their number scatters by 0.43: 1.6 of that, and 3.5 where c hardly tells x
    assert float(compared["goodness_time"][-1]) < 1.7
    assert float(compared["goodness_time"][0]) < 2.5
    charge = results.groups["model/film"]["areal_capacity"]
    recorded = results.groups["echem"]["capacity"].values[-1] / 0.007
    assert float(charge[-1]) == pytest.approx(recorded, rel=0.005)


def test_another_family_is_said(folder):
    with pytest.raises(ExperimentError, match="no lithium content of family"):
        run(folder / "model.toml", overrides={"film_model.family": "none"})


@pytest.mark.parametrize(("steps", "told"), [
    ("[{ hold = 4.3 }]", "hold needs hours"), ("[{ hald = 4.3 }]", "Did you mean hold"),
    ("[{ hold = 4.3, rest = 1.0 }]", "a step is"), ('"recorded"', "should be 'record'"), ("[]", "at least 1"),
])  # fmt: skip
def test_wrong_steps_are_said(tmp_path, steps, told):
    file = tmp_path / "experiment.toml"
    file.write_text(f'title = "film"\n[film_model]\nfamily = "perp"\nsteps = {steps}\n')
    with pytest.raises(ExperimentError, match=told):
        load_experiment(file)
