"""Which values of the maps answer to the current, each with the time at which it was measured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr


@dataclass(frozen=True)
class Signal:
    """Series of image values: arrays (times, series), series being rows or columns of the map.

    late  whether it may answer late to the first current: lattice parameters wait for the front to arrive
    """

    name: str
    utc: np.ndarray
    value: np.ndarray
    error: np.ndarray
    unit: str
    late: bool


def signals(groups: dict[str, xr.Dataset], experiment: dict[str, Any]) -> list[Signal]:
    """What the groups at hand offer: the height of the collector, and lattice parameters row by row.

    Rows and columns with fewer than 8 values are left out. Needs xrd/row_time and the epoch of the maps.
    """
    epoch = str(groups["xrd"].attrs.get("epoch", ""))
    if not epoch:
        return []
    start = datetime.fromisoformat(epoch).timestamp()
    found = []
    ring = collector_ring(groups, experiment)
    if ring is not None:
        found.append(_height(groups, ring, start))
    for name, dataset in groups.items():
        axis = next((a for a in ("c", "a") if a in dataset), None)
        if name.startswith("xrd/") and name.count("/") == 1 and axis and "family" in dataset.dims:
            found += [_lattice(groups, name, family, axis, start) for family in dataset["family"].values]
    return [signal for signal in map(_with_values, found) if signal.value.shape[1]]


def collector_ring(groups: dict[str, xr.Dataset], experiment: dict[str, Any]) -> str | None:
    """The ring of the layer above the lithium: what plating lifts. None where cell or rings do not tell."""
    layers = (experiment.get("cell") or {}).get("layers") or []
    phase = next(
        (up.get("phase") for low, up in pairwise(layers) if low.get("phase") == "Li"),
        None,
    )
    rings = (experiment.get("xrd") or {}).get("rings") or []
    names = [f"xrd/{ring['name']}" for ring in rings if phase is not None and ring["phase"] == phase]
    return next((n for n in names if n in groups and "intensity" in groups[n]), None)


def layer_of(groups: dict[str, xr.Dataset], ring: str) -> xr.Dataset:
    """Position of the layer of a ring over (time, x): the group <ring>/layer where there is one, else fitted now."""
    if f"{ring}/layer" in groups and "position" in groups[f"{ring}/layer"]:
        return groups[f"{ring}/layer"]
    from operando.diffraction.layers import layer_position

    from .along_z import transmission_of

    one = groups[ring]
    if one.sizes["z"] < 6:
        nothing = xr.full_like(one["intensity"].isel(z=0, drop=True), np.nan)
        return xr.Dataset({"position": nothing, "position_err": nothing})
    good = one["intensity"].where(one["intensity_flag"] == 0) if "intensity_flag" in one else one["intensity"]
    seen = transmission_of(groups.get("xrd", xr.Dataset()))
    return layer_position(seen * good, seen * one["intensity_err"])


def _height(groups: dict[str, xr.Dataset], ring: str, start: float) -> Signal:
    """Height of the collector at each column, dated when the rows at that height were measured."""
    layer = layer_of(groups, ring)
    place = layer["position"].transpose("time", "x")
    rows, z = groups["xrd"]["row_time"].transpose("time", "z").values, groups["xrd"]["z"].values
    order = np.argsort(z)
    utc = (
        np.array([np.interp(p, z[order], t[order]) for p, t in zip(place.values, rows, strict=True)]) + start
    )
    error = layer["position_err"].transpose("time", "x").values
    return Signal(f"height of {ring.split('/')[1]}", utc, place.values, error, "um", False)


def _lattice(groups: dict[str, xr.Dataset], name: str, family: Any, axis: str, start: float) -> Signal:
    """Weighted mean over each row of the valid points of one family."""
    one = groups[name].sel(family=family)
    valid = one["flag"] == 0
    weight = (one[f"{axis}_err"] ** -2.0).where(valid & (one[f"{axis}_err"] > 0)).fillna(0.0)
    total = weight.sum("x").transpose("time", "z").values
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (weight * one[axis].fillna(0.0)).sum("x").transpose("time", "z").values / total
        error = total**-0.5
    utc = groups["xrd"]["row_time"].transpose("time", "z").values + start
    label = f"{axis} of {name.split('/')[1]}" + (
        f" {family}" if str(family) not in ("", "all", "ring") else ""
    )
    return Signal(
        label, utc, np.where(total > 0, value, np.nan), np.where(total > 0, error, np.nan), "angstrom", True
    )


def _with_values(signal: Signal) -> Signal:
    used = np.isfinite(signal.value + signal.error + signal.utc).sum(axis=0) >= 8
    return Signal(
        signal.name,
        signal.utc[:, used],
        signal.value[:, used],
        signal.error[:, used],
        signal.unit,
        signal.late,
    )
