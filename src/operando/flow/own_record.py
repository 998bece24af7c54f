"""The run as one technique sees it: with the record and the cell that it was measured with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import xarray as xr

from .sections.own_cell import OwnCell
from .timeline import read_record

if TYPE_CHECKING:
    from .running import Run

#: sections that go on from what a technique found, and so share its cell and its record
FOLLOWS = {"symmetric_model": "tomography"}


def as_seen_by(
    job: Run, groups: dict[str, xr.Dataset], name: str, table: xr.Dataset | None
) -> tuple[Run, xr.Dataset | None]:
    """The run and the cycler's table for the section `name`: those of the experiment, or its own.

    A technique with `cycler` in its section has that record, which goes into `groups["<technique>/record"]`; with
    `cell` it has those layers and that area. One of another cell (`other_cell`, `cell`) has nothing of [cell].
    """
    technique = FOLLOWS.get(name, name)
    asked = getattr(job.experiment, technique)
    if not isinstance(asked, OwnCell) or not asked.separate:
        return job, table
    apart = asked.other_cell or asked.cell is not None
    cell = asked.cell if apart else job.experiment.cell
    own = job.experiment.model_copy(update={"cell": cell, "cycler": asked.cycler})
    if asked.cycler is None:
        return replace(job, experiment=own), None
    place = f"{technique}/record"
    if place not in groups:
        groups[place] = read_record(job, asked.cycler, of=technique)
    return replace(job, experiment=own), groups[place]
