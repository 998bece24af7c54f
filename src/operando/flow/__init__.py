"""Experiment file, stage cache, recipes, NeXus store: the only room that joins techniques."""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "load_experiment": "experiment", "Experiment": "experiment", "run": "job", "Listener": "running", "Run": "running",
    "Results": "results", "Process": "results", "read_results": "store", "write_results": "store", "Stages": "stage",
    "versioned": "stage", "rerun_and_compare": "reproduce", "compare_results": "reproduce",
    "Reproduction": "reproduce", "watch_experiment": "watch", "Watching": "watch",
}  # fmt: skip

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
