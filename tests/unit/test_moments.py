"""Moments that an instrument can have recorded, and those that it cannot."""

import numpy as np

from operando.core.moments import moment, recorded_moments


def test_a_moment_is_told_only_where_it_can_be_one():
    assert moment(1.7e9) == "2023-11-14T22:13:20+00:00"
    assert [moment(t) for t in (np.nan, np.inf, -1.0, 1e18)] == [""] * 4


def test_damaged_times_are_unknown_and_said(caplog):
    times = recorded_moments(np.array([1.7e9, 3e17, np.nan, -5e9]), "scan_0001")
    np.testing.assert_array_equal(times, [1.7e9, np.nan, np.nan, np.nan])
    assert "scan_0001: 2 of 4 times" in caplog.text
    assert "frame 1" in caplog.text
    assert recorded_moments(np.array([1e300, np.inf]), "scan_0002") is None
