"""Properties of the state at a frame that hold for any record."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from operando.core.errors import InputError
from operando.core.flags import Flag
from operando.echem import Clock, at
from operando.echem.clock import current_state, switches


def record(seed: int, size: int) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    time = np.cumsum(rng.choice([0.0, 0.5, 10.0, 300.0], size))
    return xr.Dataset(
        {
            "time": ("record", time), "utc": ("record", 1.7e9 + time),
            "voltage": ("record", rng.normal(3.7, 0.2, size)),
            "current": ("record", rng.choice([-1e-3, 0.0, 1e-3], size)), "capacity": ("record", rng.normal(0, 1, size)),
            "step": ("record", rng.integers(0, 3, size)), "cycle": ("record", np.zeros(size, int)),
        }
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40), st.floats(-50, 50))
def test_values_lie_between_the_records_around_them_and_flags_outside(seed, size, shift):
    table = record(seed, size)
    stamps = table.utc.values
    wanted = np.random.default_rng(seed + 1).uniform(stamps[0] - 100, stamps[-1] + 100, 50)
    state = at(table, wanted, Clock(offset_s=shift))
    moment = wanted + shift
    inside = (moment >= stamps[0]) & (moment <= stamps[-1])
    np.testing.assert_array_equal(state.voltage_flag == 0, inside)
    np.testing.assert_array_equal((state.voltage_flag & Flag.BEFORE_RECORD) != 0, moment < stamps[0])
    np.testing.assert_array_equal(np.isfinite(state.voltage), inside)
    after = np.clip(np.searchsorted(stamps, moment, side="right"), 1, size - 1)
    for name in ("voltage", "current", "capacity"):
        pair = np.sort([table[name].values[after - 1], table[name].values[after]], axis=0)
        values = state[name].values
        assert (values[inside] >= pair[0][inside] - 1e-12).all()
        assert (values[inside] <= pair[1][inside] + 1e-12).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_the_current_is_never_one_that_the_cycler_did_not_set(seed):
    table = record(seed, 30)
    state = at(table, np.linspace(float(table.utc[0]), float(table.utc[-1]), 200))
    assert set(np.unique(state.current.values)) <= {-1e-3, 0.0, 1e-3}


def test_records_too_far_apart_are_a_gap_on_request():
    table = record(3, 30)
    gaps = np.diff(table.utc.values)
    place = int(np.argmax(gaps))
    middle = np.array([table.utc.values[place] + 0.5 * gaps[place]])
    assert int(at(table, middle, max_gap_s=0.9 * gaps[place]).voltage_flag[0]) == Flag.NO_DATA
    assert int(at(table, middle).voltage_flag[0]) == 0


def test_a_missing_current_counts_as_rest():
    np.testing.assert_array_equal(current_state(np.array([np.nan, 1e-3, -1e-3, 1e-7])), [0, 1, -1, 0])
    assert switches(record(1, 5)).shape == (4,)


def test_absolute_times_that_run_backwards_are_refused():
    table = record(3, 10)
    table["utc"][5] = table.utc.values[0] - 100
    with pytest.raises(InputError, match="backwards at record 5"):
        at(table, np.array([1.7e9]))
