"""Figures that join electrochemistry and images: the alignment of the clocks, and where the lithium is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from ..style import PAPER, RULE, SERIES, SOFT, Exhibit, panel, sheet, styled
from ..text import axis_label, number, scaled, time_unit, with_error
from .cycler import map_axis


@styled
def alignment(found: xr.Dataset) -> Exhibit:
    """An image signal and the current on the clock of the detector, with every switch of the current."""
    time, record = found["time"].values, found["record_time"].values
    low, high = time.min(), time.max()
    inside = (record >= low - 0.1 * (high - low)) & (record <= high + 0.1 * (high - low))
    per, unit = time_unit(time)
    figure = sheet(2.65)
    upper = panel(figure, 0.85, 1.3, 6.6, 1.2)
    lower = panel(figure, 0.85, 0.45, 6.6, 0.75, sharex=upper)
    values, prefixed = _fine(found["signal"])
    error = found["signal_err"].values * values.std() / max(float(found["signal"].values.std()), 1e-300)
    known = np.isfinite(error) & (error <= 5 * np.nanmedian(error))
    upper.errorbar(
        time[known] / per, values[known], error[known], fmt=".", color=SERIES[0], ms=2.5, elinewidth=0.4, alpha=0.7
    )  # fmt: skip
    vague = int((~known).sum())
    told = f" Not drawn: {vague} points known five times worse than most." if vague else ""
    current, current_unit = scaled(found["current"].values, "A")
    lower.plot(record[inside] / per, current[inside], color=SERIES[1], lw=1.1)
    for axes in (upper, lower):
        for moment, spread in zip(found["event_time"].values, found["event_err"].values, strict=True):
            if low <= moment <= high:
                axes.axvspan((moment - spread) / per, (moment + spread) / per, color=RULE, lw=0, zorder=0)
                axes.axvline(moment / per, color=SOFT, lw=0.6, ls=":", zorder=1)
        axes.yaxis.set_label_coords(-0.085, 0.5)
    upper.tick_params(labelbottom=False)
    upper.set_ylabel(axis_label(str(found.attrs["signal"]), prefixed))
    lower.set(ylabel=f"current / {current_unit}", xlabel=f"time since the first frame / {unit}")
    signal = str(found.attrs["signal"])
    offset, sigma = (float(found.attrs[f"clock_{k}"]) for k in ("offset_s", "offset_err_s"))
    size = with_error(offset, sigma, "s") if sigma > 0 else f"{number(offset)} s as stated"
    table = pd.DataFrame(
        {"time (s)": time, "signal": found["signal"].values, "error": found["signal_err"].values}
    )
    return Exhibit(
        "alignment", "Do the clocks agree",
        f"{signal[:1].upper()}{signal[1:]}, less the mean of each row or column, and the current of the "
        f"cycler put on the detector's clock (offset {size}). Dotted: switches of the current, grey: their error."
        f"{told}",
        "An image signal and the current against time with the switches marked.", figure, table,
    )  # fmt: skip


def _fine(signal: xr.DataArray) -> tuple[np.ndarray, str]:
    """Lengths of the lattice in thousandths of an angstrom, others as they are."""
    if signal.attrs.get("units") == "angstrom":
        return signal.values * 1e3, "mÅ"
    return signal.values, str(signal.attrs.get("units", "")).replace("um", "µm")


@styled
def balance(plating: xr.Dataset, found: xr.Dataset | None) -> Exhibit:
    """Thickness of lithium from charge, and the rise of the collector beside it, with errors."""
    per, label = map_axis(plating["time"])
    time = plating["time"].values / per
    figure = sheet(2.65)
    axes = panel(figure, 0.75, 0.45, 6.7, 2.05)
    axes.errorbar(
        time, plating["thickness"].values, plating["thickness_err"].values, fmt="o-", color=SERIES[0], ms=3.5,
        lw=0.8, elinewidth=0.8, label="dense Li of the charge (Faraday)",
    )  # fmt: skip
    table = {"time (s)": plating["time"].values, "faraday thickness (um)": plating["thickness"].values,
             "faraday thickness error (um)": plating["thickness_err"].values}  # fmt: skip
    told = ""
    if found is not None:
        axes.errorbar(
            time, found["rise"].values, found["rise_err"].values, fmt="s", color=SERIES[1], ms=3.5, mfc=PAPER,
            elinewidth=0.8, label="rise of the collector in the maps",
        )  # fmt: skip
        table |= {"rise (um)": found["rise"].values, "rise error (um)": found["rise_err"].values,
                  "excess (umol/cm2)": found["excess_displacement"].values,
                  "excess error (umol/cm2)": found["excess_displacement_err"].values}  # fmt: skip
        last = int(np.flatnonzero(np.isfinite(found["excess_displacement"].values))[-1])
        size = with_error(
            float(found["excess_displacement"][last]),
            float(found["excess_displacement_err"][last]),
            "µmol/cm²",
            sign=True,
        )
        told = f" What does not add up at the last map: {size} of lithium (rise less charge)."
    axes.axhline(0, color=RULE, lw=0.6, zorder=0)
    axes.set(xlabel=label, ylabel="thickness / µm")
    axes.legend(loc="best")
    return Exhibit(
        "plating", "Where the lithium is",
        "Thickness of dense lithium by Faraday's law from the charge since the first map, and how far the collector "
        f"rose in the maps (mean over columns).{told}",
        "Thickness of plated lithium against time.", figure, pd.DataFrame(table),
    )  # fmt: skip
