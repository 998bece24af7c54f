"""Phase fronts of a ring: place, width and speed in each column."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando import diffraction

from .along_z import ascending, in_layer, row_time
from .experiment import Experiment
from .mean_parameter import mean_parameter
from .sections import RingSection

#: rounds of moving front positions from the time of their row to that of the map
ROUNDS = 4


def fronts(groups: dict[str, xr.Dataset], ring: RingSection, experiment: Experiment) -> xr.Dataset:
    """Place and width of the boundary in each column and map, and its speed: `fit_front`, `front_speed`.

    Fitted to the lattice parameter, mean of both phases, or with front = "fraction" to the share of the phase of larger
    spacing (peaks have to lie apart by more than their width); attrs["profile"] says which. Points where the beam is
    only partly in the film are left out: they tell of a height that is not theirs.
    Rows are recorded one after the other: a position is what the
    front had when its row was, so it is moved to the middle of the map by the speed, which is found so in `ROUNDS`
    rounds (`moved`; the speed from it does not depend on the direction of the scan). A front that meets the scan is
    seen narrower than it is, by 1 - speed x time from row to row: `width` is freed from that, and holds the beam's.
    """
    name, source = "fraction", groups.get(f"xrd/{ring.name}/phases")
    if ring.front != "fraction" or source is None:
        source = mean_parameter(groups, ring.name)
        name = "c" if "c" in source else "a"
    inside = in_layer(groups[f"xrd/{ring.name}"])
    profile, error = (ascending(source[key].where(inside)) for key in (name, f"{name}_err"))
    found = diffraction.fit_front(profile, error, stepped=True)
    rows = ascending(groups["xrd"]["row_time"])
    found["position_map"] = found["position"]
    speed = _speed(found, "position")
    known = bool(np.isfinite(rows).all())
    for _ in range(ROUNDS if known else 0):
        late = row_time(found["position"], rows) - found["time"]
        found["position_map"] = found["position"] - _um_per_s(speed) * late
        speed = _speed(found, "position_map")
    found["position_map"].attrs = {"units": "um", "long_name": "front position, at the middle of the map"}
    if known:
        met = 1 - _um_per_s(speed) * rows.differentiate("z").mean("z")
        for key in ("width", "width_err"):
            found[key] = (found[key] * abs(met)).transpose(*found[key].dims).assign_attrs(found[key].attrs)
    for key in ("speed", "speed_err", "p_constant"):
        found[key] = speed[key]
    found["speed_goodness"], found["speed_points"] = speed["goodness"], speed["points"]
    found["speed_flag"] = speed["flag"]
    return found.assign_attrs(profile=name)


def _speed(found: xr.Dataset, name: str) -> xr.Dataset:
    return diffraction.front_speed(
        xr.Dataset({"position": found[name], "position_err": found["position_err"]})
    )


def _um_per_s(speed: xr.Dataset) -> xr.DataArray:
    """Speed of each column; of those without one the median of the others, zero where there is none."""
    known = 1e-3 * speed["speed"]
    return known.fillna(known.median("x")).fillna(0.0)
