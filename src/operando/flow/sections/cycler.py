"""[cycler] and [impedance]: the record of the cell and its clock."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .base import Number, Positive, Section, Whole, Word


class CyclerSection(Section):
    """The cycler's record (one file, or several that follow each other) and its clock minus the detector's."""

    paths: ClassVar = {"file": ()}

    file: Word | Annotated[list[Word], Field(min_length=1)]
    zone: str | None = None
    start: str | None = None
    current_sign: Literal[1, -1] = 1
    clock_offset_s: Number | Literal["find", "none"] = 0.0
    clock_offset_err_s: Annotated[Number, Field(ge=0)] = 0.0
    clock_drift: Annotated[Number, Field(gt=-0.01, lt=0.01)] | Literal["find"] = 0.0
    clock_guess_s: Number = 0.0
    clock_search_s: Positive = 600.0
    clock_window_s: Positive = 3600.0
    clock_signal: Word | None = None
    clock_events: list[Annotated[Whole, Field(ge=1)]] | None = None


class ImpedanceSection(Section):
    """Impedance files of the cell; area is that of [cell] where not given here."""

    paths: ClassVar = {"files": ()}

    files: Word | Annotated[list[Word], Field(min_length=1)]
    zone: str | None = None
    circuit: str | None = None
    bulk: Word = "R0"
    area_cm2: Positive | None = None
    thickness_um: Positive | None = None
    interfaces: Annotated[Whole, Field(gt=0)] = 1
