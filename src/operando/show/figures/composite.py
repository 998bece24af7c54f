"""Phases in false colour: up to four rings added as light."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.patches import Rectangle

from ..style import INK, WIDTH, Exhibit, chosen, edges, hatch_missing, panel, sheet, styled
from ..summary import good, tidy
from ..text import listed
from .cycler import heading
from .maps import BOTTOM, GAP, LEFT, MOST, RIGHT, TOP, _aspect, _labels, _panel_height, _scale_bar

#: an intensity below so many of its errors is drawn as none
LEAST = 3.0
#: blue, orange, green, magenta: apart for colour-blind eyes too
LIGHTS = np.array([[0.16, 0.50, 1.00], [1.00, 0.52, 0.06], [0.10, 0.80, 0.50], [1.00, 0.25, 0.80]])


def pick_rings(rings: dict[str, xr.Dataset], phase_of: dict[str, str]) -> list[str]:
    """The first ring of each phase that has an intensity map, four at most."""
    picked: dict[str, str] = {}
    for name, ring in rings.items():
        if "intensity" in ring and np.isfinite(good(ring, "intensity", "intensity_flag").values).any():
            picked.setdefault(phase_of.get(name, name), name)
    return list(picked.values())[: len(LIGHTS)]


def mixed(parts: list[np.ndarray]) -> np.ndarray:
    """RGBA of intensities scaled to their 99th percentile and added as coloured light; transparent where any is NaN."""
    shares = [np.clip(part / max(np.nanpercentile(part, 99), 1e-30), 0, 1) for part in parts]
    light = sum(share[..., None] * colour for share, colour in zip(shares, LIGHTS, strict=False))
    missing = np.isnan(np.sum(shares, axis=0))
    colour = np.clip(np.where(missing[..., None], 0, light), 0, 1)
    return np.concatenate([colour, np.where(missing, 0.0, 1.0)[..., None]], axis=-1)


@styled
def composite(
    rings: dict[str, xr.Dataset], names: list[str], clock: xr.Dataset | None = None, most: int = MOST
) -> Exhibit:
    """Ring intensities over (time, z, x) of `names` as one coloured image a time."""
    values = [good(rings[name], "intensity", "intensity_flag").transpose("time", "z", "x") for name in names]
    colour = mixed([_clear(v, rings[name]).values for v, name in zip(values, names, strict=True)])
    time, x, z = values[0]["time"], edges(values[0]["x"].values), edges(values[0]["z"].values)
    which = chosen(len(time), most)
    width = min((WIDTH - LEFT - RIGHT) / len(which), 1.6)
    height, stretch = _panel_height(width - GAP, np.ptp(x), np.ptp(z))
    figure = sheet(TOP + BOTTOM + height)
    for c, i in enumerate(which):
        axes = panel(figure, LEFT + c * width, BOTTOM, width - GAP, height)
        if not colour[i, ..., 3].all():
            hatch_missing(axes)
        axes.imshow(
            colour[i], extent=(x[0], x[-1], z[0], z[-1]), origin="lower", aspect="auto", interpolation="none"
        )
        axes.spines[:].set_visible(False)
        _labels(axes, c == 0, True, c)
        axes.set_title(
            heading(clock, time, i),
            loc="center",
            fontsize=7 if len(which) < 10 else 6,
            color=INK,
            pad=4,
        )
    _key(figure, names, height)
    _scale_bar(figure, LEFT + len(which) * width, (width - GAP) / np.ptp(x), stretch, np.ptp(x))
    table = pd.concat(
        [tidy({"intensity": v.isel(time=which)}, ring=n) for n, v in zip(names, values, strict=True)]
    )
    return Exhibit(
        "composite", "Where each phase is",
        f"Background-subtracted intensity of {listed(names)} added as coloured light, each scaled to its 99th "
        f"percentile over all times, so colours show place and not amount. Black: none of them by three errors. "
        f"{_aspect(stretch)}",
        f"False-colour maps of {listed(names)} at {len(which)} times.", figure, table,
    )  # fmt: skip


def _clear(values: xr.DataArray, ring: xr.Dataset) -> xr.DataArray:
    """Intensity with zero where it is below `LEAST` errors, so that noise is no phase."""
    if "intensity_err" not in ring:
        return values
    error = ring["intensity_err"].transpose(*values.dims)
    return values.where(~(values < LEAST * error), 0.0)


def _key(figure, names, height):
    h = figure.get_size_inches()[1]
    for i, name in enumerate(names):
        y = BOTTOM + height - 0.12 - 0.19 * i
        swatch = Rectangle((0.05 / WIDTH, (y - 0.05) / h), 0.12 / WIDTH, 0.12 / h, transform=figure.transFigure,
                           facecolor=LIGHTS[i], edgecolor="none")  # fmt: skip
        figure.add_artist(swatch)
        figure.text(0.22 / WIDTH, (y + 0.01) / h, name, va="center", fontsize=7)
