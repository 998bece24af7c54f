"""Orders: what a worker is asked to make, and how it makes it."""

from __future__ import annotations

import os
import pickle
import socket
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from operando.core.errors import InputError, OperandoError
from operando.core.threads import THREADS

from .results import Process, describe_machine
from .stage import Call, Stages


@dataclass(frozen=True)
class Batch:
    """Stages of one scan: the `first`, each by itself; the `then`, made together once these are there.

    name    in words, for errors
    frames  how many frames each of `first` reads: what progress counts
    """

    name: str
    first: tuple[Call, ...]
    frames: tuple[int, ...]
    then: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Order:
    """What is sent to a worker: a few hundred bytes. The calls themselves lie in a file of the run folder."""

    file: str
    numbers: tuple[int, ...]
    what: str
    frames: int
    versions: str


class Lost(OperandoError):
    """Workers died, or cannot be reached."""


_ONE_AT_A_TIME = threading.Lock()


def make(order: Order, threads: int | None = None) -> dict[str, Process]:
    """What a worker does: make the stages of an order; returns their records by file.

    One order at a time in a process, on `threads` threads. Raises `InputError` where the run folder is not seen here,
    or the packages are not those of the process that asks.
    """
    here = versions()
    if here != order.versions:
        raise InputError(
            f"a worker has other packages: {here}; this process has {order.versions}", where=worker_name(),
            fix="Start the workers in the environment that operando run is started in.",
        )  # fmt: skip
    with _ONE_AT_A_TIME:
        before = os.environ.get(THREADS)
        if threads is not None:
            os.environ[THREADS] = str(threads)
        try:
            return _make(order)
        finally:
            if threads is not None:
                os.environ.pop(THREADS)
                if before is not None:
                    os.environ[THREADS] = before


def _make(order: Order) -> dict[str, Process]:
    calls = _calls(order.file)
    stages = Stages(Path(order.file).parent)
    made = {}
    for number in order.numbers:
        record = stages.ensure(calls[number])
        record.detail = " · ".join(filter(None, [record.detail, f"by {worker_name()}"]))
        made[calls[number].file] = record
    return made


@lru_cache(maxsize=2)
def _calls(file: str) -> list[Call]:
    try:
        with open(file, "rb") as raw:
            return pickle.load(raw)
    except FileNotFoundError as error:
        raise InputError(
            f"a worker does not see the run folder {Path(file).parent.parent}", where=worker_name(),
            fix="Choose with --output a folder on storage that all workers share, under the same path.",
        ) from error  # fmt: skip


@lru_cache(maxsize=1)
def versions() -> str:
    """What must be the same for results to be the same."""
    about = describe_machine()
    packages = {"operando": about["operando"], "python": about["python"], **about["packages"]}
    return ", ".join(f"{name} {version}" for name, version in packages.items())


def worker_name() -> str:
    return f"worker {os.getpid()} on {socket.gethostname()}"
