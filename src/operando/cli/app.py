"""The application that the commands join, and the options that several of them have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="operando", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip


def _version(wanted: bool) -> None:
    if wanted:
        import operando

        typer.echo(f"operando {operando.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, help="Say the version and stop.")
    ] = False,
) -> None:
    """From detector frames and a cycler file to maps of what lithium does in a working battery."""


Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder to write to; default: run/ beside the file.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say what was decided and why.")]
