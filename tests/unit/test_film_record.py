"""A film model that follows the current of a record."""

import numpy as np
import pytest

pytest.importorskip("pybamm")

from operando.core.errors import InputError
from operando.models import FilmCell, Follow, Hold, Rest, simulate_film
from operando.models.film_electrode_record import constant_currents


def charge_mAh(time_s, current):
    return np.r_[0.0, np.cumsum(0.5 * (current[1:] + current[:-1]) * np.diff(time_s))] / 3600


def test_pieces_pass_the_charge_of_the_record_at_all_times():
    rng = np.random.default_rng(1)
    time = np.cumsum(rng.uniform(1, 20, 2000))
    hours = time / 3600
    current = np.where(hours < 2, 0.9 * np.exp(-hours), np.where(hours < 3, 0.0, -0.3))
    current = current + 1e-4 * rng.standard_normal(len(time))
    pieces = constant_currents(time, current, 0.002)
    ends = np.cumsum([h for h, _ in pieces])
    passed = np.cumsum([h * i for h, i in pieces])
    true = charge_mAh(time, current)
    np.testing.assert_allclose(ends[-1], (time[-1] - time[0]) / 3600)
    shown = np.interp(time, time[0] + 3600 * np.r_[0, ends], np.r_[0, passed])
    assert np.abs(shown - true).max() < 0.004 * np.ptp(true)
    assert len(pieces) < 40
    assert any(i == 0 for _, i in pieces)  # the rest is a rest


def test_following_the_current_of_a_hold_gives_its_profiles():
    cell = FilmCell()
    held = simulate_film(cell, [Hold(4.3, 2.3), Rest(0.5)], cells=60, points=120)
    record = Follow(held["time"].values, held["current_density"].values, tolerance=0.001)
    followed = simulate_film(cell, [record], cells=60, points=200)
    assert float(followed["areal_capacity"][-1]) == pytest.approx(float(held["areal_capacity"][-1]), rel=2e-3)
    late = followed.interp(time=held["time"].values[40:])
    difference = (late["x_li"] - held["x_li"].isel(time=slice(40, None))).values
    assert np.sqrt(np.nanmean(difference**2)) < 0.01  # beside the front, which is as steep as a volume
    assert followed.attrs["ended"][-1] == "time"
    assert set(followed["step"].values) == {0, 1}  # charge, rest
    with pytest.raises(InputError, match="times rise"):
        simulate_film(cell, [Follow(np.array([0.0, 0.0]), np.ones(2))])


def test_a_record_that_the_film_cannot_follow_ends_there():
    """At 0.9 mA/cm2 a film of slow diffusion fills at its surface long before all lithium is back."""
    time = np.arange(0, 7 * 3600, 60.0)
    current = np.where(time < 1.5 * 3600, 0.9, -0.9)
    film = simulate_film(FilmCell(start_x=0.99), [Follow(time, current)], cells=60)
    assert "cannot follow" in film.attrs["ended"][-1]
    assert film["time"].values[-1] < 3.1 * 3600
