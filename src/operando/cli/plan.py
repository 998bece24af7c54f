"""model compton-plan: what error an exposure gives."""

from __future__ import annotations

from typing import Annotated

import typer

from .model import models


@models.command("compton-plan")
def compton_plan(
    flux: Annotated[float, typer.Option(help="Photons a second and mm2 at the sample.", min=1)],
    exposure: Annotated[float, typer.Option(help="Of each height, seconds.", min=1e-3)] = 1800.0,
    cathode_um: Annotated[float, typer.Option(help="Thickness.", min=1)] = 65.0,
    separator_um: Annotated[float, typer.Option(help="Thickness.", min=1)] = 30.0,
    pixels: Annotated[int, typer.Option(help="Summed into one value.", min=1)] = 16,
    x_err: Annotated[float, typer.Option(help="Wanted error of x.", min=1e-4)] = 0.05,
    energy: Annotated[float, typer.Option(help="keV.", min=20)] = 115.0,
    distance: Annotated[float, typer.Option(help="Sheet to pinhole, mm.", min=1)] = 100.0,
    pitch: Annotated[float, typer.Option(help="Pixel, mm.", min=0.01)] = 0.25,
    transmission: Annotated[float, typer.Option(help="Of beam and photons together.", min=1e-6, max=1)] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """What error of x a Compton exposure gives. And how long a wanted error takes.

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
