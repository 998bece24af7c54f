"""Figures of `film_micro_xrd.py`."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from _page import colour_bar, drawn, styled

from operando.show.style import INK, LATTICE, RULE, SERIES, SOFT, edges, panel, sheet

#: times of maps, as the paper numbers those of the discharge
ROMAN = ("VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV")


def profiles(results, known, maps, name="film-profiles", title="Lattice parameters by depth"):
    """Figs. 2d, e and 3d, e: mean c and a by depth in some maps, one line a map, with errors; dashes: true."""
    names = [("LCO003", "c", f) for f in ("perp", "par")] + [("LCO110", "a", "perp")]
    rows = []
    with styled():
        figure = sheet(2.75)
        for k, (ring, axis, family) in enumerate(names):
            axes = panel(figure, 0.7 + 2.35 * k, 0.45, 1.75, 1.85)
            data = results.groups[f"xrd/{ring}"].sel(family=family)
            for number, j in enumerate(maps):
                colour = mpl.colormaps["viridis"](0.9 * number / max(len(maps) - 1, 1))
                one = data.isel(time=j)
                value = one[axis].where(one["flag"] == 0)
                weight = 1 / one[f"{axis}_err"] ** 2
                mean = (value * weight).sum("x") / weight.where(value.notnull()).sum("x")
                error = weight.where(value.notnull()).sum("x") ** -0.5
                ok = np.isfinite(error.values)
                axes.errorbar(mean.values[ok], one["z"].values[ok], xerr=error.values[ok], color=colour, lw=1,
                              elinewidth=0.7, label=f"{float(one['time']) / 60:.0f} min")  # fmt: skip
                true = known.maps[axis].sel(family=family).isel(time=j).where(value.notnull()).mean("x")
                axes.plot(true, true["z"], color=INK, lw=0.5, ls="--", zorder=5)
                rows.append(pd.DataFrame({"ring": ring, "family": family, "time": float(one["time"]), "z": one["z"],
                                          axis: mean, f"{axis}_err": error}))  # fmt: skip
            axes.set(xlabel=f"{axis} / Å", title=f"{ring} {family}")
            axes.set_ylabel("z / µm" if k == 0 else "")
            axes.tick_params(labelleft=k == 0)
            axes.locator_params(axis="x", nbins=3)
            if k == 0:
                told = axes.get_legend_handles_labels()
        figure.legend(*told, loc="upper right", ncol=7, fontsize=5.5, handlelength=1.0, columnspacing=1.0)
    return drawn(
        name, title,
        "Mean over the columns at each height of the film, one colour a map, with 1σ errors; dashed: true. The "
        "electrolyte is at the top.", figure, pd.concat(rows),
    )  # fmt: skip


def content(results, known, maps, name="film-content", title="Lithium content by depth"):
    """Figs. 2f and 3f: lithium content by depth in five maps at most, found, modelled and true."""
    data, model = results.groups["lithium/rows"].sel(family="perp"), results.groups.get("model/film/compare")
    rows = []
    with styled():
        figure = sheet(2.45)
        for k, j in enumerate(maps):
            axes = panel(figure, 0.6 + 1.38 * k, 0.45, 1.25, 1.6)
            one = data.isel(time=int(j))
            known_row = one["x_li_err"] < 0.1
            mean, error = one["x_li"].where(known_row), one["x_li_err"].where(known_row)
            axes.errorbar(
                mean, one["z"], xerr=error, fmt="o", ms=2.5, elinewidth=0.7, color="#0b6fb3", label="found"
            )
            true = known.maps["x_li"].isel(time=int(j)).mean("x")
            axes.plot(true, true["z"], color=INK, lw=0.7, ls="--", label="true")
            if model is not None:
                axes.plot(
                    model["x_modelled"].isel(time=int(j)),
                    model["z"],
                    color="#c8501a",
                    lw=1,
                    label="film model",
                )
            axes.set(
                xlim=(0.4, 1.05),
                ylim=(2, 27),
                title=f"{float(one['time']) / 60:.0f} min",
                xlabel="x in LiₓCoO₂",
            )
            axes.set_ylabel("z / µm" if k == 0 else "")
            axes.tick_params(labelleft=k == 0)
            axes.axvspan(0.75, 0.94, color=SOFT, alpha=0.12, lw=0)
            rows.append(
                xr.Dataset({"x_li": mean, "x_li_err": error})
                .to_dataframe()
                .reset_index()
                .assign(time=float(one["time"]))
            )
        figure.legend(
            *axes.get_legend_handles_labels(), loc="upper right", ncol=3, fontsize=6, borderaxespad=0.1
        )
    return drawn(
        name, title,
        "Found from the mean c of the family perp in each row, with errors of the fits; dashed: true; orange: the film "
        "model at the current of the cycler, its other inputs the default. Grey: the miscibility gap.", figure,
        pd.concat(rows),
    )  # fmt: skip


def cycle(results, maps):
    """Fig. 3a to c: voltage and charge of the whole cycle, c by depth and time, and maps of c at some times."""
    clock, data = results.groups["echem"], results.groups["xrd/LCO003"]
    zero = float(results.groups["clock"]["utc"][0]) - float(data["time"][0])
    since, hours = (clock["utc"].values - zero) / 3600, data["time"].values / 3600
    c = data["c"].where(data["flag"] == 0)
    low, high = (float(v) for v in np.nanquantile(c, [0.01, 0.99]))
    how = {"cmap": LATTICE, "vmin": low, "vmax": high, "rasterized": True}
    rows = []
    with styled():
        figure = sheet(4.9)
        first = panel(figure, 0.75, 4.0, 5.6, 0.75)
        first.plot(since, clock["voltage"].values, color=INK, lw=1)
        first.set_ylabel("U / V")
        charge = first.twinx()
        charge.plot(since, 1e3 * clock["capacity"].values, color=SERIES[1], lw=1)
        charge.set_ylabel("Q / µAh", color=SERIES[1])
        for number, j in enumerate(maps):
            first.axvline(hours[j], color=RULE, lw=0.7, zorder=0)
            first.text(
                hours[j], 1.02, ROMAN[number], transform=first.get_xaxis_transform(), ha="center", fontsize=6
            )
        for k, family in enumerate(("perp", "par")):
            axes = panel(figure, 0.75, 2.85 - 1.0 * k, 5.6, 0.85, sharex=first)
            weight = data["c_err"].sel(family=family) ** -2
            one = c.sel(family=family)
            mean = (one * weight).sum("x") / weight.where(one.notnull()).sum("x")
            seen = axes.pcolormesh(edges(hours), edges(data["z"].values), mean.transpose("z", "time"), **how)
            axes.set(ylabel="z / µm", ylim=(2, 26))
            axes.text(1.01, 0.5, family, transform=axes.transAxes, fontsize=7, va="center")
            axes.tick_params(labelbottom=k == 1)
            rows.append(
                mean.rename("c").reset_coords(drop=True).to_dataframe().reset_index().assign(family=family)
            )
        axes.set_xlabel("time / h")
        first.tick_params(labelbottom=False)
        first.set_xlim(min(since[0], hours[0]), hours[-1])
        width = 5.6 / len(maps) - 0.12
        for number, j in enumerate(maps):
            for k, family in enumerate(("perp", "par")):
                axes = panel(figure, 0.75 + number * (width + 0.12), 0.85 - 0.45 * k, width, 0.4)
                one = c.sel(family=family).isel(time=j).transpose("z", "x")
                axes.pcolormesh(edges(data["x"].values), edges(data["z"].values), one, **how)
                axes.set(ylim=(2, 26), xticks=[], yticks=[])
                if k == 0:
                    axes.set_title(ROMAN[number], fontsize=6.5, pad=2)
                if number == 0:
                    axes.set_ylabel(family, fontsize=6.5)
        step = float(np.diff(edges(data["x"].values))[0]) if data.sizes["x"] > 1 else 33.0
        wide = f"maps: {step * data.sizes['x']:.0f} µm wide, z from 2 to 26 µm"
        figure.text(0.1, 0.03, wide, fontsize=6.5)
        colour_bar(figure, seen, axes, "c / Å", gap=0.15)
    return drawn(
        "film-cycle", "The discharge: where the insulating phase comes back",
        "Voltage and charge of the record, with the maps that are shown below; c of both orientations by depth and "
        "time, mean over the columns; and c at every valid point of those maps. At the end of the discharge the "
        "surface turns insulating (small c), and fades at rest.", figure, pd.concat(rows),
    )  # fmt: skip
