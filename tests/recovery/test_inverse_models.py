"""Inverse use of the cell models: intervals hold the truth as often as they say, and what cannot be known is said."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from operando.core.errors import InputError
from operando.core.flags import Flag
from operando.models import (
    Candidate,
    Interface,
    Measured,
    Parameter,
    SymmetricCell,
    cell_voltage,
    fit_parameters,
    fit_symmetric_maps,
    interface_from_maps,
    symmetric_predictor,
    what_would_settle,
)

TIME = np.linspace(0, 3.6e4, 60)
CELL = SymmetricCell(interphase_S_per_cm=2e-5, exchange_mA_per_cm2=1.3)
TOP = Interface(CELL.area_cm2 * np.linspace(0.24, 0.22, 60), np.linspace(2, 30, 60))
BOTTOM = Interface(CELL.area_cm2 * np.linspace(0.22, 0.05, 60), np.linspace(2, 20, 60))
CURRENT = np.where(np.arange(60) % 20 < 10, 1.0, 0.3)  # two currents: a straight line would hide the kinetics
I0 = Parameter("exchange_mA_per_cm2", 0.5, 1e-3, 1e3, "mA/cm2")
K_INT = Parameter("interphase_S_per_cm", 5e-5, 1e-7, 1e-2, "S/cm")
SCALE = Parameter("contact_scale", 1.0, 0.05, 4.0)
MODEL = symmetric_predictor(CELL, TIME, TOP, BOTTOM, CURRENT)
TRUTH = {"exchange_mA_per_cm2": 1.3, "interphase_S_per_cm": 2e-5, "contact_scale": 0.8}


def noisy(rng, truth=TRUTH, sigma=0.003):
    exact = MODEL(truth)
    return {
        "voltage": Measured(exact["voltage"] + rng.normal(0, sigma, len(TIME)), sigma),
        "contact_scale": Measured(truth["contact_scale"] + rng.normal(0, 0.03), 0.03),
    }


def test_intervals_hold_the_truth_at_the_stated_rate():
    """100 seeds, three parameters: 95 % intervals, within the binomial 99.9 % range (87 to 100)."""
    inside, pulls = np.zeros(3), []
    for seed in range(100):
        fit = fit_parameters(MODEL, [I0, K_INT, SCALE], noisy(np.random.default_rng(seed)))
        true = np.array(list(TRUTH.values()))
        inside += (fit.low_95.values < true) & (true < fit.high_95.values)
        pulls.append(np.log(fit.value.values / true) / fit.error_search.values)
        assert fit.identifiable.all()
    assert (inside >= 87).all(), inside
    assert np.abs(np.mean(pulls, 0)).max() < 0.4
    np.testing.assert_allclose(np.std(pulls, 0), 1.0, atol=0.25)


def test_pair_that_only_acts_as_a_product_is_reported(rng):
    """Voltage alone sees i0 times contact: neither is identifiable, their product is."""
    data = {"voltage": noisy(rng)["voltage"]}
    fit = fit_parameters(MODEL, [I0, K_INT, SCALE], data)
    assert not bool(fit.identifiable.sel(parameter="exchange_mA_per_cm2"))
    assert not bool(fit.identifiable.sel(parameter="contact_scale"))
    assert bool(fit.identifiable.sel(parameter="interphase_S_per_cm"))
    assert fit.attrs["pairs"] == [("exchange_mA_per_cm2", "contact_scale")]
    assert any("their product" in s for s in fit.attrs["sentences"])
    assert any("not identifiable" in s for s in fit.attrs["sentences"])
    assert float(fit.eigenvalue[0]) < 1e-3 * float(fit.eigenvalue[1])
    product = float(fit.value[0] * fit.value[2])
    assert product == pytest.approx(1.3 * 0.8, rel=0.1)


def test_the_measurement_that_settles_it_is_named(rng):
    fit = fit_parameters(MODEL, [I0, K_INT, SCALE], {"voltage": noisy(rng)["voltage"]})
    candidates = [
        Candidate("ten times more voltage points", lambda v: MODEL(v)["voltage"], 0.003 / np.sqrt(10)),
        Candidate("contact from images of 0.3 um", lambda v: v["contact_scale"], 0.03),
        Candidate("interphase conductivity from impedance", lambda v: np.log(v["interphase_S_per_cm"]), 0.1),
    ]
    table = what_would_settle(fit, [I0, K_INT, SCALE], candidates)
    assert str(table.candidate.values[0]) == "contact from images of 0.3 um"
    assert float(table.worst[0]) < 0.1 < 100 < float(table.worst[1])
    # and making it gives the error that was foretold, relative to the value it was foretold at
    both = fit_parameters(MODEL, [I0, K_INT, SCALE], noisy(rng))
    shift = (fit.value / both.value).values
    expected = table.error[0].values * np.array([shift[2], 1.0, shift[2]])
    np.testing.assert_allclose(both.error_search, expected, rtol=0.05)


def test_the_papers_fit():
    """Interphase conductivity from the first half cycle, then the second half cycle predicted, as the paper did."""
    rng = np.random.default_rng(4)
    first, second = slice(0, 30), slice(30, 60)
    current = np.where(np.arange(60) < 30, 1.0, -1.0)
    truth = cell_voltage(CELL, TIME, TOP, BOTTOM, current_mA_per_cm2=current).voltage.values
    seen = truth + rng.normal(0, 0.003, 60)
    model = symmetric_predictor(CELL, TIME, TOP, BOTTOM, current)
    fit = fit_parameters(
        lambda v: {"first": model({**v})["voltage"][first]}, [K_INT], {"first": Measured(seen[first], 0.003)}
    )
    assert float(fit.value[0]) == pytest.approx(2e-5, abs=4 * float(fit.value_err[0]))
    predicted = model({"interphase_S_per_cm": float(fit.value[0])})["voltage"][second]
    assert np.sqrt(np.mean((predicted - truth[second]) ** 2)) < 0.002
    fixed = symmetric_predictor(CELL, TIME, TOP, BOTTOM, current, contact="fixed")
    still = fixed({"interphase_S_per_cm": float(fit.value[0])})["voltage"][second]
    assert abs(still[-1]) < abs(truth[-1]) - 0.02  # fixed contact misses the polarisation


def test_search_steps_back_where_the_model_has_no_answer():
    """A model that refuses large values is still fitted: the search takes smaller steps."""

    def model(values):
        if values["a"] > 3.0:
            raise InputError("no solution here")
        return {"y": np.linspace(0, 1, 20) * values["a"] ** 3}

    exact = Measured(np.linspace(0, 1, 20) * 2.5**3, 0.01)
    fit = fit_parameters(model, [Parameter("a", 0.3, 0.01, 100.0)], {"y": exact})
    assert float(fit.value[0]) == pytest.approx(2.5, rel=1e-3)
    with pytest.raises(InputError, match="no solution here"):
        fit_parameters(model, [Parameter("a", 5.0, 0.01, 100.0)], {"y": exact})


def test_wrong_model_is_flagged(rng):
    data = noisy(rng)
    bent = data["voltage"].values + 0.05 * np.sin(TIME / 3000)
    fit = fit_parameters(MODEL, [I0, K_INT], {"voltage": Measured(bent, 0.003)})
    assert (fit.value_flag.values & Flag.POOR_FIT).all()
    assert float(fit.p_value) < 1e-3


def test_parameter_at_its_bound_is_flagged(rng):
    tight = Parameter("interphase_S_per_cm", 5e-5, 4e-5, 1e-4, "S/cm")
    fit = fit_parameters(MODEL, [I0, tight], {"voltage": noisy(rng)["voltage"]})
    assert int(fit.value_flag.sel(parameter="interphase_S_per_cm")) & Flag.WINDOW_EDGE


def test_fit_with_constriction_finds_the_cell_and_without_it_does_not():
    rng = np.random.default_rng(8)
    smooth = gaussian_filter(rng.normal(size=(64, 64)), 3.0)
    bottom = [smooth > np.quantile(smooth, 1 - s) for s in (0.5, 0.35, 0.2, 0.1, 0.05)]
    top = [np.ones((64, 64), bool)] * 5
    thick = (0.0, np.linspace(10, 30, 5))
    current, time = np.array([-1.0, -0.5, -1.0, -0.5, -1.0]), np.arange(5) * 3600.0
    cell = SymmetricCell(interphase_S_per_cm=2e-5, exchange_mA_per_cm2=3.0)
    faces = (
        interface_from_maps(cell, top, 4.0, current, interphase_um=thick[0]),
        interface_from_maps(cell, bottom, 4.0, -current, interphase_um=thick[1]),
    )
    sigma = 0.002
    clean = cell_voltage(cell, time, *faces, current_mA_per_cm2=current).voltage.values
    seen = Measured(clean + rng.normal(0, sigma, 5), sigma)
    start = SymmetricCell(interphase_S_per_cm=1e-5, exchange_mA_per_cm2=1.0)
    fit = fit_symmetric_maps(start, time, (top, bottom), 4.0, thick, current, seen, [K_INT, I0])
    pull = np.log(fit.value.values / [2e-5, 3.0]) / fit.error_search.values
    assert (np.abs(pull) < 3).all()
    assert float(fit.p_value) > 1e-3
    bare = tuple(Interface(f.contact_cm2, f.interphase_um) for f in faces)
    without = fit_parameters(symmetric_predictor(start, time, *bare, current), [K_INT, I0], {"voltage": seen})
    assert float(without.p_value) < 1e-3 or abs(np.log(float(without.value[0]) / 2e-5)) > 5 * float(
        without.error_search[0]
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"measured": {"voltage": Measured(np.ones(3), 0.1)}}, "shape"),
        ({"measured": {"voltage": Measured(np.ones(60), 0.0)}}, "must be positive"),
        ({"measured": {}}, "nothing to fit"),
        ({"measured": {"contact_scale": Measured(1.0, 0.1)}}, "1 measured values for 2 parameters"),
        ({"parameters": [I0, I0]}, "occurs twice"),
        ({"parameters": [Parameter("colour", 1, 0.1, 10)]}, "has no parameter 'colour'"),
    ],
)
def test_bad_input_is_refused(change, said):
    given = {"parameters": [I0, SCALE], "measured": {"voltage": Measured(np.ones(60), 0.1)}} | change
    with pytest.raises(InputError, match=said):
        fit_parameters(MODEL, **given)
    with pytest.raises(InputError, match="must rise"):
        Parameter("k", 1.0, 2.0, 3.0)
