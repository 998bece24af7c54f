"""Transport: tortuosity maps, their distribution, microstructure factors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from ..style import (
    AMOUNT,
    INK,
    SERIES,
    WIDTH,
    Exhibit,
    edges,
    hatch_missing,
    limits,
    panel,
    sheet,
    styled,
)

BLOCKED = "#c8501a"
COLUMNS = (
    "tau_factor",
    "tau_factor_err",
    "tau_factor_corrected",
    "tau_factor_corrected_err",
    "volume_fraction",
    "flag",
)


@styled
def maps(found: dict[str, xr.Dataset]) -> Exhibit:
    """Tortuosity factor over the section, one scale for all volumes; orange: no path from face to face."""
    from matplotlib.patches import Patch

    flat = {n: _first(one) for n, one in found.items()}
    flux = next(iter(flat.values())).attrs.get("direction", "z")
    across, up = (d for d in "xyz" if d != flux)
    finite = np.concatenate(
        [one["tau_factor"].values[np.isfinite(one["tau_factor"].values)] for one in flat.values()]
    )
    low, high = limits(finite, 0, 98)
    columns = min(len(flat), 4)
    width = min((WIDTH - 1.6) / columns, 2.6)
    aspect = max(float(np.ptp(edges(o[up].values)) / np.ptp(edges(o[across].values))) for o in flat.values())
    tall = (width - 0.15) * min(aspect, 2.0)
    rows = -(-len(flat) // columns)
    figure = sheet(0.5 + rows * (tall + 0.5))
    for k, (name, one) in enumerate(flat.items()):
        row, column = divmod(k, columns)
        axes = panel(figure, 0.7 + column * width, 0.45 + (rows - 1 - row) * (tall + 0.5), width - 0.2, tall)
        image = _draw_map(axes, one, low, high)
        axes.set_title(name, fontsize=7)
        axes.locator_params(nbins=4)
        if k + columns >= len(flat):
            axes.set_xlabel(f"{across} / µm")
        if column == 0:
            axes.set_ylabel(f"{up} / µm")
        else:
            axes.tick_params(labelleft=False)
    bar = figure.colorbar(image, cax=panel(figure, 0.65 + columns * width, 0.45, 0.1, tall), extend="max")
    bar.outline.set_visible(False)
    bar.set_label("tortuosity factor")
    if any(np.isinf(one["tau_factor"].values).any() for one in flat.values()):
        patch = Patch(color=BLOCKED, label="no path through")
        bar.ax.legend(handles=[patch], loc="lower left", bbox_to_anchor=(3.2, 0), fontsize=6)
    table = pd.concat([
        one[[c for c in COLUMNS if c in one]].to_dataframe().reset_index().assign(volume=n)
        for n, one in flat.items()
    ])  # fmt: skip
    return Exhibit(
        "transport-maps", "Tortuosity factor over the section",
        f"Tortuosity factor, the square of the tortuosity, along {flux} of each domain with insulated sides: the "
        "effective diffusivity is D × share / factor. Orange: no path leads from face to face, the factor is "
        "infinite. Hatched: outside of the sample, or none of the phase. Where several domains fit along "
        f"{flux}, those at the first face are shown.",
        "Maps of the tortuosity factor.", figure, table,
    )  # fmt: skip


def _first(one: xr.Dataset) -> xr.Dataset:
    """The domains at the first face along the flux."""
    flux = one.attrs.get("direction", "z")
    return one.isel({flux: 0}) if flux in one["tau_factor"].dims else one


def _draw_map(axes, one: xr.Dataset, low: float, high: float):
    from matplotlib.colors import ListedColormap

    up, across = one["tau_factor"].dims  # of z y x, the flux left out
    tau = one["tau_factor"].values
    x, y = edges(one[across].values), edges(one[up].values)
    hatch_missing(axes)
    image = axes.pcolormesh(
        x, y, np.where(np.isfinite(tau), tau, np.nan), cmap=AMOUNT, vmin=low, vmax=high, rasterized=True
    )
    if np.isinf(tau).any():
        axes.pcolormesh(
            x, y, np.where(np.isinf(tau), 1.0, np.nan), cmap=ListedColormap([BLOCKED]), rasterized=True
        )
    axes.set_aspect("equal")
    axes.spines[:].set_visible(False)
    return image


@styled
def distribution(found: dict[str, xr.Dataset]) -> Exhibit:
    """Share of domains with a larger factor than on the axis: what does not percolate stays as a floor."""
    figure = sheet(2.4)
    axes = panel(figure, 0.75, 0.5, 4.4, 1.7)
    rows, top = [], 1.0
    for k, (name, one) in enumerate(found.items()):
        tau = np.sort(one["tau_factor"].values[~np.isnan(one["tau_factor"].values)])
        if not tau.size:
            continue
        finite = tau[np.isfinite(tau)]
        above = 1 - np.arange(1, len(finite) + 1) / len(tau)
        colour, blocked = SERIES[k % len(SERIES)], 1 - len(finite) / len(tau)
        label = f"{name} ({len(tau)} domains" + (f", {100 * blocked:.0f} % blocked)" if blocked else ")")
        if len(finite):
            axes.step(np.r_[1, finite], np.r_[1, above], where="post", color=colour, label=label)
            top = max(top, float(np.percentile(finite, 99)))
        if blocked:
            axes.axhline(blocked, color=colour, lw=0.7, ls=":", label=None if len(finite) else label)
        rows.append(
            pd.DataFrame(
                {"volume": name, "tau_factor": tau, "share_above": 1 - np.arange(1, len(tau) + 1) / len(tau)}
            )
        )
    axes.set_xlim(1, 1 + 1.05 * (top - 1) if top > 1 else 2)
    axes.set_ylim(0, 1)
    axes.set_xlabel("tortuosity factor")
    axes.set_ylabel("share of domains above")
    if rows:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=6)
    return Exhibit(
        "transport-distribution", "How tortuous the domains are",
        "Share of the domains whose tortuosity factor lies above the value on the axis. Dotted: the share without any "
        "path from face to face.",
        "Distributions of the tortuosity factor.", figure, pd.concat(rows) if rows else pd.DataFrame(),
    )  # fmt: skip


@styled
def factors(cubes: dict[str, xr.Dataset], synthetic: dict[str, xr.Dataset]) -> Exhibit:
    """Effective over bulk along x, y, z: imaged cubes beside synthetic isotropic ones; whiskers are 1 sigma."""
    named = {
        "conductivity_factor": "conductivity / bulk",
        "young_factor": "Young's modulus / bulk",
    }
    shown = [n for n in named if any(n in one for one in cubes.values())]
    names, width = list(cubes), 2.65
    figure = sheet(2.6)
    rows, top = [], 0.0
    for j, what in enumerate(shown):
        axes = panel(figure, 0.7 + j * (width + 0.75), 0.5, width, 1.75)
        bars = [(n, source) for n in names for source in _sources(n, what, synthetic)]
        for k, (name, source) in enumerate(bars):
            mean, error = _bar_of(name, source, what, cubes, synthetic)
            at = np.arange(3) + (k - (len(bars) - 1) / 2) * 0.8 / len(bars)
            colour = SERIES[names.index(name) % len(SERIES)]
            axes.bar(at, mean, 0.72 / len(bars), color=colour if source == "image" else "none", edgecolor=colour,
                     hatch=None if source == "image" else "////", lw=0.8, label=_words(name, source))  # fmt: skip
            axes.errorbar(at, mean, np.nan_to_num(error), fmt="none", ecolor=INK, elinewidth=0.8, capsize=2)
            top = max(top, float(np.nanmax(mean + np.nan_to_num(error))))
            rows += [{"volume": name, "source": source, "factor": what, "direction": d, "mean": m, "error": e}
                     for d, m, e in zip("xyz", mean, error, strict=True)]  # fmt: skip
        axes.set_xticks(range(3), ["x", "y", "z"])
        axes.set_xlabel("direction")
        axes.set_ylabel(named[what])
    for axes in figure.axes:
        axes.set_ylim(0, 1.15 * top or 1)
    figure.axes[0].legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=6, ncols=min(len(bars), 4), borderpad=0
    )
    return Exhibit(
        "transport-factors", "Microstructure factors",
        "Effective property over that of the dense bulk. Filled: imaged cubes; hatched: synthetic isotropic "
        "polycrystals of the same porosity, pore size and grain size. Whiskers: standard error of the mean of "
        "imaged cubes, standard deviation of synthetic ones (what one of them may differ by). Of a segmentation of "
        "this run imaged cubes are corrected by held-out ones, unless they stand beside synthetic ones.",
        "Bars of conductivity and stiffness factors along x, y and z.", figure, pd.DataFrame(rows),
    )  # fmt: skip


def _sources(name: str, what: str, synthetic: dict[str, xr.Dataset]) -> tuple[str, ...]:
    return ("image", "synthetic") if what in synthetic.get(name, ()) else ("image",)


def _words(name: str, source: str) -> str:
    return name if source == "image" else f"{name}: synthetic"


def _bar_of(name: str, source: str, what: str, cubes, synthetic) -> tuple[np.ndarray, np.ndarray]:
    if what in synthetic.get(name, ()):  # images with the same boundaries drawn as the synthetic ones
        one = synthetic[name].sel(source=source, direction=["x", "y", "z"])
        error = one[f"{what}_spread"].values
        return one[what].values, error / np.sqrt(
            max(one.attrs.get("seeds", 1), 1)
        ) if source == "image" else error
    one = cubes[name].sel(direction=["x", "y", "z"])
    best = f"{what}_mean_corrected" if f"{what}_mean_corrected" in one else f"{what}_mean"
    return one[best].values, one[f"{best}_err"].values
