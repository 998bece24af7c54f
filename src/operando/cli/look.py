"""inspect, echem and export: look at files and take results out."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from .app import app


@app.command()
def inspect(
    files: Annotated[list[Path], typer.Argument(help="Raw files, cycler files, PONI files, results.")],
    dataset: Annotated[str | None, typer.Option(help="Path of the frames inside an HDF5 file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Say what is in a file, and whether it is readable and how fast.

    Example: operando inspect raw/scan_0007.h5
    """
    from operando.read import inspect as look
    from operando.terminal import print_inspections

    found = [look(file, dataset=dataset) for file in files]
    print_inspections(found, as_json)
    if not all(inspection.readable for inspection in found):
        raise typer.Exit(2)


@app.command()
def echem(
    files: Annotated[list[Path], typer.Argument(help="Cycler and impedance files of one cell.")],
    zone: Annotated[str | None, typer.Option(help='Zone of the cycler\'s clock, "Europe/Paris".')] = None,
    start: Annotated[
        str | None, typer.Option(help="Absolute start (ISO 8601), where the file has none.")
    ] = None,
    area_cm2: Annotated[float | None, typer.Option(help="For values per area.", min=1e-12)] = None,
    capacity_mah: Annotated[float | None, typer.Option(help="For C-rates.", min=1e-12)] = None,
    thickness_um: Annotated[
        float | None, typer.Option(help="Of the separator, for sigma.", min=1e-12)
    ] = None,
    circuit: Annotated[str | None, typer.Option(help='"R0-p(R1,CPE1)-W2"; left out: chosen.')] = None,
    reversed_: Annotated[bool, typer.Option("--reversed", help="Discharge current is positive.")] = False,
    page: Annotated[Path | None, typer.Option(help="Write a page (HTML) here.")] = None,
    export: Annotated[Path | None, typer.Option(help="Battery Data Format, .bdf.csv or .parquet.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Look at cycler and impedance files of one cell. Steps, cycles, dQ/dV, impedance: here, as a page, as JSON.

    Example: operando echem cell.mpr --zone Europe/Paris --page cell.html
    """
    import json

    from operando.flow.echem_look import look, save_record
    from operando.show.echem_words import plain
    from operando.terminal_echem import print_look

    results = look(
        files, zone=zone, start=start, current_sign=-1 if reversed_ else 1, area_cm2=area_cm2, circuit=circuit,
        nominal_mAh=capacity_mah, thickness_um=thickness_um, command=shlex.join(["operando", *sys.argv[1:]]),
    )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(plain(results), ensure_ascii=False, indent=1, default=str))
    else:
        print_look(results)
    if export is not None:
        typer.echo(f"{save_record(results, export)}", err=as_json)
    if page is not None:
        from operando.show.echem_page import write_echem_page

        typer.echo(f"{write_echem_page(results, page)}", err=as_json)


@app.command()
def export(
    run_folder: Annotated[Path, typer.Argument(help="A run folder, or its results.nxs.")],
    group: Annotated[
        str | None, typer.Option("--group", "-g", help="For example xrd/LCO003; left out: list them.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File: .csv, .nc or .npz by its ending.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for every figure of the report as SVG, PNG and csv.")
    ] = None,
    movie: Annotated[
        Path | None, typer.Option(help="A map in time beside voltage and current: .gif, or .mp4 with ffmpeg.")
    ] = None,
    quantity: Annotated[
        str, typer.Option(help='Of the movie, "xrd/LCO003:c:perp"; left out: the first lattice parameter.')
    ] = "",
) -> None:
    """Take results out as csv, netCDF or npz, all figures, or a movie. With the run alone: list its groups.

    Example: operando export run --group xrd/LCO003 --output lco003.csv
    """
    from operando.core.trust import taken_at_its_word

    with taken_at_its_word(run_folder, "this file of results"):
        typer.echo(_exported(run_folder, group, output, figures, movie, quantity))


def _exported(
    run_folder: Path,
    group: str | None,
    output: Path | None,
    figures: Path | None,
    movie: Path | None,
    quantity: str,
) -> str:
    """Write what was asked for; returns what to say of it."""
    from operando.flow.export import export_group, list_groups, open_run

    if figures is not None:
        from operando import show

        return f"{figures}: {len(show.write_figures(open_run(run_folder), figures))} files"
    if movie is not None:
        from operando.show.movie import write_movie

        return f"{write_movie(open_run(run_folder), movie, quantity)}"
    if group is None:
        return list_groups(run_folder)
    target = output or Path(group.replace("/", "_") + ".csv")
    export_group(run_folder, group, target)
    return f"{target}"
