"""Plated lithium by charge, and its balance with what the collector and the images show."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from .clock_signals import collector_ring, layer_of

#: a column whose position is known this much worse than the typical one does not count
VAGUE = 5.0


def plating_groups(groups: dict[str, xr.Dataset], experiment: dict[str, Any]) -> dict[str, xr.Dataset]:
    """`plating` (areal charge and Faraday thickness at each map) and `plating/balance` where a collector is followed.

    Needs cell.area_cm2 and capacities at the maps. Nothing counts as plated at the first map. The rise of the collector
    is the mean over the columns of the map of the position of its layer, less that in the first map: group
    xrd/<ring>/layer where there is one, else fitted to the ring's intensity.
    """
    clock, area = groups.get("clock"), (experiment.get("cell") or {}).get("area_cm2")
    if clock is None or "capacity" not in clock or not area:
        return {}
    from operando import echem

    charge = clock["capacity"]
    known = np.flatnonzero(np.isfinite(charge.values))
    if not len(known):
        return {}
    start = float(charge.values[known[0]])
    error = clock["capacity_err"].fillna(0.0)
    result = {"plating": echem.plated(charge, area, capacity_err=error, start_mAh=start)}
    ring = collector_ring(groups, experiment)
    if ring is None:
        return result
    rise, rise_err = _rise(layer_of(groups, ring), int(known[0]))
    if not np.isfinite(rise.values).any():
        return result
    moved = (charge - start).assign_attrs(units="mAh")
    balance = echem.lithium_balance(
        moved, area_cm2=area, capacity_err=error, displacement_um=rise, displacement_err_um=rise_err
    )
    balance["rise"] = rise.assign_attrs(units="um", long_name="rise of the collector since the first map")
    balance["rise_err"] = rise_err.assign_attrs(units="um")
    result["plating/balance"] = balance.assign_attrs(collector=ring)
    return result


def _rise(layer: xr.Dataset, first: int) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean over the columns of the change of position; error of the fits, or the scatter of columns if larger.

    Columns known `VAGUE` times worse than the median of their map are left out: one lost collector is no average.
    """
    moved = layer["position"] - layer["position"].isel(time=first, drop=True)
    error = (layer["position_err"] ** 2 + layer["position_err"].isel(time=first, drop=True) ** 2) ** 0.5
    clear = np.isfinite(moved) & (error <= VAGUE * error.where(np.isfinite(moved)).median("x"))
    moved, error = moved.where(clear), error.where(clear)
    count = moved.notnull().sum("x")
    fitted = (error**2).sum("x") ** 0.5 / count.where(count > 0)
    scatter = moved.std("x", ddof=1) / count.where(count > 1) ** 0.5
    rise = moved.mean("x")
    total = np.fmax(fitted, scatter.fillna(0.0))
    return rise.drop_vars("x", errors="ignore"), xr.where(np.arange(len(rise)) == first, 0.0, total)
