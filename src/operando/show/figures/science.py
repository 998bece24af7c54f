"""What happened in the film: front, lithium content, lifted layer. Each from the group of the same name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from ..film_words import front_speed
from ..style import (
    INK,
    LATTICE,
    MARKS,
    RULE,
    SERIES,
    Exhibit,
    edges,
    hatch_missing,
    limits,
    panel,
    sheet,
    styled,
)
from ..text import with_error
from . import around, grains
from .cycler import map_axis


def science_figures(groups: dict[str, xr.Dataset]) -> list[Exhibit]:
    """Every figure that the groups at hand allow; nothing is drawn where no value is valid, or of a single map."""
    found = []
    for name, data in groups.items():
        ring = name.split("/")[1] if name.startswith("xrd/") else ""
        if name.endswith("/front") and _any(data["position_map"]):
            found.append(front(ring, data))
        if name.endswith("/layer") and _any(data["displacement"]):
            found.append(layer(ring, data, groups.get("plating")))
        if name.endswith("/ratio") and np.isfinite(data["depth"].values).any():
            found.append(around.ratio(ring, data))
    if "lithium/rows" in groups and _any(groups["lithium/rows"]["x_li"]):
        found.append(lithium(groups["lithium/rows"]))
    if "grains/counts" in groups and _any(groups["grains/counts"]["total"]):
        found.append(grains.counted(groups["grains/counts"], groups["grains/azimuth"]))
    if "epitaxy/tests" in groups:
        found.append(
            grains.epitaxy(groups["epitaxy/tests"], groups["epitaxy/predicted"], groups["grains/table"])
        )
    return found


def checking_figures(groups: dict[str, xr.Dataset]) -> list[Exhibit]:
    """What tells whether to believe them: how round the rings are, what the grain search can see."""
    found = []
    rings = {
        name.split("/")[1]: data
        for name, data in groups.items()
        if name.endswith("/sectors") and "amplitude" in data
    }
    if rings:
        found.append(around.roundness(rings))
    if "grains/limit" in groups:
        found.append(grains.limit(groups["grains/limit"]))
    return found


def _any(values: xr.DataArray) -> bool:
    return values.sizes.get("time", 0) > 1 and bool(np.isfinite(values.values).any())


@styled
def front(ring: str, data: xr.Dataset) -> Exhibit:
    """Position of the front in every column against time, with the straight line fitted to each."""
    per, label = map_axis(data["time"])
    figure = sheet(2.8)
    axes = panel(figure, 0.75, 0.5, 5.4, 2.2)
    time, rows = data["time"].values, []
    for f, family in enumerate(data["family"].values):
        one = data.sel(family=family).transpose("time", ...)
        for k in range(data.sizes["x"]):
            place, error = one["position_map"].values[:, k], one["position_err"].values[:, k]
            if not np.isfinite(place).any():
                continue
            axes.errorbar(
                time / per, place, error, fmt=MARKS[f % 6], ms=3, color=SERIES[k % 6], lw=0.8, elinewidth=0.7
            )
            speed = float(one["speed"].values[k])
            good = np.isfinite(place)
            if np.isfinite(speed):
                weight = error[good] ** -2.0
                middle = [float((weight * v).sum() / weight.sum()) for v in (time[good], place[good])]
                axes.plot(
                    time[good] / per,
                    middle[1] + 1e-3 * speed * (time[good] - middle[0]),
                    color=SERIES[k % 6],
                    lw=0.8,
                )
            rows.append(pd.DataFrame({
                "family": family, "x (um)": data["x"].values[k], "time (s)": time, "position (um)": place,
                "error (um)": error, "speed (nm/s)": speed, "speed error (nm/s)": float(one["speed_err"].values[k]),
                "p constant": float(one["p_constant"].values[k]),
            }))  # fmt: skip
    axes.set(xlabel=label, ylabel="front position / µm")
    axes.set_ylim(_around([row["position (um)"] for row in rows], [row["error (um)"] for row in rows]))
    return Exhibit(
        f"{ring}-front", f"Where the front is, from {ring}",
        f"Position of the step of {data.attrs.get('profile', 'the profile')} along z in each column, at the middle of "
        "each map, with 1σ errors (some end outside the figure where a position is hardly known); lines: constant "
        "speed, fitted to each column. Colour: column; mark: family "
        f"({', '.join(map(str, data['family'].values))}). {_speeds(data)}",
        "Position of the front against time for every column.", figure, pd.concat(rows),
    )  # fmt: skip


def _around(places: list, errors: list) -> tuple[float, float]:
    """Limits that hold every position and its error, but none that is larger than all positions lie apart."""
    place, error = np.concatenate(places), np.nan_to_num(np.concatenate(errors))
    good = np.isfinite(place)
    span = max(float(np.ptp(place[good])), 1e-3)
    reach = np.minimum(error[good], span)
    low, high = float((place[good] - reach).min()), float((place[good] + reach).max())
    return low - 0.05 * span, high + 0.05 * span


def _speeds(data: xr.Dataset) -> str:
    """The speed over all columns of each family, in words."""
    found = {family: front_speed(data, family)[0] for family in map(str, data["family"].values)}
    words = [
        f"{family}: {with_error(speed.value, speed.error, 'nm/s')} over {speed.points} columns"
        for family, speed in found.items() if speed.valid
    ]  # fmt: skip
    return (
        f"Weighted mean speed, {'; '.join(words)}."
        if words
        else "No column has three positions, so no speed."
    )


@styled
def lithium(data: xr.Dataset) -> Exhibit:
    """x over depth and time, a panel a family, from the mean lattice parameter of each row."""
    per, label = map_axis(data["time"])
    names = [f for f in data["family"].values if np.isfinite(data["x_li"].sel(family=f)).any()]
    mean, error = (data[name].transpose("family", "z", "time") for name in ("x_li", "x_li_err"))
    figure = sheet(0.55 + 1.55 * len(names))
    low, high = limits(mean.values, 0.5, 99.5)
    rows = []
    for k, family in enumerate(names):
        axes = panel(figure, 0.75, 0.5 + 1.55 * (len(names) - 1 - k), 5.6, 1.4)
        hatch_missing(axes)
        shown = np.ma.masked_invalid(mean.sel(family=family).values)
        image = axes.pcolormesh(edges(data["time"].values / per), edges(data["z"].values), shown, cmap=LATTICE,
                                vmin=low, vmax=high, rasterized=True)  # fmt: skip
        axes.set_ylabel("z / µm")
        axes.text(1.02, 1.0, str(family), transform=axes.transAxes, weight="bold", va="top", fontsize=7)
        if k == len(names) - 1:
            axes.set_xlabel(label)
        else:
            axes.tick_params(labelbottom=False)
        table = xr.Dataset({"x": mean.sel(family=family), "x error (fit)": error.sel(family=family)})
        rows.append(table.reset_coords(drop=True).rename({"x": "x in LixCoO2"}).to_dataframe().reset_index())
    bar = figure.colorbar(image, cax=panel(figure, 6.55, 0.5, 0.1, 1.1))
    bar.outline.set_visible(False)
    bar.set_label("x")
    return Exhibit(
        "lithium", "Lithium content over depth and time",
        f"x from {data.attrs.get('parameter', 'c')} of {data.attrs.get('ring', '')} by the calibration "
        f"“{data.attrs.get('calibration', '')}”, from its mean over the columns at each depth. Hatched: "
        "no valid point.",
        "Lithium content against depth and time.", figure, pd.concat(rows),
    )  # fmt: skip


@styled
def layer(ring: str, data: xr.Dataset, plating: xr.Dataset | None) -> Exhibit:
    """How far a layer moved in every column, beside the thickness that the charge plates."""
    per, label = map_axis(data["time"])
    figure = sheet(2.8)
    axes = panel(figure, 0.75, 0.5, 5.4, 2.2)
    time, one, rows = data["time"].values, data.transpose("time", ...), []
    for k in range(data.sizes["x"]):
        moved, error = one["displacement"].values[:, k], one["displacement_err"].values[:, k]
        axes.errorbar(time / per, moved, error, fmt="o", ms=2.5, color=SERIES[k % 6], lw=0.7, elinewidth=0.6)
        rows.append(pd.DataFrame({"x (um)": data["x"].values[k], "time (s)": time, "displacement (um)": moved,
                                  "error (um)": error}))  # fmt: skip
    by_charge = plating is not None and "thickness" in plating and plating.sizes["time"] == len(time)
    if by_charge and plating is not None:
        axes.plot(time / per, plating["thickness"].values, color=INK, lw=1.3)
    axes.axhline(0, color=RULE, lw=0.8, zorder=0)
    axes.set(xlabel=label, ylabel="displacement / µm")
    line = " Line: thickness of lithium that the charge plates (Faraday)." if by_charge else ""
    return Exhibit(
        f"{ring}-layer", f"How far the layer of {ring} moved",
        f"Displacement along z since the first map that shows the column, with 1σ errors; colour: column.{line}",
        "Displacement of a layer against time for every column.", figure, pd.concat(rows),
    )  # fmt: skip
