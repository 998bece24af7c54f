"""Can it be believed: goodness of fit, errors, flags by reason, calibration against reference phases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from operando.core.flags import Flag

from ..style import RULE, SERIES, SOFT, Exhibit, panel, sheet, styled
from ..summary import called, families, good, lattice_name, one_family
from ..text import reason

REASONS = (SERIES[1], SERIES[3], SERIES[0], SERIES[4], SERIES[5])


def series(rings: dict[str, xr.Dataset]) -> list[tuple[str, xr.Dataset]]:
    """Every ring and family by name."""
    return [
        (called(name, f), one_family(ring, f))
        for name, ring in rings.items()
        for f in families(ring)
        if "flag" in ring
    ]


@styled
def goodness(rings: dict[str, xr.Dataset]) -> Exhibit:
    """Distribution of the reduced deviance of each ring and family; 1 is a fit as good as counting noise allows."""
    figure = sheet(2.5)
    left = panel(figure, 0.75, 0.5, 2.75, 1.85)
    right = panel(figure, 4.1, 0.5, 2.25, 1.85)
    tables, labels = [], []
    for i, (name, part) in enumerate(series(rings)):
        values = part["goodness"].values.ravel() if "goodness" in part else np.array([])
        values = values[np.isfinite(values)]
        axis = lattice_name(part)
        errors = (
            part[f"{axis}_err"].where(part["flag"] == 0).values.ravel()
            if axis and f"{axis}_err" in part
            else np.array([])
        )
        errors = errors[np.isfinite(errors) & (errors > 0)]
        style = {"color": SERIES[i % 6], "ls": "-" if i < 6 else "--"}
        tables += _step(left, values, np.linspace(0, 3, 46), style, name, "goodness")
        tables += _step(
            right, np.log10(errors), np.linspace(-6, 0, 61), style, name, "log10 error (angstrom)"
        )
        labels.append((name, style))
    left.axvline(1, color=SOFT, lw=0.8, ls=":")
    left.set(xlim=(0, 3), ylim=(0, None), xlabel="reduced deviance of the fit", ylabel="share of fits")
    _log_ticks(right, [t for t in tables if t.quantity.iloc[0] != "goodness"])
    right.set(ylim=(0, None), xlabel="1σ error of the lattice parameter / Å")
    for i, (name, style) in enumerate(labels):
        figure.text(0.865, 0.93 - 0.062 * i, f"— {name}", color=style["color"], fontsize=7, va="top")
    return Exhibit(
        "goodness", "How well the peaks are fitted, and how well they are known",
        "Left: distribution of the reduced deviance of all fits; a model that is right gives values about 1 (dotted), "
        "values right of the edge are in the last bin. Right: distribution of the 1σ error of the lattice parameter "
        "over valid points.",
        "Histograms of goodness of fit and of lattice-parameter errors for each ring.", figure,
        pd.concat(tables) if tables else pd.DataFrame(),
    )  # fmt: skip


def _step(axes, values, bins, style, name, quantity):
    if not values.size:
        return []
    counts, _ = np.histogram(np.clip(values, bins[0], bins[-1] - 1e-9), bins)
    share = counts / values.size
    used = np.flatnonzero(counts)
    low, high = max(used[0] - 1, 0), min(used[-1] + 2, len(share))
    axes.stairs(share[low:high], bins[low : high + 1], lw=1.1, **style)
    return [
        pd.DataFrame(
            {"series": name, "quantity": quantity, "from": bins[:-1], "to": bins[1:], "fits": counts}
        )
    ]


def _log_ticks(axes, tables):
    used = pd.concat(tables) if tables else None
    used = used[used["fits"] > 0] if used is not None else None
    low, high = (used["from"].min(), used["to"].max()) if used is not None and len(used) else (-4.0, -2.0)
    low, high = low - 0.1, high + 0.1
    ticks = [(p, m) for p in range(-7, 2) for m in (1, 2, 5) if low <= p + np.log10(m) <= high]
    if len(ticks) > 7:
        ticks = [t for t in ticks if t[1] == 1]
    axes.set(xlim=(low, high), xticks=[p + np.log10(m) for p, m in ticks],
             xticklabels=[f"{m}·10{_raised(p)}" if m > 1 else f"10{_raised(p)}" for p, m in ticks])  # fmt: skip


def _raised(power: int) -> str:
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def flag_counts(rings: dict[str, xr.Dataset], xrd: xr.Dataset | None = None) -> pd.DataFrame:
    """Points, valid points, and points under each reason, for the maps themselves and for each ring and family.

    A point may have several reasons, so that they need not add up to all.
    """
    rows = []
    sources = [("map points", xrd)] if xrd is not None and "flag" in xrd else []
    for name, part in [*sources, *series(rings)]:
        flags = part["flag"].values
        row = {"series": name, "points": flags.size, "valid": int((flags == 0).sum())}
        rows.append(row | {str(f.name).lower(): int(((flags & int(f)) != 0).sum()) for f in Flag if f})
    return pd.DataFrame(rows)


def first_reasons(rings: dict[str, xr.Dataset], xrd: xr.Dataset | None = None) -> pd.DataFrame:
    """Points of each series split by the first reason they carry (lowest bit), so that the parts add up to all."""
    sources = [("map points", xrd)] if xrd is not None and "flag" in xrd else []
    rows = []
    for name, part in [*sources, *series(rings)]:
        flags = part["flag"].values.astype(int)
        lowest = flags & -flags
        rows.append({"series": name, "points": flags.size, "valid": int((flags == 0).sum())}
                    | {str(f.name).lower(): int((lowest == int(f)).sum()) for f in Flag if f})  # fmt: skip
    return pd.DataFrame(rows)


@styled
def flags(table: pd.DataFrame) -> Exhibit:
    """Share of points that are valid, and of those that are not by their first reason, as stacked bars."""
    parts = ["valid", *(c for c in table.columns[3:] if table[c].sum() > 0)]
    height = 0.25 * len(table)
    figure = sheet(0.5 + height + 0.05)
    axes = panel(figure, 1.25, 0.45, 4.1, height)
    y, left = np.arange(len(table)), np.zeros(len(table))
    for k, name in enumerate(parts):
        share = 100 * (table[name] / table["points"].clip(lower=1)).to_numpy()
        colour = (
            SERIES[2] if k == 0 else RULE if name == "too_few_counts" else REASONS[(k - 1) % len(REASONS)]
        )
        axes.barh(y, share, 0.64, left=left, color=colour, label="valid" if k == 0 else reason(name))
        left = left + share
    axes.set(
        yticks=y,
        yticklabels=table["series"],
        xlim=(0, 100),
        ylim=(len(table) - 0.4, -0.6),
        xlabel="share of points / %",
    )
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.04), handlelength=0.9, labelspacing=0.35)
    return Exhibit(
        "flags", "Valid points, and why the others are not",
        "Share of all points of all maps that carry no flag, and of the others by the first reason that they carry. "
        "Points outside the layer that diffracts have too few counts, as they should; the table below counts all "
        "reasons.",
        "Bars of the share of valid points and of each flag, for each ring.", figure, table,
    )  # fmt: skip


def positions(rings: dict[str, xr.Dataset], reflections: xr.Dataset | None) -> pd.DataFrame:
    """Median q of each ring in the first map that has valid points, beside the reference q; deviation in 10^-4."""
    rows = []
    for name, ring in rings.items():
        reference = _reference(name, reflections)
        if reference is None or "q" not in ring:
            continue
        for family in families(ring):
            q = good(one_family(ring, family), "q").values.reshape(ring.sizes["time"], -1)
            usable = np.flatnonzero(np.isfinite(q).any(axis=1))
            if not usable.size:
                continue
            values = q[usable[0]][np.isfinite(q[usable[0]])]
            middle = float(np.median(values))
            spread = 1.4826 * float(np.median(np.abs(values - middle)))
            error = 1.2533 * spread / np.sqrt(values.size)
            rows.append({
                "series": called(name, family), "map": int(usable[0]) + 1, "points": values.size,
                "reference": reference, "measured": middle, "error": error,
                "deviation": 1e4 * (middle / reference - 1), "deviation_err": 1e4 * error / reference,
            })  # fmt: skip
    return pd.DataFrame(rows)


def _reference(name, reflections):
    if reflections is None or "ring" not in reflections:
        return None
    found = np.flatnonzero(reflections["ring"].values.astype(str) == name)
    return float(reflections["q"].values[found[0]]) if found.size else None
