"""What the painting panel asks and sends: slices, strokes, quick predictions, and where to paint next."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from operando.flow.painting import Painting

from .data import RunData
from .question import Question

Answer = tuple[dict[str, Any], list[np.ndarray] | None]
_LOCK = threading.Lock()


def painting_of(run: RunData) -> Painting:
    """The painting of a run, made when first asked for; `run.volumes` are those that a person named beside its own."""
    with _LOCK:
        found = getattr(run, "painting", None)
        if found is None:
            found = Painting(run.folder, tuple(getattr(run, "volumes", ())))
            run.painting = found  # type: ignore[attr-defined]
        return found


def painting(runs: list[RunData], asked: Question) -> Answer:
    return painting_of(asked.run(runs)).about(), None


def slice_of(runs: list[RunData], asked: Question) -> Answer:
    told, values = painting_of(asked.run(runs)).slice(*_place(asked))
    return told, [values]


def preview(runs: list[RunData], asked: Question) -> Answer:
    return painting_of(asked.run(runs)).preview(*_place(asked))


def suggest(runs: list[RunData], asked: Question) -> Answer:
    return painting_of(asked.run(runs)).suggest(asked.number("volume"), asked.number("axis")), None


def strokes(runs: list[RunData], asked: Question, sent: bytes) -> Answer:
    return painting_of(asked.run(runs)).save(asked.number("volume"), sent), None


def train(runs: list[RunData], asked: Question, sent: bytes) -> Answer:
    return painting_of(asked.run(runs)).train(asked.number("axis")), None


def _place(asked: Question) -> tuple[int, int, int]:
    return asked.number("volume"), asked.number("axis"), asked.number("at")


ASKS = {"painting": painting, "slice": slice_of, "preview": preview, "suggest": suggest}
SENDS = {"strokes": strokes, "train": train}
