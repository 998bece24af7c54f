"""What the page may ask, each with one function: the whole of what this server tells and takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from operando.core.errors import InputError

from . import painting
from .data import RunData
from .question import Question

Answer = tuple[dict[str, Any], list[np.ndarray] | None]


def state(runs: list[RunData], asked: Question) -> Answer:
    """Of every run its version and age, or what is wrong with it."""
    told = []
    for run in runs:
        try:
            told.append(run.state())
        except InputError as error:
            told.append({"error": {"what": error.what, "where": error.where, "fix": error.fix}})
    return {"runs": told}, None


def overview(runs: list[RunData], asked: Question) -> Answer:
    """What the page needs first: quantities, times, record."""
    return asked.run(runs).overview(), None


def maps(runs: list[RunData], asked: Question) -> Answer:
    """The whole series of a quantity, as bytes."""
    return asked.run(runs).maps(asked.word("name"))


def array(runs: list[RunData], asked: Question) -> Answer:
    """One array by its place in the results, as bytes."""
    return asked.run(runs).array(asked.word("group"), asked.word("variable"))


def peak(runs: list[RunData], asked: Question) -> Answer:
    """The fits of one point."""
    return asked.run(runs).peak(asked.word("ring"), asked.number("row"), asked.number("column")), None


def pattern(runs: list[RunData], asked: Question) -> Answer:
    """The pattern of a point or of a region."""
    rows = asked.number("row0"), asked.number("row1")
    columns = asked.number("column0"), asked.number("column1")
    return asked.run(runs).pattern(asked.number("step"), rows, columns)


def tracks(runs: list[RunData], asked: Question) -> Answer:
    """Grains in time."""
    return asked.run(runs).tracks(), None


ANSWERS: dict[str, Callable[[list[RunData], Question], Answer]] = {
    "state": state, "run": overview, "maps": maps, "array": array, "peak": peak, "pattern": pattern, "tracks": tracks,
    **painting.ASKS,
}  # fmt: skip

#: what the page may send, each with the function that takes its bytes (POST, from this server's own page only)
TAKES: dict[str, Callable[[list[RunData], Question, bytes], Answer]] = dict(painting.SENDS)
