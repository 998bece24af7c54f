"""The ledger of a run with workers: which orders are to be given, are out, or wait for others."""

from __future__ import annotations

import os
import pickle
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from .orders import Batch, Lost, Order, versions
from .results import Process
from .stage import Stages


@dataclass
class Ledger:
    """Which orders are still to be given, which are with workers, and which wait for others."""

    stages: Stages
    batches: Sequence[Batch]
    ready: deque[Order] = field(default_factory=deque)
    out: dict[Future, Order] = field(default_factory=dict)
    open: dict[str, tuple[Batch, int]] = field(
        default_factory=dict
    )  # orders of `first` not yet made, by file
    attempts: dict[Order, int] = field(default_factory=dict)
    next: int = 0
    there: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.there = {path.name for path in self.stages.folder.glob("*.h5")}

    def take(self, told: Callable[[int], None]) -> Order | None:
        """The next order; opens another batch when those that are open have none."""
        while not self.ready and self.next < len(self.batches):
            self._open(self.batches[self.next], told)
            self.next += 1
        return self.ready.popleft() if self.ready else None

    def _open(self, batch: Batch, told: Callable[[int], None]) -> None:
        """Write the calls of a batch to the file that workers read, and queue what is not there yet."""
        missing = [call.file not in self.there for call in (*batch.first, *batch.then)]
        told(sum(n for n, absent in zip(batch.frames, missing, strict=False) if not absent))
        if not any(missing):
            return
        file = self.stages.folder / f"{uuid.uuid4().hex}.orders"
        calls = [*batch.first, *batch.then]
        for call in calls:
            _ = call.key  # found once, here
        partial = file.with_suffix(".partial")
        partial.write_bytes(pickle.dumps(calls, protocol=5))
        os.replace(partial, file)
        first = [
            Order(str(file), (i,), f"{batch.name}, {call.label} {i + 1} of {len(batch.first)}", n, versions())
            for i, (call, n) in enumerate(zip(batch.first, batch.frames, strict=True)) if missing[i]
        ]  # fmt: skip
        self.open[str(file)] = (batch, len(first))
        self.ready.extend(first)
        if not first:
            self._then(str(file))

    def _then(self, file: str) -> None:
        batch, _ = self.open[file]
        numbers = tuple(range(len(batch.first), len(batch.first) + len(batch.then)))
        if numbers:
            what = f"{batch.name}, {' and '.join(call.label for call in batch.then)}"
            self.ready.appendleft(Order(file, numbers, what, 0, versions()))
        else:
            self._close(file)

    def _close(self, file: str) -> None:
        del self.open[file]
        Path(file).unlink(missing_ok=True)

    def done(self, order: Order, made: dict[str, Process]) -> None:
        """Count an order as made, and queue what waited for it."""
        self.stages.by_workers.update(made)
        batch, left = self.open[order.file]
        if order.numbers[0] >= len(batch.first):
            self._close(order.file)
            return
        self.open[order.file] = (batch, left - 1)
        if left == 1:
            self._then(order.file)

    def put_back(self, order: Order, error: BaseException, most: int) -> None:
        """Queue an order again that was with a worker which died. Raises `Lost` when it was so `most` times."""
        self.attempts[order] = self.attempts.get(order, 0) + 1
        if self.attempts[order] >= most:
            raise Lost(
                "workers die again and again while they have this", where=order.what,
                fix="Memory may be too small: take fewer workers. Finished parts are kept: run the same command again.",
            ) from error  # fmt: skip
        self.ready.appendleft(order)

    def clear(self) -> None:
        for future in self.out:
            future.cancel()
        for file in list(self.open):
            self._close(file)
