"""Lattice parameters against time: over the whole map, over depth beside the voltage, and at some depths."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from ..style import (
    INK,
    LATTICE,
    RULE,
    SERIES,
    SOFT,
    Exhibit,
    at_least,
    chosen,
    edges,
    hatch_missing,
    limits,
    panel,
    sheet,
    styled,
)
from ..summary import Mean, against_time, by_depth, called, families, lattice_name, one_family, tidy
from ..text import axis_label, number, scaled
from .cycler import aligned, map_axis, map_clock_time, thinned

MARKS = "osD^vP"


@styled
def overview(rings: dict[str, xr.Dataset]) -> Exhibit:
    """Relative change of every followed lattice parameter since the first map with a valid value, mean over the map."""
    figure = sheet(3.0)
    axes = panel(figure, 0.75, 0.5, 5.4, 2.35)
    tables, ends, index = [], [], 0
    per, label = map_axis(next(iter(rings.values()))["time"])
    time = next(iter(rings.values()))["time"].values
    for name, ring in rings.items():
        for family in families(ring):
            axis = lattice_name(ring)
            means = against_time(one_family(ring, family), axis) if axis else []
            start = next((m.value for m in means if m.valid), None)
            if start is None:
                continue
            change, error = _relative(means, start)
            colour, dash = SERIES[index % 6], "-" if index < 6 else "--"
            cap = 1.5 if len(time) < 50 else 0.0
            axes.errorbar(time / per, change, error, fmt=MARKS[index % 6], ls=dash, color=colour, ms=3, lw=1.0,
                          elinewidth=0.8, capsize=cap)  # fmt: skip
            ends.append((f"{axis}  {called(name, family)}", change, colour))
            tables.append(_mean_table(called(name, family), axis, time, means))
            index += 1
    axes.axhline(0, color=RULE, lw=0.8, zorder=0)
    axes.set(xlabel=label, ylabel="relative change / 10⁻³")
    _end_labels(axes, ends, time[-1] / per)
    return Exhibit(
        "overview", "How far each lattice parameter moved",
        "Relative change since the first valid map of the lattice parameter from each ring and family: weighted mean "
        "over all valid points of the map. Bars: 1σ of the mean, widened where the points scatter more than their own "
        "errors say (they do when the cell is not uniform). Rings of phases that take no part should stay at zero.",
        "Relative change of lattice parameters against time.", figure, pd.concat(tables) if tables else pd.DataFrame(),
    )  # fmt: skip


def _relative(means: list[Mean], start: float):
    change = np.array([1e3 * (m.value / start - 1) for m in means])
    return change, np.array([1e3 * m.error / start for m in means])


def _mean_table(series, axis, time, means):
    return pd.DataFrame({
        "series": series, "parameter": axis, "time (s)": time, "mean (angstrom)": [m.value for m in means],
        "error (angstrom)": [m.error for m in means], "scatter (angstrom)": [m.scatter for m in means],
        "points": [m.points for m in means],
    })  # fmt: skip


def _end_labels(axes, ends, end):
    """Name each line at its right end, moved apart where they would touch."""
    low, high = axes.get_ylim()
    gap = 0.075 * (high - low)
    last = [
        (next((v for v in line[::-1] if np.isfinite(v)), 0.0), name, colour) for name, line, colour in ends
    ]
    at = -np.inf
    for value, name, colour in sorted(last):
        at = max(value, at + gap)
        axes.annotate(name, xy=(end, value), xycoords="data", xytext=(1.025, at),
                      textcoords=("axes fraction", "data"), color=colour, va="center", fontsize=7,
                      annotation_clip=False,
                      arrowprops={"arrowstyle": "-", "color": RULE, "lw": 0.5, "shrinkB": 4})  # fmt: skip


@styled
def depth_and_time(
    name: str, ring: xr.Dataset, clock: xr.Dataset | None = None, echem: xr.Dataset | None = None
) -> Exhibit:
    """The lattice parameter of a ring over time and depth, a panel a family, under the voltage; same time axis."""
    axis = lattice_name(ring) or "d"
    depth = {family: by_depth(one_family(ring, family), axis) for family in families(ring)}
    depth = {
        family: d for family, d in depth.items() if d["points"].any()
    } or depth  # empty panels say nothing
    names = list(depth)
    time, z = ring["time"].values, ring["z"].values
    per, label = map_axis(ring["time"])
    scale = limits(np.concatenate([d["value"].values.ravel() for d in depth.values()]), 0.5, 99.5)
    errors = np.concatenate([d["error"].values.ravel() for d in depth.values()])
    scale = at_least(*scale, 6 * float(np.nanmedian(errors)) if np.isfinite(errors).any() else 0.0)
    heights = [0.75] * _has_voltage(clock) + [1.25] * len(names) + [1.35]
    figure = sheet(0.5 + sum(heights) + 0.16 * (len(heights) - 1))
    top, first = float(figure.get_size_inches()[1]) - 0.05, None
    span = _time_span(time, per)
    if _has_voltage(clock):
        top -= 0.75
        first = panel(figure, 0.75, top, 5.75, 0.75)
        _voltage(first, clock, echem, per, span)
        top -= 0.16
    for family in names:
        top -= 1.25
        axes = panel(figure, 0.75, top, 5.75, 1.25, sharex=first)
        first = first or axes
        image = _image(axes, depth[family], time / per, z, scale, called(name, family))
        _colour_bar(figure, image, axis, top, ring[axis].attrs.get("units"))
        top -= 0.16
    top -= 1.35
    axes = panel(figure, 0.75, top, 5.75, 1.35, sharex=first)
    _at_depths(axes, depth, time / per, z)
    axes.set(xlim=span, xlabel=label,
             ylabel=axis_label(axis, ring[axis].attrs.get("units")))  # fmt: skip
    table = pd.concat([tidy({str(k): v for k, v in d.items()}, family=family) for family, d in depth.items()])
    return Exhibit(
        f"{name}-depth", f"{axis} from {name}, over depth and time", _depth_caption(axis, name, names),
        f"{axis} of {name} against depth and time for {', '.join(called(name, f) for f in names)}.", figure, table,
    )  # fmt: skip


def _depth_caption(axis, name, names):
    shapes = (
        ", ".join(f"{'open' if i else 'filled'} {called(name, f)}" for i, f in enumerate(names))
        if len(names) == 2
        else ""
    )
    which = f" ({shapes})" if shapes else ""
    return (
        f"Weighted mean of {axis} over x of the valid points at each depth, for each map, with one colour scale. "
        f"Hatched: no valid point. Below: the same numbers at some depths{which}, with 1σ errors."
    )


def _has_voltage(clock):
    return clock is not None and "voltage" in clock and bool(np.isfinite(clock["voltage"].values).any())


def _time_span(time, per):
    e = edges(time / per) if len(time) > 1 else np.array([time[0] - 30, time[0] + 30]) / per
    return float(e[0]), float(e[-1])


def _voltage(axes, clock, echem, per, span):
    source = clock
    if echem is not None and "voltage" in echem and aligned(echem, clock):
        seconds = map_clock_time(echem, clock) / per
        inside = (seconds >= span[0]) & (seconds <= span[1])
        axes.plot(*thinned(seconds[inside], echem["voltage"].values[inside]), color=INK, lw=1.1)
        source = echem
    else:
        axes.plot(clock["time"].values / per, clock["voltage"].values, "o-", ms=2.5, color=INK, lw=1.0)
    axes.set_ylabel(axis_label("voltage", scaled([1.0], source["voltage"].attrs.get("units", "V"))[1]))
    axes.margins(y=0.15)
    axes.locator_params(axis="y", nbins=3)
    axes.tick_params(labelbottom=False)


def _image(axes, depth, t, z, scale, label):
    hatch_missing(axes)
    e = edges(t) if len(t) > 1 else np.array([t[0] - 0.5, t[0] + 0.5])
    image = axes.pcolormesh(e, edges(z), np.ma.masked_invalid(depth["value"].values.T), cmap=LATTICE, vmin=scale[0],
                            vmax=scale[1], rasterized=True)  # fmt: skip
    axes.set_ylabel("z / µm")
    axes.tick_params(labelbottom=False)
    axes.text(1.02, 1.0, label, transform=axes.transAxes, weight="bold", va="top", fontsize=7)
    return image


def _colour_bar(figure, image, axis, bottom, units):
    bar = figure.colorbar(image, cax=panel(figure, 6.62, bottom, 0.1, 0.98))
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, pad=2, labelsize=6.5)
    bar.ax.locator_params(nbins=4)
    bar.set_label(axis_label(axis, units), fontsize=7)


def _at_depths(axes, depth, t, z):
    """Lines at up to four depths that have values, coloured by depth; open marks for the second family."""
    valid = np.sum([np.isfinite(d["value"].values).sum(axis=0) for d in depth.values()], axis=0)
    rows = np.flatnonzero(valid >= max(1, 0.5 * valid.max(initial=0)))
    rows = rows[chosen(len(rows), 4)] if len(rows) else rows
    for f, d in enumerate(depth.values()):
        for k, row in enumerate(rows):
            colour = SERIES[k]
            axes.errorbar(t, d["value"].values[:, row], d["error"].values[:, row], color=colour, marker=MARKS[f % 6],
                          mfc="none" if f else colour, ms=3, lw=0.9, elinewidth=0.7, capsize=1.2,
                          label=f"z = {number(z[row], 3)} µm" if f == 0 else None)  # fmt: skip
    if len(rows):
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.2)
    else:
        axes.text(0.5, 0.5, "no valid point at any depth", transform=axes.transAxes, ha="center", color=SOFT)
