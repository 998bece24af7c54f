"""The small things of a run as plain data for the page: grids, the cycler's record, rings, reflections, grains."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from operando.core.errors import InputError
from operando.flow.arrays import read_dataset

from ..figures.cycler import aligned, map_clock_time
from .catalogue import dims_of, text, variables

#: points of the cycler's record that are drawn
MOST_RECORDS = 3000
GRAIN = ("map_index", "azimuth", "azimuth_err", "z", "x", "intensity", "track", "flag")
TRACK = ("first_time", "last_time", "maps", "kind", "azimuth", "rotation_rate", "rotation_rate_err")


def plain(values: Any) -> list:
    """Numbers for JSON: what is not finite becomes null."""
    array = np.asarray(values)
    if array.dtype.kind != "f":
        return array.tolist()
    filled = array.astype(object)
    filled[~np.isfinite(array)] = None
    return filled.tolist()


def numbers(group: h5py.Group, dim: str, size: int) -> list[float]:
    """A coordinate, or 0, 1, 2, ... where there is none."""
    item = variables(group).get(dim)
    if item is None or item.shape != (size,) or item.dtype.kind not in "iuf":
        return list(range(size))
    return plain(item[()])


def grid(group: h5py.Group, dims: tuple[str, str, str], scan: h5py.Group | None) -> dict[str, Any]:
    """Coordinates of step, row and column with their units (else those of the scan), and when the maps began."""
    members = variables(group)
    sizes: dict[str, int] = {}
    for item in members.values():
        sizes.update(zip(dims_of(item), item.shape, strict=True))
    found: dict[str, Any] = {"dims": dims}
    for key, dim in zip(("step", "row", "column"), dims, strict=True):
        found[key] = numbers(group, dim, sizes[dim])
        found[f"{key}_units"] = text(members[dim], "units") if dim in members else ""
        if (
            not found[f"{key}_units"]
            and group.name.startswith("/entry/xrd/")
            and scan is not None
            and dim in scan
        ):
            found[f"{key}_units"] = text(scan[dim], "units")
    timed = members.get("time")
    found["time"] = (
        plain(timed[()]) if timed is not None and timed.shape == (sizes[dims[0]],) else found["step"]
    )
    if dims[0] == "interval" and "end" in members:  # a change is shown at its end
        found["time"] = plain(members["end"][()].reshape(-1, sizes["interval"])[0])
    found["epoch"] = text(timed, "epoch") if timed is not None else ""
    return found


def rings(groups: Mapping[str, h5py.Group], experiment: dict[str, Any]) -> list[dict[str, Any]]:
    """Rings that have fits or an image, with the range of q of each, in the order of the experiment file."""
    found = []
    for name, group in groups.items():
        if not name.startswith("xrd/") or name.count("/") != 1 or "intensity" not in variables(group):
            continue
        image = groups.get(f"{name}/image")
        held = variables(image) if image is not None else {}
        q = held["q"][()] if "q" in held else np.array([np.nan])
        found.append({"name": name[4:], "image": image is not None and "intensity" in held,
                      "q": plain([float(q[0]), float(q[-1])])})  # fmt: skip
    named = [str(ring.get("name")) for ring in (experiment.get("xrd") or {}).get("rings") or []]
    found.sort(key=lambda ring: named.index(ring["name"]) if ring["name"] in named else len(named))
    return [ring for ring in found if ring["name"] not in ("pattern", "standard")]


def clock(groups: Mapping[str, h5py.Group]) -> dict[str, Any]:
    """The record on the clock of the maps, thinned so that no spike is lost, and the values paired with each map."""
    found: dict[str, Any] = {"record": {}, "maps": {}, "joined": False}
    paired = read_dataset(groups["clock"]) if "clock" in groups else None
    if paired is not None:
        names = [name for name in ("time", "voltage", "current", "capacity") if name in paired.variables]
        found["maps"] = {name: plain(paired[name].values) for name in names}
        found["units"] = {name: str(paired[name].attrs.get("units", "")) for name in names}
    source = next((groups[name] for name in ("echem", "echem/curve") if name in groups), None)
    if source is None:
        return found
    echem = read_dataset(source)
    seconds = np.asarray(map_clock_time(echem, paired), float)
    found["joined"] = bool(aligned(echem, paired))
    names = [name for name in ("voltage", "current", "capacity") if name in echem]
    keep = _thin(seconds, [echem[name].values for name in names])
    found["record"] = {
        "time": plain(seconds[keep]),
        **{name: plain(echem[name].values[keep]) for name in names},
    }
    found["units"] = {**found.get("units", {}), **{n: str(echem[n].attrs.get("units", "")) for n in names}}
    return found


def _thin(seconds: np.ndarray, traces: list[np.ndarray]) -> np.ndarray:
    """Indices that keep the least and greatest value of every trace in each short stretch."""
    good = np.flatnonzero(np.isfinite(seconds))
    if len(good) <= MOST_RECORDS or not traces:
        return good
    parts = np.array_split(good, MOST_RECORDS // (2 * len(traces)))
    picked = {int(good[0]), int(good[-1])}
    for trace in traces:
        filled = np.where(np.isfinite(trace), trace, 0.0)
        for part in parts:
            picked.update((int(part[filled[part].argmin()]), int(part[filled[part].argmax()])))
    return np.array(sorted(picked))


def reflections(groups: Mapping[str, h5py.Group]) -> list[dict[str, Any]]:
    """Lines of all phases, for the axis of the pattern."""
    if "xrd/reflections" not in groups:
        return []
    table = read_dataset(groups["xrd/reflections"])
    if not {"phase", "hkl", "q"} <= set(table.variables):
        return []
    named = table["ring"].values if "ring" in table else [""] * table.sizes["reflection"]
    rows = zip(table["phase"].values, table["hkl"].values, plain(table["q"].values), named, strict=True)
    return [{"phase": str(p), "hkl": str(h), "q": q, "ring": str(r)} for p, h, q, r in rows]


def tracks(groups: Mapping[str, h5py.Group]) -> dict[str, Any]:
    """Columns of `grains/table` and `grains/tracks`. Raises `InputError` where no grains were followed."""
    if "grains/table" not in groups:
        raise InputError(
            "no grains were followed in this run", fix="Write grains = true at a ring and run again."
        )
    table = read_dataset(groups["grains/table"])
    found: dict[str, Any] = {
        "grains": {name: plain(table[name].values) for name in GRAIN if name in table.variables},
        "time": plain(table["time"].values), "ring": str(table.attrs.get("ring", "")),
    }  # fmt: skip
    found["grains"]["time"] = plain(table["grain_time"].values) if "grain_time" in table else None
    if "grains/tracks" in groups:
        kept = read_dataset(groups["grains/tracks"])
        found["tracks"] = {name: plain(kept[name].values) for name in TRACK if name in kept.variables}
    return found


def live(groups: Mapping[str, h5py.Group]) -> dict[str, Any] | None:
    """How far an analysis is that follows a measurement, or None where the results are final."""
    if "live" not in groups:
        return None
    told = json.loads(groups["live"].attrs.get("attributes", "{}"))
    names = ("lag_s", "lag_frames", "frames_seen", "frames_done", "maps", "maps_complete", "complete")
    return {name: told.get(name) for name in names}


def alerts(groups: Mapping[str, h5py.Group]) -> list[dict[str, str]]:
    """What a watch warns of and has not ended."""
    if "alerts" not in groups:
        return []
    table = read_dataset(groups["alerts"])
    if not {"ended", "kind", "where", "text"} <= set(table.variables):
        return []
    open_ = np.flatnonzero(~np.isfinite(table["ended"].values.astype(float)))
    return [{name: str(table[name].values[i]) for name in ("kind", "where", "text")} for i in open_]
