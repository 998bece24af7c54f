"""Transport: potential and flux around a hot spot."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from ..style import AMOUNT, MARKS, SERIES, SOFT, WIDTH, Exhibit, edges, panel, sheet, styled


@styled
def hot_spot(found: dict[str, xr.Dataset]) -> Exhibit:
    """Potential with flux lines in the middle section, and how the flux under the spot spreads with depth."""
    names = list(found)[:3]
    width = min(4.4 / len(names), 2.4)
    figure = sheet(0.8 + width)
    top = max(float(found[n]["potential"].max()) for n in names)
    for k, name in enumerate(names):
        axes = panel(figure, 0.7 + k * width, 0.5, width - 0.15, width - 0.15)
        image = _draw_field(axes, found[name], top)
        axes.set_title(name, fontsize=7)
        axes.set_xlabel("x / µm")
        axes.set_ylabel("z / µm") if k == 0 else axes.tick_params(labelleft=False)
    bar = figure.colorbar(image, cax=panel(figure, 0.62 + len(names) * width, 0.5, 0.09, width - 0.15))
    bar.outline.set_visible(False)
    bar.set_label("potential / mV")
    axes = panel(figure, 1.55 + len(names) * width, 0.5, WIDTH - 1.65 - len(names) * width, width - 0.15)
    rows = []
    for k, name in enumerate(names):
        one, colour = found[name], SERIES[k % len(SERIES)]
        axes.plot(
            one["z"],
            one["under_spot"],
            color=colour,
            marker=MARKS[k],
            ms=2.5,
            markevery=0.1,
            label=f"{name}, under the spot",
        )
        axes.plot(one["z"], one["beside"], color=colour, ls="--", lw=0.8, label=f"{name}, beside it")
        rows.append(one[["under_spot", "beside"]].to_dataframe().reset_index().assign(volume=name))
    axes.set_xlabel("z / µm")
    axes.set_ylabel("flux along z / mean")
    axes.set_ylim(0)
    axes.legend(fontsize=5.5)
    about = found[names[0]].attrs
    return Exhibit(
        "transport-hot-spot", "Around a hot spot",
        f"Section through the middle of a cube: a disc of {about['diameter_um']:g} µm on the face at z = 0 carries "
        f"{about['times']:g} times the current density of what is around it, 1 mA/cm² on average. Colour: potential "
        "above the far face; lines follow the flux; grey: blocked. Right: flux along z under the disc and beside it.",
        "Potential and flux under a hot spot.", figure, pd.concat(rows),
    )  # fmt: skip


def _draw_field(axes, one: xr.Dataset, top: float):
    x, z = one["x"].values, one["z"].values
    potential = 1e3 * one["potential"].transpose("z", "x").values
    axes.set_facecolor(SOFT)
    image = axes.pcolormesh(
        edges(x), edges(z), potential, cmap=AMOUNT, vmin=0, vmax=1e3 * top, rasterized=True
    )
    u, w = (np.nan_to_num(one[n].transpose("z", "x").values) for n in ("flux_x", "flux_z"))
    if min(len(x), len(z)) > 1:
        axes.streamplot(np.linspace(x[0], x[-1], len(x)), np.linspace(z[0], z[-1], len(z)), u, w, color="white",
                        linewidth=0.5, arrowsize=0.4, density=0.7)  # fmt: skip
    axes.set_xlim(edges(x)[[0, -1]])
    axes.set_ylim(edges(z)[[-1, 0]])
    axes.set_aspect("equal")
    return image
