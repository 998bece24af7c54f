"""What the techniques say together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.show.figures import joint as figures
from operando.show.table import Table
from operando.show.text import number, pretty, with_error

from .chapter import Chapter

if TYPE_CHECKING:
    from operando.flow.results import Results

#: rows of the table of correlations
MOST = 24


def chapter(results: Results) -> Chapter | None:
    """All series on one axis, and how they go together; None for a single technique."""
    series = {
        path: one for path, one in results.groups.items()
        if path.startswith("joint/") and "value" in one and np.isfinite(one["value"]).sum() >= 2
    }  # fmt: skip
    if len({path.split("/")[1] for path in series}) < 2:
        return None
    cells = dict.fromkeys(_cell(one) for one in series.values())
    drawn = [figures.together({p: s for p, s in series.items() if _cell(s) == cell}, cell) for cell in cells]
    found = Chapter("together", "Together", figures=drawn)
    asked = results.groups.get("joint/asked")
    if asked is not None:
        found.findings += [_asked(asked.isel(pair=i)) for i in range(asked.sizes["pair"])]
        found.figures.append(figures.asked(asked, series))
    correlation = results.groups.get("joint/correlation")
    if correlation is not None:
        found.findings.append(_strongest(correlation))
        found.tables.append(_table(correlation))
    return found


def _cell(one: xr.Dataset) -> str:
    """The technique whose own cell and record a series is of; "" for those of the experiment."""
    return str(one["value"].attrs.get("cell", ""))


def _asked(one: xr.Dataset) -> str:
    """One relation: slope with its error, what was due, correlation, and whether a trend would do as much."""
    on, of = str(one["pair"].item()).split(" · ")
    size = with_error(float(one["slope"]), float(one["slope_err"]), sign=True)
    units, due = str(one["slope_units"].item()), float(one["slope_due"])
    if np.isfinite(due):
        apart = abs(float(one["slope"]) - due) / float(one["slope_err"])
        text = (
            f"{of} is {size.lstrip('+')} times {on} (expected {number(due)}; {number(apart, 2)} errors away)"
        )
    else:
        per = f" {_spelled(units)}" if units != "1" else " a unit"
        text = f"the change of {of} is {size}{per} of {on} ({_certain(one)})"
    name = str(one["relation"].item())
    return f"{name[:1].upper()}{name[1:]}: {text}, from {int(one['number'])} times."


def _spelled(units: str) -> str:
    above, per, below = units.partition(" per ")
    return f"{pretty(above)} per {pretty(below)}".strip() if per else f"{pretty(above)} a unit"


def _certain(one: xr.Dataset) -> str:
    """Correlation, its p, and the p beyond a common trend, in words."""
    r = with_error(float(one["correlation"]), float(one["correlation_err"]))
    trend = float(one["p_trend"])
    known = np.isfinite(trend)
    beyond = f"beyond a common trend p = {number(trend, 2)}" if known else "too few times to rule out a trend"
    return f"r = {r}, p = {number(float(one['p']), 2)}; {beyond}"


def _strongest(found: xr.Dataset) -> str:
    p = found["p_trend"].values
    tested = np.isfinite(p)
    if not tested.any():
        return (
            f"{len(p)} pairs of quantities have common times, too few to tell a relation from a common trend."
        )
    seen = int((p[tested] < 0.05 / tested.sum()).sum())
    if not seen:
        return (
            f"None of {int(tested.sum())} pairs of quantities goes together beyond a common smooth trend in time "
            "(tests corrected for their number): what else correlates may only share that all changes with the charge."
        )
    best = found.isel(pair=int(np.nanargmin(p)))
    return (
        f"{seen} of {int(tested.sum())} pairs of quantities go together beyond a common smooth trend in time (tests "
        f"corrected for their number), most surely {best['pair'].item()} (r = "
        f"{with_error(float(best['correlation']), float(best['correlation_err']))}). Going together is no cause."
    )


def _table(found: xr.Dataset) -> Table:
    order = np.lexsort((found["p"].values, np.nan_to_num(found["p_trend"].values, nan=2.0)))[:MOST]
    rows = [
        [
            str(one["pair"].item()), with_error(float(one["correlation"]), float(one["correlation_err"])),
            number(float(one["p"]), 2), _or_dot(float(one["p_trend"])), f"{int(one['number'])}",
            number(float(one["independent"]), 2),
        ]
        for one in (found.isel(pair=int(i)) for i in order)
    ]  # fmt: skip
    note = (
        "p: chance of as much between unrelated quantities that change as slowly. Beyond a trend: the same after a "
        "cubic in time is taken out of both, which all that rises or falls with the charge needs."
    )
    columns = ["quantities", "correlation", "p", "p beyond a trend", "times", "independent times"]
    return Table("together", "How quantities of different techniques go together", columns, rows, note)


def _or_dot(value: float) -> str:
    return number(value, 2) if np.isfinite(value) else "·"
