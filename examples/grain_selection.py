"""Which grain of lithium wins: figures of the grain-selection paper (002), with the errors that it lacks.

    python examples/grain_selection.py OUT [--small]

Energy balance against temperature (Fig. 3A), phase map (Fig. 4), sensitivity and crossover (not in the paper), phase
field at 25 and 80 °C over several draws of the nuclei (Fig. 2, S4 to S6), shares of growth directions from orientation
maps that hold what the paper counted (Fig. 3C to F), interlayers (Fig. 5A). Not made: the cells' voltage curves and the
micrographs, which no model here makes.
"""

import argparse
from pathlib import Path

import numpy as np
from _page import Page
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from operando import flow, models, show
from operando.flow import model_runs
from operando.models import phase_field as pf
from operando.show.growth_movie import write_growth

METAL, ANISOTROPY = "Li", 0.105  # E(101) - E(001), J/m2, that the paper's conclusion needs
BARRIER = {"001": 0.14, "101": 0.02, "111": 0.2}  # eV; that of (111) is not known
SEEN = {"25 °C": (("001", 0.571), ("101", 0.14)), "80 °C": (("001", 0.154), ("101", 0.487))}  # paper, EBSD


def kept(page: Page, name: str, make, prefix: str = ""):
    """A model as a run of its own, its report, and its figures on the page."""
    results = model_runs.write_model(name, {"example": name}, make, page.out / name)
    show.write_report(results, page.out / name / "report.html")
    before = len(page.figures)
    page.run(results)
    if prefix:
        from dataclasses import replace

        page.figures[before:] = [replace(f, name=f"{prefix}-{f.name}", title=f"{f.title}, {prefix}") for f in
                                 page.figures[before:]]  # fmt: skip
    return results


def balance(page: Page, small: bool) -> None:
    """Strain and surface energy of (001) less (101), where the winner changes, and how sure that is."""
    errors = 0.05
    results = kept(
        page, "balance",
        lambda: model_runs.grain_selection(METAL, anisotropy=ANISOTROPY, low_C=0, high_C=120, errors=errors, seed=1),
    )  # fmt: skip
    for celsius in (25.0, 80.0):
        one = models.energy_difference(models.Balance.of(METAL, temperature_K=celsius + 273.15))
        flux = 1e-5 * 1e-9  # L R of 10 um and 0.001 um/s, m2/s
        d = [1e-15 * np.exp(-BARRIER[n] / (8.617333e-5 * (celsius + 273.15))) for n in ("001", "101")]
        by_hand = 0.55e6 * 0.4 * (np.exp(-d[0] / flux) - np.exp(-d[1] / flux))
        page.row(
            f"strain energy, (001) less (101), {celsius:.0f} °C", one["strain"], unit="J/m³", truth=by_hand
        )
    cross = models.crossover_temperature(
        _balance(), {"surface_energy_2_J_per_m2": 0.003, "barrier_2_eV": 0.002}, rng=np.random.default_rng(0)
    )
    page.row("temperature above which (101) wins", float(cross["temperature"]) - 273.15, cross["temperature_err"],
             unit="°C", paper="between 25 and 80, no error")  # fmt: skip
    chance = results.groups["model/grain_selection/scan"]["probability"]
    for celsius in (25.0, 80.0):
        page.row(f"chance that (001) wins, inputs known to 5 %, {celsius:.0f} °C",
                 chance.interp(temperature=celsius + 273.15), paper=("1", "0")[celsius > 50])  # fmt: skip


def _balance() -> models.Balance:
    first = float(models.material(METAL).surface_energy("001"))
    return models.Balance.of(
        METAL, surface_energy_1_J_per_m2=first, surface_energy_2_J_per_m2=first + ANISOTROPY
    )


def films(page: Page, small: bool) -> None:
    """Films of 35 um (small: 15) grown at 0.001 um/s from random nuclei, at two temperatures."""
    shape, nuclei, draws = ((30, 100), 38, 3) if small else ((70, 200), 75, 6)
    facts = models.material(METAL)
    surface = {n: float(facts.surface_energy(n)) for n in BARRIER}
    surface["101"] = surface["001"] + ANISOTROPY
    for celsius, wins in ((25.0, "001"), (80.0, "101")):
        energies = models.grain_energies(METAL, tuple(BARRIER), barrier_eV=BARRIER,
                                         surface_energy_J_per_m2=surface, temperature_K=celsius + 273.15)  # fmt: skip
        model = pf.consistent(energies)
        growth = pf.Growth(shape, 500.0 * shape[0], 2.0)
        shares = []
        for seed in range(draws):
            nucleus = pf.random_nuclei(shape, nuclei, model.orientations, rng=np.random.default_rng(seed))
            film = pf.grow(model, growth, nucleus, frames=11)
            shares.append(pf.orientation_shares(film)["share"].isel(time=-1))
            if seed == 0:
                groups = {"film": film, "shares": pf.orientation_shares(film), "widths": pf.grain_widths(film),
                          "survivors": pf.survivors(film)}  # fmt: skip
                made = {f"model/phase_field/{n}": one for n, one in groups.items()}
                results = kept(page, f"film-{celsius:.0f}C", lambda m=made: m, f"{celsius:.0f}C")
                write_growth(results, page.out / f"film-{celsius:.0f}C" / "growth.gif")
        for name in ("001", "101"):
            values = np.array([float(s.sel(orientation=name)) for s in shares])
            page.row(f"share of ({name}) in the film, {celsius:.0f} °C, {draws} draws", values.mean(),
                     values.std(ddof=1) / np.sqrt(draws), paper="wins" if name == wins else "loses")  # fmt: skip


def orientation_maps(page: Page) -> None:
    """Maps with the shares that the paper counted, through `[ebsd]`: what so few grains can say."""
    rng = np.random.default_rng(4)
    folder = page.out / "ebsd"
    folder.mkdir(exist_ok=True)
    names = []
    for condition, wanted in SEEN.items():
        grains = 60
        along = [
            np.array([int(c) for c in n], float) for n, share in wanted for _ in range(round(share * grains))
        ]
        turns = [_along(direction, rng) for direction in along]
        turns += [
            _along(np.array([0.36, 0.72, 1.5]), rng) for _ in range(grains - len(along))
        ]  # far from all three
        write_ang(folder / f"{condition[:2]}.ang", Rotation.concatenate(turns), rng)
        names.append(f'{{ name = "{condition}", file = "{condition[:2]}.ang" }}')
    (folder / "experiment.toml").write_text(
        f'title = "Lithium at two temperatures"\n[ebsd]\nmaps = [{", ".join(names)}]\n'
    )
    run, results = flow.run(folder / "experiment.toml", folder / "run")
    show.write_report(results, run / "report.html")
    page.run(results)
    shares = results.groups["ebsd/shares"].sel(by="grains")
    for k, (condition, wanted) in enumerate(SEEN.items()):
        for j, (name, share) in enumerate(wanted):
            one = shares.isel(map=k, pole=j)
            page.row(f"grains within 15° of ({name}), {condition}", one["share"], (one["high"] - one["low"]) / 4,
                     truth=round(60 * share) / 60, paper=f"{share:.3f}" if share != 0.14 else "")  # fmt: skip
    page.row(
        "p that both temperatures have one texture",
        results.groups["ebsd/compare"]["p_any"][0],
        paper="not given",
    )


def _along(direction, rng) -> Rotation:
    """An orientation that has this crystal direction near the growth direction, turned about it by chance."""
    tilt = Rotation.from_rotvec(np.radians(4) * rng.standard_normal(3))
    start, _ = Rotation.align_vectors([[0, 0, 1]], [direction / np.linalg.norm(direction)])
    return tilt * Rotation.from_euler("z", rng.uniform(0, 360), degrees=True) * start


def write_ang(path: Path, rotation: Rotation, rng, shape=(90, 110), step: float = 0.5) -> None:
    """A map of lithium as EDAX writes it, with a tenth of a degree of noise."""
    y, x = np.indices(shape)
    seeds = rng.uniform(0, 1, (len(rotation), 2)) * shape
    label = cKDTree(seeds).query(np.stack([y.ravel(), x.ravel()], 1))[1]
    noisy = Rotation.from_rotvec(np.radians(0.1) * rng.standard_normal((label.size, 3))) * rotation[label]
    euler = noisy.as_euler("ZXZ") % (2 * np.pi)
    head = ["# Phase 1", "# MaterialName Lithium", "# Symmetry 43", "# LatticeConstants 3.51 3.51 3.51 90 90 90",
            "# GRID: SqrGrid", f"# XSTEP: {step}", f"# YSTEP: {step}", f"# NCOLS_ODD: {shape[1]}",
            f"# NCOLS_EVEN: {shape[1]}", f"# NROWS: {shape[0]}"]  # fmt: skip
    at = zip(euler, step * x.ravel(), step * y.ravel(), strict=True)
    path.write_text(
        "\n".join([*head, *(f"{a:.5f} {b:.5f} {c:.5f} {u} {v} 30.0 0.9 0" for (a, b, c), u, v in at)])
    )


def interlayers(page: Page) -> None:
    """Bulk modulus of seed layers and which texture they favour."""
    kept(
        page,
        "interlayer",
        lambda: model_runs.interlayer(temperature_C=25, limit_GPa=30, seed_nm=500, seed_mAh_cm2=0.25),
    )
    seed = models.lithiated_seed(500, 0.25)
    page.row("Li per Si after 0.25 mAh/cm² in 500 nm", seed["lithium_per_silicon"], paper="2.43")
    page.row("thickness of the lithiated seed", seed["thickness"], unit="µm", paper="about 1.2")
    low, high = models.design_window()
    page.row("softer than 30 GPa and amorphous: share of Li from", low, paper="0.7 was used")
    page.row("  to", high)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--small", action="store_true", help="a small film, three draws")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    page = Page(given.out, "Which grain of lithium wins")
    balance(page, given.small)
    films(page, given.small)
    orientation_maps(page)
    interlayers(page)
    page.write()


if __name__ == "__main__":
    main()
