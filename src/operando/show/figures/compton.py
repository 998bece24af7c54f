"""Compton imaging: spectra with their lines, profiles by state, maps of Li content, what drifted."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..style import (
    AMOUNT,
    CHANGE,
    INK,
    MARKS,
    RULE,
    SERIES,
    SOFT,
    WIDTH,
    Exhibit,
    at_least,
    edges,
    hatch_missing,
    limits,
    panel,
    sheet,
    styled,
)
from ..text import number


@styled
def spectra(found: xr.Dataset, lines: xr.Dataset) -> Exhibit:
    """Spectra of the three heights of the first state, on a logarithmic scale, with lines named."""
    figure = sheet(2.9)
    axes = panel(figure, 0.75, 0.5, 5.6, 1.9)
    first = found["counts"].isel(state=0)
    energy = found["energy"].values
    for k, region in enumerate(first["region"].values):
        axes.semilogy(energy, np.maximum(first.sel(region=region).values, 0.5), lw=0.8, color=SERIES[k],
                      label=f"region {region}")  # fmt: skip
    axes.set(xlabel="energy / keV", ylabel="counts a channel", xlim=(energy[0], energy[-1]))
    _named(axes, lines, energy)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return Exhibit(
        "compton-spectra", "Spectra of the three heights",
        f"Counts of all good pixels in state “{found['state'].values[0]}”, every pixel on its own energy scale. "
        "Lines that the scale is taken from are named; the broad peak is Compton scattering.",
        "Energy spectra of three regions with named lines.", figure,
        first.to_dataframe("counts").reset_index()[["region", "energy", "counts"]],
    )  # fmt: skip


def _named(axes, lines: xr.Dataset, energy: np.ndarray) -> None:
    """Names above the axes, moved apart where lines are near each other."""
    inside = [(float(e), str(n)) for e, n in zip(lines["energy"].values, lines["line"].values, strict=True)
              if energy[0] < e < energy[-1]]  # fmt: skip
    span, last = energy[-1] - energy[0], -np.inf
    for at, name in sorted(inside):
        axes.axvline(at, color=RULE, lw=0.6, zorder=0)
        place = max(at, last + 0.018 * span)
        last = place
        axes.annotate(name, (at, 1.0), xytext=(place, 1.06), xycoords=axes.get_xaxis_transform(),
                      textcoords=axes.get_xaxis_transform(), rotation=90, fontsize=6, color=SOFT, ha="center",
                      va="bottom", annotation_clip=False)  # fmt: skip


@styled
def profiles(found: xr.Dataset) -> Exhibit:
    """Momentum profiles of the cathode by state, and their differences to the first."""
    figure = sheet(3.9)
    above, below = panel(figure, 0.75, 2.15, 4.9, 1.6), panel(figure, 0.75, 0.5, 4.9, 1.45)
    one = found.sel(component="cathode")
    p = found["p_z"].values
    total = one["counts"].sum("p_z")
    shape, error = one["counts"] / total, one["variance"] ** 0.5 / total
    for k, state in enumerate(found["state"].values):
        colour = SERIES[k % 6]
        line = "-" if k < 6 else "--"
        above.plot(p, shape.sel(state=state), line, lw=0.9, color=colour, label=str(state))
        moved = 1e3 * (shape.sel(state=state).values - shape.isel(state=0).values)
        below.plot(p, moved, line, lw=0.8, color=colour)
    noise = 1e3 * np.hypot(error.isel(state=0).values, error.isel(state=-1).values)
    below.fill_between(p, -noise, noise, color=RULE, alpha=0.5, lw=0, zorder=0)
    above.set_ylabel("share of counts a bin")
    above.tick_params(labelbottom=False)
    below.set(xlabel="momentum $p_z$ / a.u.", ylabel="difference / 10⁻³")
    above.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=6.5)
    return Exhibit(
        "compton-profiles", "Electron momentum of the cathode",
        "Counts against momentum, summed over the cathode's pixels after separation of the components and scaled to "
        "one; below, the difference to the first state with its 1σ band (grey). Detector resolution is not taken out.",
        "Compton profiles by state and their differences.", figure,
        found[["counts", "variance"]].to_dataframe().reset_index(),
    )  # fmt: skip


@styled
def lithium_maps(maps: xr.Dataset, change: xr.Dataset) -> Exhibit:
    """Li content of every state, its error, and where it differs from the state's mean; equal aspect, mm."""
    states = maps["state"].values
    size = min((WIDTH - 1.9) / len(states), 1.5)
    rows = [("x", maps["x_li"], AMOUNT), ("error", maps["x_li_err_fit"], AMOUNT),
            ("deviation\n/ σ", change["sigma"], CHANGE)]  # fmt: skip
    x, y = edges(maps["x"].values), edges(maps["y"].values)
    height = size * np.ptp(y) / np.ptp(x)
    figure = sheet(0.9 + len(rows) * (height + 0.17))
    for r, (label, values, colours) in enumerate(rows):
        bottom = 0.45 + (len(rows) - 1 - r) * (height + 0.17)
        low, high = _range(values, maps["x_li_err_fit"] if r == 0 else None, colours)
        for c, state in enumerate(states):
            axes = panel(figure, 0.95 + c * size, bottom, size - 0.05, height)
            hatch_missing(axes)
            shown = np.ma.masked_invalid(values.sel(state=state).transpose("y", "x").values)
            image = axes.pcolormesh(x, y, shown, cmap=colours, vmin=low, vmax=high, rasterized=True)
            _frame(axes, r, c, len(rows), str(state))
        bar = figure.colorbar(
            image, cax=panel(figure, 0.95 + len(states) * size + 0.05, bottom, 0.09, height)
        )
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=2, pad=2, labelsize=6)
        figure.text(0.02, (bottom + height / 2) / figure.get_size_inches()[1], label, va="center", fontsize=7,
                    weight="bold")  # fmt: skip
    false = np.asarray(change.attrs.get("expected_false", 0.0), float).mean()
    table = maps[["x_li", "x_li_err", "x_li_err_fit", "emr", "emr_err"]].to_dataframe().reset_index()
    return Exhibit(
        "compton-maps", "Lithium content of the cathode",
        "Li content from the fit of component profiles in blocks of pixels, seen from above (the beam goes up), its "
        "counting error, and by how many errors each block differs from the mean of its state. Where that is less than "
        f"{number(change.attrs.get('level', 3))} the colours of a map are noise (chance alone gives "
        f"{number(float(false), 2)} such blocks a map). Hatched: no cathode, or too few counts.",
        "Maps of Li content, their errors and their significance.", figure, table,
    )  # fmt: skip


def _range(values: xr.DataArray, errors: xr.DataArray | None, colours: str) -> tuple[float, float]:
    low, high = limits(values.values, 2, 98, include_zero=errors is None and colours == AMOUNT)
    if colours == CHANGE:
        high = max(abs(low), abs(high), 5.0)
        return -high, high
    return at_least(low, high, 4 * float(np.nanmedian(errors.values))) if errors is not None else (low, high)


def _frame(axes, row: int, column: int, rows: int, state: str) -> None:
    axes.spines[:].set_visible(False)
    axes.tick_params(length=2, pad=2, labelsize=6, labelleft=column == 0, left=column == 0,
                     labelbottom=row == rows - 1 and column == 0, bottom=row == rows - 1)  # fmt: skip
    axes.locator_params(nbins=3)
    if row == 0:
        words = state.split()
        half = (len(words) + 1) // 2
        two_lines = " ".join(words[:half]) + ("\n" + " ".join(words[half:]) if len(state) > 12 else "")
        axes.set_title(two_lines if len(state) > 12 else state, fontsize=6, loc="center", color=INK)
    if row == rows - 1 and column == 0:
        axes.set_xlabel("x / mm", labelpad=1)
    if row == 0 and column == 0:  # the names of the other rows are longer
        axes.set_ylabel("y / mm", labelpad=1)


@styled
def content(states: xr.Dataset) -> Exhibit:
    """Li content of each state by the fit and by the momentum ratio, beside the voltage."""
    figure = sheet(2.7)
    axes = panel(figure, 0.75, 0.6, 5.4, 1.9)
    at = np.arange(states.sizes["state"])
    for k, (name, label) in enumerate((("x_li", "fit of profiles"), ("x_li_emr", "momentum ratio"))):
        axes.errorbar(at + 0.12 * (k - 0.5), states[name].values, states[f"{name}_err"].values, fmt=MARKS[k], ms=4,
                      color=SERIES[k], elinewidth=0.9, label=label)  # fmt: skip
    known = np.isfinite(states["known_x"].values)
    axes.plot(at[known], states["known_x"].values[known], "x", ms=7, mew=1.2, color=INK, label="known")
    axes.set_xticks(at, [str(s).replace(" ", "\n", 1) for s in states["state"].values], fontsize=6)
    axes.set_ylabel("x in the cathode")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    names = [n for n in ("known_x", "emr", "emr_err", "x_li", "x_li_err", "x_li_emr", "x_li_emr_err", "voltage",
                         "capacity") if n in states]  # fmt: skip
    return Exhibit(
        "compton-content", "Lithium content by state",
        "Mean Li content of the cathode's pixels in each state with 1σ errors (calibration included), by two "
        "estimators from the same counts. Crosses: the states that the calibration was told.",
        "Li content of the cathode by state.", figure, states[names].to_dataframe().reset_index(),
    )  # fmt: skip


@styled
def drift(states: xr.Dataset) -> Exhibit:
    """Scattering angle and energy scale of every state."""
    figure = sheet(2.3)
    axes = panel(figure, 0.75, 0.6, 2.5, 1.5), panel(figure, 4.1, 0.6, 2.5, 1.5)
    at = np.arange(states.sizes["state"]) + 1
    axes[0].errorbar(at, states["angle_drift"].values, states["angle_drift_err"].values, fmt="o-", ms=3, lw=0.8,
                     color=SERIES[0], elinewidth=0.8)  # fmt: skip
    axes[0].set(xlabel="state", ylabel="change of angle / °")
    axes[1].plot(at, 1e3 * states["scale_drift"].values, "s-", ms=3, lw=0.8, color=SERIES[1])
    axes[1].set(xlabel="state", ylabel="change of scale / 10⁻³")
    for one in axes:
        one.axhline(0, color=RULE, lw=0.7, zorder=0)
    names = ["angle_drift", "angle_drift_err", "scale_drift", "offset_drift"]
    return Exhibit(
        "compton-drift", "What drifted between the states",
        "Scattering angle, from the place of the Compton peak, and energy scale, from the lines, of each state. Both "
        "are followed; left uncorrected, 0.3° would shift the momentum ratio by more than a change of x by 0.1 does.",
        "Drift of angle and energy scale by state.", figure, states[names].to_dataframe().reset_index(),
    )  # fmt: skip
