"""Voltage, current and charge against time, with a mark for each map."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from ..style import PAPER, RULE, SERIES, SOFT, Exhibit, panel, sheet, styled
from ..text import axis_label, scaled, time_unit

QUANTITIES = (("voltage", "voltage", "V"), ("current", "current", "A"), ("capacity", "charge", "mAh"))


def aligned(echem: xr.Dataset, clock: xr.Dataset | None) -> bool:
    """Whether the record can be put on the clock of the maps: both know absolute times."""
    if clock is None or "utc" not in clock or "utc" not in echem:
        return False
    return bool(np.isfinite(clock["utc"].values).any() and np.isfinite(echem["utc"].values).any())


def map_clock_time(echem: xr.Dataset, clock: xr.Dataset | None) -> np.ndarray:
    """Time of each record in s on the clock of the maps (needs `aligned`); else s since the cycler's start.

    The clock's attributes say how far the cycler's clock is ahead: offset + drift (t - reference).
    """
    if clock is None or not aligned(echem, clock):
        return echem["time"].values
    told = {
        key: float(clock.attrs.get(f"clock_{key}", 0.0)) for key in ("offset_s", "drift", "reference_utc")
    }
    since = echem["utc"].values - told["reference_utc"] - told["offset_s"]
    detector = told["reference_utc"] + since / (1 + told["drift"])
    return detector - float(np.nanmedian(clock["utc"].values - clock["time"].values))


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
    seconds, joined = map_clock_time(echem, clock), aligned(echem, clock)
    times = map_time if map_time is not None else clock["time"] if joined and clock is not None else None
    maps = np.asarray(times.values, float) if joined and times is not None else np.array([])
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
        if joined and clock is not None and name in clock and np.isfinite(clock[name].values).any():
            paired, _ = _same_scale(clock[name].values, echem[name].values, values)
            axes.plot(
                clock["time"].values / per, paired, "o", ms=3.2, mfc=PAPER, mec=SERIES[0], mew=0.9, zorder=3
            )
        if i < len(shown) - 1:
            axes.tick_params(labelbottom=False)
        last = axes
    since = "the first frame" if joined else "the start of the record"
    last.set_xlabel(f"time since {since} / {unit}")
    _number_maps(first, maps / per)
    marks = (
        f" on the clock of the maps. Circles: the values paired with each map. Vertical lines: the middle of each of "
        f"{len(maps)} maps, numbered above."
        if joined
        else ". The maps are not marked: cycler and detector share no absolute time."
    )
    return Exhibit(
        "cycling", "What the cycler recorded",
        f"Voltage, current and charge against time{',' if joined else ''}{marks}",
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


def map_axis(time: xr.DataArray) -> tuple[float, str]:
    """Divisor of the map times and the label of their axis. Maps without recorded times are counted."""
    if time.attrs.get("units") == "map":
        return 1.0, "map"
    per, unit = time_unit(np.append(time.values, 0.0))
    return per, f"time since the first frame / {unit}"


def heading(clock: xr.Dataset | None, time: xr.DataArray, index: int) -> str:
    """Two short lines above a map: its time (or number) and its voltage."""
    per, label = map_axis(time)
    digits = 0 if np.nanmax(time.values) / per >= 100 else 1
    timed = f"{time.values[index] / per:.{digits}f} {label.rpartition(' / ')[2]}"
    text = f"map {index + 1}" if label == "map" else timed
    if clock is None or "voltage" not in clock or not np.isfinite(clock["voltage"].values[index]):
        return text
    return f"{text}\n{clock['voltage'].values[index]:.3f} V"
