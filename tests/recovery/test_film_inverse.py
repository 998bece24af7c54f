"""Film model and images: parameters come back from a noisy current transient and Li profiles together."""

from __future__ import annotations

import numpy as np
import pytest

from operando.models import (
    FilmCell,
    Hold,
    Measured,
    Parameter,
    compare_profiles,
    film_on_grid,
    film_predictor,
    fit_parameters,
    simulate_film,
)

pytest.importorskip("pybamm", reason="the film model needs the extra models")

TIME, MAPS, Z = np.linspace(60, 8200, 40), np.arange(150, 8200, 600.0), np.arange(0.5, 20, 1.0)
STEPS = [Hold(4.3, 2.3)]
TRUTH = {"diffusion_poor": 1e-12, "exchange_A_per_m2": 1.2, "conductivity_S_per_cm": 2e-6}
PARAMETERS = [
    Parameter("diffusion_poor", 7e-13, 1e-14, 1e-10, "m2/s"),
    Parameter("exchange_A_per_m2", 1.0, 0.01, 100.0, "A/m2"),
    Parameter("conductivity_S_per_cm", 1.7e-6, 1e-7, 1e-4, "S/cm"),
]


@pytest.fixture(scope="module")
def predict():
    return film_predictor(FilmCell(), STEPS, TIME, z_um=Z, map_time_s=MAPS, blur_um=0.7, cells=40)


def noisy(exact, rng):
    return {
        "current_density": Measured(exact["current_density"] + rng.normal(0, 0.01, len(TIME)), 0.01),
        "x_li": Measured(exact["x_li"] + rng.normal(0, 0.01, exact["x_li"].shape), 0.01),
    }


def test_parameters_come_back_within_their_errors(predict):
    fit = fit_parameters(predict, PARAMETERS, noisy(predict(TRUTH), np.random.default_rng(1)), step=3e-3)
    assert fit.identifiable.all()
    assert float(fit.p_value) > 1e-3
    pulls = np.log(fit.value.values / list(TRUTH.values())) / fit.error_search.values
    assert np.abs(pulls).max() < 3.5
    corr = float(fit.correlation.sel(parameter="exchange_A_per_m2", parameter_2="conductivity_S_per_cm"))
    assert corr < -0.7  # both resist the same current


def test_images_tell_what_the_current_does_not():
    """Diffusion in the Li-rich phase: the charging current hardly feels it, the profiles ahead of the front do."""
    predict = film_predictor(FilmCell(), STEPS, TIME, z_um=Z, map_time_s=MAPS, blur_um=0.7, cells=40)
    rich = Parameter("diffusion_rich", 7e-14, 1e-16, 1e-11, "m2/s")
    exact = predict({"diffusion_rich": 7e-14})
    data = {
        "current_density": Measured(exact["current_density"], 0.01),
        "x_li": Measured(exact["x_li"], 0.01),
    }
    together = fit_parameters(predict, [rich], data, step=3e-2)
    alone = fit_parameters(predict, [rich], {"current_density": data["current_density"]}, step=3e-2)
    assert float(alone.error_search[0]) > 1.5 * float(together.error_search[0])
    assert not bool(alone.identifiable[0])
    assert "diffusion_rich is not identifiable" in alone.attrs["sentences"][0]


def test_broad_front_is_told_from_the_sharp_model():
    """A front of 6 um in the image does not agree with the sharp model, whatever the error bars say of the rest."""
    sharp = film_on_grid(simulate_film(steps=STEPS, cells=100), Z, MAPS, blur_um=0.7)
    broad = film_on_grid(simulate_film(steps=STEPS, cells=100), Z, MAPS, blur_um=2.3)
    rng = np.random.default_rng(2)
    seen = broad.assign(
        x_li=broad.x_li + rng.normal(0, 0.01, broad.x_li.shape), x_li_err=0.01 + 0 * broad.x_li
    )
    wrong, right = compare_profiles(seen, sharp), compare_profiles(seen, broad)
    assert float(wrong.p_value) < 1e-6
    assert float(right.p_value) > 1e-3
