"""run: an experiment file to a run folder with results, resumable at any point."""

from __future__ import annotations

import logging
import shlex
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import xarray as xr

from operando.core.errors import InputError, OperandoError

from .experiment import Experiment, load_experiment
from .input_files import file_digests
from .results import Process, Results, describe_machine
from .stage import Stages, locked
from .store import write_results
from .toml_lines import line_of
from .workers import Team, team

log = logging.getLogger("operando.flow")

#: the experiment as resolved, beside its results, and how that file begins
KEPT, RESOLVED = "experiment.toml", "# as resolved from "

#: techniques: section of the experiment file, and the recipe `(job, groups, table)` that adds its groups, in this order
RECIPES = {
    "xrd": "microxrd:micro_xrd",
    "tomography": "tomography:tomography",
    "compton": "compton_imaging:compton_imaging",
    "ebsd": "ebsd:ebsd",
    "film_model": "film_model:film_model",
    "symmetric_model": "symmetric_model:symmetric_model",
}


def _silent(*_: Any) -> None:
    return None


@dataclass
class Listener:
    """Where a run tells what it does. The defaults say nothing."""

    say: Callable[[str, str], None] = _silent  # topic, sentence
    progress: Callable[[str, int, int], None] = _silent  # topic, done, total


@dataclass
class Run:
    """A run in progress: its folder, its stages, and whom it tells."""

    folder: Path
    experiment: Experiment
    stages: Stages
    listener: Listener = field(default_factory=Listener)
    notes: list[str] = field(default_factory=list)
    team: Team | None = None


def run(
    path: str | Path, output: str | Path | None = None, *, overrides: dict[str, Any] | None = None,
    listener: Listener | None = None, command: str | None = None, workers: int | None = None, scheduler: Any = None,
) -> tuple[Path, Results]:  # fmt: skip
    """Analyse what an experiment file names; returns the run folder and the results written there.

    Finished stages of an earlier run in the same folder are found again, so a killed run continues. `workers`
    processes, or those of a Dask `scheduler` (address or Client), reduce and fit maps, to the same bits. Raises
    `ExperimentError` and other `OperandoError`s for what the user can mend, `Busy` when another process has the folder.
    """
    from .joint import joint
    from .notes import grouped
    from .timeline import electrochemistry, impedance

    path = Path(path)
    experiment = load_experiment(path, overrides)
    folder = Path(output) if output is not None else path.resolve().parent / "run"
    _spare_the_experiment(path, folder)
    with _placed(path), locked(folder), _logged(folder / "run.log"), team(workers, scheduler) as others:
        _own_folder(path, folder, experiment)
        begun = time.time()
        stages = Stages(folder / "stages")
        stages.sweep()
        _keep_experiment(path, folder, experiment)
        job = Run(folder, experiment, stages, listener or Listener(), team=others)
        groups: dict[str, xr.Dataset] = {}
        table = electrochemistry(job, groups)
        impedance(job, groups)
        for section, recipe in RECIPES.items():
            if getattr(experiment, section) is not None:
                module, _, function = recipe.partition(":")
                getattr(import_module(f"operando.flow.{module}"), function)(job, groups, table)
        joint(job, groups)
        for note in job.notes:
            log.info("to look at: %s", note)
        results = Results(
            experiment.title, experiment.model_dump(mode="json", exclude_none=True), groups, stages.processes,
            grouped(job.notes), describe_machine(), command or _command(),
        )  # fmt: skip
        took = time.time() - begun
        inputs = file_digests(experiment)
        results.processes.append(Process("run", "1", took, inputs=inputs, detail=f"{len(groups)} groups"))
        write_results(results, folder / "results.nxs")
        return folder, results


def _command() -> str:
    """The command line that started this, its paths absolute: it can be given again from any folder."""
    words = [
        str(Path(w).resolve()) if not w.startswith("-") and Path(w).exists() else w for w in sys.argv[2:]
    ]
    return shlex.join(["operando", *sys.argv[1:2], *words])


@contextmanager
def _placed(path: Path) -> Iterator[None]:
    """Where an error names a key of the experiment file ("xrd.rings.2"), name the file and its line as well."""
    try:
        yield
    except OperandoError as error:
        section, *keys = error.where.split(".")
        if section in Experiment.model_fields and keys:
            loc = (section, *(int(key) if key.isdigit() else key for key in keys))
            line = line_of(path.read_text(encoding="utf-8-sig"), loc)
            kind = type(error)
            raise kind(error.what, where=f"{path}, line {line}", fix=error.fix) from error
        raise


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Send everything that operando logs to the run's own file as well."""
    root = logging.getLogger("operando")
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    before = root.level
    root.setLevel(min(before or logging.INFO, logging.INFO))
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        handler.close()


def _spare_the_experiment(path: Path, folder: Path) -> None:
    """Raise `InputError` where the resolved experiment would be written over a file that a person wrote."""
    kept = folder / KEPT
    if kept.is_file() and (kept.samefile(path) or not kept.read_bytes().startswith(RESOLVED.encode())):
        raise InputError(
            f"the run folder holds an {KEPT} that operando did not write and would overwrite", where=str(folder),
            fix="Choose another folder with --output; left out, it is called run, beside the experiment file.",
        )  # fmt: skip


def _own_folder(path: Path, folder: Path, experiment: Experiment) -> None:
    """Raise `InputError` where the folder holds the run of another file with another title."""
    try:
        first, _, rest = (folder / KEPT).read_text(encoding="utf-8").partition("\n")
        title = str(tomllib.loads(rest)["title"])
    except (OSError, ValueError, KeyError):
        return
    if first != f"{RESOLVED}{path.resolve()}" and title != experiment.title:
        raise InputError(
            f"the run folder holds another experiment, {title!r}", where=str(folder),
            fix="Choose another folder with --output, or remove this one.",
        )  # fmt: skip


def _keep_experiment(path: Path, folder: Path, experiment: Experiment) -> None:
    """Keep the experiment as resolved (absolute paths, defaults filled in) beside the results."""
    text = to_toml(experiment.model_dump(mode="json", exclude_none=True))
    assert tomllib.loads(text)["title"] == experiment.title
    (folder / KEPT).write_text(f"{RESOLVED}{path.resolve()}\n{text}", encoding="utf-8")


def to_toml(data: dict[str, Any]) -> str:
    """Plain data as TOML: top-level tables as [tables], everything below inline."""
    import json

    def value(item: Any) -> str:
        if isinstance(item, dict):
            return "{ " + ", ".join(f"{key(k)} = {value(v)}" for k, v in item.items()) + " }"
        if isinstance(item, (list, tuple)):
            return "[" + ", ".join(value(v) for v in item) + "]"
        if isinstance(item, str):
            return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007f")
        return json.dumps(item)

    def key(name: str) -> str:
        return (
            name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)
        )

    lines = [f"{key(name)} = {value(item)}" for name, item in data.items() if not isinstance(item, dict)]
    for name, table in data.items():
        if isinstance(table, dict):
            lines += ["", f"[{key(name)}]", *(f"{key(k)} = {value(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"
