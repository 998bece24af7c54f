"""Which quantities become rows of maps."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..style import CHANGE, LATTICE
from ..summary import called, error_of, families, good, lattice_name, one_family
from .maps import Row


def component_rows(xrd: xr.Dataset | None, rings: dict[str, xr.Dataset]) -> list[Row]:
    """Transmission, its change since the first map, and the background-subtracted intensity of every ring."""
    rows = []
    if xrd is not None:
        rows += _absorption_rows(xrd)
    for name, ring in rings.items():
        if "intensity" in ring and np.isfinite(good(ring, "intensity", "intensity_flag").values).any():
            values = good(ring, "intensity", "intensity_flag").assign_attrs(ring["intensity"].attrs)
            rows.append(Row(f"{name}\nintensity", values, error_of(ring, "intensity"), zero=True))
    return rows


def _absorption_rows(xrd):
    if "transmission" in xrd and np.isfinite(xrd["transmission"].values).any():
        values, errors = xrd["transmission"], error_of(xrd, "transmission")
        rows = [Row("absorption\n−ln(I/I₀)", values, errors)]
        if values.sizes["time"] > 1:
            change = (values - values.isel(time=0, drop=True)).assign_attrs(values.attrs)
            e = None if errors is None else (errors**2 + errors.isel(time=0, drop=True) ** 2) ** 0.5
            rows.append(Row("absorption,\nchange", change, e, CHANGE))
        return rows
    if "total_counts" in xrd and np.isfinite(xrd["total_counts"].values).any():
        return [Row("total counts", xrd["total_counts"], error_of(xrd, "total_counts"))]
    return []


def lattice_rows(name: str, ring: xr.Dataset) -> list[Row]:
    """The lattice parameter of each family of a ring, one scale for all."""
    axis = lattice_name(ring)
    if axis is None:
        return []
    rows = []
    for family in families(ring):
        part = one_family(ring, family)
        values = good(part, axis).assign_attrs(ring[axis].attrs)
        rows.append(
            Row(called(name, family).replace(" ", "\n"), values, error_of(part, axis), LATTICE, scale=axis)
        )
    return rows
