"""Several cycler files of one cell as one table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from ..core.errors import ReadError
from .tables import RECORD


def join_tables(tables: Sequence[xr.Dataset]) -> xr.Dataset:
    """Several files of one cell as one table, in order of absolute time; charge and steps continue.

    Raises `ReadError` where a file has no absolute time, or where two files overlap.
    """
    tables = list(tables)
    for table in tables:
        if not np.isfinite(table.utc.values).all():
            raise ReadError(
                "no absolute times, so the order of the files is unknown", where=table.attrs["source"],
                fix="Give the time zone of the cycler's clock, or the start of each file.",
            )  # fmt: skip
    tables.sort(key=lambda t: float(t.utc[0]))
    joined = [tables[0]]
    for table in tables[1:]:
        before = joined[-1]
        overlap = float(before.utc[-1] - table.utc[0])
        if overlap >= 0:
            raise ReadError(
                f"overlaps {before.attrs['source']} by {overlap:.6g} s", where=table.attrs["source"],
                fix="Leave one of them out, or correct its start.",
            )  # fmt: skip
        joined.append(
            table.assign(
                time=table.utc - float(tables[0].utc[0]) + float(tables[0].time[0]),
                capacity=table.capacity - float(table.capacity[0]) + float(before.capacity[-1]),
                step=table.step + int(before.step.max()) + 1,
                cycle=table.cycle + int(before.cycle.max() - table.cycle.min()),
            )
        )
    result = xr.concat(joined, RECORD, data_vars="all", combine_attrs="override", join="outer")
    for name, variable in result.data_vars.items():
        variable.attrs = dict(next(t[name].attrs for t in [*tables] if name in t))
    warnings = [f"{t.attrs['source']}: {w}" for t in tables for w in t.attrs["warnings"]]
    return result.assign_attrs(source=" + ".join(t.attrs["source"] for t in tables), warnings=warnings)
