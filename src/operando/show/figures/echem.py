"""Figures of a cycler record alone: curves, cycles, differential capacity and voltage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.ticker import MaxNLocator

from ..style import PAPER, RULE, SERIES, SOFT, Exhibit, panel, sheet, styled
from ..summary import good
from ..text import axis_label, grouped, listed, scaled, time_unit
from .cycler import QUANTITIES

BRANCHES = {"charge": SERIES[0], "discharge": SERIES[1]}


@styled
def record(curve: xr.Dataset, total: int, steps: xr.Dataset | None = None) -> Exhibit:
    """Voltage, current and net charge against time; lines where one step follows another."""
    per, unit = time_unit(curve["time"].values)
    heights = (1.35, 0.95, 0.95)
    figure = sheet(0.45 + 0.15 + sum(heights))
    top, first = float(figure.get_size_inches()[1]) - 0.15, None
    table = {"time (s)": curve["time"].values}
    for (name, label, base), height in zip(QUANTITIES, heights, strict=True):
        top -= height
        axes = panel(figure, 0.75, top, 6.7, height - 0.12, sharex=first)
        first = first or axes
        values, prefixed = scaled(curve[name].values, base)
        table[f"{name} ({base})"] = curve[name].values
        for start in _few(steps) / per:
            axes.axvline(start, color=RULE, lw=0.5, zorder=0)
        axes.plot(curve["time"].values / per, values, color=SERIES[0], lw=1.1)
        axes.set_ylabel(axis_label(label, prefixed))
        axes.margins(x=0.01, y=0.12)
        axes.yaxis.set_label_coords(-0.075, 0.5)
        axes.locator_params(axis="y", nbins=4)
        axes.tick_params(labelbottom=name == "capacity")
    axes.set_xlabel(f"time since the start of the record / {unit}")
    drawn = curve.sizes["record"]
    thinned = "" if drawn == total else (
        f" Of {grouped(total)} rows the {grouped(drawn)} are drawn in which a stretch of time has its extremes: "
        "no spike is lost. The table holds these."
    )  # fmt: skip
    return Exhibit(
        "record", "What the cycler recorded",
        f"Voltage, current (positive on charge) and net charge against time.{_lines(steps)}{thinned}",
        "Lines of voltage, current and charge against time.", figure, pd.DataFrame(table),
    )  # fmt: skip


def _few(steps: xr.Dataset | None) -> np.ndarray:
    """Starts of steps, where a person can tell them apart."""
    if steps is None or steps.sizes["run"] > 120:
        return np.array([])
    return steps["start"].values[1:]


def _lines(steps: xr.Dataset | None) -> str:
    return " Vertical lines: the cycler changes step." if len(_few(steps)) else ""


@styled
def cycles(found: xr.Dataset) -> Exhibit:
    """Capacity and coulombic efficiency against the cycle."""
    figure = sheet(0.45 + 2.6)
    upper, lower = panel(figure, 0.75, 1.55, 6.7, 1.4), panel(figure, 0.75, 0.45, 6.7, 0.95)
    number = found["cycle"].values
    both = np.concatenate([found[f"{kind}_capacity"].values for kind in BRANCHES])
    drawn, unit = scaled(both, "mAh")
    for (kind, colour), values in zip(BRANCHES.items(), np.split(drawn, 2), strict=True):
        upper.plot(
            number,
            values,
            "o-",
            color=colour,
            ms=3.2,
            lw=0.8,
            mfc=PAPER if kind == "charge" else colour,
            label=kind,
        )
    lower.plot(number, 100 * found["coulombic_efficiency"].values, "o-", color=SERIES[2], ms=3.2, lw=0.8)
    upper.set_ylabel(f"capacity / {unit}")
    lower.set(ylabel="efficiency / %", xlabel="cycle")
    upper.legend(loc="best")
    for axes in (upper, lower):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(y=0.15)
    names = ("charge_capacity", "discharge_capacity", "coulombic_efficiency", "energy_efficiency")
    table = pd.DataFrame({"cycle": number} | {n: found[n].values for n in names})
    return Exhibit(
        "cycles", "Capacity and coulombic efficiency by cycle",
        "Charge that passed in each cycle, and the coulombic efficiency: discharge over charge of the same cycle. "
        "Cycles without one of the two halves have no efficiency.",
        "Points of capacity and efficiency against cycle number.", figure, table,
    )  # fmt: skip


@styled
def differential(groups: dict[str, xr.Dataset]) -> Exhibit:
    """dQ/dV against voltage and dV/dQ against charge, for the branches at hand, with 1-sigma bands."""
    branches = [kind for kind in BRANCHES if f"echem/dqdv_{kind}" in groups]
    figure = sheet(2.75)
    left, right = panel(figure, 0.75, 0.45, 2.85, 2.1), panel(figure, 4.5, 0.45, 2.95, 2.1)
    tables, told = [], []
    factor, unit = _capacity_scale([groups[f"echem/dqdv_{k}"] for k in branches])
    for kind in branches:
        dqdv, dvdq = groups[f"echem/dqdv_{kind}"], groups[f"echem/dvdq_{kind}"]
        _band(left, dqdv, "dqdv", "voltage", kind, 1.0, factor)
        _band(right, dvdq, "dvdq", "capacity", kind, factor, 1 / factor)
        told.append(
            f"{kind}: dQ/dV {dqdv.attrs['smoothing']}, resolution {dqdv.attrs['resolution_V'] * 1e3:.1f} mV; dV/dQ "
            f"{dvdq.attrs['smoothing']}, resolution {dvdq.attrs['resolution_mAh']:.3g} mAh"
        )
        for curve, name, x in ((dqdv, "dqdv", "voltage"), (dvdq, "dvdq", "capacity")):
            columns = {
                "x": curve[x].values,
                "value": curve[name].values,
                "error": curve[f"{name}_err"].values,
            }
            tables.append(pd.DataFrame({"curve": name, "branch": kind} | columns))
    marks = _ordering(left, groups.get("echem/ordering"), factor, groups)
    left.set(xlabel="voltage / V", ylabel=f"dQ/dV / {unit} V⁻¹")
    right.set(xlabel=f"charge since the branch began / {unit}", ylabel=f"dV/dQ / V {unit}⁻¹")
    _fit_y(right, [groups[f"echem/dvdq_{k}"] for k in branches], "dvdq", 1 / factor)
    left.legend(loc="best")
    return Exhibit(
        "differential", "Differential capacity and voltage",
        f"The longest {listed(branches)} at constant current. Smoothing and resolution (full width at half maximum): "
        f"{'; '.join(told)}. Bands: one standard deviation from the noise of the voltage; the ends, where part of the "
        f"smoothing sees nothing, are left out.{marks}",
        "Curves of dQ/dV against voltage and dV/dQ against charge.", figure, pd.concat(tables),
    )  # fmt: skip


def _capacity_scale(curves: list[xr.Dataset]) -> tuple[float, str]:
    """Factor from mAh to the prefix that suits dQ/dV."""
    largest = max(float(np.nanmax(np.abs(c["dqdv"].values))) for c in curves)
    drawn, unit = scaled(np.array([largest]), "mAh")
    return float(drawn[0]) / largest if largest else 1.0, unit


def _band(axes, curve: xr.Dataset, name: str, x: str, kind: str, x_factor: float, factor: float) -> None:
    values, error = good(curve, name, f"{name}_flag").values * factor, curve[f"{name}_err"].values * factor
    place = curve[x].values * x_factor
    axes.fill_between(place, values - error, values + error, color=BRANCHES[kind], alpha=0.25, lw=0)
    axes.plot(place, values, color=BRANCHES[kind], lw=1.1, label=kind)


def _fit_y(axes, curves: list[xr.Dataset], name: str, factor: float) -> None:
    """Leave room for the middle of the curves: dV/dQ rises without limit at the ends."""
    values = np.concatenate([good(c, name, f"{name}_flag").values for c in curves]) * factor
    low, high = np.nanpercentile(values, [2, 95])
    axes.set_ylim(min(low, 0) - 0.1 * (high - low), high + 0.25 * (high - low))


def _ordering(axes, points: xr.Dataset | None, factor: float, groups: dict[str, xr.Dataset]) -> str:
    if points is None:
        return ""
    told = []
    for branch in points["branch"].values:
        point, curve = points.sel(branch=branch), groups[f"echem/dqdv_{branch}"]
        if int(point["flag"]) != 0:
            told.append(f"none is found on {branch}")
            continue
        volts = float(point["voltage"])
        height = float(np.interp(volts, curve["voltage"].values, curve["dqdv"].values)) * factor
        axes.plot([volts], [height], "v", color=SOFT, mfc=PAPER, ms=5, zorder=4)
        told.append(f"{volts:.4f} ± {float(point['voltage_err']):.4f} V on {branch} (triangle)")
    return f" Ordering point ({points.attrs['rule']}; of LiₓCoO₂ at x = 0.5): {listed(told)}."
