"""Workers of a Dask cluster: its scheduler finds another worker for what a lost one had."""

from __future__ import annotations

import logging
from concurrent.futures import CancelledError, Future
from typing import Any

from operando.core.errors import InputError, require_extra

from .orders import Lost, Order, make
from .results import Process

#: seconds that a scheduler may take to answer
PATIENCE_S = 20
#: times that the scheduler tries an order again which failed, as when a file system hiccups
RETRIES = 1


class DaskWorkers:
    """The workers of a scheduler, given by its address ("tcp://host:8786") or as a Client."""

    attempts = 2  # each is four workers already: distributed.scheduler.allowed-failures

    def __init__(self, scheduler: Any) -> None:
        distributed = require_extra("distributed", "cluster", "--scheduler")
        self.own = not isinstance(scheduler, distributed.Client)
        self.client = _client(distributed, str(scheduler)) if self.own else scheduler
        self.address = str(self.client.scheduler.address) if self.client.scheduler else str(scheduler)
        self.pool = self.client.get_executor(pure=False, retries=RETRIES)
        self.died: tuple[type[BaseException], ...] = (distributed.KilledWorker, CancelledError)

    def __str__(self) -> str:
        number = len(self._threads())
        return f"{number} of the scheduler at {self.address}" + ("" if number else ": waiting for the first")

    def _threads(self) -> dict[str, int]:
        try:
            return dict(self.client.nthreads())
        except (OSError, RuntimeError, TimeoutError, CancelledError) as error:
            raise self._lost() from error

    def slots(self) -> int:
        """Twice what is worked on at a time, so that no worker waits for the way here and back."""
        self.look()
        return max(4, 2 * sum(self._threads().values()))

    def submit(self, order: Order) -> Future[dict[str, Process]]:
        return self.pool.submit(make_on_dask, order)

    def look(self) -> None:
        """Raise `Lost` when the scheduler is gone."""
        if self.client.status != "running":
            raise self._lost()

    def renew(self) -> None:
        """The scheduler replaces workers, if it is there itself."""
        self.look()

    def _lost(self) -> Lost:
        return Lost(
            "the Dask scheduler does not answer any more", where=self.address,
            fix="Start it and its workers again, and run the same command: finished parts are kept.",
        )  # fmt: skip

    def close(self) -> None:
        self.pool.shutdown(wait=False)
        if self.own:
            self.client.close(timeout=2)


def _client(distributed: Any, address: str) -> Any:
    """Raises `InputError` where no scheduler answers."""
    for name in ("distributed", "tornado", "asyncio"):
        for known in [name, *(n for n in logging.root.manager.loggerDict if n.startswith(f"{name}."))]:
            logging.getLogger(known).setLevel(logging.CRITICAL)  # a person gets one error of ours
    try:
        return distributed.Client(address, timeout=PATIENCE_S, set_as_default=False, name="operando")
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"no Dask scheduler answers ({type(error).__name__})", where=address,
            fix="Give the address that dask scheduler printed, for example --scheduler tcp://node1:8786.",
        ) from error  # fmt: skip


def make_on_dask(order: Order) -> dict[str, Process]:
    """`make` on all threads of this worker."""
    from distributed import get_worker

    return make(order, threads=get_worker().state.nthreads)
