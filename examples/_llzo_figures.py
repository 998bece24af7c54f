"""Figures of `lithium_llzo_tomography.py`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from _page import colour_bar, drawn, styled
from matplotlib.colors import ListedColormap

from operando import transport
from operando.show.style import INK, MARKS, SERIES, SOFT, panel, sheet

COLOURS = {"steel": "#9a9fb0", "lithium": "#7f9fc4", "void": "#e4572e", "solid": "#e8dfc0", "pore": "#4a4a4a"}
LEFT, TOP = 0.55, 0.35


def image(axes, values, voxel, **how):
    """A map or section with its axes in um."""
    rows, columns = values.shape
    how = {"origin": "lower", "aspect": "equal", "extent": (0, columns * voxel, 0, rows * voxel), **how}
    axes.tick_params(length=2, labelsize=6)
    return axes.imshow(values, **how)


def labelled(axes, x: str = "x / µm", y: str = "") -> None:
    axes.set_xlabel(x, labelpad=1)
    axes.set_ylabel(y, labelpad=2)
    axes.tick_params(labelleft=bool(y))


def hot_spot_and_sections(scans, steps):
    """Flux under a spot of ten times the mean current density, and sections of the cell at each step."""
    n = 48
    x = np.arange(n) - (n - 1) / 2
    current = 1 + 9.0 * (np.hypot(x[:, None], x) < 4)
    field = transport.hot_spot_field(np.ones((n, n, n), "u1"), current, {1: 1.0})
    flux = field["flux"].values[:, n // 2]
    with styled():
        shown = [k for k in range(len(scans)) if k != 1]
        grey = [scans[k][0] for k in shown]
        voxel = grey[0].attrs["voxel_um"]
        width = 1.47
        height = width * grey[0].sizes["z"] / grey[0].sizes["x"]
        figure = sheet(max(height, 1.35) + TOP + 0.5)
        axes = panel(figure, LEFT, 0.45, 1.35, 1.35)
        seen = image(axes, np.log10(flux), 1, cmap="viridis", aspect="equal", extent=(x[0], x[-1], 0, n))
        axes.contour(x, np.arange(n) + 0.5, flux, [1.2, 1.5, 2, 4], colors="white", linewidths=0.5)
        axes.invert_yaxis()
        labelled(axes, "x / ¼ spot radius", "depth / ¼ spot radius")
        axes.set_title("flux under a hot spot", fontsize=7)
        colour_bar(figure, seen, axes, "log₁₀ flux / mean", 0.07, 0.05)
        for c, (one, k) in enumerate(zip(grey, shown, strict=True)):
            axes = panel(figure, 3.15 + c * width, 0.45, width - 0.08, height)
            image(axes, one.values[:, one.sizes["y"] // 2], voxel, cmap="gray", vmin=-0.02, vmax=0.6)
            labelled(axes, y="z / µm" if c == 0 else "")
            axes.set_title(steps[k], fontsize=7)
    table = pd.DataFrame(
        {"depth": field["z"].values, "flux_under_spot": flux[:, n // 2], "flux_beside": flux[:, 2]}
    )
    return drawn(
        "llzo-sections", "A hot spot, and sections of the cell",
        "Left: flux in an even conductor under a spot that carries ten times the current density around it "
        "(contours 1.2, 1.5, 2, 4 times the mean): the disturbance is gone within a few radii. Right: "
        "sections through the cell (grey value by electron density): steel, lithium, LLZO with pores.", figure, table,
    )  # fmt: skip


def current_maps(found, spots, true, thickness, scans, layers):
    """Fig. 2: thickness, local current density found and true, and the section under the strongest spot."""
    voxel = found.attrs["voxel_um"]
    side, limit = 1.5, float(np.nanpercentile(np.abs(true.values), 99.5))
    grey = [scans[k][0].values for k in (0, 2)]
    section = 2.9 * grey[0].shape[0] / grey[0].shape[2]
    with styled():
        figure = sheet(2 * side + section + 1.5)
        for r, name in enumerate(("plated", "stripped")):
            bottom = section + 1.1 + (1 - r) * (side + 0.12)
            row = (thickness[r + 2].values, found["current_density"].values[r], true.values[r])
            how = [{"cmap": "viridis"}, *[{"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}] * 2]
            for c, values in enumerate(row):
                axes = panel(figure, (0.8, 3.25, 5.0)[c], bottom, side, side)
                seen = image(axes, values, voxel, **how[c])
                axes.tick_params(labelleft=c == 0, labelbottom=r == 1)
                if c != 1:
                    colour_bar(figure, seen, axes, ("lithium / µm", "", "mA/cm²")[c], 0.07, 0.05)
                elif spots.sizes["spot"]:
                    axes.contour(spots["label"].values[r] > 0, [0.5], colors=INK, linewidths=0.9,
                                 extent=(0, values.shape[1] * voxel, 0, values.shape[0] * voxel))  # fmt: skip
                if r == 0:
                    axes.set_title(
                        ("thickness", "current density, found", "current density, true")[c], fontsize=7
                    )
                else:
                    axes.set_xlabel("x / µm", labelpad=1)
                if c == 0:
                    axes.set_ylabel(f"{name}\ny / µm", labelpad=2)
        row = found["current_density"].shape[1] // 2
        if spots.sizes["spot"]:
            row = int(float(spots["peak_y"][int(np.argmax(spots["significance"].values))]) / voxel)
        for c, k in enumerate((0, 2)):
            axes = panel(figure, 0.8 + 3.2 * c, 0.42, 2.9, section)
            image(axes, grey[c][:, row], voxel, cmap="gray", vmin=-0.02, vmax=0.6)
            face_and_voids(axes, layers[k], row, voxel)
            labelled(axes, y="z / µm" if c == 0 else "")
            axes.set_title(f"section under the spot, {('pristine', 'plated')[c]}", fontsize=7)
    rows = xr.Dataset({"found": found["current_density"], "error": found["current_density_err"]})
    return drawn(
        "llzo-current", "Local current density, its noise floor and hot spots",
        f"Bottom electrode. Noise floor of one column {float(found['floor'][0]):.2f} mA/cm² (1σ, from two "
        "scans at rest). Black: hot spots, columns above what noise makes in one map of twenty. Positive: "
        "lithium grows. Below: sections under the spot with the face of the solid (blue) and voids "
        "(orange).", figure,
        rows.to_dataframe().reset_index(),
    )  # fmt: skip


def face_and_voids(axes, layer, row: int, voxel: float) -> None:
    """Line of the face and filled voids along one row of the bottom electrode."""
    face, void = layer["face"].values[row], layer["void"].values[row]
    x = (np.arange(len(face)) + 0.5) * voxel
    axes.plot(x, face, color=SERIES[0], lw=0.7)
    axes.fill_between(x, face, face - np.where(void > 0.5, void, np.nan), color="#e4572e", lw=0)


def segmented(scan, labels, probability, layer, near):
    """Fig. 3a, b: grey value, labels found and true, confidence; porosity near the interface by step."""
    grey, known = scan
    voxel, names = grey.attrs["voxel_um"], list(COLOURS)
    middle = grey.sizes["y"] // 2
    top = int(float(layer["face"].max()) / voxel) + 8
    part = slice(0, top)
    colours = {"cmap": ListedColormap(list(COLOURS.values())), "vmin": -0.5, "vmax": 4.5}
    views = [
        ("grey value", grey.values[part, middle], {"cmap": "gray", "vmin": -0.02, "vmax": 0.6}),
        ("forest", labels.values[part, middle], colours),
        ("true", known.values[part, middle] - 1, colours),
        ("confidence", probability.max("phase").values[part, middle], {"cmap": "viridis", "vmin": 0.4, "vmax": 1.0}),
    ]  # fmt: skip
    width = 3.3
    height = width * top / grey.sizes["x"]
    with styled():
        figure = sheet(4 * (height + 0.24) + 0.45)
        for r, (name, values, how) in enumerate(views):
            axes = panel(figure, 0.6, 0.4 + (3 - r) * (height + 0.24), width, height)
            seen = image(axes, values, voxel, **how)
            labelled(axes, "x / µm" if r == 3 else "", "z / µm")
            axes.set_title(name, fontsize=7, pad=3)
            axes.tick_params(labelbottom=r == 3)
            if name == "confidence":
                colour_bar(figure, seen, axes, "", 0.07, 0.05)
        box = figure.get_size_inches()[1]
        high = min(2.6, box - 1.3)
        axes = panel(figure, 5.1, box - high - 0.85, 2.3, high)
        for k, (_, found, true) in enumerate(near):
            axes.errorbar(k, 100 * float(found["share_corrected"]), 100 * float(found["share_err"]), fmt="o", ms=4,
                          color=SERIES[0], label="found, corrected" if k == 0 else None)  # fmt: skip
            axes.plot(
                k,
                100 * float(found["share"]),
                "_",
                ms=9,
                color=SERIES[1],
                label="counted" if k == 0 else None,
            )
            axes.plot(k, 100 * true, "x", ms=6, color=INK, label="true" if k == 0 else None)
        axes.set_xticks(range(len(near)), [n for n, _, _ in near])
        axes.set_xlim(-0.5, len(near) - 0.5)
        axes.set_ylim(0, None)
        axes.set_ylabel("void in the lithium\nnear the interface / %")
        axes.legend(
            loc="lower left", bbox_to_anchor=(-0.1, 1.0), ncol=3, handletextpad=0.3, columnspacing=0.8
        )
        for k, n in enumerate(names):
            colour = COLOURS[n] if n != "solid" else "#b09a4a"
            figure.text((4.7 + 0.52 * k) / 7.6, 1 - 0.22 / box, n, color=colour, fontsize=7, weight="bold")
    rows = [{"step": n, "counted": float(f["share"]), "corrected": float(f["share_corrected"]),
             "error": float(f["share_err"]), "true": t} for n, f, t in near]  # fmt: skip
    return drawn(
        "llzo-segmentation", "Learned segmentation, and what it says of the lithium",
        "A random forest trained on 2 % of the voxels of half of the pristine scan, on a section of the "
        "stripped one. Right: share of void in the lithium from 12 µm under the mean face to 4 µm over it. "
        "Errors: of the segmentation, from the half that was held out.", figure, pd.DataFrame(rows),
    )  # fmt: skip


def lithium_depth(steps, profiles):
    """Fig. 3c: porosity of the lithium against the distance from LLZO."""
    with styled():
        figure = sheet(2.2)
        axes = panel(figure, 0.7, 0.45, 4.6, 1.6)
        for k, step in enumerate(steps):
            found, true = profiles[2 * k], profiles[2 * k + 1]
            axes.errorbar(found["depth"] + 0.15 * (k - 1), 100 * found["porosity"], 100 * found["porosity_err"],
                          fmt=f"{MARKS[k]}-", ms=3.5, lw=1, color=SERIES[k], label=step)  # fmt: skip
            axes.plot(true["depth"], 100 * true["porosity"], "x--", lw=0.7, ms=4, color=SERIES[k])
        axes.plot([], [], "x--", lw=0.7, ms=4, color=SOFT, label="true")
        axes.set_xlabel("distance from LLZO into the lithium / µm")
        axes.set_ylabel("porosity / %")
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    rows = [p["porosity"].to_dataframe().reset_index().assign(step=steps[k // 2], kind=("found", "true")[k % 2])
            for k, p in enumerate(profiles)]  # fmt: skip
    return drawn(
        "llzo-lithium-depth", "Porosity of the lithium by depth",
        "Bins of 5 µm under the face of each column. Voids sit at the interface and do not reach the "
        "collector. Bars: spread of the blocks of the section.", figure, pd.concat(rows),
    )  # fmt: skip
