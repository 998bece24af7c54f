"""show: the dashboard of a run folder."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from .app import app


@app.command()
def show(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or its results.nxs.")],
    other: Annotated[Path | None, typer.Option("--with", help="A second run to compare with.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any that is free.")] = 0,
    host: Annotated[
        str, typer.Option(help="Other than this machine: the address needs a token.")
    ] = "127.0.0.1",
    paint: Annotated[
        list[Path] | None, typer.Option("--paint", help="Volumes that lie elsewhere, to paint on.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = True,
) -> None:
    """Show a run in the browser. One that is being written is followed.

    Example: operando show run --with ../other/run
    """
    import sys

    from operando.show.dashboard.data import RunData
    from operando.show.dashboard.server import Dashboard

    runs = [RunData(folder) for folder in (run_folder, other) if folder is not None]
    for run in runs:
        run.overview()  # what cannot be read is told here, before a page opens
    runs[0].paint_on(paint or [])
    with Dashboard(runs, host, port) as server:
        typer.echo(f"{server.url}")
        if sys.stderr.isatty():
            typer.echo("Ctrl-C stops it.", err=True)
        if open_:
            import webbrowser

            webbrowser.open(server.url)
        with contextlib.suppress(KeyboardInterrupt):  # the way to end it
            server.serve_forever(poll_interval=0.25)
