"""demo and simulate: experiments of which the truth is known."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from operando.core.errors import InputError

from .app import Verbose, app
from .run import analyse


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path(
        "operando-demo"
    ),
    everything: Annotated[
        bool, typer.Option("--all", help="Every technique: film, symmetric cell, coin cell (minutes).")
    ] = False,
    seed: Annotated[int, typer.Option(help="Another seed makes another cell.", min=0)] = 1,
    browse: Annotated[bool, typer.Option("--open/--no-open", help="Open the report in the browser.")] = True,
    verbose: Verbose = False,
) -> None:
    """Simulate a small experiment, analyse it, open the report. No data needed.

    Example: operando demo --all
    """
    from operando.terminal import Terminal

    terminal = Terminal(verbose)
    with terminal:
        if everything:
            file = _all_twins(terminal, output / "all", seed)
        else:
            _twin_of_demo(terminal, output / "data", seed)
            file = output / "data" / "experiment.toml"
    page = analyse(terminal, file, output / ("run-all" if everything else "run"), {})
    if browse and sys.stdout.isatty():
        typer.launch(page.resolve().as_uri())


#: sections of each twin that the demo of all techniques takes; film and cells are different cells
ALL = (
    ("film", ("cell", "phases", "cycler", "xrd", "lithium", "epitaxy")),
    ("symmetric", ("tomography", "segmentation", "transport")),
    ("coin", ("compton",)),
)  # fmt: skip


#: as many scans as it takes to say how contact and polarisation go together
SIZES = {"symmetric": {"scans": 5}}


def _all_twins(terminal, folder: Path, seed: int) -> Path:
    """The twins of all techniques, each where it is not yet, and an experiment file that names them all."""
    import shutil

    from operando.flow.together import joined

    for part, _ in ALL:
        if not (folder / part).exists():
            partial = folder / f"{part}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            if part == "film":
                _simulate(terminal, "demo", partial, seed)
            else:
                _simulate_other(terminal, part, "demo", partial, seed, "", {}, **SIZES.get(part, {}))
            if part == "symmetric":
                _paint(partial, seed, quick=True, **SIZES["symmetric"])
            partial.rename(folder / part)
        terminal.say("twin", str(folder / part))
    model = {  # what the twin is: lithium in every site at first, phases even, a front some um wide
        "family": "perp", "steps": "record", "start_x": 1.0, "diffusivity_poor": 8e-12, "diffusivity_rich": 3e-12,
        "blur_um": 1.8,
    }  # fmt: skip
    file = folder / "experiment.toml"
    file.write_text(joined(folder, ALL, "Three twins: film, symmetric cell, coin cell", film_model=model))
    return file


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
    cell: Annotated[
        str, typer.Option(help="film (micro-XRD), symmetric (tomography) or coin (Compton).")
    ] = "film",
    preset: Annotated[
        str, typer.Option(help="demo: small; paper: the size of the paper (340 GB of film).")
    ] = "demo",
    maps: Annotated[int | None, typer.Option(help="Number of maps.", min=1)] = None,
    rows: Annotated[int | None, typer.Option(help="Rows of a map (z).", min=1)] = None,
    columns: Annotated[int | None, typer.Option(help="Columns of a map (x).", min=1)] = None,
    layout: Annotated[
        str, typer.Option(help="Of the files: bliss, eiger or single; of tomography dxchange or nxtomo.")
    ] = "",
    painted: Annotated[
        bool, typer.Option("--painted", help="Of the symmetric demo: strokes, labels, [segmentation].")
    ] = False,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.", min=0)] = 1,
    verbose: Verbose = False,
) -> None:
    """Write raw files of a cell whose truth is known. As a beamline writes them, with cycler file and experiment.toml.

    Example: operando simulate twin/ --maps 4 --rows 20 --columns 5
    """
    from operando.terminal import Terminal

    terminal = Terminal(verbose)
    if painted and (cell, preset) != ("symmetric", "demo"):
        raise InputError("--painted is of --cell symmetric, preset demo", fix="Leave it out.")
    with terminal:
        given = {"maps": maps, "rows": rows, "columns": columns}
        changes = {name: value for name, value in given.items() if value is not None}
        if cell == "film":
            _simulate(terminal, preset, output, seed, layout or "bliss", **changes)
        else:
            _simulate_other(terminal, cell, preset, output, seed, layout, changes)
        if painted:
            _paint(output, seed)
        terminal.say("twin", f"{output}: raw files, cycler file, experiment.toml, truth")


def _paint(folder: Path, seed: int, *, quick: bool = False, **changes: Any) -> None:
    """Add what a person would paint and label, and the section that learns from it; `quick`: in seconds."""
    from operando.twin.symmetric_cell import SymmetricCell
    from operando.twin.symmetric_cell.painted import QUICK, write_painted

    cell = SymmetricCell.demo(seed=seed, **changes)
    last = cell.scans - 1
    scans = (
        {"painted": (1, last - 1), "held": (0, last)} if quick else {}
    )  # held out: both ends of the series
    section = write_painted(cell, folder, **scans)
    file = folder / "experiment.toml"
    file.write_text(f"{file.read_text()}\n{section}{QUICK if quick else ''}")


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


def _simulate_other(
    terminal,
    cell: str,
    preset: str,
    folder: Path,
    seed: int,
    layout: str,
    changes: dict[str, Any],
    **sizes: int,
) -> None:
    """The twins of tomography and Compton imaging."""
    if changes:
        raise InputError(
            f"--{next(iter(changes))} is of maps of the film", fix="Leave it out, or use --cell film."
        )
    if cell not in ("symmetric", "coin"):
        raise InputError(f"no cell called {cell!r}", fix="Choose one of: film, symmetric, coin.")
    from operando.twin.coin_cell import CoinCell, simulate_coin_cell
    from operando.twin.symmetric_cell import SymmetricCell, simulate

    kind = SymmetricCell if cell == "symmetric" else CoinCell
    if preset not in ("demo", "paper"):
        raise InputError(f"no preset called {preset!r}", fix="Choose one of: demo, paper.")
    made = getattr(kind, preset)(seed=seed, **sizes)
    bar = terminal.bar("twin")
    if cell == "symmetric":
        simulate(made, folder, layout or "dxchange", progress=bar)
    else:
        simulate_coin_cell(made, folder, progress=bar)
