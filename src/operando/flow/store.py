"""results.nxs: Results as NeXus (NXentry, NXdata with defaults, NXprocess), and back."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import h5py
import xarray as xr

from operando.core.errors import ReadError
from operando.core.hdf5_heap import check_heaps
from operando.core.trust import MISLED

from .arrays import read_dataset, write_dataset
from .results import Process, Results

FORMAT = "operando-results/1"

#: every viewer reads gzip
GZIP = {"compression": "gzip", "compression_opts": 1, "shuffle": True}


def write_results(results: Results, path: str | Path) -> None:
    """Write under a temporary name, then rename: a results file is complete or absent."""
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        _write(results, partial)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _write(results: Results, path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs.update({"NX_class": "NXroot", "default": "entry", "creator": "operando", "format": FORMAT})
        entry = _group(file, "entry", "NXentry")
        entry["title"] = results.title
        entry["definition_local"] = FORMAT
        entry["record"] = json.dumps(results.record(), default=str)
        entry["order"] = json.dumps(list(results.groups))
        for name, dataset in results.groups.items():
            group = _group(entry, name, "NXdata")
            write_dataset(group, dataset, GZIP)
            _annotate(group, dataset)
        default = _default(results.groups)
        if default:
            _point_at(entry, default)
        for number, process in enumerate(results.processes, 1):
            _write_process(entry, number, process)


def read_results(path: str | Path) -> Results:
    """Read what `write_results` wrote. Raises `ReadError` for any other file, and for a damaged one."""
    fix = "Run the experiment again: stages that were finished are found, and the file is written anew."
    try:
        check_heaps(path)
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
                lambda name, item: groups.__setitem__(name, read_dataset(item)) if _is_data(item) else None
            )
            groups = _in_order(groups, json.loads(entry["order"][()]) if "order" in entry else [])
        processes = [Process(**process) for process in record.pop("processes")]
        return Results(**record, groups=groups, processes=processes)
    except ReadError:
        raise
    except FileNotFoundError:
        raise ReadError(
            "no results here", where=str(path), fix="Give a run folder, or its results.nxs."
        ) from None
    except (OSError, MemoryError, *MISLED) as error:
        raise ReadError(
            f"cut short, damaged, or no results file ({error})", where=str(path), fix=fix
        ) from error  # h5py raises all of these for wrong bytes


def _in_order(groups: dict[str, xr.Dataset], order: list[str]) -> dict[str, xr.Dataset]:
    """Groups as they were before they were written: colours of figures go by this order. Others come last."""
    known = [name for name in order if name in groups]
    return {name: groups[name] for name in [*known, *(name for name in groups if name not in set(known))]}


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


def _annotate(group: h5py.Group, dataset: xr.Dataset) -> None:
    """Tell a NeXus viewer what to draw: signal, axes, and errors by their NeXus name."""
    signal = _signal(dataset)
    if signal is None:
        return
    dims = [str(dim) for dim in dataset[signal].dims]
    group.attrs["signal"] = signal
    group.attrs["axes"] = [dim if dim in dataset.coords else "." for dim in dims]
    for axis, dim in enumerate(dims):
        if dim in dataset.coords:
            group.attrs[f"{dim}_indices"] = axis
    for name in map(str, dataset.data_vars):
        if f"{name}_err" in dataset:
            group[f"{name}_errors"] = h5py.SoftLink(f"{group.name}/{name}_err")


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
