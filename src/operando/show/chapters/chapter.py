"""One technique's part of the report."""

from __future__ import annotations

from dataclasses import dataclass, field

from operando.show.style import Exhibit
from operando.show.table import Table


@dataclass
class Chapter:
    """Sentences, figures and tables of a technique, for the sections of the report that they belong to.

    `measured` goes to "What was measured", `findings`, `figures` and `tables` under a heading of their own in "What
    changed", `doubts` and `checks` to "Can I believe it". Sentences hold the number and its error.
    """

    name: str  # anchor: letters and dashes
    title: str
    measured: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    figures: list[Exhibit] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    checks: list[Exhibit] = field(default_factory=list)
    spaces: list[str] = field(
        default_factory=list
    )  # HTML of figures that can be turned, see figures/space.py
