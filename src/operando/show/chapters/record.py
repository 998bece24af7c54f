"""Which cycler record a technique was laid on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from operando.flow.series import separate
from operando.show.text import listed, number

if TYPE_CHECKING:
    from operando.flow.results import Results


def record_told(results: Results, section: str, called: str) -> list[str]:
    """One sentence: the experiment's record, the technique's own, or none; with files and clock offset."""
    experiment = results.experiment
    own = (experiment.get(section) or {}).get("cycler")
    if own:
        return [f"{called} has a cycler record of its own: {_record(own)}."]
    if separate(experiment, section):
        return [
            f"{called} is of another cell, without a cycler record: it is not set beside the quantities of the first."
        ]
    shared = experiment.get("cycler")
    return [f"{called} is on the cell's record: {_record(shared)}."] if shared else []


def _record(cycler: dict) -> str:
    files = [cycler["file"]] if isinstance(cycler["file"], str) else cycler["file"]
    offset = cycler.get("clock_offset_s", 0.0)
    told = {"find": "clock offset to be found", "none": "clocks not joined"}
    clock = told[offset] if isinstance(offset, str) else f"clock offset {number(float(offset))} s"
    return f"{listed([Path(file).name for file in files])} ({clock})"
