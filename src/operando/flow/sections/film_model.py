"""[film_model]: the film electrode beside the lithium content that was measured."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Number, Positive, Section, Word

Hours = Annotated[Positive, Field(le=10_000)]
Diffusivity = Annotated[Positive, Field(le=1e-6)]  # m2/s, more than that of a gas in a porous solid


class StepSection(Section):
    """One of `hold` (V) for hours, `drive` (mA/cm2, positive on charge) until a voltage, `rest` for hours."""

    hold: Positive | None = None
    drive: Number | None = None
    until: Positive | None = None
    rest: Hours | None = None
    hours: Hours | None = None

    @model_validator(mode="after")
    def one_kind(self):
        if sum(value is not None for value in (self.hold, self.drive, self.rest)) != 1:
            raise ValueError("a step is { hold, hours }, { drive, until } or { rest }")
        if self.hold is not None and self.hours is None:
            raise ValueError("hold needs hours")
        if self.drive is not None and self.until is None:
            raise ValueError("drive needs until, a voltage")
        return self


class FilmModelSection(Section):
    """The model is put on the grid of the maps, never the maps on the model's. Thickness is that of the layer."""

    family: Word
    steps: Literal["record"] | Annotated[list[StepSection], Field(min_length=1)]
    start_s: Number | None = None
    substrate_um: Number | None = None
    film_um: Positive | None = None
    start_x: Annotated[Positive, Field(le=1)] = 0.95
    diffusivity_poor: Diffusivity = 1e-12
    diffusivity_rich: Diffusivity = 7e-14
    conductivity_S_per_cm: Positive = 2e-6
    exchange_A_per_m2: Positive = 1.2
    spread: Annotated[Number, Field(ge=0)] | None = None
    blur_um: Annotated[Number, Field(ge=0)] = 0.0
