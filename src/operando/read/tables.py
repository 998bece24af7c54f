"""From the columns of a cycler file to the one table of the contract, with every repair written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import xarray as xr

from operando.core.errors import ReadError

from .charge import capacity_of, current_of, sign_warnings, spike_warnings
from .labels import DEFAULT_UNIT, ROLES, Label, find_role, parse_label
from .times import Clocks, strays

RECORD = "record"
#: V that no cell has, and a number that none of the quantities reaches in its unit: the file is damaged there
NO_VOLTAGE, NO_NUMBER = 1e3, 1e15
LARGEST_INDEX = 2**31 - 1
VARIABLES = {
    "time": ("s", "time since the start of the acquisition"),
    "utc": ("s", "absolute time, seconds since 1970-01-01 00:00 UTC"),
    "voltage": ("V", "cell voltage"),
    "current": ("A", "current, positive on charge"),
    "capacity": ("mAh", "net charge since the start of the record, positive on charge"),
    "step": ("1", "step index of the instrument"),
    "cycle": ("1", "cycle index of the instrument"),
}


@dataclass
class Recorded:
    """What a vendor reader hands over: columns under the vendor's names, and facts.

    start is a datetime with or without zone, or None where the file has no date. given says which column is what,
    by the user; free_names that anyone may have named the columns, so those not understood are reported.
    """

    path: str
    format: str
    columns: Mapping[str, np.ndarray]
    start: datetime | None = None
    technique: str = ""
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    free_names: bool = False


def cycler_table(
    recorded: Recorded, *, zone: str | None = None, start: str | datetime | None = None, current_sign: int = 1
) -> xr.Dataset:
    """One table over `record`: time, utc, voltage, current, capacity, step, cycle, and every other column.

    zone          time zone of the file's clock, for files that do not say ("Europe/Paris", "+01:00")
    start         absolute start of the acquisition, where the file has none or a wrong one
    current_sign  -1 where the instrument counts discharge positive

    Raises `ReadError` for an empty table or one without time and voltage.
    """
    warnings = list(recorded.warnings)
    labels = [parse_label(name) for name in recorded.columns]
    found = {role: label for role in ROLES if (label := find_role(labels, role)) is not None}
    if not recorded.columns or not len(next(iter(recorded.columns.values()))):
        raise ReadError("no complete row", where=recorded.path, fix="Has the measurement begun?")
    if "utc" in found and np.asarray(recorded.columns[found["utc"].text]).dtype.kind not in "iuf":
        found["local"] = found.pop("utc")  # dates in words (ISO 8601, with or without a zone)
    _require(found, recorded, labels)
    recorded = _dated_rows(recorded, found, warnings)
    found |= {role: parse_label(text) for role, text in recorded.given.items()}
    if "capacity" in recorded.given:
        found = {role: label for role, label in found.items() if role not in ("net", "dq", "charged")}
    if {"net", "dq", "charged"} & set(found):
        found.pop("capacity", None)  # a counter of a step or a cycle: kept, but of no use for the net charge
    values = {
        role: _numbers(recorded, label, role, warnings) for role, label in found.items() if role != "local"
    }
    stamps = np.asarray(recorded.columns[found["local"].text]) if "local" in found else None
    clock = Clocks.of(values, stamps, recorded, zone=zone, start=start, warnings=warnings)
    current = current_of(values, clock.time, warnings) * current_sign
    if blank := int(np.isnan(current).sum()):
        warnings.append(f"{blank} rows have no current: no charge is counted there unless the file counts it")
    capacity = capacity_of(values, current, clock.time, warnings)
    warnings += sign_warnings(clock.time, values["voltage"], current, capacity, measured="current" in values)
    warnings += spike_warnings(values["voltage"], current)
    size = len(clock.time)
    table = {
        "time": clock.time, "utc": clock.utc, "voltage": values["voltage"], "current": current,
        "capacity": capacity, "step": _index(values.get("step"), size), "cycle": _cycle(values, size),
    }  # fmt: skip
    if recorded.free_names:
        known = {label.text for label in found.values()}
        strange = [label.text for label in labels if label.text not in known and not label.unit]
        if strange:
            warnings.append(f"columns that are not understood are kept: {', '.join(strange)}")
    used = {
        found[r].text for r in ("time", "utc", "voltage", "current", "step", "cycle", "net") if r in found
    }
    main = {name: (RECORD, array, _attrs(name, found)) for name, array in table.items()}
    return xr.Dataset(
        main
        | _extra(recorded, labels, used),
        attrs={
            "source": recorded.path, "format": recorded.format, "technique": recorded.technique,
            **clock.facts, "warnings": warnings, **recorded.facts,
        },
    )  # fmt: skip


def _attrs(name: str, found: dict[str, Label]) -> dict[str, str]:
    """Units, long name, and the column of the file that a variable was read from, where it is one column."""
    unit, text = VARIABLES[name]
    origin = found.get("net" if name == "capacity" else name)
    return {"units": unit, "long_name": text} | ({"column": origin.text} if origin is not None else {})


def _require(found: dict[str, Label], recorded: Recorded, labels: list[Label]) -> None:
    missing = [] if {"time", "utc", "local"} & set(found) else ["time"]
    missing += [] if "voltage" in found else ["voltage"]
    if missing:
        raise ReadError(
            f"no column for {' and '.join(missing)} among: {', '.join(label.text for label in labels)}",
            where=recorded.path,
            fix="Name the columns with their units, for example: Test Time / s, Voltage / V, Current / A; "
            "or say which is which with columns = {voltage = \"...\"}.",
        )  # fmt: skip


def _dated_rows(recorded: Recorded, found: dict[str, Label], warnings: list[str]) -> Recorded:
    """Rows without a time or a voltage (comments of the instrument, blank lines) are left out and counted."""
    keep = np.ones(len(next(iter(recorded.columns.values()))), bool)
    for role in ("time", "utc", "voltage"):
        if role in found:
            label = found[role]
            values = as_numbers(recorded.columns[label.text], label.text, recorded.path)
            keep &= np.isfinite(values)
            if role == "voltage":
                with np.errstate(over="ignore", invalid="ignore"):
                    keep &= np.abs(values * label.factor) < NO_VOLTAGE
    if "time" in found and keep.any():
        keep = _without_strays(recorded, found["time"], keep, warnings)
    if keep.all():
        return recorded
    if not keep.any():
        raise ReadError(
            "no row has a time and a voltage", where=recorded.path, fix="Is the measurement empty?"
        )
    warnings.append(f"{int((~keep).sum())} rows without a time or a voltage are left out")
    return replace(recorded, columns={name: np.asarray(c)[keep] for name, c in recorded.columns.items()})


def _without_strays(recorded: Recorded, label: Label, keep: np.ndarray, warnings: list[str]) -> np.ndarray:
    """Leave out rows whose time is that of no measurement: one damaged number would move all rows after it."""
    rows = np.flatnonzero(keep)
    stray = rows[strays(as_numbers(recorded.columns[label.text], label.text, recorded.path)[rows])]
    if len(stray):
        warnings.append(
            f"{len(stray)} rows have a time far outside those around them (the first is row {stray[0]})"
        )
        keep = keep.copy()
        keep[stray] = False
    return keep


def _numbers(recorded: Recorded, label: Label, role: str, warnings: list[str]) -> np.ndarray:
    array = as_numbers(recorded.columns[label.text], label.text, recorded.path)
    if not label.kind and ROLES[role][0] not in ("count", "date"):
        warnings.append(f"column {label.text!r} has no unit, taken as {DEFAULT_UNIT[ROLES[role][0]]}")
    with np.errstate(over="ignore"):
        array = array * label.factor if label.factor != 1.0 else array
    endless = np.isinf(array) | (np.abs(array) > NO_NUMBER)
    if endless.any():
        warnings.append(
            f"{int(endless.sum())} values of {label.text!r} are too large to be: taken as missing"
        )
        array = np.where(endless, np.nan, array)
    return array


def as_numbers(column: np.ndarray, name: str, path: str) -> np.ndarray:
    """The column as float64. Raises `ReadError` where it holds text."""
    try:
        array = np.asarray(column)
        if array.dtype.kind in "OUS":  # Python takes 1_000 for a number, no instrument writes it
            import pandas as pd

            array = pd.to_numeric(pd.Series(array)).to_numpy()
        return np.asarray(array, np.float64)
    except (TypeError, ValueError) as error:
        raise ReadError(
            f"column {name!r} holds something that is not a number ({error})", where=path,
            fix="Check the decimal sign and the column separator of the file, and whether it is damaged.",
        ) from error  # fmt: skip


def _index(array: np.ndarray | None, size: int) -> np.ndarray:
    if array is None:
        return np.zeros(size, np.int32)
    return np.clip(np.nan_to_num(array), -LARGEST_INDEX, LARGEST_INDEX).astype(np.int32)


def _cycle(values, size: int) -> np.ndarray:
    if "halfcycle" in values:  # EC-Lab's cycle number is the half cycle halved
        return _index(values["halfcycle"], size) // 2
    return _index(values.get("cycle"), size)


def _extra(recorded: Recorded, labels: list[Label], used: set[str]) -> dict[str, tuple]:
    """Every other column under its cleaned name, numbers as numbers, with its own unit."""
    extra: dict[str, tuple] = {}
    for label in labels:
        if label.text in used:
            continue
        name = label.clean
        while name in extra or name in VARIABLES:
            name += "_"
        array = np.asarray(recorded.columns[label.text])
        if array.dtype == object:
            array = array.astype(str)
        extra[name] = (RECORD, array, {"units": label.unit, "long_name": label.text})
    return extra
