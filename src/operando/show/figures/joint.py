"""Every technique on one time axis."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from ..style import SERIES, Exhibit, panel, sheet, styled
from ..text import pretty, scaled, time_unit

MOST = 10
#: units that take a prefix
ELECTRICAL = ("A", "mA", "V", "mV", "mAh")


@styled
def together(series: dict[str, xr.Dataset]) -> Exhibit:
    """One panel a quantity, the same time below all; colour: technique."""
    chosen = {path: series[path] for path in _in_turn(list(series))[:MOST]}
    spans = np.concatenate([one["time"].values for one in chosen.values()])
    per, unit = time_unit(spans[np.isfinite(spans)])
    techniques = list(dict.fromkeys(path.split("/")[1] for path in chosen))
    figure = sheet(0.55 + 0.78 * len(chosen))
    first, tables = None, []
    for k, (path, one) in enumerate(chosen.items()):
        _, technique, name = path.split("/", 2)
        axes = panel(figure, 1.0, 0.45 + (len(chosen) - 1 - k) * 0.78, 5.0, 0.68, sharex=first)
        first = first or axes
        colour = SERIES[techniques.index(technique) % 6]
        value, unit_shown = one["value"].values, str(one["value"].attrs.get("units", ""))
        if unit_shown in ELECTRICAL:
            value, unit_shown = scaled(value, unit_shown)
        factor = np.nanmax(np.abs(value)) / max(float(np.nanmax(np.abs(one["value"].values))), 1e-300)
        error = one["value_err"].values * factor
        axes.errorbar(one["time"].values / per, value, np.where(np.isfinite(error), error, 0.0), fmt="o-",
                      ms=2, lw=0.9, elinewidth=0.6, color=colour)  # fmt: skip
        axes.set_ylabel(pretty(unit_shown), fontsize=6.5)
        axes.text(
            1.01,
            0.5,
            f"{name}\n{technique}",
            transform=axes.transAxes,
            fontsize=6.5,
            va="center",
            color=colour,
        )
        axes.tick_params(labelbottom=k == len(chosen) - 1)
        axes.locator_params(axis="y", nbins=3)
        tables.append(one.to_dataframe().reset_index().assign(quantity=name, technique=technique))
    axes.set_xlabel(f"time / {unit}")
    left = len(series) - len(chosen)
    more = f" {left} more are in the table of results." if left else ""
    return Exhibit(
        "together", "Every technique on one time axis",
        "One number a time from each technique: means over the valid points, with 1σ errors that are widened "
        "where points "
        f"scatter more than their own errors say. Colour: technique.{more}",
        "Quantities of several techniques against time.", figure, pd.concat(tables),
    )  # fmt: skip


def _in_turn(paths: list[str]) -> list[str]:
    """One of each technique, then the second of each, and so on; those of one technique together again."""
    by: dict[str, list[str]] = {}
    for path in paths:
        by.setdefault(path.split("/")[1], []).append(path)
    ranked = sorted(paths, key=lambda path: by[path.split("/")[1]].index(path))[:MOST]
    return [path for technique in by for path in by[technique] if path in ranked]
