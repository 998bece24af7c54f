"""[tomography]: scans in time of a cell with two lithium electrodes, from projections or volumes."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .base import Number, Positive, Section, Voxel, Whole, Word
from .own_cell import OwnCell

Rows = Annotated[Whole, Field(ge=0)]


class GreysSection(Section):
    """Grey values of the phases in the volumes, 1/cm. Where a volume is made here they are found, these beat them."""

    void: Number = 0.0
    lithium: Number | None = None
    interphase: Number | None = None
    electrolyte: Number | None = None
    steel: Number | None = None

    @model_validator(mode="after")
    def rising(self):
        given = [
            (name, getattr(self, name)) for name in ("void", "lithium", "interphase", "electrolyte", "steel")
        ]
        given = [(name, value) for name, value in given if value is not None]
        for (one, low), (other, high) in pairwise(given):
            if not low < high:
                raise ValueError(
                    f"greys: {one} = {low:g} is not under {other} = {high:g}; "
                    "they must rise: void < lithium < interphase < electrolyte < steel"
                )
        return self


class TomographySection(OwnCell):
    """Tomography of a symmetric cell: `scans` (projections) or `volumes`, in order of time."""

    patterns: ClassVar = ("scans", "volumes")

    scans: Word | list[Word] | None = None
    volumes: Word | list[Word] | None = None
    times_s: list[Number] | None = None
    voxel_um: Voxel | None = None
    energy_keV: Annotated[Positive, Field(ge=1, le=10_000)] | None = None
    distance_mm: Annotated[Positive, Field(le=1e6)] | None = None
    row_0: Literal["bottom", "top"] = "bottom"
    centre: Number | None = None
    region: Annotated[list[Rows], Field(min_length=4, max_length=4)] | None = None
    rows: Annotated[list[Rows], Field(min_length=2, max_length=2)] | None = None
    binning: Annotated[Whole, Field(ge=1, le=16)] = 1
    stripes: Word = "sorting"
    delta_beta: Positive | None = None
    electrolyte: Word | None = None
    collector: Word = "Fe"
    memory_gb: Positive | None = None
    greys: GreysSection = Field(default=GreysSection())
    thresholds: dict[Literal["pore"], Number] = Field(default={})
    held: Literal["lower collector", "upper collector", "none"] = "lower collector"
    still: Annotated[list[Annotated[Whole, Field(ge=1)]], Field(min_length=2, max_length=2)] | None = None
    blur_um: Positive | None = None
    margin_um: Annotated[Number, Field(ge=0)] | None = None
    window: Annotated[Whole, Field(ge=7, le=201)] = 17
    displacement: Literal["own", "spam"] = "own"

    @model_validator(mode="after")
    def one_source(self):
        if (self.scans is None) == (self.volumes is None):
            raise ValueError("write either scans (projections) or volumes, and not both")
        if self.volumes is not None and (self.greys.lithium is None or self.greys.steel is None):
            raise ValueError(
                "volumes need greys = { void, lithium, electrolyte, steel }: their grey values are not known here"
            )
        if self.volumes is not None and self.greys.electrolyte is None:
            raise ValueError("volumes need the grey value of the electrolyte: greys = { electrolyte = ... }")
        if self.still is not None and self.still[0] == self.still[1]:
            raise ValueError("still names one scan twice; it is two scans without current between them")
        return self
