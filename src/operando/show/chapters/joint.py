"""What the techniques say together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.show.figures import joint as figures
from operando.show.table import Table
from operando.show.text import number, with_error

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
    found = Chapter("together", "Together", figures=[figures.together(series)])
    correlation = results.groups.get("joint/correlation")
    if correlation is not None:
        found.tables.append(_table(correlation))
        found.findings.append(_strongest(correlation))
    return found


def _strongest(found: xr.Dataset) -> str:
    p = found["p"].values
    level = 0.05 / len(p)
    seen = int((p < level).sum())
    if not seen:
        return (
            f"None of the {len(p)} pairs of quantities goes together beyond what their own slow changes explain "
            "(tests corrected for their number)."
        )
    best = found.isel(pair=int(np.argmin(p)))
    return (
        f"{seen} of {len(p)} pairs of quantities go together beyond their own slow changes, most surely "
        f"{best['pair'].item()} (r = {with_error(float(best['correlation']), float(best['correlation_err']))}). "
        "Going together is no cause."
    )


def _table(found: xr.Dataset) -> Table:
    order = np.argsort(found["p"].values, kind="stable")[:MOST]
    rows = [
        [
            str(one["pair"].item()), with_error(float(one["correlation"]), float(one["correlation_err"])),
            number(float(one["p"]), 2), f"{int(one['number'])}", number(float(one["independent"]), 2),
        ]
        for one in (found.isel(pair=int(i)) for i in order)
    ]  # fmt: skip
    note = (
        "Times near each other are not independent: p counts only as many as the series' own changes leave."
    )
    return Table("together", "How quantities of different techniques go together",
                 ["quantities", "correlation", "p", "times", "independent"], rows, note)  # fmt: skip
