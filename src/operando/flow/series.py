"""What each technique says as one number a time, on one time axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import xarray as xr

from .correlate import Series

Groups = dict[str, xr.Dataset]
AVOGADRO = 6.02214076e23  # per mol
#: formula units in the cell of a host of that space group (layered oxides)
HOSTS = {"R-3m": 3}
POLARISATION = "polarisation"
XRD, TOMOGRAPHY, COMPTON, CYCLER = "micro-XRD", "tomography", "Compton", "cycler"


def series(groups: Groups, experiment: dict[str, Any]) -> Iterator[Series]:
    """What each technique says as one number a time, s since the zero of the first axis there is.

    Techniques that measured another cell without a record of its own are left out; those with one (`cycler` in their
    section) bear its name as `cell`, and their times are since their own first scan or the start of their own record.
    """
    zero = zeros(groups)
    yield from _cycler(groups)
    yield from _xrd(groups)
    yield from _balance(groups, experiment)
    for section, group, technique, told in (
        ("tomography", "tomography", TOMOGRAPHY, _tomography), ("compton", "compton/states", COMPTON, _compton),
    ):  # fmt: skip
        if group not in groups:
            continue
        found = list(told(groups[group]))
        own = f"{section}/record" in groups
        if technique == TOMOGRAPHY and (own or "xrd" not in groups):  # the cell of maps is no symmetric one
            found += _polarisation(groups[group])
        if own:
            yield from (_of_own_cell(one, technique) for one in (*found, *_recorded(groups[group])))
        elif not separate(experiment, section):
            yield from (_moved(one, zero[technique]) for one in found)


def separate(experiment: dict[str, Any], section: str) -> bool:
    """Whether a technique (a section of plain data) is not under the record of [cycler]."""
    asked = experiment.get(section) or {}
    return any(asked.get(name) for name in ("other_cell", "cell", "cycler"))


def _of_own_cell(one: Series, technique: str) -> Series:
    """A series of a technique with a record of its own, on its own time, to be laid beside none of another cell."""
    if one.technique == technique:
        return replace(one, cell=technique)
    name = one.name if one.name == POLARISATION else f"{one.name}, {technique} cell"
    return replace(one, cell=technique, technique=f"{one.technique} of {technique}", name=name)


def zeros(groups: Groups) -> dict[str, float]:
    """Seconds to add to the times of tomography and Compton states for the axis of the maps (else of the scans)."""
    begun = {
        name: _epoch(groups[path])
        for name, path in ((XRD, "xrd"), (TOMOGRAPHY, "tomography"))
        if path in groups
    }
    record = groups.get("echem", xr.Dataset())
    if "utc" in record and np.isfinite(record["utc"].values[:1]).all():
        offset = float(groups.get("clock", xr.Dataset()).attrs.get("clock_offset_s", 0.0))
        begun[COMPTON] = float(record["utc"].values[0] - record["time"].values[0]) - offset
    known = [when for when in begun.values() if np.isfinite(when)]
    first = next(
        (begun[name] for name in (XRD, TOMOGRAPHY, COMPTON) if np.isfinite(begun.get(name, np.nan))), 0.0
    )
    return {
        name: begun[name] - first if known and np.isfinite(begun.get(name, np.nan)) else 0.0
        for name in (TOMOGRAPHY, COMPTON)
    }


def _epoch(data: xr.Dataset) -> float:
    """Zero of the times of a group as s since 1970, NaN where none is recorded."""
    try:
        return datetime.fromisoformat(str(data.attrs.get("epoch", ""))).timestamp()
    except ValueError:
        return np.nan


def _moved(one: Series, shift: float) -> Series:
    return replace(one, time=one.time + shift)


def _cycler(groups: Groups) -> Iterator[Series]:
    clock = groups.get("clock", xr.Dataset())
    for name in ("voltage", "current", "capacity"):
        if name in clock and "time" in clock[name].dims:
            yield _plain(clock, name, CYCLER, name)
    area = groups.get("plating", xr.Dataset()).attrs.get("area_cm2")
    if area and "current" in clock:
        current = _plain(clock, "current", CYCLER, "current density")
        per = 1e3 / float(area)
        yield replace(current, units="mA/cm2", value=per * current.value, error=per * current.error)


def _xrd(groups: Groups) -> Iterator[Series]:
    for path, data in groups.items():
        ring = path.split("/")[1] if path.startswith("xrd/") and path.count("/") == 1 else ""
        axis = next((a for a in ("c", "a") if ring and a in data and "family" in data.dims), None)
        if axis:
            for family in data["family"].values:
                yield _mean(data.sel(family=family), axis, "flag", f"{axis} of {ring} {family}")
        if path.endswith("/front"):
            for family in data["family"].values:
                yield _mean(
                    data.sel(family=family), "position_map", "flag", f"front {family}", "position_err"
                )
        if path.endswith("/layer"):
            yield _mean(data, "displacement", "displacement_flag", f"rise of {path.split('/')[1]}")
    if "lithium/rows" in groups:
        for family in groups["lithium/rows"]["family"].values:
            yield _plain(groups["lithium/rows"].sel(family=family), "x_film", XRD, f"x {family}")
    for name, called in (("total", "grains"), ("new", "new grains")):
        if name in groups.get("grains/counts", {}):
            yield _plain(groups["grains/counts"], name, XRD, called)


def _balance(groups: Groups, experiment: dict[str, Any]) -> Iterator[Series]:
    """Lithium on one scale, umol/cm2: of the charge, below the collector, and out of the host."""
    balance = groups.get("plating/balance", xr.Dataset())
    if "charge" in balance:
        yield _plain(balance, "charge", CYCLER, "Li of the charge")
    if "displacement" in balance:
        yield _plain(balance, "displacement", XRD, "Li that lifts the collector")
    host = host_umol_per_cm2(groups, experiment)
    if host is not None and "lithium/rows" in groups:
        for family in groups["lithium/rows"]["family"].values:
            one = _plain(
                groups["lithium/rows"].sel(family=family), "x_film", XRD, f"Li out of the host {family}"
            )
            lost = np.nan_to_num(one.value[_first(one)]) - one.value
            yield replace(one, units="umol/cm2", value=host * lost, error=host * one.error)


def host_umol_per_cm2(groups: Groups, experiment: dict[str, Any]) -> float | None:
    """Formula units of the layer whose x is told: thickness rho / M, from the stated cell. None where not known."""
    if "lithium" not in groups:
        return None
    ring = groups["lithium"].attrs.get("ring")
    phase = next(
        (r.get("phase") for r in (experiment.get("xrd") or {}).get("rings") or [] if r["name"] == ring), None
    )
    cell = (experiment.get("phases") or {}).get(phase) or {}
    layers = [one for one in (experiment.get("cell") or {}).get("layers") or [] if one.get("phase") == phase]
    units = HOSTS.get(str(cell.get("spacegroup", "")).replace(" ", ""))
    if len(layers) != 1 or not units or not cell.get("a") or not cell.get("c"):
        return None
    volume_cm3 = cell["a"] ** 2 * cell["c"] * np.sqrt(0.75) * 1e-24
    return float(layers[0]["thickness_um"] * 1e-4 * units / volume_cm3 / AVOGADRO * 1e6)


def _first(one: Series) -> int:
    good = np.flatnonzero(np.isfinite(one.value))
    return int(good[0]) if good.size else 0


def _compton(states: xr.Dataset) -> Iterator[Series]:
    yield _plain(states, "x_li", COMPTON, "x by Compton")
    if "emr" in states:
        yield _plain(states, "emr", COMPTON, "momentum ratio (EMR)")


def _recorded(data: xr.Dataset) -> Iterator[Series]:
    """What a technique's own record said at each of its scans or states."""
    for name, called in (("voltage", "voltage"), ("cell_current", "current"), ("capacity", "capacity")):
        if name in data:
            yield _plain(data, name, CYCLER, called)


def _polarisation(data: xr.Dataset) -> Iterator[Series]:
    """Of a cell with two equal electrodes: all of its voltage."""
    if "voltage" in data:
        voltage = _plain(data, "voltage", CYCLER, POLARISATION)
        yield replace(voltage, value=np.abs(voltage.value))


def _tomography(data: xr.Dataset) -> Iterator[Series]:
    for name in ("contact_share", "void_volume", "lithium_volume"):
        if name in data and "electrode" in data[name].dims:
            for electrode in data["electrode"].values:
                called = f"{name.replace('_', ' ')} {electrode}"
                yield _plain(data.sel(electrode=electrode), name, TOMOGRAPHY, called)


def _plain(data: xr.Dataset, name: str, technique: str, called: str) -> Series:
    value = np.asarray(data[name].values, float)
    flag = data.get(f"{name}_flag")
    if flag is not None and flag.dims == data[name].dims:
        value = np.where(flag.values == 0, value, np.nan)
    error = (
        np.asarray(data[f"{name}_err"].values, float)
        if f"{name}_err" in data
        else np.full(value.shape, np.nan)
    )
    return Series(
        called,
        technique,
        str(data[name].attrs.get("units", "1")),
        np.asarray(data["time"].values, float),
        value,
        error,
    )


def _mean(data: xr.Dataset, name: str, flag: str, called: str, error: str | None = None) -> Series:
    """Weighted mean over all but time, with its error widened where the points scatter more than theirs say."""
    # one order of the axes, whatever memory they come from: sums are then the same to the bit
    value, sigma = (_in_order(data[key]) for key in (name, error or f"{name}_err"))
    good = value.notnull() & (sigma > 0) & (_in_order(data[flag]) == 0)
    weight = (sigma.where(good) ** -2.0).fillna(0.0)
    rest = [str(dim) for dim in value.dims if dim != "time"]
    total = weight.sum(rest)
    mean = (weight * value.fillna(0.0)).sum(rest) / total.where(total > 0)
    chi2 = (weight * (value - mean).fillna(0.0) ** 2).sum(rest) / (good.sum(rest) - 1).clip(1)
    spread = (chi2.clip(1.0) / total.where(total > 0)) ** 0.5
    units = str(value.attrs.get("units", "1"))
    return Series(called, XRD, units, np.asarray(data["time"].values, float), mean.values, spread.values)


def _in_order(array: xr.DataArray) -> xr.DataArray:
    """Axes by name, time first, in memory as they are named."""
    dims = ["time", *sorted(str(dim) for dim in array.dims if dim != "time")]
    ordered = array.transpose(*dims)
    return ordered.copy(data=np.ascontiguousarray(ordered.values))
