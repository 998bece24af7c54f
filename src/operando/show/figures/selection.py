"""Grain selection: energies against temperature, who wins over two inputs, which input decides, films that grew."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.colors import ListedColormap

from ..style import CHANGE, INK, PAPER, RULE, SERIES, Exhibit, edges, hatch_missing, panel, sheet, styled
from ..text import number

#: colour of each orientation
POLES = {"001": SERIES[0], "101": SERIES[1], "111": SERIES[2]}
ZERO_C = 273.15


@styled
def energies(scan: xr.Dataset, crossover: xr.Dataset, names: list[str]) -> Exhibit:
    """Surface and strain parts against temperature, and the chance that the first grain wins."""
    figure = sheet(3.5)
    above, below = panel(figure, 0.85, 1.9, 4.7, 1.45), panel(figure, 0.85, 0.5, 4.7, 1.2)
    t = scan["temperature"].values - ZERO_C
    for k, (name, label) in enumerate((("surface", "surface"), ("strain", "strain"), ("total", "total"))):
        above.plot(t, scan[name].values / 1e3, color=SERIES[k], lw=1.4 if name == "total" else 1, label=label)
    total, error = scan["total"].values / 1e3, scan["total_err"].values / 1e3
    above.fill_between(t, total - error, total + error, color=SERIES[2], alpha=0.15, lw=0)
    above.axhline(0, color=RULE, lw=0.8, zorder=0)
    above.set_ylabel(f"({names[0]}) − ({names[1]}) / kJ m⁻³")
    above.tick_params(labelbottom=False)
    above.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    below.plot(t, scan["probability"].values, color=INK)
    below.set(xlabel="temperature / °C", ylabel=f"chance that ({names[0]}) wins", ylim=(0, 1))
    at = float(crossover["temperature"]) - ZERO_C
    if np.isfinite(at):
        for axes in (above, below):
            axes.axvline(at, color=RULE, lw=0.8, zorder=0)
    return Exhibit(
        "selection-energies", "Energy difference of two grains",
        f"Surface and strain parts of the energy density of grain ({names[0]}) less that of ({names[1]}), and "
        "their sum with "
        f"the band that errors of the inputs give; negative: ({names[0]}) wins. Below, the share of draws of the "
        "inputs in "
        "which it does.",
        "Energy difference and chance of winning against temperature.", figure, scan.to_dataframe().reset_index(),
    )  # fmt: skip


@styled
def winners(found: xr.Dataset) -> Exhibit:
    """Who wins over barrier and surface-energy anisotropy, with contours of the energy difference."""
    figure = sheet(3.0)
    axes = panel(figure, 0.85, 0.5, 3.6, 2.35)
    x, y = found["anisotropy_J_per_m2"].values, found["barrier_2_eV"].values
    total = found["total"].transpose("barrier_2_eV", "anisotropy_J_per_m2").values / 1e3
    span = float(np.abs(total).max())
    image = axes.pcolormesh(edges(x), edges(y), total, cmap=CHANGE, vmin=-span, vmax=span, rasterized=True)
    axes.contour(x, y, total, levels=[0.0], colors=[INK], linewidths=1)
    axes.plot(found.attrs["anisotropy"], found.attrs["barrier"], "o", ms=5, mfc=PAPER, mec=INK)
    one, two = found.attrs["grains"]
    axes.set(xlabel=f"E({two}) − E({one}) / J m⁻²", ylabel=f"barrier of ({two}) / eV")
    bar = figure.colorbar(image, cax=panel(figure, 4.6, 0.5, 0.1, 2.35))
    bar.outline.set_visible(False)
    bar.set_label("energy difference / kJ m⁻³")
    return Exhibit(
        "selection-map", "Who wins, over two inputs",
        f"Energy density of ({one}) less that of ({two}) over the anisotropy of the surface energy and the barrier of "
        f"({two}); blue: ({one}) wins; line: no difference; circle: the inputs of this model.",
        "Map of the winning grain over anisotropy and barrier.", figure,
        found[["total", "wins"]].to_dataframe().reset_index(),
    )  # fmt: skip


@styled
def sensitivity(swings: xr.Dataset, sobol: xr.Dataset) -> Exhibit:
    """What each input does alone, and its share of the variance with the others."""
    names = [str(n) for n in swings["input"].values]
    figure = sheet(0.7 + 0.19 * len(names))
    axes, beside = (
        panel(figure, 1.95, 0.5, 2.6, 0.19 * len(names)),
        panel(figure, 4.95, 0.5, 2.2, 0.19 * len(names)),
    )
    at = np.arange(len(names))[::-1]
    low, high = (swings["total"].values[:, k] / 1e3 for k in (0, 1))
    decides = swings["decides"].values.astype(bool)
    axes.barh(at, high - low, left=low, height=0.6, color=[SERIES[1] if d else SERIES[0] for d in decides])
    axes.axvline(0, color=INK, lw=0.8)
    axes.axvline(swings.attrs["total"] / 1e3, color=RULE, lw=0.8, zorder=0)
    axes.set_yticks(at, [called_input(n) for n in names], fontsize=6)
    axes.set_xlabel("energy difference / kJ m⁻³")
    shares = sobol.sel(input=names)
    beside.barh(at, shares["total_order"].values, xerr=shares["total_order_err"].values, height=0.6, color=SERIES[2],
                error_kw={"lw": 0.7})  # fmt: skip
    beside.set_yticks([])
    beside.set_xlabel("share of the variance (Sobol, total)")
    table = (
        swings[["swing", "decides"]]
        .to_dataframe()
        .reset_index()
        .merge(sobol.to_dataframe().reset_index(), on="input")
    )
    return Exhibit(
        "selection-sensitivity", "Which input decides",
        "Left: the energy difference when one input alone moves by 20 % to both sides; orange: the winner "
        "changes. Right: "
        "share of the variance that each input has when all move at once, with its error.",
        "Sensitivity of the energy difference to each input.", figure, table,
    )  # fmt: skip


def called_input(name: str) -> str:
    """An input of the energy balance in words."""
    for ending in ("_J_per_m2", "_m2_per_s", "_um_per_s", "_eV", "_MPa", "_um", "_K"):
        name = name.removesuffix(ending)
    return name.replace("_", " ")


@styled
def growth(film: xr.Dataset) -> Exhibit:
    """Orientation of each cell at some times; a section along the middle in 3D."""
    names = [str(n) for n in film.attrs["orientations"]]
    which = np.unique(np.linspace(0, film.sizes["time"] - 1, 4).astype(int))
    codes = orientation_codes(film, names)
    width = 6.6
    height = max(0.5, width / len(which) * film.sizes["z"] / film.sizes["x"])
    figure = sheet(1.0 + height)
    for c, i in enumerate(which):
        axes = panel(figure, 0.7 + c * width / len(which), 0.5, width / len(which) - 0.08, height)
        draw_codes(axes, film, codes[i], names)
        axes.set_title(f"{float(film['time'][i]):.3g} s", loc="center", fontsize=7)
        axes.tick_params(labelleft=c == 0)
        if c == 0:
            axes.set(xlabel="x / µm", ylabel="z / µm")
    _key(figure, names)
    last = pd.DataFrame(codes[-1], index=film["z"].values, columns=film["x"].values)
    return Exhibit(
        "growth", "The film as it grew",
        f"Orientation along the growth direction at four times ({film.attrs['form']} form); boundaries are where "
        "the colour or "
        "the grain changes. Equal aspect.",
        "Orientation maps of a growing film.", figure, last.rename_axis("z (um)").reset_index(),
    )  # fmt: skip


def orientation_codes(film: xr.Dataset, names: list[str]) -> np.ndarray:
    """(time, z, x) number of the orientation of each cell, -1 for none; the middle section of a 3D film."""
    grain = film["grain"]
    if "y" in grain.dims:
        grain = grain.isel(y=grain.sizes["y"] // 2)
    of = np.array([names.index(str(n)) for n in film["orientation"].values])
    cells = grain.transpose("time", "z", "x").values
    return np.where(cells >= 0, of[cells], -1)


def draw_codes(axes, film: xr.Dataset, codes: np.ndarray, names: list[str]):
    """Draw one frame; returns the image."""
    hatch_missing(axes)
    colours = ListedColormap([POLES.get(n, SERIES[3 + k % 3]) for k, n in enumerate(names)])
    x, z = edges(film["x"].values), edges(film["z"].values)
    image = axes.imshow(np.ma.masked_less(codes, 0), extent=(x[0], x[-1], z[0], z[-1]), origin="lower", cmap=colours,
                        vmin=-0.5, vmax=len(names) - 0.5, interpolation="nearest", aspect="equal")  # fmt: skip
    axes.spines[:].set_visible(False)
    return image


def _key(figure, names: list[str]) -> None:
    h = figure.get_size_inches()[1]
    for k, name in enumerate(names):
        colour = POLES.get(name, SERIES[3 + k % 3])
        figure.text(
            0.093 + 0.08 * k, 1 - 0.12 / h, f"({name})", color=colour, weight="bold", fontsize=7, va="top"
        )


@styled
def shares(found: xr.Dataset, widths: xr.Dataset) -> Exhibit:
    """Area share of each orientation against height at the end, against time, and grain width against height."""
    figure = sheet(2.5)
    first, second, third = (panel(figure, 0.65 + 2.35 * k, 0.5, 1.75, 1.75) for k in range(3))
    end = found["share_at_height"].isel(time=-1)
    for name in found["orientation"].values:
        colour = POLES.get(str(name), SERIES[3])
        first.plot(found["z"].values, end.sel(orientation=name).values, color=colour, lw=1, label=f"({name})")
        second.plot(found["time"].values, found["share"].sel(orientation=name).values, color=colour, lw=1)
    last = widths.isel(time=-1)
    heights, width, error = (v.values[::5] for v in (widths["z"], last["width"], last["width_err"]))
    third.errorbar(heights, width, error, fmt="o", ms=2, lw=0.7, color=INK)
    first.set(xlabel="height / µm", ylabel="share of area", ylim=(0, 1))
    second.set(xlabel="time / s", ylabel="share of the film", ylim=(0, 1))
    third.set(xlabel="height / µm", ylabel="grain width / µm")
    first.legend(fontsize=6)
    return Exhibit(
        "growth-shares", "Orientations and grain width",
        "Share of the area of each orientation against height at the end, share of the whole film against time, "
        "and mean "
        "width of grains against height at the end, with its standard error.",
        "Orientation shares and grain widths.", figure,
        found["share_at_height"].isel(time=-1, drop=True).to_dataframe().reset_index(),
    )  # fmt: skip


def crossover_words(crossover: xr.Dataset) -> str:
    """The temperature at which the winner changes, with what the errors of the inputs make of it."""
    at, low, high = (float(crossover[name]) - ZERO_C for name in ("temperature", "low", "high"))
    share = float(crossover["crossing_share"])
    if not np.isfinite(at):
        return "The winner does not change in the range of temperatures that was searched."
    return (
        f"The winner changes at {number(at, 3)} °C; with the errors of the inputs between {number(low, 3)} and "
        f"{number(high, 3)} °C (68 %), and in {100 * (1 - share):.0f} % of the draws it does not change at all."
    )


@styled
def interlayer(modulus: xr.Dataset, texture: xr.Dataset) -> Exhibit:
    """Bulk modulus against Li content with the design window, and who wins on each modulus."""
    figure = sheet(2.7)
    left, right = panel(figure, 0.7, 0.5, 2.9, 1.9), panel(figure, 4.5, 0.5, 2.4, 1.9)
    for k, name in enumerate(modulus["alloy"].values):
        line = "--" if "amorphous" in str(name) else "-"
        left.plot(modulus["x"].values, modulus["bulk_modulus"].sel(alloy=name).values, line, color=SERIES[k], lw=1.1,
                  label=str(name))  # fmt: skip
    low, high = modulus.attrs["window"]
    left.axvspan(low, high, color=RULE, alpha=0.5, lw=0, zorder=0)
    left.set(xlabel="share of Li atoms", ylabel="bulk modulus / GPa", ylim=(0, None))
    left.legend(fontsize=6)
    right.plot(texture["substrate"].values, texture["total"].values / 1e3, color=SERIES[0])
    right.axhline(0, color=INK, lw=0.8)
    one, two = texture.attrs["grains"]
    right.set(xlabel="bulk modulus under the Li / GPa", ylabel=f"({one}) − ({two}) / kJ m⁻³")
    return Exhibit(
        "interlayer", "What lies under the lithium",
        "Left: bulk modulus of alloys (Vegard for crystalline ones; the bow of amorphous Li-Si is a choice) and "
        "the window "
        f"of amorphous Li-Si softer than {number(modulus.attrs['limit_GPa'])} GPa (grey). Right: energy density "
        "of grain "
        f"({one}) less that of ({two}) on a layer of each modulus; above zero ({two}) wins. The lattice strain is a "
        "supposition scaled from copper, see the model.",
        "Bulk moduli of interlayers, and the winning grain.", figure, modulus.to_dataframe().reset_index(),
    )  # fmt: skip
