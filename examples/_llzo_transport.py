"""The electrolyte in `lithium_llzo_tomography.py`: tortuosity and microstructure factors, and their figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from _llzo_figures import image, labelled
from _page import Page, colour_bar, drawn, styled
from matplotlib.colors import ListedColormap

from operando import transport
from operando.show.style import MARKS, SERIES, SOFT, panel, sheet
from operando.twin.symmetric_cell import SymmetricCell

CONDUCTIVITY = {0: 0.0, 1: 0.4, 2: 0.1}  # pore, grain, boundary; mS/cm
MODULI = {0: (0.0, 0.0), 1: (150.0, 0.26), 2: (100.0, 0.26)}  # GPa, Poisson's ratio
PHASES = ("steel", "lithium", "void", "solid", "pore")


def solid_block(values, layers) -> xr.DataArray:
    """The rows that lie wholly between both faces: 1 solid, 0 pore."""
    low, high = (float(f) for f in layers)
    voxel = values.attrs["voxel_um"]
    part = values.isel(z=slice(int(np.ceil(low / voxel)) + 1, int(high / voxel) - 1))
    return part.copy(data=(part.values != PHASES.index("pore")).astype("u1"))


def electrolyte(page: Page, cell: SymmetricCell, pellets) -> xr.DataArray:
    """Fig. 4: sub-surface porosity and tortuosity factors, sound and failed pellet, found and true."""
    rows = {}
    for state, (found, known) in pellets.items():
        faces = known_faces(cell, known)
        blocks = solid_block(found, faces), solid_block(known.copy(data=known.values - 1), faces)
        size = (
            round(25 / cell.voxel_um),
            round(25 / cell.voxel_um),
            min(round(100 / cell.voxel_um), len(blocks[0])),
        )
        rows[state] = [(b, transport.tortuosity_map(b, size, voxel=cell.voxel_um)) for b in blocks]
        mean = [float(1 - b.mean()) for b in blocks]
        page.row(
            f"porosity of LLZO, {state}",
            mean[0],
            truth=mean[1],
            paper="about 0.05" if state == "sound" else "",
        )
        tau = [m["tau_factor"].values for _, m in rows[state]]
        page.row(f"tortuosity factor, mean of the map, {state}", tau[0].mean(), truth=tau[1].mean())
        page.row(f"tortuosity factor, spread of the map, {state}", tau[0].std(), truth=tau[1].std())
    page.figures.append(tortuosity(rows))
    return rows["sound"][0][0]


def known_faces(cell: SymmetricCell, known: xr.DataArray) -> tuple[float, float]:
    """Heights between which every column is electrolyte."""
    solid = np.isin(known.values, (4, 5)).mean((1, 2)) > 0.5
    at = np.flatnonzero(solid)
    margin = 5.0
    return at[0] * cell.voxel_um + margin, (at[-1] + 1) * cell.voxel_um - margin


def domains(page: Page, block: xr.DataArray, small: bool) -> None:
    """Fig. 5: microstructure factors of the imaged domain, of the same with a crack, and of synthetic ones."""
    edge = min(block.sizes["z"], 28 if small else 59)
    whole = block.values[:edge, :edge, :edge]
    cracked = whole.copy()
    cracked[edge // 2, : int(0.7 * edge), : int(0.7 * edge)] = 0  # one voxel thick, across the field
    rows = {}
    for name, values in (("as imaged", whole), ("with a crack across the field", cracked)):
        rows[name] = transport.compare_with_synthetic(
            values, np.random.default_rng(2), grain_size=10.0, seeds=5 if small else 8, conductivity=CONDUCTIVITY,
            moduli=MODULI, voxel=block.attrs["voxel_um"],
        )  # fmt: skip
        for what in ("conductivity", "young"):
            one = rows[name][f"{what}_factor"].sel(source="image")
            page.row(f"{what} factor along the field, {name}", one.sel(direction="z"))
            score = rows[name][f"{what}_factor_z"]
            page.row(f"  its z-score among isotropic domains (x: {float(score[0]):+.1f})", score.sel(direction="z"),
                     truth=0 if name == "as imaged" else np.nan)  # fmt: skip
    field = transport.potential_field(cracked, {0: 0.0, 1: 1.0}, voxel=block.attrs["voxel_um"])
    page.figures.append(factors(rows, cracked, field, block.attrs["voxel_um"]))


def tortuosity(rows):
    """Fig. 4a, b: sub-surface porosity and tortuosity factor over the section, two pellets."""
    states = list(rows)
    width = 2.0
    near = {s: 1 - rows[s][0][0].mean("z") for s in states}
    high = max(float(v.quantile(0.99)) for v in near.values())
    tau = {s: [m["tau_factor"].values for _, m in rows[s]] for s in states}
    limit = max(float(t[0][np.isfinite(t[0])].max()) for t in tau.values())
    with styled():
        figure = sheet(2 * width + 0.6)
        for r, state in enumerate(states):
            bottom = 0.45 + (1 - r) * width
            axes = panel(figure, 0.75, bottom, width - 0.25, width - 0.25)
            seen = image(
                axes,
                100 * near[state].values,
                rows[state][0][0].attrs["voxel_um"],
                cmap="viridis",
                vmin=0,
                vmax=100 * high,
            )
            axes.set_ylabel(f"{state}\ny / µm", labelpad=2)
            colour_bar(figure, seen, axes, "porosity along z / %", 0.07, 0.04)
            second = panel(figure, 3.3, bottom, width - 0.25, width - 0.25)
            y, x = (rows[state][0][1][a].values for a in "yx")
            seen = second.pcolormesh(x, y, tau[state][0], cmap="magma", vmin=1, vmax=limit)
            second.set_aspect("equal")
            second.tick_params(length=2, labelsize=6, labelleft=False)
            colour_bar(figure, seen, second, "", 0.07, 0.04)
            third = panel(figure, 6.05, bottom, 1.4, width - 0.25)
            third.plot(tau[state][1].ravel(), tau[state][0].ravel(), "o", ms=2, color=SERIES[r], alpha=0.7)
            third.plot([1, limit], [1, limit], color=SOFT, lw=0.7)
            third.set_ylabel("found", labelpad=1)
            if r == 0:
                axes.set_title("sub-surface porosity", fontsize=7)
                second.set_title("tortuosity factor", fontsize=7)
                third.set_title("tortuosity factor", fontsize=7)
            else:
                axes.set_xlabel("x / µm")
                second.set_xlabel("x / µm")
                third.set_xlabel("true")
    frames = [
        rows[s][0][1][["tau_factor", "volume_fraction"]].to_dataframe().reset_index().assign(pellet=s)
        for s in states
    ]
    return drawn(
        "llzo-tortuosity", "Porosity and tortuosity of the electrolyte over the section",
        "Left: share of pore along z in each column of voxels. Middle: tortuosity factor along the field of "
        "each domain (25 × 25 µm over the solid's height, at most 100 µm), D_eff = D ε / factor. Right: the "
        "same domains from the segmented and from the true labels. The failed pellet has 2.2 times the "
        "pores.", figure, pd.concat(frames),
    )  # fmt: skip


def factors(rows, cracked, field, voxel):
    """Fig. 5: a domain, its microstructure factors among isotropic ones, and the potential in it."""
    with styled():
        figure = sheet(2.6)
        middle = cracked.shape[1] // 3
        axes = panel(figure, 0.6, 0.45, 1.75, 1.75)
        image(axes, cracked[:, middle], voxel, cmap=ListedColormap(["#4a4a4a", "#e8dfc0"]))
        labelled(axes, y="z / µm")
        axes.set_title("domain with a crack", fontsize=7)
        axes = panel(figure, 2.55, 0.45, 1.75, 1.75)
        seen = image(axes, field["potential"].values[:, middle], voxel, cmap="viridis", vmin=0, vmax=1)
        labelled(axes)
        axes.set_title("potential", fontsize=7)
        colour_bar(figure, seen, axes, "", 0.07, 0.04)
        for c, what in enumerate(("conductivity", "young")):
            axes = panel(figure, 5.25 + 1.3 * c, 0.45, 0.95, 1.55)
            for k, (name, one) in enumerate(rows.items()):
                value = one[f"{what}_factor"]
                at = np.arange(3) + 0.12 * (2 * k - 1)
                spread = one[f"{what}_factor_spread"].sel(source="synthetic")
                if k == 0:
                    mean = value.sel(source="synthetic")
                    axes.errorbar(
                        np.arange(3), mean, 2 * spread, fmt="_", ms=9, color=SOFT, label="isotropic, ± 2σ"
                    )
                axes.plot(
                    at,
                    value.sel(source="image"),
                    MARKS[k],
                    ms=4,
                    color=SERIES[k],
                    label=name.replace(" across the field", ""),
                )
            axes.set_xticks(range(3), list("xyz"))
            axes.set_xlim(-0.5, 2.5)
            axes.set_title({"conductivity": "conductivity", "young": "Young's modulus"}[what], fontsize=7)
            if c == 0:
                axes.set_ylabel("effective / bulk", labelpad=2)
                axes.legend(
                    loc="lower left", bbox_to_anchor=(-0.5, 1.1), ncol=3, handletextpad=0.2, columnspacing=0.8
                )
    frames = [one.to_dataframe().reset_index().assign(domain=name) for name, one in rows.items()]
    return drawn(
        "llzo-factors", "Microstructure factors",
        "An imaged domain and the same with a sheet of pores, one voxel thick, across 0.7 × 0.7 of it; "
        "effective over bulk property along x, y and the field z, beside synthetic isotropic polycrystals "
        "of the same porosity, pore and grain size. Grain boundaries were not imaged and are drawn alike "
        "into all. Potential: one at the bottom, zero at the top.", figure, pd.concat(frames),
    )  # fmt: skip
