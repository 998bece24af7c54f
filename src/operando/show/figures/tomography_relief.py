"""Tomography: the faces of the solid as surfaces in relief, by pyvista where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colors import Normalize

from ..style import AMOUNT, SERIES, Exhibit, limits, sheet, styled
from .solid import rendered

ELECTRODES = ("bottom", "top")
STRETCHES = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20)


@styled
def relief(maps: xr.Dataset) -> Exhibit:
    """The faces of the solid in the last scan as surfaces in relief."""
    figure = sheet(3.0)
    parts, by = [], "matplotlib"
    for c, name in enumerate(ELECTRODES):
        x, y, level, span, stretch = _surface(maps, name)
        left = 0.02 + 0.49 * c
        picture = rendered(x, y, level, span, stretch)
        if picture is None:
            _drawn(figure, (left, 0.02, 0.36, 0.86), x, y, level, span, stretch)
        else:
            by = "pyvista"
            axes = figure.add_axes((left, 0.02, 0.37, 0.86))
            axes.imshow(picture, interpolation="antialiased")
            axes.set_axis_off()
        figure.text(left + 0.18, 0.93, name, fontsize=7.5, color=SERIES[c], ha="center")
        _bar(figure, left + 0.41, span)
        parts.append(f"{name} {stretch}")
    table = maps["face"].isel(time=-1).to_dataframe("face").reset_index()
    return Exhibit(
        "tomography-relief", "Faces of the solid in relief",
        "Height of the solid's face at both electrodes in the last scan, less its mean, in µm; colours and heights end "
        f"at 0.5 and 99.5 %. Heights are drawn larger than lengths, times: {', '.join(parts)}. Drawn by {by}.",
        "The two interfaces as surfaces.", figure, table[["electrode", "y", "x", "face"]].dropna(),
    )  # fmt: skip


def _surface(maps: xr.Dataset, name: str):
    """Coordinates and heights (um) where the face is known, their span, and how much larger they are drawn."""
    height = maps["face"].sel(electrode=name).isel(time=-1).values
    level = height - np.nanmean(height)
    known = np.isfinite(level)
    rows, columns = np.flatnonzero(known.any(1)), np.flatnonzero(known.any(0))
    frame = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    low, high = limits(level, 0.5, 99.5)
    x, y = maps["x"].values[frame[1]], maps["y"].values[frame[0]]
    goal = 0.25 * np.ptp(x) / max(high - low, 1e-9)
    return x, y, level[frame], (low, high), max(s for s in STRETCHES if s <= max(goal, 1))


def _drawn(figure, place, x, y, level, span, stretch) -> None:
    axes: Any = figure.add_axes(place, projection="3d")
    step = (slice(None, None, max(max(level.shape) // 110, 1)),) * 2
    xx, yy = np.meshgrid(x, y)
    axes.plot_surface(
        xx[step], yy[step], np.clip(level, *span)[step], cmap=AMOUNT, vmin=span[0], vmax=span[1], rstride=1, cstride=1,
        linewidth=0, antialiased=False, rasterized=True,
    )  # fmt: skip
    axes.set_box_aspect((1, np.ptp(y) / np.ptp(x), stretch * (span[1] - span[0]) / np.ptp(x)))
    axes.view_init(35, -60)
    axes.set(xlabel="x / µm", ylabel="y / µm")
    axes.tick_params(labelsize=5.5, pad=-2)
    axes.locator_params(nbins=4)


def _bar(figure, left: float, span: tuple[float, float]) -> None:
    from matplotlib.cm import ScalarMappable

    axes = figure.add_axes((left, 0.2, 0.011, 0.5))
    bar = figure.colorbar(ScalarMappable(Normalize(*span), AMOUNT), cax=axes)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, pad=2, labelsize=6)
    bar.set_label("height less its mean / µm", fontsize=6.5)
