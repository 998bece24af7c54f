"""Which orientation wins: the phase field as printed and the consistent one, over the choices that are open.

    python benchmarks/grain_selection_table.py [seeds] [processes] [part of a name]

Every row: 200 cells of 0.5 um along the film, 75 nuclei, 70 layers (20 as printed), thirds of (001), (101), (111),
over `seeds` seeds; share of each orientation in the whole film and in the top layer, mean and standard deviation.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from operando.models import grain_energies
from operando.models.phase_field import Case, FilmModel, Growth, as_printed, consistent, step_limit, sweep

STRAINED = {"001": 0.443, "101": 0.515, "111": 0.523}  # PBE, -3 %
FREE = {"001": 0.467, "101": 0.492, "111": 0.528}  # PBE, no strain
PAPER = {
    "001": 0.443,
    "101": 0.548,
    "111": 0.523,
}  # the anisotropy of 0.105 J/m2 that the paper's conclusion needs
SHAPE, PRINTED_SHAPE, NUCLEI = (70, 200), (20, 200), 75


@dataclass(frozen=True)
class Row:
    name: str
    model: FilmModel
    growth: Growth
    spread: str = "filled"


def own(
    name: str, surface: dict[str, float], celsius: float = 25.0, *, barrier_111: float = 0.2, **choices
) -> Row:
    """A row of the consistent form; time runs with the deposition of 35 um."""
    rate = choices.pop("deposition_um_per_s", 0.001)
    energies = grain_energies(
        "Li", barrier_eV={"111": barrier_111}, surface_energy_J_per_m2=surface,
        temperature_K=celsius + 273.15, deposition_um_per_s=rate,
    )  # fmt: skip
    model = consistent(energies, **choices)
    return Row(
        f"consistent: {name}", model, explicit(model, Growth(SHAPE, 35 / rate, 1.0, deposition_um_per_s=rate))
    )


def printed(
    name: str, surface: dict[str, float], celsius: float = 25.0, *, barrier_111: float = 0.2, **choices
) -> Row:
    """A row as printed: 400 s for 35 um, of which the first 20 of 70 layers are grown (the stable step is short)."""
    barriers = {"001": 0.14, "101": 0.02, "111": barrier_111}
    spread = choices.pop("spread", "points" if choices.get("fill", "empty") == "empty" else "filled")
    options = {"length": "cell", **choices}
    model = as_printed(surface, barriers, temperature_K=celsius + 273.15, **options)
    cutoff = 1e-10 if model.fill == "empty" else 1e-5
    growth = Growth(PRINTED_SHAPE, 400.0 * 20 / 70, 0.01, deposition_um_per_s=35 / 400, cutoff=cutoff)
    return Row(f"as printed: {name}", model, explicit(model, growth), spread)


def explicit(model: FilmModel, growth: Growth) -> Growth:
    """The largest step with a margin of a tenth: the sweep is long."""
    return replace(growth, scheme="explicit", time_step_s=0.9 * step_limit(model, growth))


def rows() -> list[Row]:
    kept = 2e-13 * 1.35e-4 / 0.001
    return [
        own("dE 0.105 J/m2, 25 C", PAPER),
        own("dE 0.105 J/m2, 80 C", PAPER, 80.0),
        own("PBE -3 % (dE 0.072), 25 C", STRAINED),
        own("PBE unstrained (dE 0.025), 25 C", FREE),
        own("dE 0.105, boundary energy 0.05 J/m2", PAPER, boundary_energy_J_per_m2=0.05),
        own("dE 0.105, mobility / 3", PAPER, mobility_m4_per_J_s=2e-13 / 3),
        own("dE 0.105, Ea(111) 0.14 eV", PAPER, barrier_111=0.14),
        own("dE 0.105, R of 0.1 mA/cm2, same M/R", PAPER, deposition_um_per_s=1.35e-4, mobility_m4_per_J_s=kept),
        printed("solid, empty layers, own kappa", STRAINED),
        printed("liquid, empty layers, own kappa", FREE),
        printed("solid, empty layers, filled start", STRAINED, spread="filled"),
        printed("solid, empty layers, mean kappa", STRAINED, mixed="mean"),
        printed("solid, empty layers, gamma 1", STRAINED, gamma=1.0),
        printed("solid, empty layers, w 0.25", STRAINED, well=0.25),
        printed("solid, empty layers, Ea(111) 0.14 eV", STRAINED, barrier_111=0.14),
        printed("solid, copied layers, own kappa", STRAINED, fill="copy"),
        printed("liquid, copied layers, own kappa", FREE, fill="copy"),
        printed("solid, copied layers, mean kappa", STRAINED, fill="copy", mixed="mean"),
        printed("solid, empty layers, kappa in um2", STRAINED, length="um"),
    ]  # fmt: skip


def main(seeds: int = 20, processes: int = 2, part: str = "") -> None:
    print(
        "| form and choices | film (001) | (101) | (111) | top (001) | (101) | (111) | (001) largest | grains left |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    with ProcessPoolExecutor(processes) as pool:
        for row in rows():
            if part not in row.name:
                continue
            start = time.perf_counter()
            cases = [Case(row.model, row.growth, NUCLEI, seed, row.spread) for seed in range(seeds)]
            found = sweep(cases, map=pool.map).sel(orientation=["001", "101", "111"])
            cells = [
                f"{m:.2f} ± {s:.2f}"
                for name in ("share", "top")
                for m, s in zip(
                    found[name].mean("case").values, found[name].std("case", ddof=1).values, strict=True
                )
            ]
            first = (found.share.argmax("orientation") == 0).sum().item()
            left = f"{found.grains.mean().item():.1f} ± {found.grains.std(ddof=1).item():.1f}"
            print(f"| {row.name} | " + " | ".join(cells) + f" | {first} of {seeds} | {left} |", flush=True)
            print(f"  {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    given = sys.argv[1:]
    main(*(int(a) for a in given[:2]), *given[2:])
