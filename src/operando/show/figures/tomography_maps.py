"""Tomography: maps of contact, thickness and current density, and an interface in relief."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ..style import (
    AMOUNT,
    CHANGE,
    SERIES,
    WIDTH,
    Exhibit,
    chosen,
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


def _extent(found: xr.Dataset) -> tuple[tuple[float, float, float, float], float]:
    x, y = found["x"].values, found["y"].values
    return (x[0], x[-1], y[0], y[-1]), float(np.ptp(y) / np.ptp(x))


def _bar(figure, image, axes, label: str) -> None:
    place = axes.get_position()
    bar = figure.colorbar(image, cax=figure.add_axes((place.x1 + 0.012, place.y0, 0.012, place.height)))
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, pad=2, labelsize=6)
    bar.set_label(label, fontsize=6.5)


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
            axes.text(
                0.03, 0.03, f"1σ {number(float(part['floor']), 2)}", transform=axes.transAxes, fontsize=5.5
            )
        _bar(figure, image, axes, "mA/cm²")
    names = ["current_density", "current_density_err"]
    table = found[names].isel(interval=shown).to_dataframe().reset_index()
    return Exhibit(
        "tomography-current", "Local current density",
        "Change of lithium between two scans as current density (positive: plated), voids taken as spread evenly. In "
        "each map its noise floor, 1σ of a column. Black outlines: hot spots, which noise makes in "
        f"{number(100 * float(found.attrs.get('false_per_map', 0.05)), 2)} % of the maps. "
        f"Floor from {found.attrs.get('floor_source', 'two scans without current')}.",
        "Maps of local current density between scans.", figure,
        table[["interval", "electrode", "y", "x", *names]].dropna(),
    )  # fmt: skip


@styled
def relief(maps: xr.Dataset) -> Exhibit:
    """The faces of the solid in the last scan as surfaces in relief."""
    figure = sheet(2.9)
    extent_um = float(np.ptp(maps["x"].values))
    x, y = np.meshgrid(maps["x"].values, maps["y"].values)
    step = max(maps.sizes["x"] // 110, 1)
    for c, name in enumerate(ELECTRODES):
        axes: Any = figure.add_axes((0.02 + 0.5 * c, 0.0, 0.46, 0.95), projection="3d")
        height = maps["face"].sel(electrode=name).isel(time=-1).values
        level = height - np.nanmean(height)
        cut = (slice(None, None, step),) * 2
        known = np.isfinite(level)
        rows, columns = np.flatnonzero(known.any(1)), np.flatnonzero(known.any(0))
        frame = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        low, high = limits(level, 0.5, 99.5)
        axes.plot_surface(x[frame][cut], y[frame][cut], np.clip(level[frame][cut], low, high), cmap=AMOUNT, vmin=low,
                          vmax=high, rstride=1, cstride=1, linewidth=0, antialiased=False, rasterized=True)  # fmt: skip
        axes.set_box_aspect((1, 1, min(max(3 * (high - low) / extent_um, 0.15), 0.5)))
        axes.view_init(38, -60)
        axes.set(xlabel="x / µm", ylabel="y / µm", zlabel="z / µm")
        axes.tick_params(labelsize=5.5, pad=-2)
        axes.locator_params(nbins=4)
        axes.set_title(f"{name}", fontsize=7.5, color=SERIES[c], y=0.93)
    table = maps["face"].isel(time=-1).to_dataframe("face").reset_index()
    return Exhibit(
        "tomography-relief", "Faces of the solid in relief",
        "Height of the solid's face at both electrodes in the last scan, less its mean; heights are drawn larger than "
        "lengths (3 to 1 where that fits).",
        "The two interfaces as surfaces.", figure, table[["electrode", "y", "x", "face"]].dropna(),
    )  # fmt: skip
