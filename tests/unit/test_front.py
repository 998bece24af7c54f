"""Fronts of known place, speed and width, at 1 um pixels that average over their height."""

import numpy as np
import pytest
import xarray as xr
from scipy.special import ndtr

from operando.core import Flag
from operando.core.errors import InputError
from operando.diffraction import fit_front, front_speed

Z = np.arange(0.5, 30, 1.0)
TIME = np.arange(0, 2400, 300.0)


def pixels(position, width, model="erf"):
    """The step averaged over each pixel by fine sampling; width is 10-90 %."""
    fine = (Z[:, None] + np.linspace(-0.5, 0.5, 41)[None, :]).ravel()
    t = (fine - np.asarray(position)[..., None]) / width
    share = ndtr(t * 2.5631031) if model == "erf" else 1 / (1 + np.exp(-t * 2 * np.log(9)))
    return share.reshape(*np.shape(position), len(Z), 41).mean(-1)


def simulate(position, width=6.0, noise=0.03, seed=0, model="erf"):
    y = 14.03 + 0.18 * pixels(position, width, model)
    rng = np.random.default_rng(seed)
    coords = {"z": Z, "time": TIME}
    data = xr.DataArray(
        y + 0.18 * noise * rng.standard_normal(y.shape), dims=("x", "time", "z"), coords=coords
    )
    return data.assign_attrs(units="angstrom"), xr.full_like(data, 0.18 * noise)


def moving(columns=49, speed=0.010, start=5.0):
    return start + speed * TIME + np.linspace(-1, 1, columns)[:, None]


@pytest.mark.parametrize("model", ["erf", "logistic"])
def test_position_and_width_have_honest_errors(model):
    truth = moving(300, speed=0.008, start=6.0)
    found = fit_front(*simulate(truth, model=model), model=model)
    assert (found["flag"] == 0).mean() > 0.98
    pull = ((found["position"] - truth) / found["position_err"]).values
    assert np.nanstd(pull) == pytest.approx(1, abs=0.06)
    assert abs(np.nanmean(pull)) < 0.08
    pull = ((found["width"] - 6) / found["width_err"]).values
    assert np.nanstd(pull) == pytest.approx(1, abs=0.12)
    assert float(found["width"].mean()) == pytest.approx(6, rel=0.03)


def test_a_front_half_out_of_the_film_is_flagged_wherever_the_film_ends():
    truth = moving(60)
    profile, error = simulate(truth)
    film = (profile["z"] > 4) & (profile["z"] < 20)
    found = fit_front(profile.where(film), error)
    away = np.minimum(truth - 4.5, 19.5 - truth)
    edge = (found["flag"].values & int(Flag.WINDOW_EDGE)) > 0
    assert edge[(away > -6) & (away < 2)].mean() > 0.95
    assert edge[away > 4].mean() < 0.02  # a few by noise: wider than half of this short column
    assert np.isnan(found["position"].values[edge]).all()
    pull = ((found["position"] - truth) / found["position_err"]).values
    assert abs(np.nanmean(pull)) < 0.2
    assert np.nanstd(pull) < 1.2


def test_nothing_is_taken_out_of_rows_that_stood_still():
    truth = moving(60, speed=0.004, start=10.0)
    profile, error = simulate(truth, noise=0.01)
    moved, still = (fit_front(profile, error, stepped=s)["width"] for s in (False, True))
    np.testing.assert_allclose(still**2 - moved**2, 2.5631031**2 / 12, rtol=1e-4)


def test_pixel_height_is_taken_out_of_narrow_fronts():
    truth = moving(60)
    found = fit_front(*simulate(truth, width=1.5, noise=0.01))
    assert float(found["width"].mean()) == pytest.approx(1.5, rel=0.05)


def test_speed_within_three_percent_and_constant_speed_not_rejected():
    found = front_speed(fit_front(*simulate(moving())))
    assert float(found["speed"].mean()) == pytest.approx(10, rel=0.03)
    assert ((found["speed"] - 10) / found["speed_err"]).std() == pytest.approx(1, abs=0.3)
    assert found["speed"].attrs["units"] == "nm/s"
    many = front_speed(fit_front(*simulate(moving(600), seed=3)))
    p = np.sort(many["p_constant"].values)
    assert np.abs(p - np.linspace(0, 1, p.size)).max() < 0.08


def test_a_slowing_front_is_told_from_a_steady_one():
    slowing = 5 + 22 * np.sqrt(TIME / 2400) + np.zeros((40, 1))
    found = front_speed(fit_front(*simulate(np.clip(slowing, 4, 25))))
    assert float(found["p_constant"].max()) < 1e-3


def test_no_front_gives_no_position():
    y, err = simulate(moving(50))
    flat = fit_front(y * 0 + 14.1 + 0.005 * np.random.default_rng(1).standard_normal(y.shape), err)
    assert (flat["flag"] != 0).mean() > 0.97
    outside = fit_front(*simulate(np.full((5, len(TIME)), 60.0)))
    assert (outside["flag"].values != 0).all()
    missing = fit_front(y.where(y["z"] > 26), err)
    assert (missing["flag"].values & Flag.NO_DATA).all()
    assert np.isnan(missing["position"].values).all()


def test_missing_points_are_left_out():
    truth = moving(40)
    y, err = simulate(truth)
    found = fit_front(y.where((y["z"] < 10) | (y["z"] > 13)), err)
    pull = ((found["position"] - truth) / found["position_err"]).values
    assert np.nanstd(pull) == pytest.approx(1, abs=0.15)


def test_bad_input():
    y, err = simulate(moving(2))
    with pytest.raises(InputError, match="six or more"):
        fit_front(y.isel(z=slice(0, 4)), err.isel(z=slice(0, 4)))
    with pytest.raises(InputError, match="none is time"):
        front_speed(fit_front(y.isel(time=0), err.isel(time=0)))
    with pytest.raises(InputError, match="evenly spaced"):
        fit_front(y.isel(z=[0, 1, 2, 3, 5, 9, 12]), err.isel(z=[0, 1, 2, 3, 5, 9, 12]))


def test_a_front_that_has_all_but_left_is_not_mistaken_for_one_inside():
    """Most profiles of a series hold no front; their chance steps must not tell what a front looks like."""
    z, columns = np.arange(6.0, 24.0, 2.0), 40
    rng = np.random.default_rng(4)
    at = np.concatenate([np.full(columns, 14.0), np.full(columns, 3.0), np.full(8 * columns, -20.0)])
    y = 14.0 + 0.12 * ndtr((z - at[:, None]) * 2.563 / 6.0) + 0.0028 * rng.standard_normal((at.size, z.size))
    profile = xr.DataArray(y[None], dims=("family", "x", "z"), coords={"z": z})
    found = fit_front(profile, xr.full_like(profile, 0.0028), stepped=True).isel(family=0)
    assert np.isfinite(found["position"].values[:columns]).mean() > 0.95
    assert np.isnan(found["position"].values[columns:]).all()
