"""A spoiled file and a command, played in a sandbox: one case for each number."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from originals import OUTPUT, Original
from sandbox import Outcome, play


@dataclass(frozen=True)
class Case:
    """What was spoiled, how, and what came of it."""

    number: int
    original: str
    file: str
    how: str
    command: tuple[str, ...]
    outcome: Outcome


def case(number: int, found: list[Original], place: Path, seed: int = 1) -> Case:
    """Spoil one file of one original and give it to one command; all drawn from (seed, number)."""
    rng = np.random.default_rng([seed, number])
    shares = np.array([one.share for one in found], float)
    original = found[int(rng.choice(len(found), p=shares / shares.sum()))]
    file = original.files[int(rng.integers(len(original.files)))]
    words = original.commands[int(rng.integers(len(original.commands)))]
    words = tuple(_told(word, file) for word in words)
    home = place / f"case-{number}"
    _copy(original, file, words, home)
    how = _spoil(original.way(file), home / file, rng)
    outcome = play(lambda: _command(words), home, home / OUTPUT)
    if not outcome.wrong:
        shutil.rmtree(home)
    return Case(number, original.name, file, how, words, outcome)


def _told(word: str, file: str) -> str:
    """A word of a command with the name of the file, or of what it is a part of (a store, a folder of slices)."""
    return word.format(file=file, top=Path(file).parts[0])


def _spoil(way: Callable[[Path, np.random.Generator], str], path: Path, rng: np.random.Generator) -> str:
    """Spoil a file in a process of its own, as h5py may die of what was spoiled first. Returns what was done."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(tell, way(path, rng).encode(errors="replace")[:4000])
        finally:
            os._exit(0)
    os.close(tell)
    with os.fdopen(told, "rb") as pipe:
        how = pipe.read().decode(errors="replace")
    os.waitpid(child, 0)
    return how or "spoiled by a process that died of it"


def _copy(original: Original, file: str, words: tuple[str, ...], home: Path) -> None:
    """The whole folder, or the file alone where nothing else is read."""
    if original.alone and words[0] != "run":
        home.mkdir()
        shutil.copy(original.folder / file, home / file)
    else:
        shutil.copytree(original.folder, home, symlinks=True)
    (home / OUTPUT).mkdir(exist_ok=True)


def _command(words: tuple[str, ...]) -> None:
    sys.argv = ["operando", *words]
    if words[0] == "check":
        check(Path(words[1]))
    if words[0] == "show":
        dashboard(Path(words[1]))
    from operando.cli import main

    main()


def check(path: Path) -> None:
    """What a run does first: read and check its experiment file."""
    from operando.core.errors import OperandoError
    from operando.flow import load_experiment

    try:
        load_experiment(path)
    except OperandoError as error:
        sys.stdout.write(f"{error}\n")
        sys.exit(error.exit_code)
    sys.exit(0)


def dashboard(folder: Path) -> None:
    """Everything that the page would ask of a run; what the server tells as an error is told, the rest is raised."""
    from operando.core.errors import OperandoError
    from operando.show.dashboard.answers import ANSWERS, Question
    from operando.show.dashboard.data import RunData

    try:
        run = RunData(folder)
        overview = run.overview()
        json.dumps(overview, allow_nan=False)
    except OperandoError as error:
        sys.stdout.write(f"{error}\n")
        sys.exit(error.exit_code)
    for name in ("state", "run", "maps", "array", "peak", "pattern", "tracks"):
        for asked in _questions(overview):
            try:
                about, _ = ANSWERS[name]([run], Question({k: [v] for k, v in asked.items()}))
                json.dumps(about, allow_nan=False)
            except OperandoError as error:
                sys.stdout.write(f"{error}\n")
    sys.exit(0)


def _questions(overview: dict) -> list[dict[str, str]]:
    """What a click on each of the first maps asks, and on the last point."""
    names = [
        str(one.get("name", one)) if isinstance(one, dict) else str(one) for one in overview.get("maps", [])
    ]
    here = {
        "run": "0",
        "step": "0",
        "row": "1",
        "column": "1",
        "ring": "LCO003",
        "group": "echem",
        "variable": "voltage",
    }
    brush = {"row0": "0", "row1": "1", "column0": "0", "column1": "1"}
    return [{**here, **brush, "name": name} for name in (*names[:3], "xrd/LCO003:c:perp", "xrd/pattern")]


def warm_up(found: list[Original], place: Path) -> None:
    """Play every command once on whole files in this process: its children find all imported and compiled."""
    here = Path.cwd()
    for original in found:
        home = place / "warm"
        shutil.copytree(original.folder, home, symlinks=True)
        (home / OUTPUT).mkdir(exist_ok=True)
        os.chdir(home)
        for words in set(original.commands):
            for file in {Path(name).suffix: name for name in original.files}.values():
                with contextlib.redirect_stdout(io.StringIO()) as told, contextlib.redirect_stderr(told):
                    try:
                        _command(tuple(_told(word, file) for word in words))
                    except SystemExit as done:
                        if done.code not in (0, None):
                            print(
                                f"not even whole: {original.name} {words} {told.getvalue()}",
                                file=sys.__stderr__,
                            )
        os.chdir(here)
        shutil.rmtree(home)
