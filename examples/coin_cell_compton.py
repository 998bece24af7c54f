"""Coin cell under Compton imaging: figures and tables of the Compton paper (001), from the twin.

    python examples/coin_cell_compton.py OUT [--small]

Spectra, profiles and maps of lithium content of a slow and a fast cycle (Figs. 3, 4, S3 to S5, table 1), impedance at
the end of charge and of discharge (Fig. 2c, d), roughness of both interfaces by state (table 2, Fig. S10). Not made:
volume renderings (Figs. 1, 5, S6, S8, S9), and cycling, rate and sweep tests of other cells (Figs. 2a, b, S1, S2).
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from _page import Page, drawn, styled
from _volumes import greys, retrieved

from operando import compton, echem, flow, show
from operando import tomography as tomo
from operando.show.style import INK, MARKS, SERIES, panel, sheet
from operando.twin.coin_cell import CoinCell, simulate_coin_cell
from operando.twin.coin_cell.cell import SLOW
from operando.twin.symmetric_cell import Label, SymmetricCell, truth

PAPER = {  # table 1 (x at 0.1 and 1 C) and table 2 (R_a of anode and cathode, um, at 0.1 C)
    "pristine": (1.01, 1.01, 5.07, 2.12), "charging": (0.93, 0.93, 5.28, 2.21),
    "end of charge": (0.26, 0.66, 5.38, 2.25),
    "discharging": (0.57, 0.78, 5.73, 2.43), "end of discharge": (0.91, 0.91, 6.10, 2.49),
}  # fmt: skip
CIRCUIT = "R0-p(R1,CPE1)-p(R2,CPE2)"
KNOWN = {  # Ohm cm2; R1 is the paper's
    "end of charge": (20.0, 87.3, 2e-6, 0.9, 60.0, 5e-4, 0.85),
    "end of discharge": (20.0, 99.6, 2e-6, 0.9, 75.0, 5e-4, 0.85),
}  # fmt: skip
BLUR_ERROR = 0.02  # of R_a: docs/tomography.md


def lithium(page: Page, small: bool) -> None:
    """Table 1: x by state, at both rates."""
    found = {}
    for k, rate in enumerate(("0.1 C", "1 C")):
        states = tuple(replace(s, x=PAPER[s.name][k]) if s.name in PAPER else s for s in SLOW)
        size = {"pixels": 20, "pitch_mm": 1.0, "tomogram_um": (250.0, 5.0)} if small else {}
        cell = CoinCell.demo(
            states=states, seed=k + 1, title=f"Li, PEO, NMC622 at {rate} (simulated)", **size
        )
        place = page.out / rate.replace(" ", "")
        simulate_coin_cell(cell, place / "data")
        folder, results = flow.run(place / "data" / "experiment.toml", place / "run")
        show.write_report(results, folder / "report.html")
        if k == 0:
            page.run(results)
        table = results.groups["compton/states"]
        for name, values in PAPER.items():
            one = table.sel(state=name)
            found[name, rate] = (
                float(one["x_li"]),
                float(one["x_li_err"]),
                float(one["emr"]),
                float(one["x_li_err_fit"]),
            )
            page.row(
                f"x, {name}, {rate}", one["x_li"], one["x_li_err"], truth=values[k], paper=f"{values[k]:.2f}"
            )
    slow, fast = (
        [found[n, rate] for n in ("pristine", "end of charge")] for rate in ("0.1 C", "1 C")
    )  # what was there, what was left
    pairs = [(v[0], v[3]) for v in (*slow, *fast)]
    rates = compton.compare_rates(*pairs)
    page.row("Li left at the end of charge, 0.1 C less than 1 C by", *rates["residual_reduction"],
             truth=1 - 0.26 / 0.66, paper="0.61, called efficiency")  # fmt: skip
    page.row("Li extracted, 0.1 C over 1 C", *rates["extraction_ratio"], truth=(1.01 - 0.26) / (1.01 - 0.66))
    page.figures.append(by_state(found))


def by_state(found):
    """Fig. S5 and table 1 as a figure: x and momentum ratio by state and rate."""
    with styled():
        figure = sheet(2.3)
        left, right = panel(figure, 0.7, 0.6, 3.6, 1.55), panel(figure, 5.2, 0.6, 2.1, 1.55)
        for k, rate in enumerate(("0.1 C", "1 C")):
            rows = [found[n, rate] for n in PAPER]
            at = np.arange(len(PAPER)) + 0.08 * (2 * k - 1)
            left.errorbar(
                at,
                [r[0] for r in rows],
                [r[1] for r in rows],
                fmt=MARKS[k],
                ms=4,
                color=SERIES[k],
                label=rate,
            )
            left.plot(np.arange(len(PAPER)), [v[k] for v in PAPER.values()], "x", ms=5, color=INK, zorder=0)
            right.plot([r[0] for r in rows], [r[2] for r in rows], MARKS[k], ms=4, color=SERIES[k])
        left.set_xticks(range(len(PAPER)), [n.replace(" of ", "\nof ") for n in PAPER])
        left.set_ylabel("x in the cathode")
        left.legend()
        right.set(xlabel="x in the cathode", ylabel="momentum ratio (EMR)")
    rows = [{"state": n, "rate": r, "x": v[0], "error": v[1], "emr": v[2]} for (n, r), v in found.items()]
    return drawn("compton-rates", "Lithium content by state and rate",
                 "x of the whole cathode, error with that of the calibration; crosses: true. Right: momentum ratio.",
                 figure, pd.DataFrame(rows))  # fmt: skip


def impedance(page: Page) -> None:
    """Fig. 2c, d: resistances at the end of charge and of discharge from spectra with 0.5 % noise."""
    frequency, rng, rows = np.geomspace(1e5, 0.1, 60), np.random.default_rng(0), []
    for state, values in KNOWN.items():
        z = echem.circuit_impedance(CIRCUIT, values, frequency)
        z = z + 0.005 * abs(z) * (rng.standard_normal(60) + 1j * rng.standard_normal(60)) / np.sqrt(2)
        spectrum = xr.Dataset({"z_re": ("frequency", z.real, {"units": "Ohm"}),
                               "z_im": ("frequency", z.imag, {"units": "Ohm"})}, {"frequency": frequency})  # fmt: skip
        fit = echem.fit_circuit(spectrum, CIRCUIT, [15, 70, 1e-6, 0.9, 50, 1e-3, 0.8])
        for name, what, true in (("R1", "R_int", values[1]), ("R2", "R_ct", values[4])):
            one = fit.sel(parameter=name)
            paper = {"R_int": f"{values[1]}", "R_ct": "rises"}[what]
            page.row(
                f"{what}, {state}", one["value"], one["value_err"], unit="Ω cm²", truth=true, paper=paper
            )
        rows.append((state, z, echem.circuit_impedance(CIRCUIT, fit["value"].values, frequency)))
    with styled():
        figure = sheet(2.3)
        axes = panel(figure, 0.7, 0.45, 4.2, 1.7)
        for k, (state, z, fitted) in enumerate(rows):
            axes.plot(z.real, -z.imag, MARKS[k], ms=2.5, color=SERIES[k], label=state)
            axes.plot(fitted.real, -fitted.imag, color=SERIES[k], lw=0.9)
        axes.set(xlabel="Re Z / Ω cm²", ylabel="−Im Z / Ω cm²", aspect="equal")
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    data = pd.concat(pd.DataFrame({"state": s, "real": z.real, "imag": z.imag}) for s, z, _ in rows)
    page.figures.append(drawn("compton-impedance", "Impedance at the end of charge and of discharge",
                              f"Spectra of {CIRCUIT} with 0.5 % noise, and their fits.", figure, data))  # fmt: skip


def roughness(page: Page, small: bool) -> None:
    """Table 2: R_a of anode and cathode interface by state, from volumes; the twin's mean R_a is the paper's."""
    rows, maps = [], {}
    for k, (state, values) in enumerate(PAPER.items()):
        cell = SymmetricCell.demo(
            seed=k + 1, diameter_um=None, casing_um=0.0, voxel_um=3.25, width=96 if small else 200, height=64,
            steel_um=16.0, lithium_um=(50.0, 60.0), electrolyte_um=60.0, interphase_um=(0.0, 0.0), scans=1,
            roughness_um=(values[3], values[2]), contact_start=(1.0, 1.0), porosity=0.0, grain_contrast=0.0,
            boundary_contrast=0.0,
        )  # fmt: skip
        grey, _ = retrieved(cell, 0, {"lithium": 2, "solid": (4, 5)})
        level = greys(cell)
        pair = float(level[Label.LITHIUM]), float(level[Label.ELECTROLYTE])
        known = truth(cell).scans["R_a"].isel(time=0)
        for name, interface, sides, ends, paper in (
            ("cathode", "interphase_bottom", pair, (30, 110), values[3]),
            ("anode", "interphase_top", pair[::-1], (80, 160), values[2]),
        ):
            faces = tomo.surface_heights(grey, *sides, z_um=ends, noise=0.03)
            one = tomo.height_parameters(faces["height"], height_err=faces["height_err"])
            true = float(known.sel(surface=interface))
            found = float(one["Ra"])
            noise = float(faces["height_err"].mean()) * np.sqrt(2 / faces["height"].size) + BLUR_ERROR * true
            page.row(
                f"R_a, {name} interface, {state}", found, noise, unit="µm", truth=true, paper=f"{paper:.2f}"
            )
            rows.append(
                {
                    "interface": name,
                    "state": state,
                    "R_a": found,
                    "as_a_sample": float(one["Ra_err"]),
                    "true": true,
                }
            )
            if name == "anode" and state in ("pristine", "end of discharge"):
                maps[state] = tomo.remove_form(faces["height"])
    page.figures.append(topography(pd.DataFrame(rows), maps))


def topography(table: pd.DataFrame, maps):
    """Fig. S10 and table 2 as a figure."""
    with styled():
        figure = sheet(2.4)
        limit = max(float(abs(m).max()) for m in maps.values())
        for k, (state, one) in enumerate(maps.items()):
            axes = panel(figure, 0.6 + 1.85 * k, 0.5, 1.7, 1.7)
            size = one.sizes["x"] * one.attrs["voxel_um"]
            seen = axes.imshow(
                one, origin="lower", extent=(0, size, 0, size), cmap="RdBu_r", vmin=-limit, vmax=limit
            )
            axes.set_title(f"anode, {state}", fontsize=7)
            axes.set_xlabel("x / µm")
            axes.tick_params(labelleft=k == 0)
            if k == 0:
                axes.set_ylabel("y / µm", labelpad=2)
        box = axes.get_position()
        figure.colorbar(
            seen, cax=figure.add_axes((box.x1 + 0.008, box.y0, 0.011, box.height)), label="height / µm"
        )
        axes = panel(figure, 5.45, 0.75, 1.95, 1.45)
        for k, (name, part) in enumerate(table.groupby("interface", sort=False)):
            at = np.arange(len(part))
            axes.errorbar(
                at,
                part["R_a"],
                part["as_a_sample"],
                fmt=f"{MARKS[k]}-",
                ms=3.5,
                lw=0.9,
                color=SERIES[k],
                label=name,
            )
            axes.plot(at, part["true"], "x", color=INK, ms=5)
        axes.set_xticks(
            at, [s.replace("end of ", "end of\n") for s in part["state"]], rotation=60, fontsize=6
        )
        axes.set_ylabel("R_a / µm")
        axes.set_ylim(0, None)
        axes.legend()
    return drawn("compton-roughness", "Roughness of the interfaces by state",
                 "Topography of the anode's interface, mean plane removed, and arithmetic mean deviation by "
                 "state. Bars: as a sample of a larger face (each state is another piece of the twin); "
                 "crosses: true for this piece.", figure, table)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--small", action="store_true", help="20 x 20 pixels, 96 x 96 columns")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    page = Page(given.out, "Li, polymer, NMC622 coin cell: lithium content, impedance, roughness")
    lithium(page, given.small)
    impedance(page)
    roughness(page, given.small)
    page.write()


if __name__ == "__main__":
    main()
