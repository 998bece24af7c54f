"""stage: run a function, or find what it gave before."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from operando.core import digest
from operando.core.errors import OperandoError

from .results import Process

log = logging.getLogger("operando.flow")
KEY = "stage_key"


def versioned(version: str) -> Callable:
    """Mark a function with the version of what it computes; bump it by hand when the result changes."""

    def mark(function: Callable) -> Callable:
        function.version = version  # type: ignore[attr-defined]
        return function

    return mark


@dataclass
class Stages:
    """A folder of finished stages. `stage` is the only code that writes one.

    The key of a result is its function's name and version, its settings, and the digests of its inputs.
    A result is written under a temporary name and renamed when complete, so a killed run loses nothing
    that was finished and never leaves half a result.
    """

    folder: Path
    processes: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def sweep(self) -> None:
        """Remove what a killed run left unfinished. Call only with the run folder locked."""
        for path in self.folder.glob("*.partial"):
            shutil.rmtree(path, ignore_errors=True)

    def stage(
        self, function: Callable[..., xr.Dataset], inputs: Mapping[str, Any], settings: Mapping[str, Any] | None = None,
        *, name: str = "", detail: Callable[[xr.Dataset], str] | None = None,
    ) -> xr.Dataset:  # fmt: skip
        """`function(**inputs, **settings)`, computed once.

        `inputs` are Frames, Datasets or anything with a digest; `settings` plain values or frozen dataclasses.
        Returns the stored Dataset, so that a first run and a resumed one continue from the same bytes.
        """
        settings = dict(settings or {})
        version = getattr(function, "version", "1")
        digests = {key: identity(value) for key, value in inputs.items()}
        label = name or function.__name__
        key = digest(function.__name__, version, digests, settings)
        path = self.folder / f"{label}-{key[:16]}.zarr"
        begun = time.perf_counter()
        found = path.exists()
        if not found:
            result = function(**inputs, **settings)
            self._write(result.assign_attrs({KEY: key}), path)
        result = read_stage(path)
        seconds = time.perf_counter() - begun
        log.info("%s: %s in %.2f s", label, "found" if found else "made", seconds)
        note = detail(result) if detail else ""
        plain = {k: str(v) for k, v in settings.items()}
        self.processes.append(
            Process(
                label,
                version,
                seconds,
                plain,
                digests,
                ("found, " if found else "") + note if note or found else "",
            )
        )
        return result

    def _write(self, result: xr.Dataset, path: Path) -> None:
        partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.partial")
        try:
            write_stage(result, partial)
            os.replace(partial, path)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OperandoError(
                    "the disk is full", where=str(self.folder),
                    fix="Free some space and run the same command again: it continues from the last finished stage.",
                ) from error  # fmt: skip
            if not path.exists():
                raise


def write_stage(result: xr.Dataset, path: Path) -> None:
    """Write a Dataset as one chunk a variable: stages are read whole."""
    encoding = {
        name: {"chunks": result[name].shape or None} for name in result.variables if result[name].ndim
    }
    result.to_zarr(path, mode="w", consolidated=True, encoding=encoding, zarr_format=2)


def read_stage(path: Path) -> xr.Dataset:
    """Read a finished stage into memory."""
    with xr.open_zarr(
        path, consolidated=True, chunks=None, mask_and_scale=False, decode_times=False
    ) as dataset:
        return dataset.load()


def identity(value: Any) -> str:
    """The digest that stands for an input: its own where it has one, else that of its content."""
    if isinstance(value, xr.Dataset) and KEY in value.attrs:
        return str(value.attrs[KEY])
    own = getattr(value, "digest", None)
    if isinstance(own, str):
        return own
    return digest(value)


@contextlib.contextmanager
def locked(folder: Path):
    """Hold a run folder for one process. Raises `Busy` when another has it."""
    from filelock import FileLock, Timeout

    from operando.core.errors import Busy

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy(
            "another operando process works in this run folder", where=str(folder),
            fix="Wait for it, stop it, or choose another folder with --output.",
        ) from error  # fmt: skip
    try:
        yield
    finally:
        lock.release()
