"""Voltage, current and charge against time, with a mark for each map."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from ..style import PAPER, RULE, SERIES, SOFT, Exhibit, panel, sheet, styled
from ..text import axis_label, number, scaled, time_unit

QUANTITIES = (("voltage", "voltage", "V"), ("current", "current", "A"), ("capacity", "charge", "mAh"))


def map_clock_time(echem: xr.Dataset, clock: xr.Dataset | None) -> np.ndarray:
    """Time of each record in s on the clock of the maps: from `map_time` if there, else from UTC, else as recorded."""
    if "map_time" in echem:
        return echem["map_time"].values
    if clock is not None and "utc" in echem and "utc" in clock:
        ours, theirs = clock["utc"].values - clock["time"].values, echem["utc"].values
        if np.isfinite(ours).any() and np.isfinite(theirs).any():
            offset = float(echem.attrs.get("clock_offset_s", 0.0) or 0.0)
            return theirs - float(np.nanmedian(ours)) - offset
    return echem["time"].values


def thinned(t: np.ndarray, y: np.ndarray, most: int = 1200) -> tuple[np.ndarray, np.ndarray]:
    """A long record for drawing: least and greatest value of each short stretch, so that no spike is lost."""
    keep = np.isfinite(t)
    t, y = t[keep], y[keep]
    if len(t) <= most:
        return t, y
    parts = np.array_split(np.arange(len(t)), most // 2)
    filled = np.where(np.isfinite(y), y, 0.0)
    index = np.unique(
        [pick for part in parts for pick in (part[filled[part].argmin()], part[filled[part].argmax()])]
    )
    return t[index], y[index]


@styled
def cycling(echem: xr.Dataset, clock: xr.Dataset | None, map_time: xr.DataArray | None = None) -> Exhibit:
    """The cycler's record on the clock of the maps. A tick for each map; circles where a map was paired with it."""
    shown = [(name, label, unit) for name, label, unit in QUANTITIES if name in echem]
    seconds = map_clock_time(echem, clock)
    times = map_time if map_time is not None else clock["time"] if clock is not None else None
    maps = np.asarray(times.values, float) if times is not None else np.array([])
    per, unit = time_unit(np.concatenate([seconds[np.isfinite(seconds)], maps]))
    figure = sheet(0.45 + 0.25 + sum(1.2 if i == 0 else 0.85 for i in range(len(shown))))
    top, first, table = float(figure.get_size_inches()[1]) - 0.25, None, {"time (s)": seconds}
    for i, (name, label, base) in enumerate(shown):
        height = 1.2 if i == 0 else 0.85
        top -= height
        axes = panel(figure, 0.75, top, 6.7, height - 0.1, sharex=first)
        first = first or axes
        values, scaled_unit = scaled(echem[name].values, echem[name].attrs.get("units", base))
        table[f"{name} ({echem[name].attrs.get('units', base)})"] = echem[name].values
        _trace(axes, thinned(seconds / per, values), axis_label(label, scaled_unit), maps / per)
        if clock is not None and name in clock and np.isfinite(clock[name].values).any():
            paired, _ = _same_scale(clock[name].values, echem[name].values, values)
            axes.plot(
                clock["time"].values / per, paired, "o", ms=3.2, mfc=PAPER, mec=SERIES[0], mew=0.9, zorder=3
            )
        if i < len(shown) - 1:
            axes.tick_params(labelbottom=False)
        last = axes
    last.set_xlabel(f"time since the start of the first map / {unit}")
    _number_maps(first, maps / per)
    note = "Circles: the values paired with each map. " if clock is not None else ""
    return Exhibit(
        "cycling", "What the cycler recorded", "Voltage, current and charge against time, on the clock of the maps. "
        f"{note}Vertical lines: the middle of each of the {len(maps)} maps, numbered above.",
        f"Lines of {', '.join(label for _, label, _ in shown)} against time with {len(maps)} maps marked.",
        figure, pd.DataFrame(table),
    )  # fmt: skip


def _same_scale(values, raw, drawn):
    """Bring paired values to the prefix that the record is drawn in."""
    largest = np.nanargmax(np.abs(raw)) if np.isfinite(raw).any() else 0
    factor = drawn[largest] / raw[largest] if raw[largest] else 1.0
    return values * factor, factor


def _trace(axes, line, label, maps):
    for t in maps if len(maps) <= 150 else []:
        axes.axvline(t, color=RULE, lw=0.5, zorder=0)
    axes.plot(*line, color=SERIES[0], lw=1.2)
    axes.set_ylabel(label)
    axes.margins(x=0.01, y=0.12)
    axes.yaxis.set_label_coords(-0.075, 0.5)
    axes.locator_params(axis="y", nbins=4)


def _number_maps(axes, times):
    step = max(1, int(np.ceil(len(times) / 25)))
    for i, t in enumerate(times):
        if i % step == 0:
            axes.text(t, 1.03, str(i + 1), transform=axes.get_xaxis_transform(), ha="center", va="bottom",
                      color=SOFT, fontsize=6.5)  # fmt: skip
    if len(times):
        axes.text(
            -0.012, 1.03, "map", transform=axes.transAxes, ha="right", va="bottom", color=SOFT, fontsize=6.5
        )


def heading(clock: xr.Dataset | None, seconds: float, index: int, per: float, unit: str) -> str:
    """Two short lines above a map: its time and voltage."""
    text = f"{number(seconds / per, 3)} {unit}"
    if clock is None or "voltage" not in clock or not np.isfinite(clock["voltage"].values[index]):
        return text
    return f"{text}\n{clock['voltage'].values[index]:.3f} V"
