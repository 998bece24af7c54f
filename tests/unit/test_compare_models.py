"""Measured against modelled: residuals in sigma, one grid only, rates computed and not believed."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from operando.core.errors import InputError
from operando.core.flags import Flag
from operando.models import (
    Interface,
    SymmetricCell,
    areal_current,
    c_rate,
    compare_profiles,
    compare_series,
    contact_scenarios,
    mean_profiles,
)

TIME, Z, X = np.arange(6) * 300.0, np.arange(20) + 0.5, np.arange(8) * 33.0


def model():
    front = 20 - TIME[:, None] * 0.01
    x = 0.75 + 0.2 / (1 + np.exp((Z - front) / 1.5))
    return xr.Dataset({"x_li": (("time", "z"), x)}, {"time": TIME, "z": Z})


def image(rng, sigma=0.01, offset=0.0):
    clean = model().x_li.expand_dims(x=X).transpose("time", "z", "x")
    noise = rng.normal(0, sigma, clean.shape)
    flag = np.zeros(clean.shape, np.uint16)
    flag[0, 0, 0] = Flag.SATURATED
    return xr.Dataset(
        {
            "x_li": clean + noise + offset,
            "x_li_err": xr.full_like(clean, sigma),
            "x_li_flag": (clean.dims, flag),
        }
    )


def test_right_model_has_chi_square_of_its_freedom(rng):
    values = [compare_profiles(image(rng), model()) for _ in range(40)]
    assert int(values[0].dof) == 6 * 20 * 8 - 1  # one point is flagged
    chi2 = np.array([float(v.chi2) for v in values])
    assert chi2.mean() == pytest.approx(959, abs=4 * np.sqrt(2 * 959 / 40))
    p = np.array([float(v.p_value) for v in values])
    assert 0.2 < p.mean() < 0.8
    assert (values[0].residual_flag.values != 0).sum() == 1


def test_wrong_model_is_told_and_where(rng):
    seen = image(rng)
    seen["x_li"][3] += 0.02
    found = compare_profiles(seen, model(), fitted=2)
    assert float(found.p_value) < 1e-3
    assert "does not agree" in found.attrs["sentence"]
    assert int(found.goodness_time.argmax("time")) == 3
    assert float(found.residual[3].mean()) == pytest.approx(2.0, abs=0.3)
    assert int(found.dof) == 959 - 2


def test_model_error_is_added_in_quadrature(rng):
    one = compare_profiles(image(rng), model(), model_sigma=0.0)
    two = compare_profiles(image(np.random.default_rng(20250304)), model(), model_sigma=0.01)
    assert float(two.chi2) == pytest.approx(float(one.chi2) / 2, rel=1e-9)


def test_mean_profile_is_the_weighted_mean(rng):
    seen = image(rng)
    mean = mean_profiles(seen)
    assert float(mean.x_li_err.median()) == pytest.approx(0.01 / np.sqrt(8), rel=0.35)
    found = compare_profiles(mean, model())
    assert 0.7 < float(found.goodness) < 1.2
    seen["x_li"][2, 5] = np.nan
    gap = mean_profiles(seen)
    assert np.isnan(float(gap.x_li[2, 5]))
    assert int(gap.x_li_flag[2, 5]) == Flag.NO_DATA


def test_series_are_read_at_the_measured_times_and_never_extrapolated(rng):
    curve = xr.DataArray(
        np.sin(np.linspace(0, 3, 400)), dims="time", coords={"time": np.linspace(0, 3000, 400)}
    )
    times = np.linspace(-100, 3100, 33)
    seen = np.sin(times / 1000) + rng.normal(0, 0.02, 33)
    found = compare_series(times, seen, 0.02, curve.assign_attrs(units="V"))
    assert int(found.residual_flag[0]) & Flag.BEFORE_RECORD
    assert int(found.residual_flag[-1]) & Flag.AFTER_RECORD
    assert int(found.dof) == 31
    assert 0.3 < float(found.goodness) < 2.0


def test_four_c_is_computed_not_believed():
    """The film paper: 0.4 mA/cm2 called 4C; it is C/3.5 of the capacity charged, so the inverse was meant."""
    table = c_rate(0.4, {"charged": 1.4, "theory": 2.80}, claimed=4.0)
    np.testing.assert_allclose(table.rate, [0.4 / 1.4, 0.4 / 2.8])
    np.testing.assert_allclose(table.hours, [3.5, 7.0])
    assert list(table.claim.values) == ["inverse agrees", "disagrees"]
    assert "C/3.5" in table.attrs["sentences"][0]
    assert list(c_rate(5.6, {"charged": 1.4}, claimed=4.0).claim.values) == ["agrees"]


def test_current_area_and_density_must_agree():
    assert areal_current(current_mA=2e-3, area_cm2=0.005) == pytest.approx(0.4)
    assert areal_current(current_mA_per_cm2=0.4) == 0.4
    with pytest.raises(InputError, match=r"0\.2857 mA"):
        areal_current(current_mA=2e-3, area_cm2=0.007, current_mA_per_cm2=0.4)
    with pytest.raises(InputError, match="needs the area"):
        areal_current(current_mA=2e-3)
    with pytest.raises(InputError, match="no current"):
        areal_current(area_cm2=0.1)


def test_scenarios_of_the_contact():
    cell, time = SymmetricCell(), np.linspace(0, 3600, 5)
    loss = Interface(np.linspace(0.008, 0.002, 5), constriction_ohm_cm2=np.linspace(5, 80, 5))
    table = contact_scenarios(cell, time, Interface(0.008), loss, 1.0)
    full, quarter, percent, fixed, constricted = table.voltage.values
    assert (percent > quarter).all()
    assert (quarter > full).all()
    assert fixed[-1] < full[-1]
    np.testing.assert_allclose(constricted - full, 1e-3 * np.linspace(5, 80, 5), rtol=1e-9)


def test_bad_input_is_refused(rng):
    with pytest.raises(InputError, match="z differ"):
        compare_profiles(image(rng), model().assign_coords(z=Z + 0.5))
    with pytest.raises(InputError, match="time differ"):
        compare_profiles(image(rng), model().isel(time=slice(0, 4)))
    with pytest.raises(InputError, match="no variable 'x_li_err'"):
        compare_profiles(image(rng).drop_vars("x_li_err"), model())
    with pytest.raises(InputError, match="nothing is left"):
        compare_profiles(image(rng), model(), fitted=2000)
    with pytest.raises(InputError, match="3 values for 2 times"):
        compare_series(
            np.arange(2), np.ones(3), 0.1, xr.DataArray(np.ones(2), dims="time", coords={"time": [0, 1]})
        )
    with pytest.raises(InputError, match="positive capacities"):
        c_rate(1.0, {"none": 0.0})
