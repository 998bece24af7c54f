"""model grain-selection, phase-field, interlayer: which grains grow, and on what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from operando.core.errors import InputError

from .app import Verbose
from .model import Folder, as_given, finish, models


@models.command("grain-selection")
def grain_selection(
    metal: Annotated[str, typer.Argument(help="Li, Na or K; what is not known of one is asked for.")] = "Li",
    output: Folder = Path("model-grain-selection"),
    anisotropy: Annotated[float, typer.Option(help="E(101) - E(001), J/m2.")] = 0.105,
    barrier_001: Annotated[float | None, typer.Option(help="Barrier of (001), eV.")] = None,
    barrier_101: Annotated[float | None, typer.Option(help="Barrier of (101), eV.")] = None,
    surface_energy_001: Annotated[float | None, typer.Option(help="J/m2.")] = None,
    yield_strength: Annotated[float | None, typer.Option(help="MPa.")] = None,
    current: Annotated[float | None, typer.Option(help="Sets the rate of growth, mA/cm2.", min=0)] = None,
    low: Annotated[float, typer.Option(help="Of the scan, degrees C.")] = 0.0,
    high: Annotated[float, typer.Option(help="Of the scan, degrees C.")] = 120.0,
    errors: Annotated[float, typer.Option(help="Relative error of every input.", min=0, max=0.5)] = 0.05,
    seed: Annotated[int, typer.Option(help="Of random draws.", min=0)] = 1,
    verbose: Verbose = False,
) -> None:
    """Which grain wins, (001) or (101). Energy balance, crossover with error, and which input decides.

    Example: operando model grain-selection Li --anisotropy 0.1
    """
    settings = as_given(locals())
    from operando.flow import model_runs
    from operando.terminal import Terminal

    given = {
        "barrier_1_eV": barrier_001, "barrier_2_eV": barrier_101, "yield_strength_MPa": yield_strength,
        "surface_energy_1_J_per_m2": surface_energy_001, "deposition_um_per_s": _rate(current, metal),
    }  # fmt: skip

    def make():
        return model_runs.grain_selection(
            metal, anisotropy=anisotropy, low_C=low, high_C=high, errors=errors, seed=seed,
            **{name: value for name, value in given.items() if value is not None},
        )  # fmt: skip

    finish(Terminal(verbose), f"Which grain of {metal} wins: energy balance", settings, make, output)


def _rate(current: float | None, metal: str) -> float | None:
    if current is None:
        return None
    from operando.models.phase_field import deposition_rate

    return deposition_rate(current, metal=metal)


@models.command("phase-field")
def phase_field(
    output: Folder = Path("model-phase-field"),
    metal: Annotated[str, typer.Option(help="Li, Na or K.")] = "Li",
    form: Annotated[str, typer.Option(help="consistent, or as_printed in the paper.")] = "consistent",
    temperature: Annotated[float, typer.Option(help="Degrees C.")] = 25.0,
    anisotropy: Annotated[float, typer.Option(help="E(101) - E(001), J/m2.")] = 0.105,
    barrier_111: Annotated[float, typer.Option(help="Barrier of (111), eV; not known: a choice.")] = 0.2,
    size: Annotated[str, typer.Option(help="Cells: HEIGHTxWIDTH, or HEIGHTxDEPTHxWIDTH in 3D.")] = "70x200",
    grains: Annotated[int, typer.Option(help="Nuclei.", min=2)] = 75,
    duration: Annotated[float, typer.Option(help="Seconds.", min=1e-3)] = 400.0,
    rate: Annotated[
        float | None, typer.Option(help="Growth, um/s; left out: fills the height in time.")
    ] = None,
    current: Annotated[float | None, typer.Option(help="Instead of the rate, mA/cm2.", min=0)] = None,
    ebsd: Annotated[Path | None, typer.Option(help="Start from the grains of this map.")] = None,
    movie: Annotated[bool, typer.Option("--movie", help="Write growth.gif as well.")] = False,
    frames: Annotated[int, typer.Option(help="Times that are kept.", min=2)] = 41,
    seed: Annotated[int, typer.Option(help="Of random draws.", min=0)] = 1,
    verbose: Verbose = False,
) -> None:
    """A film of many grains, layer by layer. Orientations against height and time; run again to continue.

    Example: operando model phase-field --temperature 80 --movie
    """
    settings = as_given(locals())
    from operando.flow import model_runs
    from operando.terminal import Terminal

    try:
        shape = tuple(int(n) for n in size.lower().split("x"))
    except ValueError as error:
        raise InputError(f"--size {size!r} is not understood", fix="For example: --size 70x200") from error
    terminal = Terminal(verbose)
    bar = terminal.bar("phase field")
    output.mkdir(parents=True, exist_ok=True)

    def make():
        return model_runs.phase_field(
            metal=metal, form=form, temperature_C=temperature, anisotropy=anisotropy, barrier_111_eV=barrier_111,
            shape=shape, nuclei=grains, duration_s=duration, frames=frames, seed=seed, ebsd=ebsd,
            rate_um_per_s=rate or _rate(current, metal) or 0.5 * shape[0] / duration,
            checkpoint=output / "checkpoint.h5", progress=lambda share: bar(round(1000 * share), 1000),
        )  # fmt: skip

    finish(terminal, f"Growth of {metal} at {temperature:g} °C: phase field", settings, make, output)
    if movie:
        from operando.flow.store import read_results
        from operando.show.growth_movie import write_growth

        typer.echo(f"{write_growth(read_results(output / 'results.nxs'), output / 'growth.gif')}")


@models.command()
def interlayer(
    output: Folder = Path("model-interlayer"),
    temperature: Annotated[float, typer.Option(help="Degrees C.")] = 25.0,
    limit: Annotated[float, typer.Option(help="Softest that counts as soft, GPa.", min=0.1)] = 30.0,
    seed_nm: Annotated[float, typer.Option(help="Thickness of the silicon seed.", min=1)] = 500.0,
    seed_capacity: Annotated[float, typer.Option(help="Of the seed, mAh/cm2.", min=0)] = 0.25,
    verbose: Verbose = False,
) -> None:
    """Which layer under the lithium favours which grain. Bulk moduli, strain, texture, a silicon seed.

    Example: operando model interlayer --limit 25
    """
    settings = as_given(locals())
    from operando.flow import model_runs
    from operando.terminal import Terminal

    def make():
        return model_runs.interlayer(
            temperature_C=temperature, limit_GPa=limit, seed_nm=seed_nm, seed_mAh_cm2=seed_capacity
        )

    finish(Terminal(verbose), "What lies under the lithium: model", settings, make, output)
