"""The cell in cross section, drawn to scale from its layers, with the map and the beam's footprint."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.patches import Rectangle

from ..style import INK, LAYERS, PAPER, RULE, SERIES, SOFT, Exhibit, edges, panel, sheet, styled
from ..text import number


@styled
def cross_section(cell: dict, xrd: xr.Dataset | None = None) -> Exhibit:
    """Layers from the substrate up at their thickness; the map outlined at its recorded z.

    `cell` is the [cell] table of the experiment: `layers` of name, thickness_um, phase; `area_cm2`.
    """
    layers = cell["layers"]
    total = sum(layer["thickness_um"] for layer in layers)
    x, z = _extent(xrd, total)
    bottom, top = min(0.0, z[0]) if z else 0.0, max(total, z[1]) if z else total
    margin = 0.04 * (top - bottom)
    figure = sheet(2.9)
    axes = panel(figure, 0.55, 0.42, 4.2, 2.4)
    wide = 1.15 * (x[1] - x[0]) if x else 4.0 * total
    centre = 0.5 * (x[0] + x[1]) if x else 0.0
    span = (centre - wide / 2, centre + wide / 2)
    axes.set(
        xlim=span,
        ylim=(bottom - margin, top + margin),
        ylabel="height above the substrate / µm",
        xlabel="x / µm",
    )
    _draw_layers(axes, layers, span, (bottom - margin, top + margin))
    if x and z:
        _draw_map(axes, xrd, x, z)
    stretch = (2.4 / (top - bottom + 2 * margin)) / (4.2 / wide)
    return Exhibit(
        "cell", "The cell in cross section", _caption(cell, stretch, bool(x), xrd),
        f"Cross section of the cell: {', '.join(_words(layer) for layer in layers)}, from the substrate up.",
        figure, _table(layers),
    )  # fmt: skip


def _extent(xrd, total):
    if xrd is None or "x" not in xrd.coords or xrd.sizes["x"] < 2 or xrd.sizes["z"] < 2:
        return None, None
    x, z = edges(xrd["x"].values), edges(xrd["z"].values)
    if z[-1] - z[0] > 20 * total:  # the map is of something much larger than the cell
        return None, None
    return (x[0], x[-1]), (z[0], z[-1])


def _draw_layers(axes, layers, span, limits):
    z, places = 0.0, []
    for index, layer in enumerate(layers):
        thick = layer["thickness_um"]
        colour = LAYERS[index % len(LAYERS)]
        if thick > 0:
            axes.add_patch(
                Rectangle((span[0], z), span[1] - span[0], thick, facecolor=colour, edgecolor="none")
            )
        else:
            axes.plot(span, (z, z), color=INK, lw=0.9, ls=(0, (3, 2)))
        places.append(z + thick / 2)
        z += thick
    heights = _spread(places, 0.075 * (limits[1] - limits[0]), limits)
    right = span[1] + 0.06 * (span[1] - span[0])
    for layer, place, height in zip(layers, places, heights, strict=True):
        axes.plot(
            [span[1], right - 0.01 * (span[1] - span[0])], [place, height], color=SOFT, lw=0.6, clip_on=False
        )
        axes.text(right, height, layer["name"], va="center", weight="bold", color=INK)
        axes.text(right + 0.19 * (span[1] - span[0]), height, _detail(layer), va="center", color=SOFT)


def _detail(layer: dict) -> str:
    thick = f"{number(layer['thickness_um'], 3)} µm" if layer["thickness_um"] > 0 else "none at the start"
    return (
        f"{thick}  ·  {layer['phase']}" if layer.get("phase") and layer["phase"] != layer["name"] else thick
    )


def _words(layer: dict) -> str:
    return f"{layer['name']} {number(layer['thickness_um'], 3)} µm"


def _spread(places, gap, limits):
    """Label heights near their places, in order and at least a gap apart."""
    heights = np.array(places, float)
    for _ in range(200):
        close = np.flatnonzero(np.diff(heights) < gap - 1e-9)
        if not close.size:
            break
        for i in close:
            push = (gap - (heights[i + 1] - heights[i])) / 2
            heights[i] -= push
            heights[i + 1] += push
        heights = np.clip(heights, limits[0], limits[1])
    return heights


def _draw_map(axes, xrd, x, z):
    axes.add_patch(Rectangle((x[0], z[0]), x[1] - x[0], z[1] - z[0], facecolor="none", edgecolor=INK, lw=1.1))
    dx, dz = (x[1] - x[0]) / xrd.sizes["x"], (z[1] - z[0]) / xrd.sizes["z"]
    for line in edges(xrd["x"].values)[1:-1] if xrd.sizes["x"] <= 60 else []:
        axes.plot([line, line], z, color=INK, lw=0.25, alpha=0.5)
    column, row = xrd.sizes["x"] // 3, xrd.sizes["z"] // 2
    corner = (x[0] + column * dx, z[0] + row * dz)
    axes.add_patch(Rectangle(corner, dx, dz, facecolor=SERIES[1], edgecolor=PAPER, lw=0.5, zorder=4))
    axes.annotate(
        f"one point, {number(dx)} × {number(dz)} µm;\nthe beam goes into the page",
        xy=(corner[0] + dx, corner[1] + dz / 2),
        xytext=(10, 0), textcoords="offset points", va="center", color=INK, zorder=5,
        bbox={"facecolor": PAPER, "edgecolor": RULE, "linewidth": 0.5, "boxstyle": "round,pad=0.35"},
        arrowprops={"arrowstyle": "-", "color": INK, "lw": 0.6, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip


def _caption(cell, stretch, mapped, xrd):
    area = f" Active area {number(cell['area_cm2'])} cm²." if cell.get("area_cm2") else ""
    scale = f"Layers at their nominal thickness; z is drawn {number(stretch, 2)} times larger than x."
    if not mapped:
        return scale + area
    return (
        f"{scale} The outline is the mapped area ({xrd.sizes['z']} rows × {xrd.sizes['x']} columns), at the z of the "
        f"stage: its zero need not be the top of the substrate. The filled rectangle is one point of the map.{area}"
    )


def _table(layers):
    z = np.cumsum([0.0, *(layer["thickness_um"] for layer in layers)])
    return pd.DataFrame(
        {
            "layer": [layer["name"] for layer in layers], "phase": [layer.get("phase") or "" for layer in layers],
            "bottom (um)": z[:-1], "top (um)": z[1:],
        }
    )  # fmt: skip
