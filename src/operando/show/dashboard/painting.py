"""What the painting panel asks and sends: slices, strokes, quick predictions, and where to paint next."""

from __future__ import annotations

from typing import Any

import numpy as np

from .data import RunData
from .question import Question

Answer = tuple[dict[str, Any], list[np.ndarray] | None]


def painting(runs: list[RunData], asked: Question) -> Answer:
    return asked.run(runs).painting.about(), None


def slice_of(runs: list[RunData], asked: Question) -> Answer:
    told, values = asked.run(runs).painting.slice(*_place(asked))
    return told, [values]


def preview(runs: list[RunData], asked: Question) -> Answer:
    return asked.run(runs).painting.preview(*_place(asked))


def suggest(runs: list[RunData], asked: Question) -> Answer:
    return asked.run(runs).painting.suggest(asked.number("volume"), asked.number("axis")), None


def strokes(runs: list[RunData], asked: Question, sent: bytes) -> Answer:
    return asked.run(runs).painting.save(asked.number("volume"), sent), None


def train(runs: list[RunData], asked: Question, sent: bytes) -> Answer:
    return asked.run(runs).painting.train(asked.number("axis")), None


def _place(asked: Question) -> tuple[int, int, int]:
    return asked.number("volume"), asked.number("axis"), asked.number("at")


ASKS = {"painting": painting, "slice": slice_of, "preview": preview, "suggest": suggest}
SENDS = {"strokes": strokes, "train": train}
