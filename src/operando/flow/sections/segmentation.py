"""[segmentation]: volumes to phases by a classifier that is trained here or was trained before."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .base import Number, Positive, Section, Seed, Voxel, Whole, Word

Names = Annotated[list[Word], Field(min_length=1)]


class LabelledSection(Section):
    """A volume with known voxels: `labels` are strokes (JSON of the dashboard) or a label volume (0 is not known)."""

    paths: ClassVar = {"labels": ()}
    patterns: ClassVar = ("volume",)

    scan: Annotated[Whole, Field(ge=1)] | None = None
    volume: Word | list[Word] | None = None
    labels: Word
    values: dict[Word, Whole | list[Whole]] | None = None

    @model_validator(mode="after")
    def one_volume(self):
        if (self.scan is None) == (self.volume is None):
            raise ValueError("write either scan (its number in order of time, from 1) or volume (a file)")
        return self


class RatioSection(Section):
    """A share of some phases in others: the porosity is void in void and solid."""

    name: Annotated[str, Field(pattern=r"^[^/:]+$", min_length=1)]
    part: Names
    whole: Names

    @model_validator(mode="after")
    def inside(self):
        if not set(self.part) <= set(self.whole):
            raise ValueError(f"{self.name}: part = {self.part} is not within whole = {self.whole}")
        return self


class ContactSection(Section):
    """Columns along z in contact: fewer than `least` voxels of `void` in the last `voxels` of `of` before the solid."""

    of: Word
    void: Names
    voxels: Annotated[Whole, Field(ge=1, le=50)] = 5
    least: Annotated[Whole, Field(ge=1, le=50)] = 1


class SegmentationSection(Section):
    """Phases of the volumes of [tomography] (or of `volumes`), with errors from volumes that were held out."""

    paths: ClassVar = {"model": ()}
    patterns: ClassVar = ("volumes",)

    method: Literal["forest", "unet"] = "forest"
    phases: Annotated[list[Word], Field(min_length=2, max_length=250)] | None = None
    volumes: Word | list[Word] | None = None
    times_s: list[Number] | None = None
    voxel_um: Voxel | None = None
    model: Word | None = None
    train: Annotated[list[LabelledSection], Field(min_length=1)] | None = None
    held: list[LabelledSection] = Field(default=[])
    shares: Literal["trained", "held"] = "trained"
    ratios: list[RatioSection] = Field(default=[])
    contact: ContactSection | None = None
    memory_gb: Annotated[Positive, Field(ge=0.2)] = 2.0
    seed: Seed = 0

    dimensions: Literal[2, 3] = 3
    sigmas: Annotated[list[Annotated[Number, Field(ge=0.3, le=50)]], Field(min_length=1)] = Field(
        default=[0.7, 1.4, 2.8]
    )
    trees: Annotated[Whole, Field(ge=1, le=1000)] = 50
    depth: Annotated[Whole, Field(ge=2, le=40)] = 16

    encoder: Literal["light", "resnet10", "resnet18", "resnet34", "resnet50"] = "light"
    neighbours: Annotated[Whole, Field(ge=0, le=16)] = 2
    across: Literal["z", "y", "x"] = "y"
    patch: Annotated[list[Annotated[Whole, Field(ge=16, le=4096)]], Field(min_length=2, max_length=2)] = (
        Field(default=[96, 128])
    )
    epochs: Annotated[Whole, Field(ge=1, le=1_000_000)] = 200
    time_s: Positive | None = 300.0

    @model_validator(mode="after")
    def consistent(self):
        if self.model is not None and self.train is not None:
            raise ValueError(
                "write either model (trained before) or train (labels to learn from), and not both"
            )
        if self.phases is not None and len(set(self.phases)) < len(self.phases):
            raise ValueError("phases: one name is there twice")
        known = set(self.phases or ())
        named = [n for r in self.ratios for n in r.whole] + (
            [self.contact.of, *self.contact.void] if self.contact else []
        )
        if self.phases is not None and (missing := sorted(set(named) - known)):
            raise ValueError(
                f"ratios and contact name {', '.join(missing)}; phases has {', '.join(self.phases)}"
            )
        if len({r.name for r in self.ratios}) < len(self.ratios):
            raise ValueError("ratios: one name is there twice")
        if self.sigmas != sorted(set(self.sigmas)):
            raise ValueError("sigmas must rise")
        return self
