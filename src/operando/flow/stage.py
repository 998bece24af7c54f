"""stage: run a function, or find what it gave before."""

from __future__ import annotations

import errno
import logging
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray as xr

from operando.core import digest
from operando.core.errors import OperandoError

from .results import Process
from .stage_file import DETAIL, KEY, arrived, is_whole, read_stage, told_of, write_stage

log = logging.getLogger("operando.flow")


def versioned(version: str) -> Callable:
    """Mark a function with the version of what it computes; bump it by hand when the result changes."""

    def mark(function: Callable) -> Callable:
        function.version = version  # type: ignore[attr-defined]
        return function

    return mark


@dataclass(frozen=True)
class Call:
    """A stage that is made now, later, or by a worker: a function, its inputs and its settings.

    `inputs` are Frames, Datasets or anything with a digest, or results of other stages (`from_stages(stages)`), which
    are loaded only where the stage is made; `settings` are plain values or frozen dataclasses.
    """

    function: Callable[..., Any]
    inputs: Mapping[str, Any]
    settings: Mapping[str, Any]
    label: str

    @property
    def version(self) -> str:
        """The hand-bumped version of the function."""
        return getattr(self.function, "version", "1")

    @cached_property
    def digests(self) -> dict[str, str]:
        """Digest of each input, by name."""
        return {key: identity(value) for key, value in self.inputs.items()}

    @cached_property
    def key(self) -> str:
        """What the result is found by again: function, version, settings, digests of the inputs."""
        return digest(self.function.__name__, self.version, self.digests, dict(self.settings))

    @property
    def file(self) -> str:
        """Name of the file of this result."""
        return f"{self.label}-{self.key[:16]}.h5"

    def made(self, stages: Stages) -> Any:
        """What the function gives."""
        inputs = {k: stages.load(v) if hasattr(v, "from_stages") else v for k, v in self.inputs.items()}
        return self.function(**inputs, **self.settings)


@dataclass
class Stages:
    """A folder of finished stages. `ensure` is the only code that writes one.

    The key of a result is its function's name and version, its settings, and the digests of its inputs.
    A result is written under a temporary name and renamed when complete, so a killed run loses nothing
    that was finished and never leaves half a result.

    processes   one record for every stage that this run asked for
    by_workers  by file, the records of those that workers of this run made
    """

    folder: Path
    processes: list[Process] = field(default_factory=list)
    by_workers: dict[str, Process] = field(default_factory=dict)
    known: dict[str, Process] = field(default_factory=dict)
    loaded: tuple[str, Any] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def sweep(self) -> None:
        """Remove what a killed run left unfinished. Call only with the run folder locked."""
        for pattern in ("*.partial", "*.orders"):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)

    def stage(
        self, function: Callable[..., Any], inputs: Mapping[str, Any], settings: Mapping[str, Any] | None = None,
        *, name: str = "",
    ) -> Any:  # fmt: skip
        """`function(**inputs, **settings)`, computed once: a Dataset, or a dict of Datasets by group.

        Returns what was stored, so that a first run and a resumed one continue from the same bytes.
        """
        return self.get(Call(function, inputs, dict(settings or {}), name or function.__name__))

    def get(self, call: Call) -> Any:
        """The result of a call, from its file, made where it is not there."""
        self.ensure(call)
        return read_stage(self.folder / call.file)

    def load(self, several: Any) -> Any:
        """`several.from_stages(stages)`, the last one kept: stages that follow each other have the same inputs."""
        if self.loaded is None or self.loaded[0] != several.digest:
            self.loaded = None  # memory: not two at a time
            self.loaded = (several.digest, several.from_stages(self))
        return self.loaded[1]

    def ensure(self, call: Call) -> Process:
        """Make a stage where it is not there, whole; returns the record of how it was made."""
        path = self.folder / call.file
        if call.file not in self.known or not path.exists():
            record = self.by_workers.get(call.file)
            if record is None or not arrived(path):
                record = self._made_or_found(call, path)
            self.known[call.file] = record
            self.processes.append(record)
        return self.known[call.file]

    def _made_or_found(self, call: Call, path: Path) -> Process:
        begun = time.perf_counter()
        found = is_whole(path)
        if found:
            told = told_of(path)
        else:
            if path.exists():
                log.warning("%s: damaged since it was written, made again", path.name)
            result = call.made(self)
            told = result.attrs.get(DETAIL, "") if isinstance(result, xr.Dataset) else ""
            self._write(result, call.key, path)
        seconds = time.perf_counter() - begun
        log.info("%s: %s in %.2f s", path.name, "found" if found else "made", seconds)
        detail = " · ".join(filter(None, [told, "found from an earlier run" if found else ""]))
        return Process(call.label, call.version, seconds, _plain(call.settings), call.digests, detail)

    def _write(self, result: Any, key: str, path: Path) -> None:
        partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.partial")
        try:
            write_stage(result, key, partial)
            os.replace(partial, path)
        except BaseException as error:
            partial.unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OperandoError(
                    "the disk is full", where=str(self.folder),
                    fix="Free some space and run the same command again: it continues from the last finished stage.",
                ) from error  # fmt: skip
            if not is_whole(path):
                raise


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for the record: plain values as they are, everything else by its digest."""
    kept = (str, int, float, bool, type(None))
    return {
        key: value if isinstance(value, kept) else f"digest {digest(value)}"
        for key, value in settings.items()
    }


def identity(value: Any) -> str:
    """The digest that stands for an input: its own where it has one, else that of its content."""
    if isinstance(value, xr.Dataset) and KEY in value.attrs:
        return str(value.attrs[KEY])
    own = getattr(value, "digest", None)
    return own if isinstance(own, str) else digest(value)
