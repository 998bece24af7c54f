"""The folder of a run: its log, the experiment as resolved in it, and whose it is."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from operando.core.errors import InputError, OperandoError

from .experiment import Experiment
from .toml_lines import line_of
from .toml_text import to_toml

#: the experiment as resolved, beside its results, and how that file begins
KEPT, RESOLVED = "experiment.toml", "# as resolved from "


@contextmanager
def placed(path: Path) -> Iterator[None]:
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
def logged(path: Path) -> Iterator[None]:
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


def spare_the_experiment(path: Path, folder: Path) -> None:
    """Raise `InputError` where the resolved experiment would be written over a file that a person wrote."""
    kept = folder / KEPT
    if kept.is_file() and (kept.samefile(path) or not kept.read_bytes().startswith(RESOLVED.encode())):
        raise InputError(
            f"the run folder holds an {KEPT} that operando did not write and would overwrite", where=str(folder),
            fix="Choose another folder with --output; left out, it is called run, beside the experiment file.",
        )  # fmt: skip


def own_folder(path: Path, folder: Path, experiment: Experiment) -> None:
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


def keep_experiment(path: Path, folder: Path, experiment: Experiment) -> None:
    """Keep the experiment as resolved (absolute paths, defaults filled in) beside the results."""
    text = to_toml(experiment.model_dump(mode="json", exclude_none=True))
    assert tomllib.loads(text)["title"] == experiment.title
    (folder / KEPT).write_text(f"{RESOLVED}{path.resolve()}\n{text}", encoding="utf-8")
