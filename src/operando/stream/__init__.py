"""The one pass over detector frames: several reductions share every decoded block."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pipeline import run
    from .reductions import AzimuthalMap, FrameSum, Monitor, Pattern, Reduction, RingWindow, TotalCounts

_HOME = {
    "run": "pipeline",
    **dict.fromkeys(
        ("AzimuthalMap", "FrameSum", "Monitor", "Pattern", "Reduction", "RingWindow", "TotalCounts"),
        "reductions",
    ),
}

__all__ = [
    "AzimuthalMap", "FrameSum", "Monitor", "Pattern", "Reduction", "RingWindow", "TotalCounts", "run",
]  # fmt: skip


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
