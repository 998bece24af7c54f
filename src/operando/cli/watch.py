"""watch: the analysis while the scans are still being written."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from .app import Output, Verbose, app
from .run import _assignment


@app.command()
def watch(
    experiment: Annotated[Path, typer.Argument(help="The experiment file (TOML).")],
    output: Output = None,
    interval: Annotated[
        float, typer.Option(help="Write results at most every so many seconds.", min=0.2)
    ] = 5.0,
    maps: Annotated[int | None, typer.Option(help="How many maps there will be.", min=1)] = None,
    until_complete: Annotated[
        bool, typer.Option("--until-complete", help="End when all expected frames are there.")
    ] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE that beats the file, e.g. xrd.mask=none")
    ] = None,
    report: Annotated[bool, typer.Option(help="Write report.html at the end.")] = True,
    report_each_map: Annotated[
        bool, typer.Option("--report-each-map", help="Write report.html whenever a map is complete.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Analyse scans while they are written. Maps, lag and alerts are in results.nxs; Ctrl-C ends, all is kept.

    Example: operando watch experiment.toml --maps 12 --until-complete
    """
    from operando import flow
    from operando.terminal import Terminal

    terminal = Terminal(verbose)
    drawn = _draw if report_each_map else None
    with terminal, _stopping() as stop:
        how = flow.Watching(interval, maps, until_complete, drawn, stop)
        changes = dict(_assignment(text) for text in set_ or [])
        listener = terminal.listener()
        folder, results = flow.watch_experiment(
            experiment, output, overrides=changes, listener=listener, how=how
        )
        live = results.groups["live"].attrs
        terminal.say(
            "frames", f"{live['frames_done']:,} of {live['frames_seen']:,} on disk, {live['maps']} maps"
        )
        if report and "xrd" in results.groups:
            terminal.say("report", "drawing figures")
            _draw(results, folder)
        terminal.say("results", f"{folder / 'results.nxs'}")
        terminal.notes(results.notes)


def _draw(results, folder: Path) -> None:
    from operando import show

    show.write_report(results, folder / "report.html")


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C (or a request to end) came. The first ends the watch between two steps, the second at once."""
    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
