"""calibrate: a geometry refined against a reference powder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .app import Verbose, app


@app.command()
def calibrate(
    frames: Annotated[Path, typer.Argument(help="Of a reference powder; they are summed.")],
    poni: Annotated[Path, typer.Option(help="PONI that is nearly right.")],
    reference: Annotated[str, typer.Option(help="CeO2, LaB6, alpha_Al2O3 ..., or a file of spacings.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: refined.poni here.")] = None,
    figure: Annotated[Path | None, typer.Option(help="What is left around each ring (PNG or SVG).")] = None,
    flip: Annotated[str, typer.Option(metavar="HOW", help="none, vertical, horizontal or both.")] = "none",
    mask: Annotated[str, typer.Option(help="detector, none, or a file.")] = "detector",
    dataset: Annotated[str | None, typer.Option(help="Path of the frames in HDF5.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="An output that is there.")] = False,
    verbose: Verbose = False,
) -> None:
    """Refine distance, beam centre and tilts of a PONI on the rings of a reference, with errors.

    Example: operando calibrate ceo2.tif --poni first.poni --reference CeO2 --flip vertical
    """
    from operando.flow.calibrate import calibrate_file, sentences
    from operando.terminal import Terminal

    terminal = Terminal(verbose)
    how: dict[str, Any] = {"flip": flip}
    target = output or Path("refined.poni")
    found = calibrate_file(
        frames, poni, reference, target, **how, mask=mask, dataset=dataset, overwrite=overwrite
    )
    for topic, sentence in sentences(found):
        terminal.say(topic, sentence)
    if figure is not None:
        from operando.show.figures.calibration import write_residuals

        write_residuals(found.found.points, found.q, figure)
        terminal.say("figure", str(figure))
    terminal.say("geometry", f'{target}: geometry = "{target}" under [xrd]')
