"""What each technique beside micro-XRD adds to the report: one module a technique, one line in `CHAPTERS`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .chapter import Chapter

if TYPE_CHECKING:
    from operando.flow.results import Results

#: modules here whose function `chapter(results)` returns a Chapter, or None where the results have nothing for it
CHAPTERS: tuple[str, ...] = ("tomography", "segmentation", "transport", "compton", "ebsd", "models", "joint")

__all__ = ["CHAPTERS", "Chapter", "chapters"]


def chapters(results: Results) -> list[Chapter]:
    """The chapters that the groups at hand allow, in the order of the report."""
    found = [import_module(f"{__name__}.{name}").chapter(results) for name in CHAPTERS]
    return [chapter for chapter in found if chapter is not None]
