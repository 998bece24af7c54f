"""EBSD in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.show.figures import ebsd as figures
from operando.show.table import Table
from operando.show.text import listed, number, plural

from .chapter import Chapter

if TYPE_CHECKING:
    from operando.flow.results import Results


def chapter(results: Results) -> Chapter | None:
    """Maps, inverse pole figures, shares; None without orientation maps."""
    groups = results.groups
    if "ebsd/shares" not in groups:
        return None
    shares = groups["ebsd/shares"]
    names = [str(name) for name in shares["map"].values]
    points = {name: groups[f"ebsd/{name}/image"] for name in names}
    grains = {name: groups[f"ebsd/{name}"] for name in names}
    densities = {
        name: groups[f"ebsd/{name}/density"]
        for name in names
        if "density" in groups.get(f"ebsd/{name}/density", ())
    }
    found = Chapter("ebsd", "Orientation maps (EBSD)")
    found.measured.append(_measured(grains))
    found.findings += [_preference(shares, name) for name in names]
    if "ebsd/compare" in groups:
        found.findings += _differences(groups["ebsd/compare"])
    found.figures += [figures.maps(points, grains), figures.shares(shares)]
    if densities:
        found.figures.append(figures.densities(densities))
    found.tables.append(_table(shares))
    return found


def _measured(grains: dict[str, xr.Dataset]) -> str:
    told = [f"{name} ({plural(one.sizes['grain'], 'grain')})" for name, one in grains.items()]
    return f"Orientation maps of {listed(told)}."


def _preference(shares: xr.Dataset, name: str) -> str:
    one = shares.sel(map=name, by="grains")
    p, share, random = (one[key].values for key in ("p_adjusted", "share", "random"))
    few = int(one["grains"])
    if not np.isfinite(p).any():
        return f"{name}: {plural(few, 'grain')} are too few to say anything of a texture."
    seen = [
        f"{pole} {'more' if share[k] > random[k] else 'less'} often than without texture "
        f"({100 * share[k]:.0f} % for {100 * random[k]:.0f} %, p = {number(float(p[k]), 2)})"
        for k, pole in enumerate(map(str, one["pole"].values)) if p[k] < 0.05
    ]  # fmt: skip
    return (
        f"{name}: {listed(seen)}."
        if seen
        else f"{name}: no pole is preferred or avoided significantly ({few} grains)."
    )


def _differences(compare: xr.Dataset) -> list[str]:
    return [
        f"{pair}: the shares "
        f"{'differ' if float(compare['p_any'].sel(pair=pair)) < 0.05 else 'do not differ significantly'} "
        f"(p = {number(float(compare['p_any'].sel(pair=pair)), 2)} for all poles at once)."
        for pair in map(str, compare["pair"].values)
    ]


def _table(shares: xr.Dataset) -> Table:
    rows = []
    for name in shares["map"].values:
        for by in shares["by"].values:
            for pole in shares["pole"].values:
                one = shares.sel(map=name, by=by, pole=pole)
                low, high, p = (float(one[key]) for key in ("low", "high", "p_adjusted"))
                rows.append([
                    str(name), str(by), str(pole), f"{100 * float(one['share']):.1f} %",
                    f"{100 * low:.0f}–{100 * high:.0f} %" if np.isfinite(low) else "·",
                    f"{100 * float(one['random']):.1f} %", number(p, 2) if np.isfinite(p) else "·",
                ])  # fmt: skip
    columns = ["map", "by", "pole", "share", "interval", "without texture", "p"]
    return Table(
        "ebsd-shares", "Shares near poles", columns, rows, "p is adjusted for the number of poles (Holm)."
    )
