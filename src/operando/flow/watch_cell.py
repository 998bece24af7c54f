"""The cycler's file while it grows: read again when it changes, and looked at for contact loss and shorts."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import xarray as xr

from operando.core.errors import OperandoError

from .experiment import Experiment
from .watch_alerts import Alerts, cell_events

#: not read again more often than this share of the time goes into it
SHARE = 0.1
#: so long it may fail to be read before that is told, s
PATIENCE_S = 5.0


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
