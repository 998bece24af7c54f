"""[lithium]: from a lattice parameter to x."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Number, Section, Word


class LithiumSection(Section):
    """x in the active material from the lattice parameter of a ring: a named calibration, or anchors [parameter, x]."""

    ring: Word
    families: Annotated[list[Word], Field(min_length=1)] | None = None
    calibration: Literal["LiCoO2 film"] | None = None
    anchors: Annotated[list[tuple[Number, ...]], Field(min_length=2)] | None = None
    parameter: Literal["c", "a"] = "c"
    source: str = ""

    @model_validator(mode="after")
    def one_calibration(self):
        if (self.calibration is None) == (self.anchors is None):
            raise ValueError('give either calibration = "LiCoO2 film" or anchors')
        if any(len(point) not in (2, 3, 4) for point in self.anchors or []):
            raise ValueError(
                "an anchor is [parameter, x], or with errors [parameter, x, parameter_err, x_err]"
            )
        return self
