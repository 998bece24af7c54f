"""The cycler's table, and what it said at the middle of each map."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.core.errors import ExperimentError

if TYPE_CHECKING:
    from .job import Run


def electrochemistry(job: Run, groups: dict[str, xr.Dataset]) -> xr.Dataset | None:
    """Read the cycler file that the experiment names into `groups["echem"]`; None where it names none."""
    section = job.experiment.cycler
    if section is None:
        return None
    from operando.read import cycler

    table = cycler(section.file, zone=section.zone, start=section.start, current_sign=section.current_sign)
    groups["echem"] = table
    hours = float(table["time"].max() - table["time"].min()) / 3600
    offset = section.clock_offset_s
    job.listener.say(
        "cycler", f"{Path(section.file).name}: {table.sizes['record']:,} rows, {hours:.2f} h, clock offset "
        + (f"{offset:+.1f} s" if offset != "find" else "to be found"),
    )  # fmt: skip
    job.notes.extend(str(warning) for warning in table.attrs.get("warnings", []))
    return table


def clock_group(job: Run, table: xr.Dataset, xrd: xr.Dataset) -> xr.Dataset:
    """Voltage, current and capacity at the middle of each map, with flags before and after the record.

    Raises `ExperimentError` when cycler or detector have no absolute time, or the offset is to be found but cannot be.
    """
    from operando.echem.clock import Clock, at

    section = job.experiment.cycler
    assert section is not None
    if section.clock_offset_s == "find":
        raise ExperimentError(
            "the clock offset cannot be found from this experiment yet", where="cycler.clock_offset_s",
            fix="Give it in seconds: cycler clock minus detector clock.",
        )  # fmt: skip
    if not xrd.attrs.get("epoch") or not np.isfinite(table["utc"]).any():
        who = "detector files" if not xrd.attrs.get("epoch") else "cycler file"
        job.notes.append(f"the {who} hold no absolute time: maps and electrochemistry are not aligned")
        return xr.Dataset()
    utc = xrd["time"] + datetime.fromisoformat(xrd.attrs["epoch"]).timestamp()
    clock = Clock(offset_s=section.clock_offset_s)
    found = at(table, utc, clock=clock)
    return found.assign(utc=utc.assign_attrs(units="s", long_name="middle of each map, since 1970-01-01 UTC"))
