"""Anode-free thin-film cell under a scanning micro-beam: figures of the micro-XRD paper (000), from the twin.

    python examples/film_micro_xrd.py OUT [--small]

Of the run: transmission, components, rings, ratio of orientations (Fig. 1d to g), maps of c and a in time (Fig. 2b, c),
plated lithium, components, azimuths, tracks and counts of grains (Fig. 4), epitaxy (Figs. S8, S9), calibration and
patterns (Figs. S4, S5, S7, S11). Beside it: profiles of c and a by time (Fig. 2d, e), and of lithium content beside the
film model (Fig. 2f); and of a whole cycle voltage, charge, maps and profiles of the discharge (Fig. 3a to f). OUT/c.gif
is a movie. Not made: schematics, electron and optical micrographs.
"""

import argparse
from pathlib import Path

import _film_figures as figures
import numpy as np
from _page import Page

from operando import flow, show
from operando.show.movie import write_movie
from operando.twin.film import FilmCell, simulate
from operando.twin.film.protocol import step_times

MODEL = """
[film_model]
family = "perp"
steps = "record"             # the current that the cycler recorded
start_x = 1.0
blur_um = 0.85
"""


#: of the cycle: the film alone
RINGS = [
    {"name": "LCO003", "phase": "LiCoO2", "hkl": [0, 0, 3], "half_width_deg": 10, "phases": 2,
     "families": {"perp": [25, 160, 205, 345], "par": [90, 275]}},
    {"name": "LCO110", "phase": "LiCoO2", "hkl": [1, 1, 0], "half_width_deg": 10,
     "families": {"perp": [90, 270], "par": [30, 150, 210, 330]}},
]  # fmt: skip


def cell_of(small: bool) -> FilmCell:
    """The first charge; small: eight maps of two columns, four of them while the front passes."""
    return FilmCell.demo(maps=8, map_period_s=420.0, columns=2) if small else FilmCell.demo()


def cycle_of(small: bool) -> FilmCell:
    """Charge, discharge and rest on three columns; small: eight maps of one column."""
    whole = 300.0 + 8280.0 + 9702.0 + 2400.0
    maps = 8 if small else 36
    return FilmCell.demo(
        title="LCO, LiPON, Ti: first cycle (simulated)", maps=maps, map_period_s=whole / maps, initial_rest_s=300.0,
        columns=1 if small else 3, seed=2,
    )  # fmt: skip


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
    rows = results.groups["lithium/rows"].sel(family="perp")
    there = np.isfinite(rows["x_li"].transpose("time", "z").values).mean(0) > 0.9
    true = known.maps["x_li"].transpose("time", "z", "x").values[:, there].mean((1, 2))
    for j, words, paper in ((0, "first", "1, 0.95 in the model"), (-1, "last", "0.5 at 1.4 mAh/cm²")):
        page.row(f"x in LiCoO₂, mean of the {words} map", rows["x_film"][j], rows["x_film_err"][j], truth=true[j],
                 paper=paper)  # fmt: skip
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


def discharge(page: Page, small: bool) -> None:
    """Fig. 3: a whole cycle on fewer columns; the insulating phase at the surface at the end of the discharge."""
    place, cell = page.out / "cycle", cycle_of(small)
    known = simulate(cell, place / "data")
    file = place / "data" / "experiment.toml"
    file.write_text(file.read_text() + MODEL)
    overrides = {"xrd.rings": RINGS, "xrd.standard": None, "epitaxy": None}
    _, results = flow.run(file, place / "run", overrides=overrides)
    _, back, rest = step_times(cell)
    time = results.groups["xrd"]["time"].values
    last = int(np.abs(time - rest).argmin())
    shown = [int(np.abs(time - at).argmin()) for at in np.linspace(back, rest, 5)]
    shown += [len(time) - 1]
    rows = results.groups["lithium/rows"].sel(family="perp")
    x, error = (rows[name].transpose("time", "z").values for name in ("x_li", "x_li_err"))
    true = known.maps["x_li"].transpose("time", "z", "x").mean("x").values
    inside = np.flatnonzero(np.isfinite(x).mean(0) > 0.9)
    for words, row in (("surface", inside[-2]), ("bottom", inside[1])):
        page.row(f"x near the {words} at the end of discharge", x[last, row], error[last, row], truth=true[last, row],
                 paper="half insulating over 5 µm" if words == "surface" else "")  # fmt: skip
    table = results.groups["echem"]["capacity"].values
    page.row("charge given back, share", (table.max() - table[-1]) / np.ptp(table),
             truth=cell.discharge_mAh_cm2 / cell.charge_mAh_cm2, paper="0.55")  # fmt: skip
    film = results.groups["model/film"]
    there = film.sel(time=rest, method="nearest")
    page.row(
        "insulating layer of the model at the end of discharge", there["insulating"], unit="µm", paper="5"
    )
    maps = list(dict.fromkeys(shown))
    page.figures += [
        figures.cycle(results, maps),
        figures.profiles(results, known, maps, "film-discharge-profiles", "Lattice parameters during the discharge"),
        figures.content(results, known, maps[-5:], "film-discharge-content", "Lithium content during the discharge"),
    ]  # fmt: skip


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
    count = results.groups["xrd"].sizes["time"]
    maps = [np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)) for most in (7, 5)]
    page.figures += [figures.profiles(results, known, maps[0]), figures.content(results, known, maps[1])]
    lattice(page, results, known)
    lithium(page, results, known)
    discharge(page, given.small)
    page.write()


if __name__ == "__main__":
    main()
