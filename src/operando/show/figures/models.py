"""Models: film electrode and symmetric cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from ..style import (
    CHANGE,
    LATTICE,
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
from ..text import number, time_unit

PARTS = ("kinetic_top", "kinetic_bottom", "electrolyte", "interphase", "constriction")


@styled
def film_record(data: xr.Dataset) -> Exhibit:
    """Voltage, current and capacity of the model against time."""
    per, unit = time_unit(data["time"].values)
    figure = sheet(3.4)
    first = None
    rows = (("voltage", "V"), ("current_density", "mA/cm²"), ("areal_capacity", "mAh/cm²"))
    for k, (name, units) in enumerate(rows):
        axes = panel(figure, 0.85, 0.5 + (2 - k) * 0.97, 5.6, 0.87, sharex=first)
        first = first or axes
        axes.plot(data["time"].values / per, data[name].values, color=SERIES[k], lw=1.1)
        axes.set_ylabel(f"{('voltage', 'current', 'capacity')[k]} / {units}", fontsize=6.5)
        axes.tick_params(labelbottom=k == 2)
    axes.set_xlabel(f"time / {unit}")
    names = [
        "voltage",
        "current_density",
        "areal_capacity",
        "plated",
        "surface_x",
        "front",
        "front_speed",
        "insulating",
    ]
    return Exhibit(
        "film-record", "Voltage, current and capacity of the model",
        "Current is positive on charge.",
        "Modelled voltage, current density and capacity against time.", figure,
        data[names].to_dataframe().reset_index(),
    )  # fmt: skip


@styled
def film_content(data: xr.Dataset) -> Exhibit:
    """Li content over depth and time, with the front, and profiles at some times of the charge."""
    per, unit = time_unit(data["time"].values)
    figure = sheet(2.6)
    axes, beside = panel(figure, 0.7, 0.5, 3.4, 1.9), panel(figure, 5.15, 0.5, 1.7, 1.9)
    t, keep = np.unique(data["time"].values, return_index=True)
    x = data["x_li"].values[keep]
    image = axes.pcolormesh(edges(t / per), edges(data["z"].values), x.T, cmap=LATTICE, rasterized=True)
    axes.plot(data["time"].values / per, data["front"].values, color=SERIES[1], lw=0.9)
    axes.set(xlabel=f"time / {unit}", ylabel="z / µm")
    bar = figure.colorbar(image, cax=panel(figure, 4.2, 0.5, 0.08, 1.9))
    bar.outline.set_visible(False)
    bar.set_label("x")
    charge = np.flatnonzero(data["step"].values == data["step"].values[0])
    chosen = charge[np.linspace(0, len(charge) - 1, 6).astype(int)]
    tables = []
    for k, i in enumerate(chosen):
        now = float(data["time"][i])
        beside.plot(
            data["z"].values,
            data["x_li"].values[i],
            color=SERIES[k % 6],
            lw=1,
            label=f"{number(now / per, 2)} {unit}",
        )
        tables.append(
            pd.DataFrame({"time (s)": now, "z (um)": data["z"].values, "x": data["x_li"].values[i]})
        )
    beside.set(xlabel="z / µm", ylabel="x")
    beside.legend(fontsize=5.5, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1)
    return Exhibit(
        "film-content", "Lithium content of the model",
        "Left: x over height and time, with the boundary between the two phases (line); right: profiles during "
        "the charge. "
        "The boundary of the model is as sharp as its volumes: a front several µm wide in an image is not "
        "explained by it.",
        "Modelled Li content over depth and time, and profiles.", figure, pd.concat(tables),
    )  # fmt: skip


@styled
def symmetric(data: xr.Dataset) -> Exhibit:
    """Voltage of a symmetric cell and its parts against time."""
    per, unit = time_unit(data["time"].values)
    t = data["time"].values / per
    figure = sheet(3.6)
    above, below = panel(figure, 0.75, 2.0, 4.9, 1.45), panel(figure, 0.75, 0.5, 4.9, 1.35)
    if "measured" in data:
        above.plot(t, 1e3 * data["measured"].values, "o", ms=2.5, color=SOFT, label="measured")
    above.plot(t, 1e3 * data["voltage"].values, color=SERIES[0], label="moving contact")
    error = 1e3 * np.nan_to_num(data["voltage_err"].values)
    above.fill_between(t, 1e3 * data["voltage"].values - error, 1e3 * data["voltage"].values + error, color=SERIES[0],
                       alpha=0.2, lw=0)  # fmt: skip
    above.plot(
        t,
        1e3 * data["voltage_fixed_contact"].values,
        "--",
        color=SERIES[1],
        label="contact of the first time",
    )
    above.set_ylabel("voltage / mV")
    above.tick_params(labelbottom=False)
    for k, name in enumerate(PARTS):
        below.plot(t, 1e3 * data[name].values, color=SERIES[k], lw=1, label=name.replace("_", ", "))
    below.axhline(0, color=RULE, lw=0.7, zorder=0)
    below.set(xlabel=f"time / {unit}", ylabel="part / mV")
    for axes in (above, below):
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=6.5)
    names = [str(n) for n in data.data_vars if data[n].dims == ("time",)]
    return Exhibit(
        "symmetric-voltage", "Voltage of the symmetric cell",
        "Modelled voltage from the true contact areas with 1σ band (errors of contact, interphase and "
        "constriction), the "
        "same with contact as it was at first, and below what the voltage is made of.",
        "Modelled voltage and its parts against time.", figure, data[names].to_dataframe().reset_index(),
    )  # fmt: skip


@styled
def film_compared(data: xr.Dataset) -> Exhibit:
    """Measured and modelled profiles at some times, and all residuals in units of the error."""
    figure = sheet(4.6)
    per, unit = time_unit(data["time"].values)
    known = np.flatnonzero(np.isfinite(data["residual"].transpose("time", "z").values).any(1))
    chosen = known[np.linspace(0, len(known) - 1, min(4, len(known))).astype(int)]
    z = data["z"].values
    seen = z[np.isfinite(data["residual"].transpose("time", "z").values).any(0)]
    for k, i in enumerate(chosen):
        axes = panel(figure, 0.7 + 1.68 * k, 2.75, 1.5, 1.55)
        one = data.isel(time=i)
        axes.errorbar(
            z,
            one["x_measured"].values,
            one["x_measured_err"].values,
            fmt="o",
            ms=2.2,
            color=SERIES[0],
            lw=0.6,
        )
        axes.plot(z, one["x_modelled"].values, color=SERIES[1], lw=1.1)
        axes.set_title(f"{float(one['time']) / per:.3g} {unit}", fontsize=7)
        axes.set(xlabel="z / µm", ylim=(0.35, 1.05), xlim=(seen.min() - 2, seen.max() + 2))
        axes.tick_params(labelleft=k == 0)
        if k == 0:
            axes.set_ylabel("x")
    names = ["x_measured", "x_measured_err", "x_modelled", "measured", "measured_err", "modelled", "residual"]
    axes = panel(figure, 0.7, 0.5, 5.6, 1.6)
    shown = np.ma.masked_invalid(data["residual"].transpose("z", "time").values)
    span = max(5.0, float(np.nanpercentile(np.abs(shown.filled(np.nan)), 95)))
    hatch_missing(axes)
    image = axes.pcolormesh(edges(data["time"].values / per), edges(z), shown, cmap=CHANGE, vmin=-span, vmax=span,
                            rasterized=True)  # fmt: skip
    axes.set(xlabel=f"time / {unit}", ylabel="z / µm")
    bar = figure.colorbar(image, cax=panel(figure, 6.4, 0.5, 0.1, 1.6))
    bar.outline.set_visible(False)
    bar.set_label("(measured − modelled) / σ")
    return Exhibit(
        "film-compared", "Measured and modelled lithium content",
        "Above: x from the mean lattice parameter of each row (points, 1σ without the error that the calibration gives "
        f"to all alike) and the model on the same grid (line). Below: residuals of {data.attrs['parameter']}, the "
        "lattice parameter itself, in units of its error: where it hardly depends on x, x looks worse than it agrees. "
        "A front that the image shows wider than the model is not explained by it.",
        "Measured and modelled profiles with residuals.", figure,
        data[names].to_dataframe().reset_index(),
    )  # fmt: skip
