"""Make a run again from what its results record, and say whether the results are the same."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.core.errors import InputError

from .input_files import file_digest
from .job import run
from .results import Results, describe_machine
from .running import Listener
from .store import read_results
from .toml_text import to_toml

#: attributes that name a stage or tell of its making, and so are no result
NO_RESULT = ("stage_key", "stage_detail")


@dataclass(frozen=True)
class Difference:
    """A variable (or attribute) that did not come out the same, and in words by how much."""

    group: str
    variable: str
    how: str
    in_errors: float | None = None

    def __str__(self) -> str:
        return f"{self.group}/{self.variable}: {self.how}"


@dataclass
class Reproduction:
    """What came of making a run again.

    compared      number of variables that were compared
    differences   those that are not the same to the bit
    inputs        input files that are not what they were; versions: packages and stages that are not
    not_compared  groups that a run does not make (`operando model` adds them)
    """

    compared: int
    differences: list[Difference]
    inputs: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    not_compared: list[str] = field(default_factory=list)

    @property
    def identical(self) -> bool:
        """Whether every variable and attribute is the same to the bit."""
        return not self.differences


def rerun_and_compare(
    folder: str | Path, output: str | Path | None = None, *, listener: Listener | None = None,
    workers: int | None = None, scheduler: Any = None,
) -> Reproduction:  # fmt: skip
    """Run the experiment that `folder` (a run folder, or its results.nxs) records once more, and compare.

    The new run goes to `output`, which is kept, or to a temporary folder; nothing of the old run is used but its
    record. Raises `ReadError` where there are no results, `InputError` where an input file is gone, and what `run`
    raises.
    """
    path = Path(folder)
    path = path / "results.nxs" if path.is_dir() else path
    before = read_results(path)
    recorded = _recorded_inputs(before)
    gone = [name for name in recorded if not Path(name).exists()]
    if gone:
        more = f", and {len(gone) - 1} more" if len(gone) > 1 else ""
        raise InputError(
            f"an input of this run is gone{more}", where=gone[0],
            fix="Put the files back where they were: a run is made again from its own inputs.",
        )  # fmt: skip
    if output is not None and Path(output).resolve() == path.resolve().parent:
        raise InputError(
            "the run itself would be overwritten", where=str(output), fix="Give another --output."
        )
    with tempfile.TemporaryDirectory(prefix="operando-reproduce-") as temporary:
        experiment = Path(temporary) / "experiment.toml"
        experiment.write_text(to_toml(before.experiment), encoding="utf-8")
        place = Path(output) if output is not None else Path(temporary) / "run"
        new, _ = run(experiment, place, listener=listener, workers=workers, scheduler=scheduler)
        after = read_results(new / "results.nxs")  # as the old ones: from the file
    compared, differences, extra = compare_results(before, after)
    return Reproduction(compared, differences, _changed(recorded), _versions(before, after), extra)


def _recorded_inputs(results: Results) -> dict[str, str]:
    return next((process.inputs for process in reversed(results.processes) if process.name == "run"), {})


def _changed(recorded: dict[str, str]) -> list[str]:
    """Files whose digest is another; raw ones are known by the form of their digest."""
    return [
        name for name, then in recorded.items() if file_digest(Path(name), raw=" bytes of " in then) != then
    ]


def _versions(before: Results, after: Results) -> list[str]:
    """Packages, processor and stages that are not of the version they were."""
    told = []
    now = describe_machine()
    for name in ("operando", "python", "cpu"):
        told += _unlike(name, before.machine.get(name), now[name])
    for name, version in now["packages"].items():
        told += _unlike(name, before.machine.get("packages", {}).get(name), version)
    stages = {process.name: process.version for process in after.processes}
    for name, version in {process.name: process.version for process in before.processes}.items():
        told += _unlike(f"stage {name}", version, stages.get(name, "absent"))
    return told


def _unlike(name: str, then: Any, now: Any) -> list[str]:
    return [] if then == now else [f"{name} {then} then, {now} now"]


def compare_results(before: Results, after: Results) -> tuple[int, list[Difference], list[str]]:
    """Number of variables compared, those that differ, and groups that only the old results have and no run makes."""
    extra = [name for name in before.groups if name not in after.groups and name.startswith("model/")]
    found, number = [], 0
    for name, old in before.groups.items():
        if name in extra:
            continue
        if name not in after.groups:
            found.append(Difference(name, "", "the group is missing now"))
            continue
        number += len(old.variables)
        found += compare_groups(name, old, after.groups[name])
    found += [Difference(name, "", "the group is new") for name in after.groups if name not in before.groups]
    return number, found, extra


def compare_groups(name: str, old: xr.Dataset, new: xr.Dataset) -> Iterator[Difference]:
    """What is not the same to the bit in two datasets: values, shapes, types, attributes."""
    for variable in map(str, old.variables):
        if variable not in new.variables:
            yield Difference(name, variable, "missing now")
            continue
        error = old.variables.get(f"{variable}_err")
        found = _values(name, variable, old.variables[variable], new.variables[variable], error)
        if found is not None:
            yield found
        elif _attributes(old.variables[variable].attrs) != _attributes(new.variables[variable].attrs):
            yield Difference(name, variable, "attributes differ")
    for variable in map(str, new.variables):
        if variable not in old.variables:
            yield Difference(name, variable, "new")
    before, after = _attributes(old.attrs), _attributes(new.attrs)
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield Difference(
                name, f"@{key}", f"{before.get(key, 'absent')} then, {after.get(key, 'absent')} now"[:200]
            )


def _attributes(attrs: dict[Any, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in attrs.items() if key not in NO_RESULT}


def _values(
    group: str, name: str, old: xr.Variable, new: xr.Variable, error: xr.Variable | None
) -> Difference | None:
    a, b = np.asarray(old.values), np.asarray(new.values)
    if (old.dims, a.shape, a.dtype) != (new.dims, b.shape, b.dtype):
        return Difference(
            group, name, f"{dict(old.sizes)} of {a.dtype} then, {dict(new.sizes)} of {b.dtype} now"
        )
    if a.dtype.kind not in "fiub":
        differ = int((a != b).sum())
        return Difference(group, name, f"{differ} of {a.size} words differ") if differ else None
    if a.tobytes() == b.tobytes():
        return None
    return _numbers(group, name, a, b, None if error is None else np.asarray(error.values))


def _numbers(
    group: str, name: str, a: np.ndarray, b: np.ndarray, error: np.ndarray | None
) -> Difference | None:
    """How far numbers are apart: in units of the old error where there is one, else in their own."""
    x, y = a.astype(float), b.astype(float)
    lost = int((np.isfinite(x) != np.isfinite(y)).sum())
    apart = np.abs(y - x)
    both = np.isfinite(apart)
    changed = int((both & (apart > 0)).sum())
    words = [f"{lost} of {a.size} values are missing in only one"] if lost else []
    in_errors = None
    if changed:
        largest = float(apart[both].max())
        by = f"{largest:.3g}"
        if error is not None and error.shape == a.shape:
            good = both & np.isfinite(error) & (error > 0)
            if good.any():
                in_errors = float((apart[good] / error[good]).max())
                by += f", {in_errors:.2g} of its error"
        words.append(f"{changed} of {a.size} values differ, by at most {by}")
    return Difference(group, name, "; ".join(words), in_errors) if words else None
