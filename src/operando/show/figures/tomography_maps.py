"""Tomography: maps of contact, thickness and current density, and an interface in relief."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..style import (
    AMOUNT,
    CHANGE,
    WIDTH,
    Exhibit,
    chosen,
    edges,
    hatch_missing,
    limits,
    panel,
    sheet,
    styled,
)
from ..text import number, time_unit

ELECTRODES = ("bottom", "top")


def _grid(figure, rows: int, columns: int, aspect: float, left: float = 0.75, right: float = 0.85):
    """Size of a map and its axes at (row, column), equal sizes, first row on top."""
    size = min((WIDTH - left - right) / columns, 1.75)
    return size, lambda r, c: panel(
        figure, left + c * size, 0.42 + (rows - 1 - r) * (size * aspect + 0.06), size - 0.06, size * aspect
    )


def _size(columns: int, rows: int, aspect: float, left: float = 0.75, right: float = 0.85) -> float:
    return 0.75 + rows * (min((WIDTH - left - right) / columns, 1.75) * aspect + 0.06)


def _framed(found: xr.Dataset, name: str) -> xr.Dataset:
    """Only where there are values, and a rim of one in twenty."""
    known = np.isfinite(found[name].values).any(tuple(range(found[name].ndim - 2)))
    if not known.any():
        return found
    parts = {}
    for axis, at in (("y", np.flatnonzero(known.any(1))), ("x", np.flatnonzero(known.any(0)))):
        rim = max((at[-1] - at[0]) // 20, 1)
        parts[axis] = slice(max(int(at[0] - rim), 0), int(at[-1] + rim) + 1)
    return found.isel(parts)


def _extent(found: xr.Dataset) -> tuple[tuple[float, float, float, float], float]:
    (x0, x1), (y0, y1) = (edges(found[a].values)[[0, -1]] for a in ("x", "y"))
    return (float(x0), float(x1), float(y0), float(y1)), float((y1 - y0) / (x1 - x0))


def _bar(figure, image, axes, label: str):
    place = axes.get_position()
    bar = figure.colorbar(image, cax=figure.add_axes((place.x1 + 0.012, place.y0, 0.012, place.height)))
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, pad=2, labelsize=6)
    bar.set_label(label, fontsize=6.5)
    return bar


def _dress(axes, row: int, column: int, rows: int, title: str, name: str) -> None:
    axes.spines[:].set_visible(False)
    axes.locator_params(nbins=3)
    axes.tick_params(length=2, pad=2, labelsize=6, labelleft=column == 0, labelbottom=row == rows - 1)
    if row == 0:
        axes.set_title(title, fontsize=6.5)
    if row == rows - 1:
        axes.set_xlabel("x / µm", labelpad=1)
    if column == 0:
        axes.set_ylabel(f"{name}\ny / µm", labelpad=1)


@styled
def contact(maps: xr.Dataset) -> Exhibit:
    """Contact of both electrodes in time: contact, void, unknown."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    shown = chosen(maps.sizes["time"], 5)
    maps = _framed(maps, "contact")
    extent, aspect = _extent(maps)
    figure = sheet(_size(len(shown), 2, aspect))
    _, place = _grid(figure, 2, len(shown), aspect)
    factor, unit = time_unit(maps["time"].values)
    colours = ("#e4572e", "#0b6fb3")
    for r, name in enumerate(("top", "bottom")):
        for c, k in enumerate(shown):
            axes = place(r, c)
            hatch_missing(axes)
            values = np.ma.masked_invalid(maps["contact"].sel(electrode=name).isel(time=int(k)).values)
            axes.imshow(values, origin="lower", extent=extent, cmap=ListedColormap(colours), vmin=0, vmax=1)
            _dress(axes, r, c, 2, f"{float(maps['time'][k]) / factor:.3g} {unit}", name)
    labels = [Patch(color=colours[1], label="contact"), Patch(color=colours[0], label="void")]
    figure.legend(handles=labels, loc="center right", fontsize=6.5)
    table = maps["contact"].isel(time=shown).to_dataframe("contact").reset_index()
    return Exhibit(
        "tomography-contact", "Contact in time",
        "Where lithium touches the solid and where a void lies between, seen along the stack. Hatched: outside of the "
        "sample, within the margin of its edge, or not found.",
        "Contact maps of both electrodes in time.", figure, table[["time", "electrode", "y", "x", "contact"]].dropna(),
    )  # fmt: skip


@styled
def thickness(maps: xr.Dataset) -> Exhibit:
    """Lithium of both electrodes in time, one colour scale an electrode."""
    shown = chosen(maps.sizes["time"], 5)
    maps = _framed(maps, "lithium")
    extent, aspect = _extent(maps)
    figure = sheet(_size(len(shown), 2, aspect))
    _, place = _grid(figure, 2, len(shown), aspect)
    factor, unit = time_unit(maps["time"].values)
    for r, name in enumerate(("top", "bottom")):
        low, high = limits(maps["lithium"].sel(electrode=name).values, 1, 99)
        for c, k in enumerate(shown):
            axes = place(r, c)
            hatch_missing(axes)
            values = np.ma.masked_invalid(maps["lithium"].sel(electrode=name).isel(time=int(k)).values)
            image = axes.imshow(values, origin="lower", extent=extent, cmap=AMOUNT, vmin=low, vmax=high)
            _dress(axes, r, c, 2, f"{float(maps['time'][k]) / factor:.3g} {unit}", name)
        _bar(figure, image, axes, "lithium / µm")
    table = maps[["lithium", "lithium_err"]].isel(time=shown).to_dataframe().reset_index()
    return Exhibit(
        "tomography-thickness", "Thickness of lithium",
        "Lithium between its collector (mean plane) and the void or solid, in each column; one colour scale an "
        "electrode.",
        "Maps of lithium thickness in time.", figure,
        table[["time", "electrode", "y", "x", "lithium", "lithium_err"]].dropna(),
    )  # fmt: skip


@styled
def current(found: xr.Dataset) -> Exhibit:
    """Local current density between scans, hot spots outlined; colours begin at the noise floor."""
    shown = chosen(found.sizes["interval"], 4)
    found = _framed(found, "current_density")
    extent, aspect = _extent(found)
    figure = sheet(_size(len(shown), 2, aspect))
    _, place = _grid(figure, 2, len(shown), aspect)
    factor, unit = time_unit(np.append(found["start"].values, found["end"].values))
    for r, name in enumerate(("top", "bottom")):
        one = found.sel(electrode=name)
        most = max(abs(v) for v in limits(one["current_density"].values, 1, 99))
        for c, k in enumerate(shown):
            axes = place(r, c)
            hatch_missing(axes)
            part = one.isel(interval=int(k))
            values = np.ma.masked_invalid(part["current_density"].values)
            image = axes.imshow(values, origin="lower", extent=extent, cmap=CHANGE, vmin=-most, vmax=most)
            if (part["hot"].values > 0).any():
                axes.contour(
                    found["x"], found["y"], part["hot"].values > 0, [0.5], colors="k", linewidths=0.7
                )
            span = "–".join(f"{float(part[e]) / factor:.3g}" for e in ("start", "end"))
            _dress(axes, r, c, 2, f"{span} {unit}", name)
            words = f"floor {number(float(part['floor']), 2)}"
            axes.text(0.03, 0.03, words, transform=axes.transAxes, fontsize=5.5)
        bar = _bar(figure, image, axes, "mA/cm²")
        for edge in (-1, 1):
            bar.ax.axhline(edge * float(np.median(one["floor"].values)), color="k", lw=0.7, ls=":")
    names = ["current_density", "current_density_err"]
    table = found[names].isel(interval=shown).to_dataframe().reset_index()
    return Exhibit(
        "tomography-current", "Local current density",
        "Change of lithium between two scans as current density (positive: plated), voids taken as spread evenly. In "
        "each map, and dotted in the bar, its noise floor: 1σ of a column in mA/cm². Black outlines: hot spots, "
        "which noise makes in "
        f"{number(100 * float(found.attrs.get('false_per_map', 0.05)), 2)} % of the maps. "
        f"Floor from {found.attrs.get('floor_source', 'two scans without current')}.",
        "Maps of local current density between scans.", figure,
        table[["interval", "electrode", "y", "x", *names]].dropna(),
    )  # fmt: skip
