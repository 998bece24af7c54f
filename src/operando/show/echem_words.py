"""What a quick look at electrochemistry says, as lines and tables: the same for the terminal and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from .text import duration, grouped, number, scaled

if TYPE_CHECKING:
    from operando.flow.results import Results

OWN = {"time", "utc", "voltage", "current", "capacity", "step", "cycle"}


def facts(results: Results) -> list[tuple[str, str]]:
    """Label and text of what was recorded, in order of interest."""
    table = results.groups.get("echem")
    if table is None:
        return []
    attrs = table.attrs
    span = float(table["time"].values[-1] - table["time"].values[0])
    found = [
        ("format", " · ".join(filter(None, [str(attrs.get("format", "")), str(attrs.get("technique", ""))]))),
        ("record", f"{grouped(table.sizes['record'])} rows over {duration(span)}"), ("start", started(table)),
    ]  # fmt: skip
    for name in ("voltage", "current"):
        values = table[name].values
        if np.isfinite(values).any():
            found.append((name, _range(values, str(table[name].attrs["units"]))))
    moved = table["capacity"].values
    if np.ptp(moved) > 0:
        net, unit = scaled(moved[-1] - moved[0], "mAh")
        found.append(("net charge", f"{number(float(net), 4)} {unit}"))
    others = [str(name) for name in table.data_vars if str(name) not in OWN]
    if others:
        found.append(
            ("more columns", f"{len(others)}: {', '.join(others[:6])}{', ...' if len(others) > 6 else ''}")
        )
    return found


def started(table: xr.Dataset) -> str:
    """The start with its zone, or that there is no zone, or no start."""
    if table.attrs.get("start"):
        zone = str(table.attrs.get("zone", ""))
        name = f" ({zone})" if zone and not zone.upper().startswith("UTC") else ""
        return f"{str(table.attrs['start']).replace('T', ' ')}{name}"
    if table.attrs.get("start_local"):
        return f"{str(table.attrs['start_local']).replace('T', ' ')}, no zone"
    return "unknown: the file has no absolute start"


def _range(values: np.ndarray, unit: str) -> str:
    low, high = np.nanmin(values), np.nanmax(values)
    both, name = scaled(np.array([low, high]), unit)
    return f"{number(float(both[0]), 4)} to {number(float(both[1]), 4)} {name}"


def absent(groups: dict[str, xr.Dataset]) -> list[str]:
    """Sentences on what could not be computed from the record."""
    told = groups["echem"].attrs.get("absent", []) if "echem" in groups else []
    return [str(line) for line in np.atleast_1d(np.asarray(told, object)) if str(line)]


def plain(results: Results) -> dict[str, Any]:
    """Everything of a look but the record itself, as plain data for machines."""
    groups = {}
    for name, dataset in results.groups.items():
        if name in ("echem", "echem/curve") or name.startswith(("echem/dqdv", "echem/dvdq")):
            continue
        groups[name] = {
            str(n): {"values": _listed(v), "units": str(v.attrs.get("units", ""))} for n, v in dataset.variables.items()
        } | {"attrs": {k: v for k, v in dataset.attrs.items() if isinstance(v, str | int | float)}}  # fmt: skip
    table = results.groups.get("echem")
    record = {} if table is None else {
        "rows": table.sizes["record"], "columns": [str(n) for n in table.data_vars],
        **{k: v for k, v in table.attrs.items() if k != "warnings"},
    }  # fmt: skip
    return {"files": results.experiment["echem"]["files"], "record": record, "groups": groups, "notes": results.notes,
            "absent": results.experiment["echem"]["absent"]}  # fmt: skip


def _listed(variable: xr.Variable) -> Any:
    """Values as lists, NaN as null: JSON has no NaN."""
    values = np.asarray(variable.values)
    if values.dtype.kind == "f":
        values = values.astype(object)
        values[~np.isfinite(np.asarray(variable.values))] = None
    return values.tolist()
