"""results.nxs: Results as NeXus (NXentry, NXdata with defaults, NXprocess), and back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from operando.core.errors import ReadError

from .results import Process, Results

FORMAT = "operando-results/1"


def write_results(results: Results, path: str | Path) -> None:
    """Write under a temporary name, then rename: a results file is complete or absent."""
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    with h5py.File(partial, "w") as file:
        file.attrs.update({"NX_class": "NXroot", "default": "entry", "creator": "operando", "format": FORMAT})
        entry = _group(file, "entry", "NXentry")
        entry["title"] = results.title
        entry["definition_local"] = FORMAT
        entry["record"] = json.dumps(results.record(), default=str)
        for name, dataset in results.groups.items():
            _write_dataset(_group(entry, name, "NXdata"), dataset)
        default = _default(results.groups)
        if default:
            _point_at(entry, default)
        for number, process in enumerate(results.processes, 1):
            _write_process(entry, number, process)
    os.replace(partial, path)


def read_results(path: str | Path) -> Results:
    """Read what `write_results` wrote. Raises `ReadError` for any other file."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs.get("format") != FORMAT:
                raise ReadError(
                    "not a results file of operando",
                    where=str(path),
                    fix="Give a run folder or its results.nxs.",
                )
            entry = file["entry"]
            record = json.loads(entry["record"][()])
            groups: dict[str, xr.Dataset] = {}
            entry.visititems(
                lambda name, item: groups.__setitem__(name, _read_dataset(item)) if _is_data(item) else None
            )
    except OSError as error:
        raise ReadError(f"cannot be read ({error})", where=str(path)) from error
    processes = [Process(**process) for process in record.pop("processes")]
    return Results(**record, groups=groups, processes=processes)


def _group(parent: h5py.Group, name: str, kind: str) -> h5py.Group:
    group = parent
    for part in name.split("/"):
        group = group.require_group(part)
        if "NX_class" not in group.attrs:
            group.attrs["NX_class"] = "NXcollection"
    group.attrs["NX_class"] = kind
    return group


def _is_data(item: Any) -> bool:
    return isinstance(item, h5py.Group) and item.attrs.get("NX_class") == "NXdata"


def _write_dataset(group: h5py.Group, dataset: xr.Dataset) -> None:
    for name, variable in dataset.variables.items():
        values = variable.values
        if values.dtype.kind in "OUT":
            values = np.array([str(v) for v in values.reshape(-1)], dtype=h5py.string_dtype()).reshape(
                values.shape
            )
        options = (
            {"compression": "gzip", "compression_opts": 1, "shuffle": True} if values.size > 1000 else {}
        )
        item = group.create_dataset(str(name), data=values, **options)
        item.attrs["dims"] = json.dumps(list(variable.dims))
        for key, value in variable.attrs.items():
            item.attrs[str(key)] = (
                value if isinstance(value, (str, int, float, np.ndarray, np.generic)) else json.dumps(value)
            )
    group.attrs["coordinates"] = json.dumps([str(name) for name in dataset.coords])
    group.attrs["attributes"] = json.dumps(dataset.attrs, default=str)
    signal = _signal(dataset)
    if signal:
        dims = dataset[signal].dims
        group.attrs["signal"] = signal
        group.attrs["axes"] = [dim if dim in dataset.coords else "." for dim in dims]
        for axis, dim in enumerate(dims):
            if dim in dataset.coords:
                group.attrs[f"{dim}_indices"] = axis
        for name in map(str, dataset.data_vars):
            if f"{name}_err" in dataset:  # NeXus finds errors as <name>_errors
                group[f"{name}_errors"] = h5py.SoftLink(f"{group.name}/{name}_err")


def _read_dataset(group: h5py.Group) -> xr.Dataset:
    coordinates = json.loads(group.attrs["coordinates"])
    variables: dict[str, xr.Variable] = {}
    for name, item in group.items():
        if not isinstance(item, h5py.Dataset) or group.get(name, getlink=True).__class__ is h5py.SoftLink:
            continue
        values = item.asstr()[()] if h5py.check_string_dtype(item.dtype) else item[()]
        attrs = {k: v for k, v in item.attrs.items() if k != "dims"}
        variables[name] = xr.Variable(json.loads(item.attrs["dims"]), values, attrs)
    coords = {name: variables.pop(name) for name in coordinates if name in variables}
    return xr.Dataset(variables, coords, json.loads(group.attrs["attributes"]))


#: what a viewer should show first, best first
PREFERRED = ("c", "a", "q", "intensity", "transmission", "total_counts", "voltage")


def _signal(dataset: xr.Dataset) -> str | None:
    named = [name for name in PREFERRED if name in dataset.data_vars]
    numeric = [str(n) for n, v in dataset.data_vars.items() if v.ndim and v.dtype.kind in "iuf"]
    return next(iter(named + numeric), None)


def _default(groups: dict[str, xr.Dataset]) -> str | None:
    for variable in PREFERRED:
        for name, dataset in groups.items():
            if name.startswith("xrd/") and variable in dataset.data_vars:
                return name
    return next(iter(groups), None)


def _point_at(entry: h5py.Group, target: str) -> None:
    group = entry
    for part in target.split("/"):
        group.attrs["default"] = part
        group = group[part]


def _write_process(entry: h5py.Group, number: int, process: Process) -> None:
    group = _group(entry, f"process_{number:03d}", "NXprocess")
    group["program"] = "operando"
    group["version"] = process.version
    group["sequence_index"] = number
    note = _group(group, "note", "NXnote")
    note["type"] = "application/json"
    note["description"] = process.name
    note["data"] = json.dumps(
        {
            "settings": process.settings,
            "inputs": process.inputs,
            "seconds": process.seconds,
            "detail": process.detail,
        },
        default=str,
    )
