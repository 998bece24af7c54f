"""model: the models that explain the images, from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .app import Application, Verbose, app

models = Application(
    name="model",
    help="Run a model of an electrode, a cell, or of grains that grow.\n\nExample: operando model film",
)
app.add_typer(models)

Folder = Annotated[Path, typer.Option("--output", "-o", help="Folder for results.nxs, report.html.")]


def finish(terminal, title: str, settings: dict[str, Any], make, output: Path) -> None:
    """Run a model, write results and page, and say where they are."""
    from operando import show
    from operando.flow.model_runs import write_model

    with terminal:
        results = write_model(title, settings, make, output)
        page = show.write_report(results, output / "report.html")
        terminal.say("results", f"{output / 'results.nxs'} · {page}")


def as_given(given: dict[str, Any]) -> dict[str, Any]:
    """Options of a command as settings: without those that say where and how it is told."""
    return {
        name: str(v) if isinstance(v, Path) else v
        for name, v in given.items()
        if name not in ("output", "verbose")
    }


@models.command()
def film(
    output: Folder = Path("model-film"),
    voltage: Annotated[float, typer.Option(help="Of the charge, V.")] = 4.3,
    hours: Annotated[float, typer.Option(help="Of the charge.", min=1e-3, max=1e4)] = 2.3,
    discharge: Annotated[float, typer.Option(help="Current of the discharge, mA/cm2.", min=1e-6)] = 0.4,
    until: Annotated[float, typer.Option(help="Cut-off of the discharge, V.")] = 3.0,
    rest: Annotated[float, typer.Option(help="Hours.", min=1e-3, max=1e4)] = 1.0,
    film_um: Annotated[float, typer.Option(help="Thickness.", min=1e-3)] = 20.0,
    poor: Annotated[
        float, typer.Option(help="Diffusivity of the Li-poor phase, m2/s.", min=0, max=1e-6)
    ] = 1e-12,
    rich: Annotated[
        float, typer.Option(help="Diffusivity of the Li-rich phase, m2/s.", min=0, max=1e-6)
    ] = 7e-14,
    conductivity: Annotated[float, typer.Option(help="Of the electrolyte, S/cm.", min=0)] = 2e-6,
    exchange: Annotated[float, typer.Option(help="Exchange current of the film, A/m2.", min=0)] = 1.2,
    start_x: Annotated[float, typer.Option(help="Li content at the start.", min=0, max=1)] = 0.95,
    spread: Annotated[
        float | None, typer.Option(help="Of ln(i0), ln(D) between columns: widens the front.")
    ] = None,
    cells: Annotated[int, typer.Option(help="Volumes of the film.", min=10)] = 200,
    verbose: Verbose = False,
) -> None:
    """LiCoO2 film, LiPON, Li: profiles, front, voltage. Constant-voltage charge, discharge, rest.

    Example: operando model film --conductivity 1e-6
    """
    settings = as_given(locals())
    from operando.flow import model_runs
    from operando.terminal import Terminal

    def make():
        return model_runs.film(
            voltage=voltage, hours=hours, discharge_mA_cm2=discharge, until_V=until, rest_hours=rest, cells=cells,
            spread=spread, diffusivity=(poor, rich), film_um=film_um, conductivity_S_per_cm=conductivity,
            exchange_A_per_m2=exchange, start_x=start_x,
        )  # fmt: skip

    finish(Terminal(verbose), "Film electrode: model", settings, make, output)


@models.command()
def symmetric(
    table: Annotated[
        Path, typer.Argument(help="csv: time_s, current_mA, contact_top_cm2, contact_bottom_cm2 ...")
    ],
    area_cm2: Annotated[float, typer.Option(help="Nominal area.", min=1e-9)],
    output: Folder = Path("model-symmetric"),
    electrolyte_um: Annotated[float, typer.Option(help="Thickness.", min=1e-3)] = 1000.0,
    electrolyte: Annotated[float, typer.Option(help="Conductivity, S/cm.", min=0)] = 2.1e-3,
    interphase: Annotated[float, typer.Option(help="Conductivity, S/cm.", min=0)] = 1e-5,
    exchange: Annotated[float, typer.Option(help="Exchange current density, mA/cm2.", min=0)] = 1.0,
    verbose: Verbose = False,
) -> None:
    """Voltage of a symmetric cell from measured contact areas. With constriction where the table gives it.

    Example: operando model symmetric contact.csv --area-cm2 0.0314
    """
    settings = as_given(locals())
    from operando.flow import model_symmetric
    from operando.terminal import Terminal

    def make():
        return model_symmetric.symmetric(
            table, area_cm2=area_cm2, electrolyte_um=electrolyte_um, electrolyte_S_per_cm=electrolyte,
            interphase_S_per_cm=interphase, exchange_mA_per_cm2=exchange,
        )  # fmt: skip

    finish(Terminal(verbose), "Symmetric cell: model", settings, make, output)


@models.command()
def transport(
    labels: Annotated[list[Path], typer.Argument(help="Label volumes (z, y, x): HDF5, zarr, TIFF.")],
    phase: Annotated[
        list[str] | None, typer.Option(help="NAME=LABEL,mS/cm,GPa,POISSON of each. [pore=0 solid=1,1]")
    ] = None,
    output: Folder = Path("model-transport"),
    voxel_um: Annotated[float | None, typer.Option(help="Where the files do not say.", min=1e-6)] = None,
    domain_um: Annotated[
        tuple[float, float, float], typer.Option(help="Domains of the map along x, y, z.")
    ] = (25.0, 25.0, 100.0),
    cube_um: Annotated[float, typer.Option(help="Edge of cubes for factors.", min=1e-6)] = 100.0,
    cubes: Annotated[int, typer.Option(help="How many, spread over the volume.", min=1)] = 3,
    grain_um: Annotated[float | None, typer.Option(help="Compare with synthetic grains.", min=1e-6)] = None,
    spot_um: Annotated[float | None, typer.Option(help="Diameter of a hot spot.", min=1e-6)] = None,
    outside: Annotated[int | None, typer.Option(help="Label of what is not sample.", min=0)] = None,
    verbose: Verbose = False,
) -> None:
    """Tortuosity map, conductivity, stiffness of segmented volumes. z is the direction of the field.

    Example: operando model transport cell.h5 --phase pore=0 --phase grain=1,0.4,150,0.26
    """
    settings = as_given(locals())
    settings["labels"] = [str(path.absolute()) for path in labels]
    from operando.flow import model_transport
    from operando.terminal import Terminal

    terminal = Terminal(verbose)

    def make():
        return model_transport.transport(
            labels, phase or [], say=terminal.say, grain_um=grain_um, spot_um=spot_um, voxel_um=voxel_um,
            domain_um=domain_um, cube_um=cube_um, cubes=cubes, outside=outside,
        )  # fmt: skip

    finish(terminal, "Transport of segmented volumes", settings, make, output)
