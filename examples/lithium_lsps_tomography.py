"""Li, Li10SnP2S12, Li under tomography: figures of the contact-loss paper (004), from the twin's projections.

    python examples/lithium_lsps_tomography.py OUT [--small]

Projections and cycler file through `operando run`; then the paper's figures: sections before and after (Fig. 1, of the
run), volumes of interphase and lithium by a trained pixel classifier (Fig. 2a, b), what strips lithium metal by the
thickness of the interphase (Fig. 2c, a cell a point), voids (Fig. 3, of the run), contact area
beside the voltage and the voltage from a model (Fig. 4), displacement and stack thickness (Fig. 5), roughness against
void growth (Fig. S9). Not made: the
pressure cell of Figs. S13 and S14.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import _lsps_figures as figures
import numpy as np
import xarray as xr
from _lsps_stripping import stripping
from _page import Page
from _volumes import painted, retrieved

from operando import flow, models, show
from operando import tomography as tomo
from operando.flow.symmetric_model import inscribed_square
from operando.twin.symmetric_cell import SymmetricCell, Truth, simulate, truth
from operando.twin.symmetric_cell.protocol import passed_mAh_cm2

PHASES = {"steel": 1, "lithium": 2, "void": 3, "interphase": 4, "electrolyte": 5, "pore": 6}
PAPER_VOLTAGE = "up to 4 V at the end"
MODEL = """{centre}
[symmetric_model]            # the resistances that the twin's cell has
electrolyte_um = {electrolyte_um}
electrolyte_S_per_cm = {electrolyte_S_per_cm:.4g}
interphase_S_per_cm = 1.67e-4
exchange_mA_per_cm2 = 3.16
interphase_um = {interphase_um}
"""


def cell_of(small: bool) -> SymmetricCell:
    """Lithium is stripped from the top for half a cycle, then from the bottom; the first scan is at rest."""
    if small:
        return SymmetricCell.demo(
            width=96, height=84, diameter_um=144.0, electrolyte_um=44.0, scans=3, scan_period_s=3000.0, rest_s=300.0,
            half_cycle_s=2800.0,
        )  # fmt: skip
    return SymmetricCell.demo(scans=6)


def measured(cell: SymmetricCell, out: Path, small: bool):
    """The experiment's folder, the run, and the truth."""
    simulate(cell, out / "data")
    file = out / "data" / "experiment.toml"
    facts = {"electrolyte_um": cell.electrolyte_um, "electrolyte_S_per_cm": cell.electrolyte_um * 1e-4 / 40.0,
             "interphase_um": list(cell.interphase_um),
             # as small as this the two ways to find the axis disagree, which stops a run: it is given
             "centre": f"centre = {cell.centre_px}\n" if small else ""}  # fmt: skip
    file.write_text(file.read_text() + MODEL.format(**facts))
    folder, results = flow.run(file, out / "run")
    show.write_report(results, folder / "report.html")
    return results, Truth.load(out / "data")


def contact(page: Page, results, known) -> None:
    """Fig. 4a to c: contact, effective current density, voids; beside the truth on the columns that were measured."""
    found, maps = (
        results.groups["tomography"].transpose("time", "electrode", ...),
        results.groups["tomography/maps"],
    )
    used = maps["used"].isel(time=0).values > 0
    true = xr.DataArray((known.maps["contact"].values[..., used] > 0.5).mean(-1), dims=("time", "electrode"))
    void = xr.DataArray(known.maps["void_thickness"].values[..., used].mean(-1), dims=("time", "electrode"))
    last = found.sizes["time"] - 1
    for k, name in enumerate(("bottom", "top")):
        for t, when in ((0, "before"), (last, "after")):
            one = found.isel(time=t, electrode=k)
            page.row(f"share in contact, {name}, {when}", one["contact_share"], one["contact_share_err"],
                     truth=true[t, k], paper="0.20 to 0.25" if t == 0 else "")  # fmt: skip
    under = [t for t in range(last + 1) if abs(float(known.scans["current"][t])) > 0]
    first = found.isel(time=under[0], electrode=1)
    nominal = abs(float(known.scans["current"][under[0]]))
    page.row("effective over nominal current density, top", first["effective_current_density"] / nominal,
             first["effective_current_density_err"] / nominal, truth=1 / true[under[0], 1], paper="4 to 5")  # fmt: skip
    turn = int(np.argmax(known.scans["charge"].values))
    for k, (name, a, b) in enumerate((("bottom", turn, last), ("top", 0, turn))):
        change = [100 * (float(v[b, k]) / float(v[a, k]) - 1) for v in (found["contact_share"], true)]
        page.row(f"contact lost while {name} is stripped", -change[0], unit="%", truth=-change[1],
                 paper="52 in all, 47 in the last hour" if name == "bottom" else "little")  # fmt: skip
        grown = [float(v[b, k] - v[a, k]) for v in (found["void_thickness"], void)]
        page.row(f"mean void thickness gained while {name} is stripped", grown[0], unit="µm", truth=grown[1])
        one_way = (a + 1 if k == 0 and a + 1 < b else a, b)  # the current turned after scan `turn`, not at it
        volumes = found["lithium_volume"], found["lithium_volume_err"]
        true_share, _ = stripped(
            known.scans["lithium_volume"], 0 * known.scans["lithium_volume"], known, k, one_way
        )
        page.row(f"share of the charge from lithium metal, {name}", *stripped(*volumes, known, k, one_way),
                 truth=true_share, paper=("0.51", "0.72")[k])  # fmt: skip
    objects = results.groups["tomography/voids"]
    page.row("mean thickness of a void", float(objects["thickness_mean"].mean()), unit="µm",
             truth=known.voids["thickness"].mean(), paper="about 5")  # fmt: skip
    for name in ("bottom", "top"):
        rough = results.groups["tomography/roughness"].isel(time=0).sel(interface=name)
        face = known.maps["surface_height"].sel(surface=f"interphase_{name}").isel(time=0)
        flat = tomo.remove_form(xr.DataArray(np.where(used, face.values, np.nan), dims=("y", "x")))
        page.row(f"roughness R_a, {name}", rough["R_a"], rough["R_a_err"], unit="µm", truth=abs(flat).mean())
    page.figures.append(figures.contact(found, true, results.groups["echem"], known))


def stripped(volume, error, known, electrode: int, between: tuple[int, int]) -> tuple[float, float]:
    """F dV / (V_m Q) between two scans, and its error: a net share where the current turned in between."""
    at = {"electrode": electrode, "time": list(between)}
    charge = known.scans["charge"].values[[*between]] * known.scans["section_area"].values[[*between]] * 1e-8
    one = tomo.stripping_fraction(
        volume.isel(at), charge * (1 if electrode else -1), molar_volume=13.02,
        volume_err=error.isel(at).values,
    )  # fmt: skip
    return float(one["total"]), float(one["total_err"])


def voltage(page: Page, results) -> None:
    """Fig. 4d: the recorded voltage and that of the contact maps, with and without constriction."""
    model, section = results.groups["model/symmetric"], results.experiment["symmetric_model"]
    maps = results.groups["tomography/maps"].sel(time=model["time"])
    area = results.experiment["cell"]["area_cm2"]
    density = 1e3 * results.groups["tomography"]["cell_current"].sel(time=model["time"]).values / area
    facts = {
        k: section[k]
        for k in ("electrolyte_um", "electrolyte_S_per_cm", "interphase_S_per_cm", "exchange_mA_per_cm2")
    }
    cell = models.SymmetricCell(area_cm2=area, **facts)
    faces = {}
    for side, sign, thick in zip(("bottom", "top"), (-1, 1), section["interphase_um"], strict=True):
        seen = [inscribed_square(maps.sel(electrode=side).isel(time=t)) for t in range(maps.sizes["time"])]
        faces[side] = models.interface_from_maps(
            cell, seen, maps.attrs["voxel_um"], sign * density, interphase_um=thick
        )
    curves = models.contact_scenarios(cell, model["time"].values, faces["top"], faces["bottom"], density)
    recorded = model["measured"].values
    for name in ("100% of the measured contact", "measured contact, with constriction"):
        page.row(f"voltage of the last scan, {name}", curves["voltage"].sel(scenario=name)[-1], unit="V",
                 truth=recorded[-1], paper=PAPER_VOLTAGE)  # fmt: skip
    page.figures.append(figures.voltage(curves, model["time"].values, recorded))


def motion(page: Page, results, known) -> None:
    """Fig. 5: displacement of the solid from the first to the last scan, positions of faces, stack thickness."""
    found, moved = results.groups["tomography"], results.groups["tomography/displacement"]
    stack, true = found["stack_thickness"], known.scans["stack_thickness"].values
    change = [v - v[0] for v in (stack.values, true)]
    error = float(np.hypot(*found["stack_thickness_err"].values[[0, -1]]))
    page.row("change of the stack's thickness", change[0][-1], error, unit="µm", truth=change[1][-1],
             paper="falls")  # fmt: skip
    good = moved["u_z"].where(moved["flag"] == 0)
    middle = good.median(("y", "x"))
    rise = known.displacement["rise"].isel(time=-1).mean(("y", "x")).interp(z=middle["z"].values)
    off = middle.values - rise.values
    use = np.isfinite(off)
    page.row("rise of the solid, largest by height", np.nanmax(np.abs(middle.values[use])), unit="µm",
             truth=np.nanmax(np.abs(rise.values[use])), paper="up to 20")  # fmt: skip
    page.row("rise of the solid, rms error by height", float(np.sqrt(np.mean(off[use] ** 2))), unit="µm")
    page.figures.append(figures.motion(found, known, moved, results.groups["tomography/maps"]))


def relation(page: Page, results) -> None:
    """Fig. S9: does a void grow where the interface was rough?"""
    maps = results.groups["tomography/maps"].sel(electrode="top")
    turn = int(np.argmax(results.groups["tomography"]["capacity"].values))
    face = maps["face"].isel(time=0).assign_attrs(voxel_um=maps.attrs["voxel_um"])
    rough = tomo.local_roughness(face, 20.0)
    growth = (maps["void"].isel(time=turn) - maps["void"].isel(time=0)).assign_attrs(
        voxel_um=maps.attrs["voxel_um"]
    )
    one = tomo.map_relation(rough, growth, rng=np.random.default_rng(0), block_um=20.0)
    page.row("roughness against void growth, rank correlation", one["correlation"], one["correlation_err"], truth=0,
             paper="no relation")  # fmt: skip
    page.row("  its p-value, by blocks (by columns, which is wrong: "
             f"{float(one['p_value_naive']):.1g})", one["p_value"])  # fmt: skip
    page.figures.append(figures.relation(rough, growth, one))


def interphase(page: Page, cell: SymmetricCell, small: bool) -> None:
    """Fig. 2b: volumes of interphase and lithium by a forest on painted voxels, in a block of the same cell."""
    block = replace(cell, diameter_um=None, casing_um=0.0, width=48 if small else 128)
    known = truth(block)
    scans = [retrieved(block, k, PHASES) for k in range(block.scans)]
    other = retrieved(
        replace(block, seed=block.seed + 5), block.scans - 1, PHASES
    )  # another cell, painted and held out
    half = other[0].sizes["y"] // 2
    train = [(g.isel(y=slice(0, half)), p.isel(y=slice(0, half))) for g, p in (scans[0], other)]
    rng = np.random.default_rng(0)
    forest = tomo.train_forest(
        [g for g, _ in train], [painted(p, 0.02, rng) for _, p in train],
        features=tomo.FeatureSettings(dimensions=3), balanced=False, depth=14,
    )  # fmt: skip
    held = [(g.isel(y=slice(half, None)), p.isel(y=slice(half, None))) for g, p in (scans[0], other)]
    guess = [tomo.most_likely(forest.probabilities(g)) for g, _ in held]
    confusion = tomo.confusion_matrix(guess, [p for _, p in held])
    labels = [tomo.most_likely(forest.probabilities(grey)) for grey, _ in scans]
    found = [tomo.corrected_volumes(one, confusion, rng=np.random.default_rng(1)) for one in labels]
    number, true = (
        list(PHASES),
        [[(p.values == k + 1).sum() * cell.voxel_um**3 for k in range(6)] for _, p in scans],
    )
    turn = int(np.argmax(known.scans["charge"].values))
    passed = sum(passed_mAh_cm2(block, known.scans["time"].values))  # both ways
    for name in ("interphase", "lithium"):
        k = number.index(name)
        one = found[turn].isel(phase=k)
        page.row(f"volume of {name}, end of the first half cycle", one["volume_corrected"] * 1e-3,
                 one["volume_err"] * 1e-3, unit="10³ µm³", truth=true[turn][k] * 1e-3)  # fmt: skip
    page.figures.append(figures.volumes(found, np.array(true), passed, number, scans[turn][0], labels[turn]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--small", action="store_true", help="three scans of 96 x 96 x 84 voxels")
    given = parser.parse_args()
    cell = cell_of(given.small)
    results, known = measured(cell, given.out, given.small)
    page = Page(given.out, "Li, Li₁₀SnP₂S₁₂, Li: contact, voids, interphase, displacement, voltage")
    page.run(results)
    contact(page, results, known)
    voltage(page, results)
    interphase(page, cell, given.small)
    block = replace(cell, diameter_um=None, casing_um=0.0, width=48 if given.small else 128)
    stripping(page, block, PHASES, given.small)
    motion(page, results, known)
    relation(page, results)
    page.write()


if __name__ == "__main__":
    main()
