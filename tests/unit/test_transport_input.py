"""Bad input of the transport room: one clear error, or a flag and never a plausible number."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from operando import transport
from operando.core.errors import InputError, OperandoError
from operando.core.flags import Flag

SOLID = np.ones((6, 5, 4))


def with_value(value):
    volume = SOLID.copy()
    volume[2, 2, 2] = value
    return volume


@pytest.mark.parametrize(
    ("volume", "options", "message"),
    [
        (with_value(np.nan), {}, "1 voxels have no value"),
        (with_value(np.inf), {}, "finite"),
        (with_value(-1), {}, "not negative"),
        (SOLID[0], {}, "three dimensions"),
        (SOLID.astype(complex), {}, "holds numbers"),
        (SOLID.astype(int), {"conductivity": {0: 1.0}}, r"labels \[1\]"),
        (with_value(0.5), {"conductivity": {0: 0.0, 1: 1.0}}, "whole numbers"),
        (SOLID, {"directions": "zq"}, "unknown directions"),
        (SOLID, {"voxel": (1, 0, 1)}, "positive"),
        (SOLID, {"tolerance": 0}, "tolerance"),
    ],
)
def test_volumes_that_mean_nothing_are_refused(volume, options, message):
    with pytest.raises(InputError, match=message):
        transport.effective_conductivity(volume, **options)


def test_empty_full_and_closed_domains():
    empty = transport.tortuosity_factor(np.zeros((6, 5, 4), int))
    assert np.isnan(empty["tau_factor"]).all()
    assert (empty["flag"] == int(Flag.NO_DATA)).all()
    full = transport.tortuosity_factor(np.ones((6, 5, 4), int))
    np.testing.assert_allclose(full["tau_factor"], 1, rtol=1e-6)
    closed = np.ones((6, 5, 4), int)
    closed[3] = 0
    factor = transport.tortuosity_factor(closed)
    assert factor["percolates"].values.tolist() == [False, True, True]
    assert np.isinf(factor["tau_factor"][0])
    assert np.isnan(factor["tau_factor_err"][0])
    assert float(factor["relative_diffusivity"][0]) == 0


def test_domains_of_one_voxel():
    """One voxel of the phase is a straight way through, one beside it no value; a row of them as well."""
    volume = np.random.default_rng(0).random((4, 3, 5)) < 0.6
    one = transport.tortuosity_map(volume, (1, 1, 1))
    np.testing.assert_allclose(one["tau_factor"], np.where(volume, 1.0, np.nan), rtol=1e-6)
    assert np.array_equal(one["flag"] == int(Flag.NO_DATA), ~volume)
    column = transport.tortuosity_map(volume, (1, 1, 4))["tau_factor"].values
    whole, some = volume.all(0), volume.any(0)
    np.testing.assert_allclose(column, np.where(whole, 1.0, np.where(some, np.inf, np.nan)), rtol=1e-6)
    assert float(
        transport.effective_conductivity(np.full((1, 1, 1), 2.0))["conductivity"][0]
    ) == pytest.approx(2)


def test_dead_ends_count_in_the_share_but_carry_nothing():
    """Two channels of which one is blocked: D_eff is one channel's, eps is of both (the stated convention)."""
    volume = np.zeros((8, 3, 5), int)
    volume[:, 1, 1] = volume[:4, 1, 3] = 1
    found = transport.tortuosity_factor(volume, directions="z")
    assert float(found["relative_diffusivity"][0]) == pytest.approx(1 / 15, rel=1e-6)
    assert float(found["tau_factor"][0]) == pytest.approx(1.5, rel=1e-6)
    assert float(found["open_fraction"][0]) == pytest.approx(8 / 120)


def test_maps_flag_domains_outside_the_sample():
    volume = np.ones((10, 8, 12))
    volume[:, 6:, :4] = np.nan
    found = transport.tortuosity_map(volume, (4, 4, 10))
    assert np.isnan(found["tau_factor"].values).tolist() == [[False, False, False], [True, False, False]]
    assert int(found["flag"][1, 0]) == int(Flag.NO_DATA)
    assert found["x"].values.tolist() == [2, 6, 10]
    with pytest.raises(InputError, match="smaller than one domain"):
        transport.tortuosity_map(volume, (4, 4, 11))
    with pytest.raises(InputError, match="grey values"):
        transport.tortuosity_map(volume * 0.3, (4, 4, 10))
    with pytest.raises(InputError, match="no label"):
        transport.tortuosity_factor(volume)


def test_named_dimensions_are_put_in_order():
    volume = np.ones((4, 5, 6))
    volume[1] = 0.1
    named = xr.DataArray(volume, dims=("z", "y", "x")).transpose("x", "z", "y")
    same = transport.effective_conductivity(named)["conductivity"]
    np.testing.assert_array_equal(same, transport.effective_conductivity(volume)["conductivity"])


def test_contrast_beyond_reach_is_flagged():
    """A conductor in pieces within 10^-14 of it: rounding hides the flux, so the value must not pass as good."""
    rng = np.random.default_rng(0)
    k = np.where(rng.random((20, 20, 20)) < 0.2, 1.0, 1e-14)
    found = transport.effective_conductivity(k, directions="z", tolerance=1e-6)
    assert int(found["flag"][0]) == int(Flag.NOT_CONVERGED)


def test_fields_of_closed_domains_are_refused():
    closed = SOLID.copy()
    closed[3] = 0
    with pytest.raises(OperandoError, match="no conducting path"):
        transport.potential_field(closed)
    with pytest.raises(OperandoError, match="no conducting path"):
        transport.hot_spot_field(closed, np.ones((5, 4)))
    with pytest.raises(InputError, match="current density"):
        transport.hot_spot_field(SOLID, np.full((5, 4), np.nan))


@pytest.mark.parametrize(
    ("moduli", "message"),
    [
        ({0: (0, 0)}, r"labels \[1\]"),
        ({1: (np.inf, 0.3)}, "finite numbers"),
        ({1: (1.0, 0.5)}, "stable"),
        ({1: np.arange(36.0).reshape(6, 6)}, "symmetric"),
        ({1: -np.eye(6)}, "negative eigenvalues"),
    ],
)
def test_moduli_that_mean_nothing_are_refused(moduli, message):
    with pytest.raises(InputError, match=message):
        transport.effective_stiffness(np.ones((4, 4, 4), int), moduli)


def test_stiffness_of_empty_full_and_cut_volumes():
    moduli = {0: (0.0, 0.0), 1: (3.0, 0.3)}
    empty = transport.effective_stiffness(np.zeros((5, 4, 6), int), moduli)
    assert (empty["young_modulus"] == 0).all()
    assert not empty["carries_load"].any()
    full = transport.effective_stiffness(np.ones((5, 4, 6), int), moduli)
    np.testing.assert_allclose(full["young_modulus"], 3, rtol=1e-5)
    cut = np.ones((8, 7, 6), int)
    cut[3] = 0
    found = transport.effective_stiffness(cut, moduli)
    assert found["carries_load"].values.tolist() == [True, True, False]
    np.testing.assert_allclose(found["young_modulus"], [3 * 7 / 8, 3 * 7 / 8, 0], rtol=1e-3)
    nan = np.ones((4, 4, 4))
    nan[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="no label"):
        transport.effective_stiffness(nan, moduli)
