"""Single-crystal grains: how many and where, whether they follow the layer below, what the search can see."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.ticker import MaxNLocator

from ..style import (
    AMOUNT,
    INK,
    MARKS,
    RULE,
    SERIES,
    SOFT,
    Exhibit,
    edges,
    hatch_missing,
    panel,
    sheet,
    styled,
)
from ..text import number, plural, with_error
from .cycler import map_axis


@styled
def counted(counts: xr.Dataset, around: xr.Dataset) -> Exhibit:
    """Total, new and vanished grains against time, above where they are in azimuth."""
    per, label = map_axis(counts["time"].assign_attrs(units="s"))
    time = counts["time"].values
    figure = sheet(4.2)
    image_axes = panel(figure, 0.75, 0.5, 5.4, 1.7)
    axes = panel(figure, 0.75, 2.4, 5.4, 1.65, sharex=image_axes)
    for k, name in enumerate(("total", "new", "vanished")):
        axes.errorbar(time / per, counts[name].values, counts[f"{name}_err"].values, fmt=f"{MARKS[k]}-", ms=3, lw=1,
                      color=SERIES[k], elinewidth=0.8, label=name)  # fmt: skip
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.set_ylabel("grains in a map")
    axes.tick_params(labelbottom=False)
    hatch_missing(image_axes)
    shown = around["grains"].transpose("azimuth", "time")
    image = image_axes.pcolormesh(edges(time / per), edges(shown["azimuth"].values), np.ma.masked_invalid(shown.values),
                                  cmap=AMOUNT, rasterized=True)  # fmt: skip
    image_axes.set(xlabel=label, ylabel="azimuth / deg", yticks=range(0, 361, 60))
    bar = figure.colorbar(image, cax=panel(figure, 6.35, 0.5, 0.1, 1.2))
    bar.outline.set_visible(False)
    bar.set_label("grains")
    bar.locator = MaxNLocator(integer=True)
    names = [n for n in ("total", "new", "vanished") for n in (n, f"{n}_err")]
    return Exhibit(
        "grains", f"Grains on {counts.attrs.get('ring', 'the ring')}",
        "Grains in diffraction condition in each map, with the error of the count; below, where on the ring they are. "
        "The total holds what is expected to have merged with a neighbour of the same orientation. Background: "
        f"{counts.attrs.get('background', 'unknown')}. Hatched: not measured.",
        "Number of grains against time, and their azimuths.", figure, counts[names].to_dataframe().reset_index(),
    )  # fmt: skip


@styled
def epitaxy(tests: xr.Dataset, predicted: xr.Dataset, grains: xr.Dataset) -> Exhibit:
    """Azimuths of the grains of all maps round a circle with those predicted; p-values against time."""
    per, label = map_axis(tests["time"].assign_attrs(units="s"))
    figure = sheet(3.2)
    circle = panel(figure, 0.35, 0.35, 2.2, 2.2, projection="polar")
    seen = grains["azimuth"].values[np.isfinite(grains["azimuth"].values)]
    counts, bounds = np.histogram((seen + 5) % 360, np.arange(0, 361, 10))
    circle.bar(np.radians(bounds[:-1]), counts, np.radians(9), color=SERIES[0])
    for azimuth in predicted["azimuth"].values:
        circle.plot(np.radians([azimuth, azimuth]), [0, max(counts.max(), 1)], color=SERIES[1], lw=0.9)
    circle.set_xticks(np.radians(range(0, 360, 60)), [f"{a}°" for a in range(0, 360, 60)])
    circle.tick_params(labelsize=6, pad=0)
    circle.set_yticks([max(counts.max(), 1)], [""])
    rim = f"circle: {plural(int(max(counts.max(), 1)), 'grain')}"
    circle.set_title(rim, fontsize=6, color=SOFT, loc="left", pad=10)
    axes = panel(figure, 3.35, 0.5, 3.1, 2.1)
    names = {
        "prediction_p": "near the prediction",
        "rayleigh_p": "one direction",
        "kuiper_p": "not uniform",
        "so_far_p": "near the prediction, all so far",
        "recent_p": f"near the prediction, last {tests.attrs['min_grains']} or more",
    }
    names = {k: v for k, v in names.items() if k in tests and np.isfinite(tests[k].values).any()}
    for k, (name, text) in enumerate(names.items()):
        if not np.isfinite(tests[name].values).any():
            continue
        axes.semilogy(tests["time"].values / per, tests[name].values, MARKS[k] + "-", ms=3, lw=0.9,
                      color=SERIES[k], label=text)  # fmt: skip
    axes.axhline(0.05, color=RULE, lw=0.8, zorder=0)
    axes.text(1.01, 0.05, "0.05", transform=axes.get_yaxis_transform(), fontsize=6, color=SOFT, va="center")
    axes.set(xlabel=label, ylabel="p", ylim=(0.5 * tests.attrs["smallest_p"], 1.5))
    if not np.isfinite(tests["so_far_p"].values).any():
        axes.set_yticks([])
        first, last = tests["time"].values.min() / per, tests["time"].values.max() / per
        axes.set_xlim(first, max(last, first + 1e-9))
        axes.text(0.5, 0.5, f"fewer than {tests.attrs['min_grains']} grains: no p-value", ha="center",
                  transform=axes.transAxes, color=INK)  # fmt: skip
    else:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, handlelength=1.2, columnspacing=1)
    about = tests.attrs
    return Exhibit(
        "epitaxy", f"Do {about['deposit']} grains follow {about['substrate']}?",
        f"Left: azimuths of all grains in bins of 10 degrees; lines: where the {about['relation']} relation puts them. "
        f"Right: chance of azimuths like those of the grains first seen in each map if they had any orientation, where "
        f"a map has at least {about['min_grains']} of them; all so far: of all maps up to it; last: of no more maps "
        f"than hold as many. {about['smallest_p']:g} is the least that the drawn samples can tell.",
        "Azimuths of grains with predicted ones, and p-values against time.", figure,
        tests.drop_vars("flag").to_dataframe().reset_index(),
    )  # fmt: skip


@styled
def limit(found: xr.Dataset) -> Exhibit:
    """Chance of finding a spot against its counts, from spots put into the first map."""
    figure = sheet(2.4)
    axes = panel(figure, 0.75, 0.5, 4.6, 1.8)
    counts = found["counts"].values
    axes.errorbar(counts, found["efficiency"].values, found["efficiency_err"].values, fmt="o", ms=3, color=SERIES[0],
                  elinewidth=0.8)  # fmt: skip
    axes.semilogx(counts, found["fit"].values, color=SERIES[0], lw=1)
    a = found.attrs
    axes.axvline(a["limit_95"], color=RULE, lw=0.8, zorder=0)
    axes.set(xlabel="counts in the spot", ylabel="chance to be found", ylim=(-0.03, 1.05))
    rate = (
        f"under {number(a['false_rate_err'], 1)}"
        if not a["false_number"]
        else with_error(a["false_rate"], a["false_rate_err"])
    )
    return Exhibit(
        "grain-limit", "What the grain search can see",
        f"Spots of known counts put into the first map at free azimuths and searched for. Half of them are found at "
        f"{with_error(a['limit_50'], a['limit_50_err'])} counts, 95 % at "
        f"{with_error(a['limit_95'], a['limit_95_err'])} (line). False spots on Poisson noise of the same background: "
        f"{rate} an image.",
        "Detection efficiency against counts.", figure, found.drop_vars("flag").to_dataframe().reset_index(),
    )  # fmt: skip
