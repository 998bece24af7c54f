"""What the page may ask, each with one function: the whole of what this server tells and takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from operando.core.errors import InputError

from .data import RunData

Answer = tuple[dict[str, Any], list[np.ndarray] | None]


class Question:
    """The words after `?`. Raises `InputError` for those that are missing or no numbers."""

    def __init__(self, asked: dict[str, list[str]]) -> None:
        self._asked = asked

    def word(self, name: str) -> str:
        if name not in self._asked:
            raise InputError(f"the question lacks {name}", where="the question of the page")
        return self._asked[name][0]

    def number(self, name: str) -> int:
        text = self.word(name)
        if not text.lstrip("-").isdecimal() or len(text) > 9:
            raise InputError(f"{name} is no whole number", where="the question of the page")
        return int(text)

    def run(self, runs: list[RunData]) -> RunData:
        number = self.number("run")
        if not 0 <= number < len(runs):
            raise InputError(f"there is no run {number}", where="the question of the page")
        return runs[number]


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
    return asked.run(runs).overview(), None


def maps(runs: list[RunData], asked: Question) -> Answer:
    return asked.run(runs).maps(asked.word("name"))


def array(runs: list[RunData], asked: Question) -> Answer:
    return asked.run(runs).array(asked.word("group"), asked.word("variable"))


def peak(runs: list[RunData], asked: Question) -> Answer:
    return asked.run(runs).peak(asked.word("ring"), asked.number("row"), asked.number("column")), None


def pattern(runs: list[RunData], asked: Question) -> Answer:
    rows = asked.number("row0"), asked.number("row1")
    columns = asked.number("column0"), asked.number("column1")
    return asked.run(runs).pattern(asked.number("step"), rows, columns)


def tracks(runs: list[RunData], asked: Question) -> Answer:
    return asked.run(runs).tracks(), None


ANSWERS: dict[str, Callable[[list[RunData], Question], Answer]] = {
    "state": state, "run": overview, "maps": maps, "array": array, "peak": peak, "pattern": pattern, "tracks": tracks,
}  # fmt: skip

#: what the page may send, each with the function that takes its bytes (POST, from this server's own page only)
TAKES: dict[str, Callable[[list[RunData], Question, bytes], Answer]] = {}
