"""The words of a question that the page asks."""

from __future__ import annotations

from operando.core.errors import InputError

from .data import RunData


class Question:
    """The words after `?`. Raises `InputError` for those that are missing or no numbers."""

    def __init__(self, asked: dict[str, list[str]]) -> None:
        self._asked = asked

    def word(self, name: str) -> str:
        """A word of the address. Raises `InputError` where it is missing."""
        if name not in self._asked:
            raise InputError(f"the question lacks {name}", where="the question of the page")
        return self._asked[name][0]

    def number(self, name: str) -> int:
        """A whole number of the address. Raises `InputError` for anything else."""
        text = self.word(name)
        if not text.lstrip("-").isdecimal() or len(text) > 9:
            raise InputError(f"{name} is no whole number", where="the question of the page")
        return int(text)

    def run(self, runs: list[RunData]) -> RunData:
        """Which run is asked about."""
        number = self.number("run")
        if not 0 <= number < len(runs):
            raise InputError(f"there is no run {number}", where="the question of the page")
        return runs[number]
