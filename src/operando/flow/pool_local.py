"""Workers on this machine: processes that end with the one that started them, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

from operando.core.threads import THREADS, available_cores

from .orders import Order, make
from .results import Process

#: libraries that would start a thread for every core in every worker
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class LocalWorkers:
    """`number` processes, each on its share of the cores. Processes that die are replaced."""

    attempts = 6
    died: tuple[type[BaseException], ...] = (BrokenExecutor, CancelledError)

    def __init__(self, number: int) -> None:
        self.number, self.threads = number, max(1, available_cores() // number)
        self.lifeline, self.held = multiprocessing.Pipe(duplex=False)
        self.pool = self._pool()

    def __str__(self) -> str:
        return f"{self.number} process{'es' * (self.number > 1)}, {self.threads} thread{'s' * (self.threads > 1)} each"

    def _pool(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context(
            "spawn"
        )  # a fork would copy threads and locks in an unknown state
        return ProcessPoolExecutor(self.number, context, _begin, (self.lifeline, self.threads))

    def slots(self) -> int:
        return self.number

    def submit(self, order: Order) -> Future[dict[str, Process]]:
        with _child_environment(self.threads), _quiet_birth():
            return self.pool.submit(make, order)

    def look(self) -> None:
        """Nothing to look at: a pool tells itself when a process died."""

    def renew(self) -> None:
        self.pool.shutdown(wait=True)
        self.pool = self._pool()

    def close(self) -> None:
        """Stop all processes at once: what they have not finished is not needed."""
        self.held.close()
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.lifeline.close()


def _begin(lifeline: Connection, threads: int) -> None:
    """In a new worker: leave Ctrl-C to the parent, and end when the parent ends, even by kill -9."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.environ[THREADS] = str(threads)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    """Wait for the end of the pipe that the parent holds open: it closes with the parent."""
    with suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os._exit(1)


@contextmanager
def _child_environment(threads: int) -> Iterator[None]:
    """Numeric libraries read these once, when they are loaded: before any code of ours runs in a worker."""
    before = {name: os.environ.get(name) for name in POOLS}
    os.environ.update({name: str(threads) for name, value in before.items() if value is None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


@contextmanager
def _quiet_birth() -> Iterator[None]:
    """Start a process that neither hears Ctrl-C before it can ignore it, nor runs the user's script once more.

    A spawned process runs the main module anew, which a script without `if __name__ == "__main__"` does not survive.
    Nothing that workers do lies in that module, so an empty one stands in for it while they are started.
    """
    real, empty = sys.modules["__main__"], types.ModuleType("__main__")
    masked = hasattr(signal, "pthread_sigmask")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masked else None
    sys.modules["__main__"] = empty
    try:
        yield
    finally:
        sys.modules["__main__"] = real
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
