"""[ebsd]: orientation maps of conditions that are compared."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from .base import Indices, Number, Positive, Section, Seed, Whole, Word


class MapSection(Section):
    """One orientation map, called by its condition; `laue` of phases whose file gives no symmetry."""

    paths: ClassVar = {"file": ()}

    name: Annotated[str, Field(pattern=r"^[^/.][^/]*$", min_length=1)]
    file: Word
    laue: dict[Word, Word] | None = None


class EbsdSection(Section):
    """Grains of each map, and how many (and how much area) grow with a pole near a direction of the sample."""

    maps: Annotated[list[MapSection], Field(min_length=1)]
    phase: Annotated[Whole, Field(ge=1)] = 1
    poles: Annotated[list[Indices], Field(min_length=1)] = Field(default=[(0, 0, 1), (1, 0, 1), (1, 1, 1)])
    direction: tuple[Number, Number, Number] = (0.0, 0.0, 1.0)
    within_deg: Annotated[Positive, Field(le=90)] = 15.0
    threshold_deg: Annotated[Positive, Field(lt=60)] = 5.0
    min_points: Annotated[Whole, Field(ge=1)] = 5
    seed: Seed = 1

    @model_validator(mode="after")
    def names_differ(self):
        names = [one.name for one in self.maps]
        if len(set(names)) < len(names):
            raise ValueError("two maps have one name")
        if taken := {"shares", "compare"} & set(names):
            raise ValueError(f"maps: {taken.pop()!r} is the name of a result: call the map otherwise")
        if len({one.file for one in self.maps}) < len(names):
            raise ValueError("maps: one file is named twice")
        if not any(self.direction):
            raise ValueError("direction: (0, 0, 0) is none")
        return self
