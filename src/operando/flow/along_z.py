"""What analyses along z share: rows upwards, when each was recorded, and where the beam is in a layer."""

from __future__ import annotations

import numpy as np
import xarray as xr

#: share of the typical intensity of a layer from which on a point counts as inside it
IN_LAYER = 0.6


def ascending(array: xr.DataArray) -> xr.DataArray:
    """With z upwards, as fits along z need it."""
    return array.sortby("z")


def in_layer(fitted: xr.Dataset) -> xr.DataArray:
    """Where the beam lies in the layer of this ring: intensity over `IN_LAYER` of the median in its column."""
    seen = fitted["intensity"].where(fitted["intensity"] > 5 * fitted["intensity_err"])
    return seen > IN_LAYER * seen.median("z")


def transmission_of(overview: xr.Dataset) -> xr.DataArray | float:
    """The transmission that intensities were divided by: multiplied with it they tell where a layer is.

    A monitor behind the sample sees all layers that the beam is in. A row half in this layer and half in a heavier one
    is then scaled up too much, which moves the layer towards its heavier neighbour: thin titanium under gold by 0.15 um
    at rows of 2 um. What the layer itself absorbs is the same in every row.
    """
    absorbance = overview.get("transmission")
    if absorbance is None or absorbance.attrs.get("source") != "monitor":
        return 1.0
    seen: xr.DataArray = xr.apply_ufunc(np.exp, -absorbance)
    return seen


def row_time(position: xr.DataArray, rows: xr.DataArray) -> xr.DataArray:
    """When the row at each position was recorded, over the dims of position; NaN where it is."""
    z = rows["z"].values
    each = [
        xr.apply_ufunc(np.interp, position.isel(time=t), kwargs={"xp": z, "fp": rows.isel(time=t).values})
        for t in range(position.sizes["time"])
    ]
    return xr.concat(each, position["time"]).transpose(*position.dims)
