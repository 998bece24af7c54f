"""A run folder held by one process."""

from __future__ import annotations

import contextlib
from pathlib import Path

from operando.core.errors import Busy, InputError


@contextlib.contextmanager
def locked(folder: Path):
    """Hold a run folder for one process. Raises `Busy` when another has it."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        if isinstance(error, Timeout):
            raise _busy(folder) from error
        raise InputError(
            f"the run folder cannot be written: {error.strerror or error}", where=str(folder),
            fix="Choose another folder with --output.",
        ) from error  # fmt: skip
    try:
        yield
    finally:
        lock.release()


def _busy(folder: Path) -> Busy:
    return Busy(
        "another operando process works in this run folder", where=str(folder),
        fix="Wait for it, stop it, or choose another folder with --output.",
    )  # fmt: skip
