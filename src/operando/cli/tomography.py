"""recon: projections to a volume."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from operando.core.errors import InputError

from .app import Verbose, app


@app.command()
def recon(
    file: Annotated[Path, typer.Argument(help="Data Exchange, NXtomo, or a folder of TIFFs.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: volume.zarr beside the file.")
    ] = None,
    pixel: Annotated[float | None, typer.Option(metavar="UM", help="At the sample.", min=1e-6)] = None,
    centre: Annotated[float | None, typer.Option(metavar="COLUMN", help="Else found.")] = None,
    angles: Annotated[Path | None, typer.Option(metavar="FILE", help="One an image.")] = None,
    angle_unit: Annotated[str | None, typer.Option(metavar="U", help="deg or rad.")] = None,
    flats: Annotated[str | None, typer.Option(metavar="PATH", help="Or none.")] = None,
    darks: Annotated[str | None, typer.Option(metavar="PATH", help="Or none.")] = None,
    rows: Annotated[str | None, typer.Option(metavar="A:B", help="Of the detector.")] = None,
    region: Annotated[str | None, typer.Option(metavar="BOX", help="Y0:Y1,X0:X1")] = None,
    stripes: Annotated[
        str, typer.Option(metavar="HOW", help="none, sorting, or a method of algotom.")
    ] = "sorting",
    delta_beta: Annotated[float | None, typer.Option(help="Retrieves phase.")] = None,
    energy: Annotated[float | None, typer.Option(metavar="KEV", help="Else the file's.")] = None,
    distance: Annotated[float | None, typer.Option(metavar="MM", help="To the detector.")] = None,
    window: Annotated[str, typer.Option(metavar="NAME", help="ramp, shepp-logan, cosine or hann.")] = "ramp",
    edge: Annotated[
        str, typer.Option(metavar="HOW", help="extend or zero: what lies outside the field of view.")
    ] = "extend",
    memory: Annotated[float | None, typer.Option(metavar="GB", help="At most.", min=0.01)] = None,
    threads: Annotated[int | None, typer.Option(help="Else all cores.", min=1)] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu, gpu or auto.")] = "auto",
    partial: Annotated[bool, typer.Option("--partial", help="Of a cut scan.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Another volume.")] = False,
    verbose: Verbose = False,
) -> None:
    """Reconstruct projections to attenuation in 1/cm (zarr). With a preview; run again after an interruption.

    Example: operando recon scan_001.h5 --pixel 1.7
    """
    from operando.flow.recon import reconstruct
    from operando.read.projections import open_projections
    from operando.terminal import Terminal
    from operando.tomography.correct import Correction
    from operando.tomography.slabs import ReconSettings

    terminal = Terminal(verbose)
    unit: dict[str, Any] = {"angle_unit": angle_unit}
    ways: dict[str, Any] = {"window": window, "edge": edge, "device": device}
    cleaning: dict[str, Any] = {"stripes": stripes}
    with terminal:
        scan = open_projections(
            file, angles=angles, **unit, flats=flats, darks=darks, pixel_um=pixel, energy_keV=energy,
            distance_mm=distance, partial=partial,
        )  # fmt: skip
        settings = ReconSettings(
            centre=centre, rows=_numbers(rows, 1, "--rows 100:200"), region=_numbers(region, 2, "--region 0:500,0:500"),
            correction=Correction(**cleaning, phase=_phase(delta_beta, scan)), **ways,
            partial=partial, threads=threads, memory_gb=memory,
        )  # fmt: skip
        target = output or (file if file.is_dir() else file.parent) / "volume.zarr"
        done = reconstruct(scan, target, settings, progress=terminal.bar("slices"), overwrite=overwrite)
        terminal.say("centre", done.centre.sentence())
        rate = f" · {done.slices_per_s:.1f} slices/s" if done.slices_per_s else " · found from an earlier run"
        terminal.say("volume", f"{done.path} · {done.preview}{rate}")
        terminal.notes(done.notes)


def _numbers(text: str | None, pairs: int, example: str) -> Any:
    """`a:b` or `a:b,c:d` as a flat tuple of whole numbers."""
    if text is None:
        return None
    try:
        found = tuple(int(n) for part in text.split(",") for n in part.split(":"))
    except ValueError:
        found = ()
    if len(found) != 2 * pairs:
        raise InputError(f"{text!r} is not understood", fix=f"For example: {example}")
    return found


def _phase(delta_beta: float | None, scan: Any):
    from operando.tomography.phase import PhaseRetrieval

    if delta_beta is None:
        return None
    if scan.energy_keV is None or scan.distance_mm is None:
        raise InputError(
            "phase retrieval needs energy and distance", where=scan.name, fix="Give --energy and --distance."
        )
    return PhaseRetrieval(delta_beta, scan.energy_keV, scan.distance_mm)
