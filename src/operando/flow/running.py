"""A run in progress, as every recipe sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .experiment import Experiment
from .stage import Stages
from .workers import Team


def _silent(*_: Any) -> None:
    return None


@dataclass
class Listener:
    """Where a run tells what it does. The defaults say nothing."""

    say: Callable[[str, str], None] = _silent  # topic, sentence
    progress: Callable[[str, int, int], None] = _silent  # topic, done, total


@dataclass
class Run:
    """A run in progress: its folder, its stages, and whom it tells."""

    folder: Path
    experiment: Experiment
    stages: Stages
    listener: Listener = field(default_factory=Listener)
    notes: list[str] = field(default_factory=list)
    team: Team | None = None
