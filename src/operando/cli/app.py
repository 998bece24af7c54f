"""The application that the commands join, and the options that several of them have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .help import Command, Group


class Application(typer.Typer):
    """Commands whose help fits a screen, in plain words."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(cls=Group, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                         rich_markup_mode=None, **settings)  # fmt: skip

    def command(self, name: str | None = None, **settings: Any) -> Any:
        """A command whose help fits a screen."""
        return super().command(name, cls=Command, **settings)


app = Application(name="operando")


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
    """From detector frames and a cycler file to maps of what lithium does in a working battery.

    Example: operando demo
    """


Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder to write to; default: run/ beside the file.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say what was decided and why.")]
