"""Segmentation: labels beside grey values and confidence, volumes and contact in time."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ..style import (
    AMOUNT,
    LAYERS,
    MARKS,
    RULE,
    SERIES,
    SOFT,
    WIDTH,
    Exhibit,
    chosen,
    hatch_missing,
    limits,
    panel,
    sheet,
    styled,
)
from ..text import time_unit

#: colours of phases that are told by their names; others take their turn
KNOWN = {"air": "#eef0f2", "void": "#e4572e", "pore": "#f2a65a", "steel": "#4a5560", "lithium": "#c9a227",
         "interphase": "#0b6fb3", "electrolyte": "#a9c7e2", "casing": "#c4b6d6"}  # fmt: skip
TURN = ("#0c8a66", "#a8488c", "#8a6d00", "#3d7f99", "#b48ead", "#88b0b8", "#d8875f", "#7a5195")


def colours(phases: list[str]) -> list[str]:
    """One colour a phase; void and pore stand out."""
    turn = iter(TURN + LAYERS)
    return [KNOWN.get(name.lower()) or next(turn, SOFT) for name in phases]


@styled
def sections(found: xr.Dataset, phases: list[str], grey_unit: str) -> Exhibit:
    """Grey value, label and confidence of the middle plane, up to four scans one under the other."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    shown = chosen(found.sizes["time"], 3)
    x, z = found["x"].values, found["z"].values
    width = (WIDTH - 0.75 - 0.25) / 3
    tall = (width - 0.1) * (np.ptp(z) + z[0] * 2) / max(np.ptp(x) + 2 * x[0], 1e-9)
    rows = -(-len(phases) // 6)
    below = 0.75 + 0.16 * rows
    figure = sheet(below + 0.35 + len(shown) * (tall + 0.12))
    low, high = limits(found["grey"].values, 1, 96)
    factor, unit = time_unit(found["time"].values)
    table = colours(phases)
    kinds: tuple[tuple[str, Any, float, float], ...] = (
        ("grey", "gray", low, high), ("label", ListedColormap(table), -0.5, len(phases) - 0.5),
             ("confidence", AMOUNT, 1 / len(phases), 1.0))  # fmt: skip
    titles = (f"grey value / {grey_unit}", "likeliest phase", "its probability")
    half = x[0], z[0]
    extent = (x[0] - half[0], x[-1] + half[0], z[0] - half[1], z[-1] + half[1])
    for r, k in enumerate(shown):
        one = found.isel(time=int(k))
        for c, (name, map_, lowest, highest) in enumerate(kinds):
            axes = panel(
                figure, 0.75 + c * width, below + (len(shown) - 1 - r) * (tall + 0.12), width - 0.1, tall
            )
            hatch_missing(axes)
            image = axes.imshow(np.ma.masked_invalid(one[name].values), origin="lower", extent=extent, cmap=map_,
                                vmin=lowest, vmax=highest, aspect="equal")  # fmt: skip
            axes.spines[:].set_visible(False)
            axes.locator_params(nbins=4)
            axes.tick_params(length=2, pad=2, labelsize=6, labelleft=c == 0, labelbottom=r == len(shown) - 1)
            if r == 0:
                axes.set_title(titles[c], fontsize=7)
            if c == 0:
                axes.set_ylabel(f"{one['time'].values / factor:.3g} {unit}\nz / µm", labelpad=1)
            if r == len(shown) - 1:
                axes.set_xlabel("x / µm", labelpad=1)
                if name != "label":
                    place = axes.get_position()
                    at = figure.add_axes(
                        (place.x0, place.y0 - 0.42 / figure.get_figheight(), place.width, 0.014)
                    )
                    bar = figure.colorbar(image, cax=at, orientation="horizontal")
                    bar.outline.set_visible(False)
                    bar.ax.tick_params(length=2, pad=1, labelsize=6)
    keys = [Patch(facecolor=c, edgecolor=RULE, lw=0.5, label=n) for n, c in zip(phases, table, strict=True)]
    figure.legend(handles=keys, loc="lower center", ncols=min(6, len(phases)), fontsize=6.5, handlelength=1.2,
                  bbox_to_anchor=(0.54, 0.0))  # fmt: skip
    data = found.isel(time=shown)[["grey", "label", "confidence"]].to_dataframe().reset_index()
    return Exhibit(
        "segmentation-sections", "Labels beside grey values",
        "The plane at the middle of y at the time since the first scan: grey values (one scale for all), the "
        "likeliest phase of every voxel, and how probable it is, which is little along interfaces and in thin voids.",
        "Sections of grey values, labels and confidence.", figure, data,
    )  # fmt: skip


@styled
def volumes(result: xr.Dataset, ratios: xr.Dataset | None, contact: xr.Dataset | None) -> Exhibit:
    """Corrected volume of every phase against time, counted ones beside it; ratios and contact below."""
    phases = [str(n) for n in result["phase"].values]
    more = [] if ratios is None else [str(n) for n in ratios["ratio"].values]
    more += [] if contact is None else ["contact"]
    count = len(phases) + len(more)
    columns = 3
    rows = -(-count // columns)
    figure = sheet(0.75 + 1.25 * rows)
    factor, unit = time_unit(result["time"].values)
    t = result["time"].values / factor
    span = max(np.ptp(t), 1e-9)
    wide = (WIDTH - 0.2) / columns
    for k in range(count):
        row, column = divmod(k, columns)
        axes = panel(figure, 0.62 + column * wide, 0.45 + 1.25 * (rows - 1 - row), wide - 0.75, 0.92)
        if k < len(phases):
            _pair(axes, t, result.isel(phase=k), "volume", 1e-3, SERIES[0])
            axes.set_title(phases[k], fontsize=7)
            axes.set_ylabel("10³ µm³", fontsize=6.5, labelpad=1)
        elif k - len(phases) < len(more) - (contact is not None):
            assert ratios is not None
            _pair(axes, t, ratios.isel(ratio=k - len(phases)), "share", 100.0, SERIES[2])
            axes.set_title(more[k - len(phases)], fontsize=7)
            axes.set_ylabel("%", fontsize=6.5, labelpad=1)
        else:
            assert contact is not None
            for j, name in enumerate(contact["electrode"].values):
                at = t + 0.012 * span * (2 * j - 1)
                _pair(axes, at, contact.sel(electrode=name), "share", 1.0, SERIES[j], MARKS[j], name)
            axes.set_title("share in contact", fontsize=7)
            axes.legend(fontsize=6, handlelength=1)
        axes.margins(y=0.18)
        axes.set_xlim(t[0] - 0.07 * span, t[-1] + 0.07 * span)
        axes.tick_params(labelsize=6, length=2, labelbottom=k + columns >= count)
        axes.locator_params(nbins=4)
        if k + columns >= count:
            axes.set_xlabel(f"time / {unit}", fontsize=6.5, labelpad=1)
    table = result[
        ["volume", "volume_corrected", "volume_err", "share_corrected", "share_err"]
    ].to_dataframe()
    return Exhibit(
        "segmentation-volumes", "Volumes in time, corrected for confusion",
        "Filled: volume of each phase after what is confused was undone, bars 1σ; open: voxels as counted. Ratios and "
        "the share of columns in contact in the same way. Without held-out labels there are open marks only.",
        "Corrected volumes of the phases against time.", figure, table.reset_index(),
    )  # fmt: skip


def _pair(axes, t, one: xr.Dataset, name: str, scale: float, colour: str, mark="o", label: str | None = None):
    axes.plot(t, one[name].values * scale, mark, ms=3.4, mfc="none", mew=0.8, color=SOFT)
    best, error = one[f"{name}_corrected"].values * scale, one[f"{name}_err"].values * scale
    if np.isfinite(best).any():
        axes.errorbar(
            t, best, error, fmt=f"{mark}-", ms=3.2, lw=0.8, elinewidth=0.9, color=colour, label=label
        )
    elif label:
        axes.plot([], [], mark, mfc="none", color=SOFT, label=label)


@styled
def contact(maps: xr.Dataset) -> Exhibit:
    """Where the electrodes touch the solid, by the labels."""
    from .tomography_maps import contact as drawn

    exhibit = drawn(maps.rename(touching="contact"))
    return Exhibit(
        "segmentation-contact", "Contact by the labels",
        "Columns whose last voxels of lithium before the solid hold no void (blue), and those that do (orange), seen "
        "along the stack. Hatched: no lithium in the column.", "Contact maps of both electrodes in time.",
        exhibit.figure, exhibit.table,
    )  # fmt: skip
