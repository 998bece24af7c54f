"""[epitaxy]: how grains of the ring with grains = true may sit on the layer below them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import Degrees, Indices, Positive, Section, Whole, Word


class TextureSection(Section):
    """Orientation of the substrate: normals of two of its planes and the azimuths (degrees) at which they lie."""

    plane: Indices
    azimuth_deg: Degrees
    second_plane: Indices
    second_azimuth_deg: Degrees


class EpitaxySection(Section):
    """Azimuths of the grains of each map against those that a relation predicts, and against uniformity."""

    substrate: Word
    relation: Word
    texture: TextureSection
    tolerance_deg: Annotated[Positive, Field(le=30)] = 3.0
    width_deg: Annotated[Positive, Field(le=90)] = 10.0
    fold: Annotated[Whole, Field(ge=1, le=24)] = 6
    min_grains: Annotated[Whole, Field(ge=3)] = 10
