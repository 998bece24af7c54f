"""run: an experiment file to results and report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from operando.core.errors import InputError

from .app import Output, Verbose, app


@app.command()
def run(
    experiment: Annotated[Path, typer.Argument(help="The experiment file (TOML).")],
    output: Output = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE that beats the file, e.g. xrd.mask=none")
    ] = None,
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True,
    workers: Annotated[
        int | None, typer.Option(help="Reduce and fit in so many processes of this machine.", min=1)
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Reduce and fit on a Dask cluster, e.g. tcp://node1:8786")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines: one line when it is done.")] = False,
    verbose: Verbose = False,
) -> None:
    """Analyse everything an experiment file names. Run it again after an interruption: it continues.

    Example: operando run experiment.toml --set xrd.mask=none
    """
    from operando.terminal import Terminal

    terminal = Terminal(verbose)
    overrides = dict(_assignment(text) for text in set_ or [])
    analyse(terminal, experiment, output, overrides, report, as_json, workers=workers, scheduler=scheduler)


def analyse(
    terminal,
    experiment: Path,
    output: Path | None,
    overrides: dict[str, Any],
    report: bool = True,
    as_json: bool = False,
    **run: Any,
) -> Path:
    """Run an experiment, write its report, and tell of it: in lines, or in one of JSON. The page, else the folder."""
    import json

    from operando import flow
    from operando.flow.outcome import outcome

    with terminal:
        listener = None if as_json else terminal.listener()
        folder, results = flow.run(experiment, output, overrides=overrides, listener=listener, **run)
        page = folder / "report.html"
        if report:
            from operando import show

            if not as_json:
                terminal.say("report", "drawing figures")
            show.write_report(results, page)
        if as_json:
            typer.echo(json.dumps(outcome(folder.resolve(), results, page.resolve() if report else None)))
            return page if report else folder
        terminal.say("results", f"{folder / 'results.nxs'}" + (f" · {page}" if report else ""))
        terminal.notes(results.notes)
    return page if report else folder


def _assignment(text: str) -> tuple[str, Any]:
    """`key=value`, the value as TOML where it is valid TOML, else as a word."""
    import tomllib

    key, sep, value = text.partition("=")
    if not sep:
        raise InputError(f"--set needs KEY=VALUE, found {text!r}", fix="For example: --set xrd.mask=none")
    try:
        return key.strip(), tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()
