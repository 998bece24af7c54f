"""Can it be believed: goodness of fit, errors, flags by reason, calibration against reference phases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from operando.core.flags import Flag

from ..style import INK, RULE, SERIES, SOFT, Exhibit, panel, sheet, styled
from ..summary import called, families, good, lattice_name, one_family
from ..text import plural, reason

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
    """Histograms of the reduced deviance and of the error of the lattice parameter, a row for each ring and family."""
    parts = series(rings)
    figure = sheet(0.5 + 0.34 * len(parts) + 0.1)
    left = panel(figure, 1.25, 0.45, 2.9, 0.34 * len(parts))
    right = panel(figure, 4.4, 0.45, 2.0, 0.34 * len(parts))
    tables = []
    for i, (name, part) in enumerate(parts):
        values, errors, row = _deviances(part), _errors(part), len(parts) - 1 - i
        tables += _histogram(left, values, np.linspace(0, 3, 46), row, name, "goodness")
        tables += _histogram(
            right, np.log10(errors), np.linspace(-6, 0, 61), row, name, "log10 error (angstrom)"
        )
        beyond = 100 * float((values > 3).mean()) if values.size else 0.0
        told = plural(values.size, "fit") if values.size else "no fit"
        told += f", {beyond:.0f} % above 3" if beyond > 0.5 else ""
        right.text(1.03, row + 0.3, told, transform=right.get_yaxis_transform(), color=SOFT, fontsize=6.5)
    left.axvline(1, color=INK, lw=0.7, ls=":")
    for axes in (left, right):
        axes.set(ylim=(0, len(parts)), yticks=[])
        axes.spines["left"].set_visible(False)
    left.set(xlim=(0, 3), xlabel="reduced deviance of the fit")
    left.set_yticks(np.arange(len(parts)) + 0.3, [name for name, _ in parts[::-1]])
    left.tick_params(axis="y", length=0)
    _log_ticks(right, [t for t in tables if t.quantity.iloc[0] != "goodness"])
    right.set_xlabel("1σ error of the lattice parameter / Å")
    return Exhibit(
        "goodness", "How well the peaks are fitted, and how well they are known",
        "Left: reduced deviance of the fits with enough counts, each row scaled to its own maximum; a model that is "
        "right gives values about 1 (dotted). Right: 1σ error of the lattice parameter at valid points.",
        "Histograms of goodness of fit and of lattice-parameter errors for each ring.", figure,
        pd.concat(tables) if tables else pd.DataFrame(),
    )  # fmt: skip


def _deviances(part: xr.Dataset) -> np.ndarray:
    """Reduced deviance of every fit that had something to fit."""
    if "goodness" not in part:
        return np.array([])
    values = (
        part["goodness"].where((part["flag"] & int(Flag.NO_DATA | Flag.TOO_FEW_COUNTS)) == 0).values.ravel()
    )
    return values[np.isfinite(values)]


def _errors(part: xr.Dataset) -> np.ndarray:
    """Errors of the lattice parameter at valid points, angstrom."""
    name = f"{lattice_name(part)}_err"
    values = part[name].where(part["flag"] == 0).values.ravel() if name in part else np.array([])
    return values[np.isfinite(values) & (values > 0)]


def _histogram(axes, values, bins, row, name, quantity):
    """A filled histogram on the baseline `row`; its counts as a table, nothing for no values."""
    if not values.size:
        return []
    counts, _ = np.histogram(values, bins)
    if counts.any():
        axes.stairs(row + 0.85 * counts / counts.max(), bins, baseline=row, fill=True, color=SERIES[0], lw=0)
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
    if len(ticks) > 5 and sum(t[1] == 1 for t in ticks) > 1:
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
