"""EBSD: orientation maps, inverse pole figures, shares near poles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from ..style import AMOUNT, INK, MARKS, RULE, SERIES, Exhibit, edges, hatch_missing, panel, sheet, styled


@styled
def maps(points: dict[str, xr.Dataset], grains: dict[str, xr.Dataset]) -> Exhibit:
    """Colour by the crystal direction along the growth direction, grain boundaries drawn; equal aspect."""
    names = list(points)
    width = min(6.6 / len(names), 3.6)
    heights = [width * np.ptp(edges(p["y"].values)) / np.ptp(edges(p["x"].values)) for p in points.values()]
    figure = sheet(0.85 + max(heights))
    for k, (name, one) in enumerate(points.items()):
        axes = panel(figure, 0.75 + k * width, 0.5, width - 0.3, (width - 0.3) / width * heights[k])
        x, y = edges(one["x"].values), edges(one["y"].values)
        colour = one["colour"].transpose("y", "x", "rgb").values
        rgba = np.dstack([np.nan_to_num(colour), np.isfinite(colour[..., 0])])
        hatch_missing(axes)
        axes.imshow(rgba, extent=(x[0], x[-1], y[-1], y[0]), interpolation="nearest")
        label = one["label"].transpose("y", "x").values
        edge = np.zeros(label.shape, bool)
        edge[:, 1:] |= label[:, 1:] != label[:, :-1]
        edge[1:] |= label[1:] != label[:-1]
        axes.imshow(np.dstack([np.zeros((*edge.shape, 3)), 0.7 * edge]), extent=(x[0], x[-1], y[-1], y[0]))
        axes.set_title(name, fontsize=7)
        axes.set_xlabel("x / µm")
        if k == 0:
            axes.set_ylabel("y / µm")
    table = pd.concat([
        g[["phase", "points", "area", "diameter", "spread"]].to_dataframe().reset_index().assign(map=n)
        for n, g in grains.items()
    ])  # fmt: skip
    return Exhibit(
        "ebsd-maps", "Orientation maps",
        "Colour: crystal direction along the stated direction of the sample (red, green and blue are the corners "
        "of the "
        "triangle of the Laue group: (001), (101) and (111) of cubic metals); dark: borders of grains; hatched: "
        "not indexed.",
        "Orientation maps coloured by crystal direction.", figure, table,
    )  # fmt: skip


@styled
def densities(found: dict[str, xr.Dataset]) -> Exhibit:
    """Inverse pole figures in multiples of random, one scale for all."""
    width = min(6.4 / len(found), 2.6)
    figure = sheet(0.75 + width)
    top = max(float(one["density"].max()) for one in found.values())
    for k, (name, one) in enumerate(found.items()):
        axes = panel(figure, 0.3 + k * width, 0.25, width - 0.3, width - 0.1)
        image = axes.tripcolor(one["X"].values, one["Y"].values, one["density"].values, cmap=AMOUNT, vmin=0, vmax=top,
                               shading="gouraud", rasterized=True)  # fmt: skip
        axes.set_aspect("equal")
        axes.axis("off")
        axes.set_title(f"{name}: {one.attrs['phase']}", fontsize=7)
        _corners(axes, one)
    bar = figure.colorbar(image, cax=panel(figure, 0.4 + len(found) * width, 0.45, 0.1, width - 0.5))
    bar.outline.set_visible(False)
    bar.set_label("multiples of random")
    table = pd.concat(
        [one["density"].to_dataframe().reset_index().assign(map=name) for name, one in found.items()]
    )
    return Exhibit(
        "ebsd-density", "Inverse pole figures",
        "Density of the crystal directions along the stated direction of the sample, grains weighted with their area, "
        "smoothed to 10 degrees, in multiples of random; equal-area projection. Few grains make strong maxima by "
        "chance.",
        "Inverse pole figures in multiples of random.", figure, table,
    )  # fmt: skip


CORNERS = {
    "m-3m": (((0, 0, 1), "001"), ((1, 0, 1), "101"), ((1, 1, 1), "111")),
    "6/mmm": (((0, 0, 1), "0001"), ((1, 0, 0), "2-1-10"), ((3**0.5 / 2, 0.5, 0), "10-10")),
}  # fmt: skip


def _corners(axes, one: xr.Dataset) -> None:
    for direction, name in CORNERS.get(str(one.attrs.get("laue")), ()):
        d = np.array(direction, float) / np.linalg.norm(direction)
        x, y = d[:2] * np.sqrt(2 / (1 + d[2]))
        axes.annotate(name, (x, y), fontsize=6, ha="center", va="bottom" if y > 0.05 else "top", color=INK,
                      xytext=(0, 3 if y > 0.05 else -3), textcoords="offset points")  # fmt: skip


@styled
def shares(found: xr.Dataset) -> Exhibit:
    """Share near each pole with its interval, by number of grains and by area, beside what no texture gives."""
    figure = sheet(2.5)
    poles, names = [str(p) for p in found["pole"].values], [str(n) for n in found["map"].values]
    for j, by in enumerate(found["by"].values):
        axes = panel(figure, 0.75 + 3.0 * j, 0.5, 2.4, 1.7)
        for k, name in enumerate(names):
            one = found.sel(map=name, by=by)
            at = np.arange(len(poles)) + 0.16 * (k - (len(names) - 1) / 2)
            share = one["share"].values
            spread = np.nan_to_num(np.abs(np.stack([share - one["low"].values, one["high"].values - share])))
            axes.errorbar(at, 100 * share, 100 * spread, fmt=MARKS[k % 6], ms=4, color=SERIES[k % 6], elinewidth=0.9,
                          label=f"{name} ({int(one['grains'])} grains)")  # fmt: skip
        random = found["random"].isel(map=0).sel(by=by).values
        for i, value in enumerate(random):
            axes.plot([i - 0.35, i + 0.35], [100 * value] * 2, color=RULE, lw=1.2, zorder=0)
        axes.set_xticks(range(len(poles)), poles)
        axes.set_title(f"by {'number' if by == 'grains' else by}", fontsize=7)
        axes.set_ylim(0)
        axes.set_ylabel("share / %")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=6)
    names_kept = ["share", "low", "high", "random", "p", "p_adjusted", "number"]
    return Exhibit(
        "ebsd-shares", "How many grains grow along each pole",
        f"Share of grains, and of area, with a pole within {found.attrs.get('within_deg', 15):g} degrees of the "
        "stated direction, "
        f"with {100 * found.attrs.get('confidence', 0.95):g} % intervals. Grey lines: expected without texture.",
        "Shares of grains near poles with confidence intervals.", figure,
        found[names_kept].to_dataframe().reset_index(),
    )  # fmt: skip
