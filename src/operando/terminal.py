"""What a person sees in the terminal: aligned lines, a progress bar, quiet when piped."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

TOPIC = 12


class Terminal:
    """Tells a run to a person. Lines go to stdout; the bar goes to stderr, and only if that is a terminal."""

    def __init__(self, verbose: bool = False) -> None:
        self.out = Console(highlight=False, soft_wrap=True)
        self.progress = Progress(
            SpinnerColumn(), TextColumn(f"{{task.description:<{TOPIC - 4}}}"), BarColumn(30), TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), console=Console(stderr=True),
            disable=not sys.stderr.isatty(), transient=True,
        )  # fmt: skip
        self.tasks: dict[str, tuple[TaskID, float, int]] = {}
        if verbose:
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(logging.Formatter("  %(name)s: %(message)s"))
            root = logging.getLogger("operando")
            root.addHandler(handler)
            root.setLevel(logging.INFO)

    def __enter__(self) -> Terminal:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()
        for entry in self.tasks.values():
            self.progress.remove_task(entry[0])
        self.tasks.clear()

    def say(self, topic: str, sentence: str) -> None:
        """One line: a topic and a sentence."""
        text = Text.assemble("  ", (f"{topic + ' ':<{TOPIC}}", "bold cyan") if topic else "", sentence)
        self.out.print(text)

    def title(self, title: str) -> None:
        """A line of its own, bold."""
        self.out.print(Text(title, style="bold"))

    def advance(self, topic: str, done: int, total: int) -> None:
        """Move the bar of a topic, made when it is first told of."""
        if topic not in self.tasks:
            self.tasks[topic] = (self.progress.add_task(topic, total=total, rate=""), time.monotonic(), done)
        task, begun, first = self.tasks[topic]
        seconds = time.monotonic() - begun
        rate = f"{(done - first) / seconds:.0f} frames/s" if seconds > 0.5 and done > first else ""
        self.progress.update(task, completed=done, total=total, rate=rate)

    def bar(self, topic: str) -> Callable[[int, int], None]:
        """A function (done, total) that moves the bar of a topic."""
        return lambda done, total: self.advance(topic, done, total)

    def listener(self):
        """A `flow.Listener` that tells here."""
        from operando.flow import Listener

        return Listener(self.tell, self.advance)

    def tell(self, topic: str, sentence: str) -> None:
        """A sentence of a run, or its title."""
        if topic == "title":
            self.title(sentence)
        else:
            self.say(topic, sentence)

    def notes(self, notes: Sequence[str]) -> None:
        """Things to look at, one a line."""
        if notes:
            many = f"{len(notes)} thing{'s' if len(notes) > 1 else ''} to look at"
            self.out.print(Text.assemble("  ", (many, "bold yellow")))
            for note in notes:
                self.out.print(Text(f"    - {note}"))


def print_inspections(found: Sequence[Any], as_json: bool) -> None:
    """Inspections as an aligned table each, or as one JSON list."""
    if as_json:
        print(json.dumps([asdict(inspection) for inspection in found], indent=2, default=str))
        return
    console = Console(highlight=False, soft_wrap=True)
    for inspection in found:
        console.print(Text(inspection.headline, style="bold"))
        widths = [max((len(str(row[i])) for row in inspection.rows), default=0) for i in (0, 1)]
        for what, where, detail in inspection.rows:
            console.print(
                Text.assemble(
                    "  ", (f"{what:<{widths[0]}}  ", "cyan"), f"{where:<{widths[1]}}  ", (str(detail), "")
                )
            )
        verdict = "yes" if inspection.readable else "no"
        style = "green" if inspection.readable else "bold red"
        console.print(
            Text.assemble("  readable: ", (verdict, style), f", {inspection.why}" if inspection.why else "")
        )
