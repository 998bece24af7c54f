"""The cycler's file while it grows: read again when it changes, and looked at for contact loss and shorts."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from operando.core.errors import OperandoError

from .experiment import Experiment
from .watch_alerts import Alerts

#: not read again more often than this share of the time goes into it
SHARE = 0.1
#: so long it may fail to be read before that is told, s
PATIENCE_S = 5.0
#: a current below this share of what flowed before is none, a voltage below this share of what was there is a short
NOTHING, SHORT = 0.02, 0.05
#: a voltage that jumps by more than this (V) from one record to the next, many times the usual, is a lost contact
JUMP_V, JUMP_USUAL = 0.3, 20.0
#: records that tell what flowed before
BEFORE = 20


@dataclass
class Cell:
    """The record of the cycler as far as it is written; None while it cannot be read."""

    experiment: Experiment
    alerts: Alerts
    table: xr.Dataset | None = None
    marks: list[tuple[int, int]] = field(default_factory=list)
    looked: int = 0
    again: float = 0.0
    failing: float = 0.0

    def look(self) -> None:
        """Read the files again where they changed; a last line cut short is left out by the reader."""
        section = self.experiment.cycler
        if section is None:
            return
        files = [Path(f) for f in ([section.file] if isinstance(section.file, str) else section.file)]
        marks = [(os.stat(f).st_size, os.stat(f).st_mtime_ns) for f in files if f.exists()]
        if marks == self.marks or time.monotonic() < self.again:
            return
        begun = time.monotonic()
        self.marks = marks
        self._read(files)
        self.again = time.monotonic() + (time.monotonic() - begun) / SHARE

    def _read(self, files: list[Path]) -> None:
        from operando.read import cycler

        section = self.experiment.cycler
        assert section is not None
        try:
            table = cycler(
                section.file, zone=section.zone, start=section.start, current_sign=section.current_sign
            )
        except OperandoError as error:
            self.failing = self.failing or time.monotonic()
            if time.monotonic() - self.failing < PATIENCE_S:  # as it may be while its writer is at work
                self.marks = []
                return
            self.alerts.begin("cycler", files[0].name, f"the cycler file cannot be read: {error.what}")
            return
        self.failing = 0.0
        self.alerts.end("cycler")
        if table.sizes["record"] < self.looked:
            self.looked = 0
            self.alerts.once("writer", files[0].name, "the cycler file is shorter than before: read anew")
        for kind, utc, text in cell_events(table, self.looked):
            self.alerts.once(kind, files[0].name, text, utc)
        self.table, self.looked = table, table.sizes["record"]


def cell_events(table: xr.Dataset, first: int = 0) -> list[tuple[str, float, str]]:
    """Kind, time (s since 1970, NaN where unknown) and words of each contact loss and short circuit from `first` on.

    Within one step of the cycler: a current that falls to nothing from one record to the next, or a voltage that
    jumps, is a lost contact; a voltage that falls to nothing while the current goes on is a short circuit.
    """
    table = table.isel(record=slice(max(0, first - 2 * BEFORE), None))
    skipped = max(0, first - 2 * BEFORE)
    step, current, voltage = (np.asarray(table[n].values, float) for n in ("step", "current", "voltage"))
    found: list[tuple[str, float, str]] = []
    going: str = ""
    for i in range(1, len(current)):
        kind, text = _event(step, current, voltage, i)
        if kind and kind != going and i + skipped >= first:
            found.append((kind, float(table["utc"].values[i]), text))
        going = kind or (going if _goes_on(going, current, voltage, i) else "")
    return found


def _event(step: np.ndarray, current: np.ndarray, voltage: np.ndarray, i: int) -> tuple[str, str]:
    """What happened at record `i`, compared with the records of the same step before."""
    first = max(0, i - BEFORE)
    same = np.arange(first, i)[(step[first:i] == step[i]) | ~np.isfinite(step[first:i])]
    if len(same) < 3 or not np.isfinite([current[i], voltage[i]]).all():
        return "", ""
    flowed, stood = float(np.median(np.abs(current[same]))), float(np.median(voltage[same]))
    flows = flowed > 0 and abs(current[i]) > 0.5 * flowed
    if flows and abs(stood) > 0.2 and abs(voltage[i]) < SHORT * abs(stood):
        return (
            "short circuit",
            f"short circuit: {stood:.3g} V fell to {voltage[i]:.3g} V under {current[i]:.3g} A",
        )
    if flowed > 0 and abs(current[i]) < NOTHING * flowed and abs(current[i - 1]) > 0.5 * flowed:
        return (
            "contact loss",
            f"contact loss: the current fell from {flowed:.3g} A to {current[i]:.2g} A in one step",
        )
    steps = np.abs(np.diff(voltage[same]))
    jump = abs(voltage[i] - voltage[i - 1])
    if same[-1] == i - 1 and jump > max(JUMP_V, JUMP_USUAL * float(np.median(steps))):
        return (
            "contact loss",
            f"contact loss: the voltage jumped from {voltage[i - 1]:.3f} V to {voltage[i]:.3f} V",
        )
    return "", ""


def _goes_on(kind: str, current: np.ndarray, voltage: np.ndarray, i: int) -> bool:
    """A short goes on while there is no voltage, a lost contact while no current flows."""
    if kind == "short circuit":
        return bool(abs(voltage[i]) < 0.1)
    return kind == "contact loss" and bool(current[i] == 0)
