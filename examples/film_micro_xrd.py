"""Anode-free thin-film cell under a scanning micro-beam: figures of the micro-XRD paper (000), from the twin.

    python examples/film_micro_xrd.py OUT [--small]

Of the run: transmission, components, rings, ratio of orientations (Fig. 1d to g), maps of c and a in time (Fig. 2b, c),
plated lithium, components, azimuths, tracks and counts of grains (Fig. 4), epitaxy (Figs. S8, S9), calibration and
patterns (Figs. S4, S5, S7, S11). Beside it: profiles of c and a by time (Fig. 2d, e), and of lithium content beside the
film model (Fig. 2f). OUT/c.gif is a movie. Not made: the discharge (Fig. 3) unless a cell with one is given,
schematics, electron and optical micrographs.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from _page import Page, drawn, styled

from operando import flow, show
from operando.show.movie import write_movie
from operando.show.style import INK, SOFT, panel, sheet
from operando.twin.film import FilmCell, simulate

MODEL = """
[film_model]
family = "perp"
steps = "record"             # the current that the cycler recorded
start_x = 1.0
blur_um = 0.85
"""


def cell_of(small: bool) -> FilmCell:
    """The first charge; small: eight maps of two columns, four of them while the front passes."""
    return FilmCell.demo(maps=8, map_period_s=420.0, columns=2) if small else FilmCell.demo()


def lattice(page: Page, results, known) -> None:
    """c and a at the end, x, and the front: Fig. 2."""
    for ring, axis, paper in (("LCO003", "c", {"perp": "14.32 at 1.4 mAh/cm²", "par": "14.12"}),
                              ("LCO110", "a", {"perp": "2.7985", "par": "2.7980"})):  # fmt: skip
        for family in ("perp", "par"):
            last = results.groups[f"xrd/{ring}"].sel(family=family).isel(time=-1)
            true = known.maps[axis].sel(family=family).isel(time=-1)
            good = np.isfinite(last[axis].values) & (last["flag"].values == 0)
            if good.any():
                weight = last[f"{axis}_err"].values[good] ** -2
                mean = [(v.values[good] * weight).sum() / weight.sum() for v in (last[axis], true)]
                page.row(f"{axis} of {family}, last map", mean[0], weight.sum() ** -0.5, unit="Å", truth=mean[1],
                         paper=paper[family])  # fmt: skip
    x = results.groups["lithium"].sel(family="perp").isel(time=-1)
    true = known.maps["x_li"].isel(time=-1)
    good = np.isfinite(x["x_li"].values) & (x["x_li_flag"].values == 0)
    if good.any():
        page.row("x in LiCoO₂, mean of the last map", x["x_li"].values[good].mean(), x["x_li_err"].values[good].mean(),
                 truth=true.values[good].mean(), paper="0.5 at 1.4 mAh/cm²")  # fmt: skip
    front = results.groups.get("xrd/LCO003/front")
    if front is not None:
        one = front.sel(family="perp")
        speed, error = one["speed"].values, one["speed_err"].values
        good = np.isfinite(speed)
        if good.any():
            page.row("speed of the front", -speed[good].mean(), np.sqrt((error[good] ** 2).sum()) / good.sum(),
                     unit="nm/s", truth=known.cell.front_speed_nm_per_s, paper="10")  # fmt: skip
        width = one["width"].values[np.isfinite(one["width"].values) & (one["flag"].values == 0)]
        if width.size:
            true = np.hypot(known.cell.front_width_um, 1.09 * known.cell.beam_z_fwhm_um)
            page.row(
                "width of the front, 10-90 %, with the beam",
                np.median(width),
                unit="µm",
                truth=true,
                paper="6",
            )


def lithium(page: Page, results, known) -> None:
    """Plated lithium and its grains: Fig. 4."""
    layer = results.groups["xrd/Ti100/layer"]
    last = int(
        np.flatnonzero(np.isfinite(layer["displacement"]).any("x").values)[-1]
    )  # a thin layer can hide
    lift, error = layer["displacement"].isel(time=last), layer["displacement_err"].isel(time=last)
    good = np.isfinite(lift.values)
    mean_err = np.sqrt((error.values[good] ** 2).mean() / good.sum())
    true = known.columns["plated"].isel(time=last).values[good].mean()
    page.row(
        f"rise of the titanium, map {last + 1}",
        lift.values[good].mean(),
        mean_err,
        unit="µm",
        truth=true,
        paper="5 to 6",
    )
    counts = results.groups["grains/counts"].isel(time=-1)
    page.row("lithium grains in the last map", counts["total"], counts["total_err"],
             truth=known.grains["total"].isel(time=-1), paper="some 100, of more columns")  # fmt: skip
    if "epitaxy/tests" in results.groups:
        p = results.groups["epitaxy/tests"]["so_far_p"].values
        if np.isfinite(p).any():
            page.row(
                "p that grains do not care for the titanium", p[np.isfinite(p)][-1], paper="claimed by eye"
            )


def profiles(results, known):
    """Fig. 2d, e: mean c and a by depth, one line a map, with errors; dashes: true."""
    names = [("LCO003", "c", f) for f in ("perp", "par")] + [("LCO110", "a", "perp")]
    import matplotlib as mpl

    rows = []
    with styled():
        figure = sheet(2.6)
        for k, (ring, axis, family) in enumerate(names):
            axes = panel(figure, 0.7 + 2.35 * k, 0.45, 1.75, 1.85)
            data = results.groups[f"xrd/{ring}"].sel(family=family)
            count = data.sizes["time"]
            shown = np.unique(np.linspace(0, count - 1, min(count, 7)).astype(int))
            for j in shown:
                colour = mpl.colormaps["viridis"](0.9 * j / max(count - 1, 1))
                one = data.isel(time=j)
                value = one[axis].where(one["flag"] == 0)
                weight = 1 / one[f"{axis}_err"] ** 2
                mean = (value * weight).sum("x") / weight.where(value.notnull()).sum("x")
                error = weight.where(value.notnull()).sum("x") ** -0.5
                ok = np.isfinite(error.values)
                axes.errorbar(mean.values[ok], one["z"].values[ok], xerr=error.values[ok], color=colour, lw=1,
                              elinewidth=0.7, label=f"{float(one['time']) / 60:.0f} min")  # fmt: skip
                true = known.maps[axis].sel(family=family).isel(time=j).where(value.notnull()).mean("x")
                axes.plot(true, true["z"], color=INK, lw=0.5, ls="--", zorder=5)
                rows.append(pd.DataFrame({"ring": ring, "family": family, "time": float(one["time"]), "z": one["z"],
                                          axis: mean, f"{axis}_err": error}))  # fmt: skip
            axes.set(xlabel=f"{axis} / Å", title=f"{ring} {family}")
            axes.set_ylabel("z / µm" if k == 0 else "")
            axes.tick_params(labelleft=k == 0)
            axes.locator_params(axis="x", nbins=3)
            if k == 0:
                axes.legend(loc="lower right", bbox_to_anchor=(1.12, 0.0), fontsize=5.5, handlelength=1.0)
    return drawn(
        "film-profiles", "Lattice parameters by depth",
        "Mean over the columns at each height of the film, one colour a map, with 1σ errors; dashed: true. The "
        "electrolyte is at the top.", figure, pd.concat(rows),
    )  # fmt: skip


def content(results, known):
    """Fig. 2f: lithium content by depth, found, modelled and true, while the front passes."""
    data, model = results.groups["lithium"].sel(family="perp"), results.groups.get("model/film/compare")
    rows = []
    with styled():
        count = data.sizes["time"]
        shown = np.unique(np.linspace(0, count - 1, min(count, 5)).astype(int))
        figure = sheet(2.3)
        for k, j in enumerate(shown):
            axes = panel(figure, 0.6 + 1.38 * k, 0.45, 1.25, 1.6)
            one = data.isel(time=int(j))
            mean, error = one["x_li"].mean("x"), one["x_li_err"].mean("x")
            axes.errorbar(
                mean, one["z"], xerr=error, fmt="o", ms=2.5, elinewidth=0.7, color="#0b6fb3", label="found"
            )
            true = known.maps["x_li"].isel(time=int(j)).mean("x")
            axes.plot(true, true["z"], color=INK, lw=0.7, ls="--", label="true")
            if model is not None:
                axes.plot(
                    model["x_modelled"].isel(time=int(j)),
                    model["z"],
                    color="#c8501a",
                    lw=1,
                    label="film model",
                )
            axes.set(xlim=(0.4, 1.05), title=f"{float(one['time']) / 60:.0f} min", xlabel="x in LiₓCoO₂")
            axes.set_ylabel("z / µm" if k == 0 else "")
            axes.tick_params(labelleft=k == 0)
            axes.axvspan(0.75, 0.94, color=SOFT, alpha=0.12, lw=0)
            rows.append(
                xr.Dataset({"x_li": mean, "x_li_err": error})
                .to_dataframe()
                .reset_index()
                .assign(time=float(one["time"]))
            )
        axes.legend(loc="lower left", bbox_to_anchor=(-0.1, 0.0), fontsize=6)
    return drawn(
        "film-content", "Lithium content by depth",
        "Found from c of the family perp, with errors (calibration in them); dashed: true; orange: the film model with "
        "its default inputs. Grey: the miscibility gap.", figure, pd.concat(rows),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--small", action="store_true", help="eight maps of two columns")
    given = parser.parse_args()
    known = simulate(cell_of(given.small), given.out / "data")
    file = given.out / "data" / "experiment.toml"
    file.write_text(file.read_text() + MODEL)
    folder, results = flow.run(file, given.out / "run")
    show.write_report(results, folder / "report.html")
    write_movie(results, given.out / "c.gif", "xrd/LCO003:c:perp")
    page = Page(given.out, "LiCoO₂, LiPON, Ti: lattice, front, plated lithium, grains")
    page.run(results)
    page.figures += [profiles(results, known), content(results, known)]
    lattice(page, results, known)
    lithium(page, results, known)
    page.write()


if __name__ == "__main__":
    main()
