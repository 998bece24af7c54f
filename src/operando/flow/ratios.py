"""How much of one family of a ring there is for one of the other: maps and depth profile of the ratio."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando import diffraction


def family_ratios(ring: xr.Dataset) -> xr.Dataset:
    """Ratio of peak areas of the first family to each of the others, over `pair`.

    `ratio` over (pair, time, z, x) with `_err` and `flag`; `depth` over (pair, z), the ratio of the areas summed over
    time and x of the points where both are valid. Areas are of the ring as seen: divide by the structure factors and
    the azimuths covered to compare amounts of material.
    """
    first, *others = [str(name) for name in ring["family"].values]
    names = [f"{first} / {other}" for other in others]
    one = ring.sel(family=first, drop=True)
    pairs = [(one, ring.sel(family=other, drop=True)) for other in others]
    found = xr.concat(
        [diffraction.family_ratio(*pair) for pair in pairs], xr.DataArray(names, dims="pair", name="pair"),
        combine_attrs="override",
    )  # fmt: skip
    depth = xr.concat([_summed(*pair) for pair in pairs], found["pair"], combine_attrs="override")
    return found.merge(depth)


def _summed(one: xr.Dataset, two: xr.Dataset) -> xr.Dataset:
    both = (one["flag"] == 0) & (two["flag"] == 0)
    area, error = zip(*(_total(each, both) for each in (one, two)), strict=True)
    value = area[0] / area[1]
    return xr.Dataset({
        "depth": value.assign_attrs(units="1", long_name="ratio of summed peak areas"),
        "depth_err": (value * np.hypot(error[0] / area[0], error[1] / area[1])).assign_attrs(
            units="1", long_name="1-sigma error of depth"),
    })  # fmt: skip


def _total(each: xr.Dataset, both: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Sum of valid areas and its error over time and x; NaN where there is none."""
    area = each["area"].where(both).sum(("time", "x"), min_count=1)
    return area, (each["area_err"].where(both) ** 2).sum(("time", "x"), min_count=1) ** 0.5
