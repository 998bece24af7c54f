"""Li content: anchors, propagated errors, flags, and a calibration from the charge itself."""

import numpy as np
import pytest
import xarray as xr

from operando.core import Flag
from operando.core.errors import InputError
from operando.diffraction import LICOO2_FILM, Anchor, Calibration, calibration_from_charge


def apply(calibration, c, err=1e-3):
    c = np.atleast_1d(np.asarray(c, float))
    return calibration.apply(xr.DataArray(c, dims="z"), xr.DataArray(np.full(c.shape, err), dims="z"))


def test_the_published_lines_follow_from_the_anchor_points():
    c = np.array([14.43, 14.32, 14.21, 14.13, 14.03])
    metallic, two_phase = 20.127 - c * 0.3 / 0.22, 20.486 - c * 0.25 / 0.18
    expected = np.where(c > 14.21, metallic, two_phase)
    np.testing.assert_allclose(apply(LICOO2_FILM, c)["x_li"], expected, atol=6e-4)
    np.testing.assert_allclose(
        apply(LICOO2_FILM, [14.43, 14.21, 14.03])["x_li"], [0.45, 0.75, 1.0], atol=1e-12
    )


def test_outside_is_flagged_and_continued_not_clipped():
    found = apply(LICOO2_FILM, [14.00, 14.50, np.nan, 14.1])
    assert found["x_li_flag"].values.tolist() == [
        Flag.OUTSIDE_CALIBRATION,
        Flag.OUTSIDE_CALIBRATION,
        Flag.NO_DATA,
        0,
    ]
    assert float(found["x_li"][0]) == pytest.approx(1 + 0.03 * 0.25 / 0.18)
    assert float(found["x_li"][1]) == pytest.approx(0.45 - 0.07 * 0.3 / 0.22)
    assert np.isnan(found["x_li"].values[2])


def test_errors_of_fit_and_anchors_are_those_of_repeated_experiments():
    rng = np.random.default_rng(0)
    errors = [(14.03, 1.0, 0.004, 0.01), (14.21, 0.75, 0.006, 0.02), (14.43, 0.45, 0.003, 0.015)]
    calibration = Calibration.through("stated", errors)
    c, values = np.array([14.08, 14.15, 14.3]), []
    for _ in range(2000):
        drawn = [(p + pe * rng.standard_normal(), x + xe * rng.standard_normal()) for p, x, pe, xe in errors]
        values.append(
            apply(Calibration.through("drawn", drawn), c + 0.002 * rng.standard_normal(3))["x_li"].values
        )
    found = apply(calibration, c, 0.002)
    np.testing.assert_allclose(np.std(values, axis=0), found["x_li_err"], rtol=0.06)
    assert (found["x_li_err_fit"] < found["x_li_err"]).all()


def test_lever_rule_of_mean_c_is_exact_in_the_two_phase_range():
    share = np.linspace(0, 1, 11)
    found = apply(LICOO2_FILM, (1 - share) * 14.03 + share * 14.21)
    np.testing.assert_allclose(found["x_li"], 1 - 0.25 * share, atol=1e-12)


def test_calibration_from_charge_recovers_the_truth():
    rng = np.random.default_rng(1)
    charge = np.linspace(0, 0.9, 200)
    x = 1.0 - charge / 1.8
    c = 14.03 + 0.8 * (1 - x)
    measured = c + 0.002 * rng.standard_normal(c.size)
    half = 0.9  # x = 0.5 at 0.9 mAh
    found = calibration_from_charge(
        "own", measured, np.full(c.size, 0.002), charge, charge_at_half_mAh=half, mAh_per_x=1.8
    )
    inside = (c > found.anchors[0].parameter_A) & (c < found.anchors[-1].parameter_A)
    back = apply(found, c[inside], 1e-6)
    assert np.abs(back["x_li"].values - x[inside]).max() < 0.01
    assert (np.abs(back["x_li"].values - x[inside]) < 4 * back["x_li_err"].values).all()


def test_refusals():
    with pytest.raises(InputError, match="two or more"):
        Calibration("one", (Anchor(14.0, 1.0),))
    with pytest.raises(InputError, match="up and down"):
        Calibration.through("turning", [(14.0, 1.0), (14.2, 0.7), (14.4, 0.8)])
    with pytest.raises(InputError, match="nodes"):
        calibration_from_charge(
            "few", np.ones(3), np.ones(3), np.arange(3.0), charge_at_half_mAh=1, mAh_per_x=1
        )
