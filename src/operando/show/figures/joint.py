"""Every technique on one time axis."""

from __future__ import annotations

from fnmatch import fnmatchcase

import numpy as np
import pandas as pd
import xarray as xr

from operando.flow.joint import SAME

from ..style import RULE, SERIES, SOFT, Exhibit, panel, sheet, styled
from ..text import axis_label, pretty, scaled, time_unit

MOST, MOST_ASKED = 10, 9
#: what says most of its technique, in this order
FIRST = (
    "voltage",
    "polarisation",
    "current",
    "capacity",
    "x *",
    "rise of *",
    "grains",
    "c of *",
    "front *",
    "contact*",
)
#: units that take a prefix
ELECTRICAL = ("A", "mA", "V", "mV", "mAh")


@styled
def together(series: dict[str, xr.Dataset], cell: str = "") -> Exhibit:
    """One panel a quantity, the same time below all; colour: technique. `cell`: whose own cell and record it is."""
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
        if unit_shown == "um3":
            value, unit_shown = 1e-3 * value, "10³ µm³"
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
    more = f" {left} more {'is' if left == 1 else 'are'} in the table of results." if left else ""
    own = (
        f"{cell[:1].upper()}{cell[1:]} of a cell with a record of its own, in its own time. " if cell else ""
    )
    return Exhibit(
        f"together-{cell.lower()}" if cell else "together",
        f"{cell[:1].upper()}{cell[1:]} and its own record" if cell else "Every technique on one time axis",
        f"{own}One number a time from each technique: means over the valid points, with 1σ errors that are widened "
        "where points "
        f"scatter more than their own errors say. Colour: technique.{more}",
        "Quantities of several techniques against time.", figure, pd.concat(tables),
    )  # fmt: skip


def _in_turn(paths: list[str]) -> list[str]:
    """One of each technique, then the second of each, and so on; those of one technique together again.

    Within a technique first what says most; what is another one times a constant is left out.
    """
    own = [path for path in paths if not any(fnmatchcase(_name(path), like) for like in SAME)]
    by: dict[str, list[str]] = {}
    for path in sorted(own, key=_rank):
        by.setdefault(path.split("/")[1], []).append(path)
    ranked = sorted(own, key=lambda path: by[path.split("/")[1]].index(path))[:MOST]
    return [path for technique in by for path in by[technique] if path in ranked]


def _name(path: str) -> str:
    return path.split("/", 2)[2]


def _rank(path: str) -> tuple[int, str]:
    place = next((k for k, like in enumerate(FIRST) if fnmatchcase(_name(path), like)), len(FIRST))
    return place, path


@styled
def asked(relations: xr.Dataset, series: dict[str, xr.Dataset]) -> Exhibit:
    """One panel a relation: the second quantity against the first at common times, coloured by time, with its line."""
    by = {path.split("/", 2)[2]: one for path, one in series.items()}
    names = [str(name) for name in relations["pair"].values][:MOST_ASKED]
    across = 3
    down = -(-len(names) // across)
    figure = sheet(0.25 + 2.15 * down)
    tables = []
    for k, name in enumerate(names):
        on, of = (by[part] for part in name.split(" · "))
        one = relations.isel(pair=k)
        axes = panel(figure, 0.6 + 2.45 * (k % across), 0.5 + 2.15 * (down - 1 - k // across), 1.75, 1.35)
        tables.append(_scatter(axes, on, of, one).assign(relation=str(one["relation"].item()), pair=name))
        axes.set_xlabel(_named(name.split(" · ")[0], on), fontsize=6.5)
        axes.set_ylabel(_named(name.split(" · ")[1], of), fontsize=6.5)
        axes.set_title(str(one["relation"].item()), fontsize=7)
    return Exhibit(
        "together-asked", "What one technique says of another",
        "Two quantities of different techniques at their common times, dark to light in time, with 1σ errors where "
        "they are known; line: least squares; dashed: what is due where that is known.",
        "Scatter of pairs of quantities with fitted lines.", figure, pd.concat(tables),
    )  # fmt: skip


def _scatter(axes, on: xr.Dataset, of: xr.Dataset, one: xr.Dataset) -> pd.DataFrame:
    """Draw one relation at the times of the coarser series; returns what is drawn."""
    coarse, fine = (on, of) if on.sizes["time"] <= of.sizes["time"] else (of, on)
    good = np.isfinite(fine["value"].values)
    time = coarse["time"].values
    inside = (time >= fine["time"].values[good].min()) & (time <= fine["time"].values[good].max())
    other = [
        np.interp(time, fine["time"].values[good], fine[key].values[good]) for key in ("value", "value_err")
    ]
    mine = [coarse[key].values for key in ("value", "value_err")]
    (x, dx), (y, dy) = (mine, other) if coarse is on else (other, mine)
    shown = inside & np.isfinite(x) & np.isfinite(y)
    x, dx, y, dy, time = (v[shown] for v in (x, dx, y, dy, time))
    axes.errorbar(x, y, np.nan_to_num(dy), np.nan_to_num(dx), fmt="none", ecolor=RULE, elinewidth=0.7)
    axes.scatter(x, y, c=time, cmap="viridis", s=8, zorder=3)
    ends = np.array([x.min(), x.max()])
    axes.plot(ends, y.mean() + float(one["slope"]) * (ends - x.mean()), color=SERIES[1], lw=1)
    if np.isfinite(float(one["slope_due"])):
        axes.plot(
            ends, y[np.argmin(x)] + float(one["slope_due"]) * (ends - ends[0]), color=SOFT, lw=0.8, ls="--"
        )
    axes.locator_params(nbins=4)
    return pd.DataFrame({"time (s)": time, "first": x, "first error": dx, "second": y, "second error": dy})


def _named(name: str, one: xr.Dataset) -> str:
    return axis_label(name, str(one["value"].attrs.get("units", "")))
