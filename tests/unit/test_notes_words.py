"""Things to look at say what to do, in words."""

import numpy as np
import xarray as xr

from operando.core import Flag
from operando.flow.notes import look_at


def groups(flag, family="all"):
    overview = xr.Dataset({"flag": (("time", "z", "x"), np.zeros((1, 1, 4), np.uint16))})
    of_ring = np.array(flag, np.uint16).reshape(1, 1, 1, 4)
    ring = xr.Dataset(
        {"goodness": (("time", "family", "z", "x"), np.ones((1, 1, 1, 4))),
         "flag": (("time", "family", "z", "x"), of_ring)},
        {"family": [family]},
    )  # fmt: skip
    return {"xrd": overview, "xrd/Ti100": ring}


def test_share_of_flagged_peaks_and_what_to_do():
    edge = int(Flag.WINDOW_EDGE)
    said = look_at(groups([0, 0, 0, edge], "perp"))
    assert said == ["Ti100 perp: 25 % of the peaks lie at the edge of their window: widen q_range"]


def test_a_ring_without_families_is_named_alone_and_points_without_a_peak_do_not_count():
    poor, few = int(Flag.POOR_FIT), int(Flag.TOO_FEW_COUNTS)
    said = look_at(groups([poor, 0, poor | few, few]))
    assert len(said) == 1
    assert said[0].startswith("Ti100: 50 % of the peaks are fitted poorly: ")
    assert "phases = 2" in said[0]
    assert look_at(groups([0, few, few, few])) == []
