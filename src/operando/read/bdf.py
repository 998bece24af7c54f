"""Battery Data Format: csv and parquet tables with agreed column names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from operando.core.errors import InputError, ReadError, require_extra

from .tables import Recorded

#: our variable -> (label of the format, machine name, factor to its unit)
COLUMNS = {
    "time": ("Test Time / s", "test_time_second", 1.0),
    "utc": ("Unix Time / s", "unix_time_second", 1.0),
    "voltage": ("Voltage / V", "voltage_volt", 1.0),
    "current": ("Current / A", "current_ampere", 1.0),
    "cycle": ("Cycle Count / 1", "cycle_count", 1),
    "step": ("Step Count / 1", "step_count", 1),
}


def read_parquet(path: str | Path) -> Recorded:
    """Columns of a parquet table. Raises `ExtraMissing` without pyarrow, `ReadError` for another kind of file."""
    parquet = require_extra("pyarrow.parquet", "echem", f"reading {Path(path).name} (parquet)")
    try:
        table = parquet.read_table(path)
    except Exception as error:  # pyarrow has many kinds
        raise ReadError(f"not a readable parquet file ({error})", where=str(path)) from error
    columns = {name: table.column(name).to_numpy() for name in table.column_names}
    return Recorded(str(path), "Battery Data Format parquet", columns)


def write_bdf(table: xr.Dataset, path: str | Path, *, machine_names: bool = False) -> Path:
    """Write a cycler table in Battery Data Format: csv, or parquet by the ending of `path`.

    Charge is split into what was charged and what was discharged (Ah, both growing), as the format has
    it. Absolute times are left out where they are unknown. `machine_names` writes test_time_second
    for Test Time / s, and so on. Returns the path. Raises `InputError` for another ending.
    """
    path = Path(path)
    import pandas as pd

    which = 1 if machine_names else 0
    columns: dict[str, np.ndarray] = {}
    for name, labels in COLUMNS.items():
        if name == "utc" and not np.isfinite(table.utc.values).all():
            continue
        columns[str(labels[which])] = table[name].values
    change = np.diff(table.capacity.values, prepend=table.capacity.values[:1]) / 1e3
    for sign, label, machine in (
        (1, "Charging Capacity / Ah", "charging_capacity_ah"),
        (-1, "Discharging Capacity / Ah", "discharging_capacity_ah"),
    ):
        columns[machine if machine_names else label] = np.cumsum(np.clip(sign * change, 0, None))
    frame = pd.DataFrame(columns)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        require_extra("pyarrow", "echem", "writing parquet")
        frame.to_parquet(path, index=False)
    else:
        raise InputError(
            f"unknown ending {path.suffix!r}",
            where=str(path),
            fix="Write to a name ending in .bdf.csv or .bdf.parquet.",
        )
    return path
