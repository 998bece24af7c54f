"""reproduce: make a run again and say whether its results are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import Verbose, app

#: differences that are told one by one
SHOWN = 12


@app.command()
def reproduce(
    run: Annotated[Path, typer.Argument(help="A run folder, or its results.nxs.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Keep the new run here; default: it is removed.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="As for operando run.", min=1)] = None,
    scheduler: Annotated[str | None, typer.Option(help="As for operando run.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    verbose: Verbose = False,
) -> None:
    """Run again from the recorded settings and compare every number. Exit code 0: identical, 1: not, 2: cannot.

    Example: operando reproduce operando-demo/run
    """
    import json
    from dataclasses import asdict

    from operando.core.errors import InputError, OperandoError
    from operando.flow import rerun_and_compare
    from operando.terminal import Terminal

    terminal = Terminal(verbose)
    try:
        with terminal:
            listener = None if as_json else terminal.listener()
            found = rerun_and_compare(run, output, listener=listener, workers=workers, scheduler=scheduler)
    except InputError:
        raise
    except OperandoError as error:  # exit code 1 would say that results differ
        raise InputError(error.what, where=error.where, fix=error.fix) from error
    if as_json:
        print(json.dumps(asdict(found) | {"identical": found.identical}, indent=2))
    else:
        _tell(terminal, found)
    if not found.identical:
        raise typer.Exit(1)


def _tell(terminal, found) -> None:
    for topic, lines in (
        ("inputs", found.inputs),
        ("versions", found.versions),
        ("apart", found.not_compared),
    ):
        about = {"inputs": "changed: ", "versions": "differ: ", "apart": "not made by a run: "}[topic]
        if lines:
            terminal.say(topic, about + "; ".join(lines[:SHOWN]) + (" ..." if len(lines) > SHOWN else ""))
    if found.identical:
        terminal.say("identical", f"all {found.compared} variables, to the bit")
        return
    for difference in found.differences[:SHOWN]:
        terminal.say("", str(difference))
    worst = max((d.in_errors for d in found.differences if d.in_errors is not None), default=None)
    by = "" if worst is None else f", by at most {worst:.2g} of their errors where they have one"
    terminal.say("differs", f"{len(found.differences)} of {found.compared} variables{by}")
