"""Workers: other processes, here or on a cluster, that make stages and write them into the run folder.

A worker writes each stage itself, under a temporary name that is then renamed, and the run finds it as it finds the
stages of an earlier run. So the loss of a worker loses nothing that was finished, results are those of one process to
the bit, and no frame and no result travels between processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from operando.core.errors import InputError

from .ledger import Ledger
from .orders import Batch, Order
from .results import Process
from .stage import Stages

#: seconds after which the workers are looked at though none has finished anything
LOOK_S = 1.0


class Workers(Protocol):
    """Where orders go.

    `attempts`: times that an order may be lost with its workers, told by the errors `died`. `renew` is called then,
    and `look` regularly; both raise `Lost` where there can be no more workers.
    """

    attempts: int
    died: tuple[type[BaseException], ...]

    def slots(self) -> int: ...
    def submit(self, order: Order) -> Future[dict[str, Process]]: ...
    def look(self) -> None: ...
    def renew(self) -> None: ...
    def close(self) -> None: ...


@dataclass
class Team:
    """Workers, and how a run has its stages made by them."""

    workers: Workers

    def work(self, stages: Stages, batches: Sequence[Batch], progress: Callable[[int, int], None]) -> None:
        """Have all stages of the batches made that are not there; `progress` is told frames done, and in all.

        Raises `Lost` when workers die again and again or cannot be reached, and what a stage raises in a worker.
        """
        ledger, total, done = Ledger(stages, batches), sum(sum(b.frames) for b in batches), 0

        def told(frames: int) -> None:
            nonlocal done
            done += frames
            progress(done, total)

        try:
            while self._give(ledger, told):
                finished, _ = wait(ledger.out, timeout=LOOK_S, return_when=FIRST_COMPLETED)
                self._collect(ledger, finished, told)
                self.workers.look()
        finally:
            ledger.clear()

    def _give(self, ledger: Ledger, told: Callable[[int], None]) -> bool:
        """Keep every worker busy; false when nothing is left to do."""
        while len(ledger.out) < self.workers.slots():
            order = ledger.take(told)
            if order is None:
                break
            try:
                ledger.out[self.workers.submit(order)] = order
            except RuntimeError:  # the pool broke meanwhile
                ledger.ready.appendleft(order)
                if not ledger.out:
                    self.workers.renew()
                break
        return bool(ledger.out or ledger.ready)

    def _collect(self, ledger: Ledger, finished: set[Future], told: Callable[[int], None]) -> None:
        broken = False
        for future in finished:
            order = ledger.out.pop(future)
            try:
                made = future.result()
            except self.workers.died as error:
                broken = True
                ledger.put_back(order, error, self.workers.attempts)
                continue
            ledger.done(order, made)
            told(order.frames)
        if broken and not ledger.out:
            self.workers.renew()


@contextmanager
def team(workers: int | None, scheduler: Any = None) -> Iterator[Team | None]:
    """`workers` processes on this machine, or those of a Dask `scheduler` (address or Client); None for neither.

    They are stopped (processes) or let go (Dask) at the end, whatever happens.
    """
    if workers is None and scheduler is None:
        yield None
        return
    if workers is not None and scheduler is not None:
        raise InputError(
            "workers and scheduler were both given", fix="Give --workers for processes here, or --scheduler."
        )
    if workers is not None and workers < 1:
        raise InputError(
            f"{workers} workers were asked for", fix="Give --workers 1 or more, or leave it out."
        )
    pool: Workers
    if workers is not None:
        from .pool_local import LocalWorkers

        pool = LocalWorkers(workers)
    else:
        from .pool_dask import DaskWorkers

        pool = DaskWorkers(scheduler)
    try:
        yield Team(pool)
    finally:
        pool.close()
