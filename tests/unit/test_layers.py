"""A thin layer that rises and bends: found again to 0.1 um from counts in 1 um pixels."""

import numpy as np
import pytest
import xarray as xr
from scipy.special import ndtr

from operando.core import Flag
from operando.core.errors import InputError
from operando.diffraction import bending, displacement, layer_position, plated_thickness

Z, X, TIME = np.arange(0.5, 49, 1.0), 33.0 * np.arange(49), np.arange(0, 3000, 300.0)


def simulate(rise, curvature=0.0, thickness=0.5, blur=1.2, peak=150.0, seed=0):
    """Poisson maps (time, x, z) of a layer at z = 30 um that rises by `rise` (time,) and bends (1/m)."""
    x = (X - X.mean()) * 1e-3
    place = 30 + np.asarray(rise)[:, None] + 0.5 * curvature * (x**2 - (x**2).mean())
    fine = (Z[:, None] + np.linspace(-0.5, 0.5, 11)).ravel()
    t = fine - place[..., None]
    shape = (ndtr((t + thickness / 2) / blur) - ndtr((t - thickness / 2) / blur)) / thickness
    mu = peak * shape.reshape(*place.shape, len(Z), 11).mean(-1) / 0.33 + 8
    counts = np.random.default_rng(seed).poisson(mu)
    data = xr.DataArray(
        counts - 5.0, dims=("time", "x", "z"), coords={"time": TIME[: len(place)], "x": X, "z": Z}
    )
    return data, xr.full_like(data, 0.0) + np.sqrt(np.maximum(mu, 1)), place


def test_position_is_found_within_a_tenth_with_honest_errors():
    y, err, place = simulate(np.linspace(0, 6.8, 10))
    found = layer_position(y, err, thickness_um=0.5)
    assert (found["flag"] == 0).mean() > 0.99
    away = (found["position"] - place).values
    assert np.nanstd(away) < 0.1
    assert abs(np.nanmean(away)) < 0.01
    assert np.nanstd(away / found["position_err"].values) == pytest.approx(1, abs=0.07)
    assert float(found["width"].mean()) == pytest.approx(1.2, abs=0.15)


def test_displacement_bending_and_plated_thickness():
    rise = plated_thickness(np.linspace(0, 1.4, 10))
    assert rise[-1] == pytest.approx(6.79, abs=0.01)
    y, err, place = simulate(rise, curvature=2.0)
    moved = displacement(layer_position(y, err, thickness_um=0.5))
    bare = place - place[:1]
    pull = ((moved["displacement"] - bare) / moved["displacement_err"]).values[1:]
    assert np.nanstd(pull) == pytest.approx(1, abs=0.1)
    found = bending(moved)
    np.testing.assert_allclose(found["mean"].values[1:], rise[1:], atol=5 * float(found["mean_err"].max()))
    assert float(found["mean_err"].max()) < 0.1
    bent = layer_position(y, err, thickness_um=0.5).rename(
        position="displacement", position_err="displacement_err"
    )
    curve = bending(bent)
    assert float(curve["curvature"].mean()) == pytest.approx(2.0, abs=0.1)
    assert ((curve["curvature"] - 2.0) / curve["curvature_err"]).std() == pytest.approx(1, abs=0.5)
    assert float(curve["rough"].max()) < 0.1


def test_no_layer_and_no_data_are_flagged():
    y, err, _ = simulate(np.zeros(2), peak=0.0)
    found = layer_position(y, err)
    assert (found["flag"] != 0).mean() > 0.98
    y, err, _ = simulate(np.zeros(2))
    empty = layer_position(y.where(y["z"] > 44), err)
    assert (empty["flag"].values & Flag.NO_DATA).all()
    edge = layer_position(y.sel(z=slice(0, 30)), err.sel(z=slice(0, 30)))
    assert (edge["flag"].values != 0).all()


def test_bad_input():
    y, err, _ = simulate(np.zeros(1))
    with pytest.raises(InputError, match="six or more"):
        layer_position(y.isel(z=slice(0, 3)), err.isel(z=slice(0, 3)))
    with pytest.raises(InputError, match="no dim time"):
        displacement(layer_position(y.isel(time=0), err.isel(time=0)))
