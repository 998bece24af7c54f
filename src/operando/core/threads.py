"""How many threads a piece of work may use."""

from __future__ import annotations

import os

#: environment variable that states the number; a worker among several sets it
THREADS = "OPERANDO_THREADS"


def available_cores() -> int:
    """Cores that this process may use: what `OPERANDO_THREADS` says, else those it is allowed to run on."""
    stated = os.environ.get(THREADS, "")
    if stated.isdigit() and int(stated) > 0:
        return int(stated)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
