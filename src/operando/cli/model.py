"""model: the models that explain the images, from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from operando.core.errors import InputError

from .app import Verbose, app

models = typer.Typer(
    name="model", no_args_is_help=True, help="Run a model of an electrode, a cell, or of grains that grow."
)
app.add_typer(models)

Folder = Annotated[Path, typer.Option("--output", "-o", help="Folder for results.nxs, report.html.")]


def _finish(terminal, title: str, settings: dict[str, Any], make, output: Path) -> None:
    from operando import show
    from operando.flow.model_runs import write_model

    with terminal:
        results = write_model(title, settings, make, output)
        page = show.write_report(results, output / "report.html")
        terminal.say("results", f"{output / 'results.nxs'} · {page}")


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    return {
        name: str(v) if isinstance(v, Path) else v
        for name, v in given.items()
        if name not in ("output", "verbose")
    }


@models.command()
def film(
    output: Folder = Path("model-film"),
    voltage: Annotated[float, typer.Option(help="Of the charge, V.")] = 4.3,
    hours: Annotated[float, typer.Option(help="Of the charge.", min=1e-3)] = 2.3,
    discharge: Annotated[float, typer.Option(help="mA/cm2.", min=1e-6)] = 0.4,
    until: Annotated[float, typer.Option(help="Cut-off of the discharge, V.")] = 3.0,
    rest: Annotated[float, typer.Option(help="Hours.", min=1e-3)] = 1.0,
    film_um: Annotated[float, typer.Option(help="Thickness.", min=1e-3)] = 20.0,
    poor: Annotated[float, typer.Option(help="Diffusivity of the Li-poor phase, m2/s.", min=0)] = 1e-12,
    rich: Annotated[float, typer.Option(help="Diffusivity of the Li-rich phase, m2/s.", min=0)] = 7e-14,
    conductivity: Annotated[float, typer.Option(help="Of the electrolyte, S/cm.", min=0)] = 2e-6,
    exchange: Annotated[float, typer.Option(help="Exchange current of the film, A/m2.", min=0)] = 1.2,
    start_x: Annotated[float, typer.Option(help="Li content at the start.", min=0, max=1)] = 0.95,
    spread: Annotated[
        float | None, typer.Option(help="Of ln(i0), ln(D) between columns: widens the front.")
    ] = None,
    cells: Annotated[int, typer.Option(help="Volumes of the film.", min=10)] = 200,
    verbose: Verbose = False,
) -> None:
    """LiCoO2 film, LiPON, Li: constant-voltage charge, discharge, rest; profiles, front, voltage.

    Example: operando model film --conductivity 1e-6
    """
    settings = _settings(locals())
    from operando.flow import model_runs
    from operando.terminal import Terminal

    def make():
        return model_runs.film(
            voltage=voltage, hours=hours, discharge_mA_cm2=discharge, until_V=until, rest_hours=rest, cells=cells,
            spread=spread, diffusivity=(poor, rich), film_um=film_um, conductivity_S_per_cm=conductivity,
            exchange_A_per_m2=exchange, start_x=start_x,
        )  # fmt: skip

    _finish(Terminal(verbose), "Film electrode: model", settings, make, output)


@models.command()
def symmetric(
    table: Annotated[
        Path, typer.Argument(help="csv: time_s, current_mA, contact_top_cm2, contact_bottom_cm2 ...")
    ],
    area_cm2: Annotated[float, typer.Option(help="Nominal area.", min=1e-9)],
    output: Folder = Path("model-symmetric"),
    electrolyte_um: Annotated[float, typer.Option(min=1e-3)] = 1000.0,
    electrolyte: Annotated[float, typer.Option(help="Conductivity, S/cm.", min=0)] = 2.1e-3,
    interphase: Annotated[float, typer.Option(help="Conductivity, S/cm.", min=0)] = 1e-5,
    exchange: Annotated[float, typer.Option(help="Exchange current density, mA/cm2.", min=0)] = 1.0,
    verbose: Verbose = False,
) -> None:
    """Voltage of a symmetric cell from contact areas that were measured, with constriction where it is given.

    Example: operando model symmetric contact.csv --area-cm2 0.0314
    """
    settings = _settings(locals())
    from operando.flow import model_symmetric
    from operando.terminal import Terminal

    def make():
        return model_symmetric.symmetric(
            table, area_cm2=area_cm2, electrolyte_um=electrolyte_um, electrolyte_S_per_cm=electrolyte,
            interphase_S_per_cm=interphase, exchange_mA_per_cm2=exchange,
        )  # fmt: skip

    _finish(Terminal(verbose), "Symmetric cell: model", settings, make, output)


@models.command("grain-selection")
def grain_selection(
    metal: Annotated[str, typer.Argument(help="Li, Na or K; what is not known of one is asked for.")] = "Li",
    output: Folder = Path("model-grain-selection"),
    anisotropy: Annotated[float, typer.Option(help="E(101) - E(001), J/m2.")] = 0.105,
    barrier_001: Annotated[float | None, typer.Option(help="Barrier of (001), eV.")] = None,
    barrier_101: Annotated[float | None, typer.Option(help="Barrier of (101), eV.")] = None,
    surface_energy_001: Annotated[float | None, typer.Option(help="J/m2.")] = None,
    yield_strength: Annotated[float | None, typer.Option(help="MPa.")] = None,
    current: Annotated[float | None, typer.Option(help="mA/cm2 that sets the rate of growth.", min=0)] = None,
    low: Annotated[float, typer.Option(help="Of the scan, degrees C.")] = 0.0,
    high: Annotated[float, typer.Option(help="Of the scan, degrees C.")] = 120.0,
    errors: Annotated[float, typer.Option(help="Relative error of every input.", min=0, max=0.5)] = 0.05,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    verbose: Verbose = False,
) -> None:
    """Which grain wins, (001) or (101): energy balance, crossover with error, and which input decides.

    Example: operando model grain-selection Li --anisotropy 0.1
    """
    settings = _settings(locals())
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

    _finish(Terminal(verbose), f"Which grain of {metal} wins: energy balance", settings, make, output)


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
    current: Annotated[float | None, typer.Option(help="mA/cm2, instead of the rate.", min=0)] = None,
    ebsd: Annotated[Path | None, typer.Option(help="Start from the grains of this map.")] = None,
    movie: Annotated[bool, typer.Option("--movie", help="Write growth.gif as well.")] = False,
    frames: Annotated[int, typer.Option(min=2)] = 41,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    verbose: Verbose = False,
) -> None:
    """A film of many grains, layer by layer: orientations against height and time. Run again to continue.

    Example: operando model phase-field --temperature 80 --movie
    """
    settings = _settings(locals())
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

    _finish(terminal, f"Growth of {metal} at {temperature:g} °C: phase field", settings, make, output)
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
    """Which layer under the lithium favours which grain: bulk moduli, strain, texture, a silicon seed.

    Example: operando model interlayer --limit 25
    """
    settings = _settings(locals())
    from operando.flow import model_runs
    from operando.terminal import Terminal

    def make():
        return model_runs.interlayer(
            temperature_C=temperature, limit_GPa=limit, seed_nm=seed_nm, seed_mAh_cm2=seed_capacity
        )

    _finish(Terminal(verbose), "What lies under the lithium: model", settings, make, output)


@models.command("compton-plan")
def compton_plan(
    flux: Annotated[float, typer.Option(help="Photons a second and mm2 at the sample.", min=1)],
    exposure: Annotated[float, typer.Option(help="Of each height, seconds.", min=1e-3)] = 1800.0,
    cathode_um: Annotated[float, typer.Option(min=1)] = 65.0,
    separator_um: Annotated[float, typer.Option(min=1)] = 30.0,
    pixels: Annotated[int, typer.Option(help="Summed into one value.", min=1)] = 16,
    x_err: Annotated[float, typer.Option(help="Wanted error of x.", min=1e-4)] = 0.05,
    energy: Annotated[float, typer.Option(help="keV.", min=20)] = 115.0,
    distance: Annotated[float, typer.Option(help="Sheet to pinhole, mm.", min=1)] = 100.0,
    pitch: Annotated[float, typer.Option(help="Pixel, mm.", min=0.01)] = 0.25,
    transmission: Annotated[float, typer.Option(help="Of beam and photons together.", min=1e-6, max=1)] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """What error of the Li content a Compton exposure gives, and how long a wanted error takes.

    Example: operando model compton-plan --flux 1e10 --exposure 1800 --pixels 16
    """
    import json

    from operando.compton import Pinhole, Plan, expected_error, exposure_for

    camera = Pinhole(energy, (80, 80), pitch, distance_mm=distance)
    plan = Plan(
        camera, flux, cathode_um=cathode_um, separator_um=separator_um, transmission=(transmission,) * 3
    )
    found = {name: float(v) for name, v in expected_error(plan, exposure, pixels=pixels).items()}
    needed = {
        kind: float(exposure_for(plan, x_err, pixels=pixels, estimator=kind)) for kind in ("fit", "emr")
    }
    if as_json:
        typer.echo(json.dumps({"expected": found, "exposure_s": needed}, indent=1))
        return
    for name, value in found.items():
        typer.echo(f"  {name:<10} {value:.4g}")
    typer.echo(
        f"  an error of {x_err:g} takes {needed['fit']:.3g} s by the fit of profiles, {needed['emr']:.3g} s by EMR"
    )
