"""Models as runs of their own: inputs in, results that the report and the export understand out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.core.errors import InputError

from .results import Process, Results, describe_machine
from .store import write_results

#: range of each input of the energy balance in the sensitivity, as factors of its value
SWING = 0.2
STRAIN_INPUTS = ("strain_tension", "strain_compression")


def write_model(
    title: str, settings: dict[str, Any], make: Callable[[], dict[str, xr.Dataset]], output: Path
) -> Results:
    """Run a model and write `output`/results.nxs; raises `InputError` where the folder holds other results."""
    output = Path(output)
    if (output / "stages").exists():
        raise InputError(
            "this is the folder of a run", where=str(output), fix="Choose another folder with --output."
        )
    new = not output.exists()
    output.mkdir(
        parents=True, exist_ok=True
    )  # before the work: a place that cannot be written is told at once
    begun = time.perf_counter()
    try:
        groups = make()
    except BaseException:
        if new and not any(output.iterdir()):
            output.rmdir()
        raise
    kept = {name: value for name, value in settings.items() if value is not None}
    results = Results(title, {"title": title, "model": kept}, groups, [], [], describe_machine())
    results.processes.append(
        Process("model", "1", time.perf_counter() - begun, detail=f"{len(groups)} groups")
    )
    write_results(results, output / "results.nxs")
    return results


def film(
    *, voltage: float, hours: float, discharge_mA_cm2: float, until_V: float, rest_hours: float, cells: int,
    spread: float | None, diffusivity: tuple[float, float], **facts: float,
) -> dict[str, xr.Dataset]:  # fmt: skip
    """`model/film`: charge at constant voltage, discharge at constant current, rest."""
    from operando import models

    columns = None if spread is None else models.Columns(spread)
    cell = models.FilmCell(diffusion=models.Diffusion.two_phase(*diffusivity), columns=columns, **facts)
    steps = [
        models.Hold(voltage, hours),
        models.Drive(-abs(discharge_mA_cm2), until_V),
        models.Rest(rest_hours),
    ]
    return {"model/film": models.simulate_film(cell, steps, cells=cells)}


def grain_selection(
    metal: str, *, anisotropy: float, low_C: float, high_C: float, errors: float, seed: int, **given: float
) -> dict[str, xr.Dataset]:
    """Temperature scan, crossover, map over barrier and anisotropy, sensitivities, under `model/grain_selection`."""
    from operando import models

    base = models.material(metal)
    first = given.pop("surface_energy_1_J_per_m2", None)
    first = float(base.surface_energy("001")) if first is None else first
    balance = models.Balance.of(
        metal, surface_energy_1_J_per_m2=first, surface_energy_2_J_per_m2=first + anisotropy, **given
    )
    kelvin = np.linspace(low_C + 273.15, high_C + 273.15, 121)
    ranges = _ranges(balance)
    spread = {name: errors * (high - low) / (2 * SWING) for name, (low, high) in ranges.items()}
    rng = np.random.default_rng(seed)
    barriers, steps = np.linspace(0.0, 0.2, 40), np.linspace(-0.05, 0.25, 40)
    winners = models.phase_map(balance, ("anisotropy_J_per_m2", steps), ("barrier_2_eV", barriers))
    place = "model/grain_selection"
    return {
        f"{place}/scan": models.temperature_scan(balance, kelvin).merge(
            models.conclusion(balance, spread, kelvin, rng=rng)[["probability", "probability_err", "total_err"]]
        ),
        f"{place}/crossover": models.crossover_temperature(balance, spread, rng=rng),
        f"{place}/map": winners.assign_attrs(
            metal=metal, anisotropy=anisotropy, barrier=float(np.asarray(balance.barrier_2_eV)),
            grains=list(balance.names),
        ),
        f"{place}/sensitivity": models.one_at_a_time(balance, ranges),
        f"{place}/sobol": models.sobol_indices(balance, ranges, seed=seed),
    }  # fmt: skip


def _ranges(balance: Any) -> dict[str, tuple[float, float]]:
    """20 % to both sides of every input but the temperature."""
    from operando.models.grain_selection import inputs_of

    values = {name: float(np.asarray(v)) for name, v in inputs_of(balance).items() if name != "temperature_K"}
    return {
        n: (min(v * (1 - SWING), v * (1 + SWING)), max(v * (1 - SWING), v * (1 + SWING)))
        for n, v in values.items()
    }


def phase_field(
    *, metal: str, form: str, temperature_C: float, anisotropy: float, barrier_111_eV: float, shape: Sequence[int],
    nuclei: int, duration_s: float, rate_um_per_s: float, frames: int, seed: int, checkpoint: Path | None = None,
    ebsd: Path | None = None, progress: Callable[[float], None] | None = None,
) -> dict[str, xr.Dataset]:  # fmt: skip
    """`model/phase_field/film`, `/shares`, `/widths`, `/survivors` of a film, from random or measured grains."""
    from operando.models import phase_field as pf

    model = _film_model(metal, form, temperature_C, anisotropy, barrier_111_eV)
    growth = pf.Growth(
        tuple(shape), duration_s, 0.01 if form == "as_printed" else 0.1, deposition_um_per_s=rate_um_per_s
    )
    rng = np.random.default_rng(seed)
    seeds = (
        pf.random_nuclei(growth.shape, nuclei, model.orientations, rng=rng)
        if ebsd is None else measured_seeds(ebsd, growth, model.orientations)
    )  # fmt: skip
    film = pf.grow(model, growth, seeds, frames=frames, checkpoint=checkpoint, progress=progress)
    place = "model/phase_field"
    return {
        f"{place}/film": film, f"{place}/shares": pf.orientation_shares(film), f"{place}/widths": pf.grain_widths(film),
        f"{place}/survivors": pf.survivors(film),
    }  # fmt: skip


def _film_model(metal: str, form: str, temperature_C: float, anisotropy: float, barrier_111_eV: float):
    from operando import models
    from operando.models import phase_field as pf

    names = ("001", "101", "111")
    facts = models.material(metal)
    surface = {name: float(facts.surface_energy(name)) for name in names}
    surface["101"] = surface["001"] + anisotropy
    barrier = {"001": facts.barrier("001"), "101": facts.barrier("101"), "111": barrier_111_eV}
    if form == "as_printed":
        return pf.as_printed(surface, barrier, temperature_K=temperature_C + 273.15)
    if form != "consistent":
        raise InputError(f"unknown form {form!r}", fix="Choose consistent or as_printed.")
    energies = models.grain_energies(
        metal,
        names,
        barrier_eV=barrier,
        surface_energy_J_per_m2=surface,
        temperature_K=temperature_C + 273.15,
    )
    return pf.consistent(energies)


def measured_seeds(path: Path, growth: Any, orientations: Sequence[str]):
    """Grains of an EBSD map (of its first phase) as the lowest layer; each with the nearest pole along z."""
    from operando import microscopy
    from operando.models import phase_field as pf
    from operando.read import orientation_map

    grains = microscopy.find_grains(orientation_map(path))
    names, _ = pf.nearest_pole(microscopy.crystal_directions(grains["quaternion"].values))
    spacing = float(np.diff(grains["x"].values).mean())
    plan = len(growth.shape) == 3
    labels = grains["label"].values - 1
    return pf.seeds_from_map(
        labels if plan else labels[:1], names, spacing_um=spacing, shape=growth.shape,
        to_spacing_um=growth.spacing_um, plane="plan" if plan else "section",
    )  # fmt: skip


def interlayer(
    *, temperature_C: float, limit_GPa: float, seed_nm: float, seed_mAh_cm2: float
) -> dict[str, xr.Dataset]:
    """Bulk moduli against Li content, the winning grain of Li on each modulus, and a lithiated silicon seed layer."""
    from operando import models

    x = np.linspace(0, 1, 101)
    low, high = models.design_window(limit_GPa=limit_GPa)
    moduli = {
        f"Li-{host}": models.bulk_modulus(x, host)["bulk_modulus"].values for host in ("Si", "Ag", "Au")
    }
    glass = models.bulk_modulus(x, "Si", amorphous=True)["bulk_modulus"].values
    moduli["Li-Si, amorphous"] = np.where(x <= high, glass, np.nan)  # beyond it crystallises
    modulus = xr.Dataset(
        {"bulk_modulus": (("alloy", "x"), np.stack(list(moduli.values())), {"units": "GPa"})},
        coords={"alloy": list(moduli), "x": ("x", x, {"units": "1", "long_name": "share of Li atoms"})},
        attrs={"window": [low, high], "limit_GPa": limit_GPa},
    )
    stiffness = np.geomspace(14, 151, 120)
    return {
        "model/interlayer/modulus": modulus,
        "model/interlayer/texture": models.texture(stiffness, temperature_K=temperature_C + 273.15),
        "model/interlayer/seed": models.lithiated_seed(seed_nm, seed_mAh_cm2),
    }
