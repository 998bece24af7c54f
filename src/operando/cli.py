"""The commands. Thin: each parses its words, calls one function of a room, and prints."""

from __future__ import annotations

import logging
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from operando.core.errors import InputError, OperandoError

app = typer.Typer(
    name="operando", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="From detector frames and a cycler file to maps of what lithium does in a working battery.",
)  # fmt: skip

Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder to write to; default: run/ beside the file.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say what was decided and why.")]


@app.command()
def run(
    experiment: Annotated[Path, typer.Argument(help="The experiment file (TOML).")],
    output: Output = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE that beats the file, e.g. xrd.mask=none")
    ] = None,
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True,
    verbose: Verbose = False,
) -> None:
    """Analyse everything an experiment file names. Run it again after an interruption: it continues.

    Example: operando run experiment.toml --set xrd.mask=none
    """
    from operando.terminal import Terminal

    terminal = Terminal(verbose)
    _analyse(terminal, experiment, output, dict(_assignment(text) for text in set_ or []), report)


def _analyse(
    terminal, experiment: Path, output: Path | None, overrides: dict[str, Any], report: bool = True
) -> Path:
    from operando import flow

    with terminal:
        folder, results = flow.run(experiment, output, overrides=overrides, listener=terminal.listener())
        page = folder / "report.html"
        if report:
            from operando import show

            terminal.say("report", "drawing figures")
            show.write_report(results, page)
        terminal.say("results", f"{folder / 'results.nxs'}" + (f" · {page}" if report else ""))
        terminal.notes(results.notes)
    return page if report else folder


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path(
        "operando-demo"
    ),
    seed: Annotated[int, typer.Option(help="Another seed makes another cell.", min=0)] = 1,
    browse: Annotated[bool, typer.Option("--open/--no-open", help="Open the report in the browser.")] = True,
    verbose: Verbose = False,
) -> None:
    """Make a small twin experiment, analyse it, open the report. No data needed.

    Example: operando demo
    """
    from operando.terminal import Terminal

    terminal = Terminal(verbose)
    with terminal:
        _twin_of_demo(terminal, output / "data", seed)
    page = _analyse(terminal, output / "data" / "experiment.toml", output / "run", {})
    if browse and sys.stdout.isatty():
        typer.launch(page.resolve().as_uri())


def _twin_of_demo(terminal, folder: Path, seed: int) -> None:
    """The demo's twin: that of an earlier demo where it is complete and the same, else a new one."""
    import shutil

    from operando.twin.film import FilmCell, Truth

    if not folder.exists():
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        _simulate(terminal, "demo", partial, seed)
        partial.rename(folder)
    elif Truth.load(folder).cell != FilmCell.demo(seed=seed):
        raise InputError(
            "this folder holds another twin", where=str(folder), fix="Choose another folder with --output."
        )
    terminal.say("twin", f"{folder}: raw files, cycler file, geometry, truth")


@app.command()
def simulate(
    output: Annotated[Path, typer.Argument(help="Folder to write the experiment to.")],
    preset: Annotated[
        str, typer.Option(help="demo: small; paper: Eiger 4M, 100 maps of 49 x 49 (340 GB).")
    ] = "demo",
    maps: Annotated[int | None, typer.Option(help="Number of maps.", min=1)] = None,
    rows: Annotated[int | None, typer.Option(help="Rows of a map (z).", min=1)] = None,
    columns: Annotated[int | None, typer.Option(help="Columns of a map (x).", min=1)] = None,
    layout: Annotated[str, typer.Option(help="bliss, eiger or single.")] = "bliss",
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.", min=0)] = 1,
    verbose: Verbose = False,
) -> None:
    """Write a twin of a thin-film cell: raw files as a beamline writes them, cycler file, geometry, and the truth.

    Example: operando simulate twin/ --maps 4 --rows 20 --columns 5
    """
    from operando.terminal import Terminal

    terminal = Terminal(verbose)
    with terminal:
        changes = {"maps": maps, "rows": rows, "columns": columns}
        _simulate(
            terminal, preset, output, seed, layout, **{k: v for k, v in changes.items() if v is not None}
        )
        terminal.say("twin", f"{output}: raw files, cycler file, geometry, truth")


def _simulate(terminal, preset: str, folder: Path, seed: int, layout: str = "bliss", **changes: Any) -> None:
    from dataclasses import replace

    from operando.twin.film import FilmCell, simulate

    presets = {"demo": FilmCell.demo, "paper": FilmCell.paper}
    if preset not in presets:
        raise InputError(f"no preset called {preset!r}", fix=f"Choose one of: {', '.join(presets)}.")
    if (folder / "raw").exists():
        raise InputError(
            "this folder already holds raw data, which is never overwritten",
            where=str(folder),
            fix="Choose another folder.",
        )
    cell = replace(presets[preset](), seed=seed, **changes)
    simulate(cell, folder, layout=layout, progress=terminal.bar("twin"))


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
    """Look at cycler and impedance files: steps, cycles, dQ/dV, impedance; in the terminal and as a page.

    Example: operando echem cell.mpr --zone Europe/Paris --area-cm2 0.785 --page cell.html
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
) -> None:
    """Write one group of results as csv, netCDF or npz, or all figures; else list the groups.

    Example: operando export run --group xrd/LCO003 --output lco003.csv
    """
    from operando.flow.export import export_group, list_groups, open_run

    if figures is not None:
        from operando import show

        typer.echo(f"{figures}: {len(show.write_figures(open_run(run_folder), figures))} files")
        return
    if group is None:
        typer.echo(list_groups(run_folder))
        return
    target = output or Path(group.replace("/", "_") + ".csv")
    export_group(run_folder, group, target)
    typer.echo(f"{target}")


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


def _tell(error: OperandoError) -> None:
    """Where and what in one line, what to do in the next."""
    where = f"{error.where}: " if error.where else ""
    print(f"operando: {where}{error.what}", file=sys.stderr)
    if error.fix:
        print(f"          {error.fix}", file=sys.stderr)


def _tell_stopped() -> None:
    again = "; run the same command again to continue" if sys.argv[1:2] == ["run"] else ""
    print(f"\noperando: stopped{again}", file=sys.stderr)


def _insist(dropped: Any) -> None:
    """Send Ctrl-C once more where it fell into a callback of the interpreter, in which exceptions are dropped."""
    if dropped.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(dropped)
        return
    import signal
    import threading

    main_thread = threading.main_thread().ident or 0
    threading.Timer(0.05, signal.pthread_kill, (main_thread, signal.SIGINT)).start()


def main() -> None:
    """Entry point: user errors in at most three lines, exit codes 0 done, 1 failed, 2 wrong usage or input."""
    sys.unraisablehook = _insist
    for library in ("pyFAI", "fabio", "silx"):  # their words for a person are ours to choose
        logging.getLogger(library).addHandler(logging.NullHandler())
    try:
        app()
    except SystemExit as done:
        if done.code == 130:
            _tell_stopped()
        raise
    except KeyboardInterrupt:
        _tell_stopped()
        sys.exit(130)
    except OperandoError as error:
        _tell(error)
        sys.exit(error.exit_code)
    except OSError as error:
        if "-v" in sys.argv or "--verbose" in sys.argv:
            raise
        fix = "Check that the place exists, has room, and is yours to write."
        _tell(OperandoError(error.strerror or str(error), where=str(error.filename or ""), fix=fix))
        sys.exit(1)
    except MemoryError:
        fix = "Close other programs, or ask for fewer bins, points or rings."
        _tell(OperandoError("not enough memory", fix=fix))
        sys.exit(1)
    except Exception as error:
        logging.getLogger("operando").debug("unexpected", exc_info=True)
        if "-v" in sys.argv or "--verbose" in sys.argv:
            raise
        print(f"operando: unexpected {type(error).__name__}: {error}", file=sys.stderr)
        print(
            "          This is a defect of operando. Run again with -v and report what it prints.",
            file=sys.stderr,
        )
        sys.exit(1)
