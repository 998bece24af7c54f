"""[xrd]: micro-XRD maps and the rings to follow."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from .base import Degrees, Indices, Number, Positive, Section, Side, Switch, Whole, Word

#: names that the sums and groups of an analysis already have
TAKEN = ("pattern", "monitor", "total_counts", "reflections")
#: points of a map: more is a slip of the pen
MOST_POINTS = 10_000_000


class GridSection(Section):
    """Rows and columns of a map where they are not taken from the motors."""

    rows: Side
    columns: Side
    step_z_um: Number
    step_x_um: Number
    order: Literal["same", "snake"] = "same"

    @field_validator("step_z_um", "step_x_um")
    @classmethod
    def not_zero(cls, value: float) -> float:
        if value == 0:
            raise ValueError("a step cannot be zero")
        return value

    @model_validator(mode="after")
    def of_human_size(self):
        if self.rows * self.columns > MOST_POINTS:
            raise ValueError(f"{self.rows} x {self.columns} is more than {MOST_POINTS:,} points")
        return self


class RingSection(Section):
    """A ring to follow. `families` are groups of azimuths (degrees, 0 along +x, 90 along +z) fitted together."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
    phase: str
    hkl: Indices
    families: dict[Word, Annotated[list[Degrees], Field(min_length=1)]] = Field(default={})
    half_width_deg: Annotated[Number, Field(gt=0, le=180)] = 10.0
    q_range: tuple[Positive, Positive] | None = None
    q_bins: Annotated[Whole, Field(ge=8, le=2000)] | None = None
    shape: Literal["gaussian", "pseudo-voigt"] = "gaussian"
    phases: Literal[1, 2] = 1
    front: Literal["lattice", "fraction"] | None = None
    layer: Switch = False
    grains: Switch = False
    grains_reference: Literal["first"] | Annotated[list[Whole], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def reference_of_grains(self):
        if self.grains_reference is not None and not self.grains:
            raise ValueError("grains_reference needs grains = true in the same ring")
        return self

    @model_validator(mode="after")
    def fraction_of_two(self):
        if self.front == "fraction" and self.phases != 2:
            raise ValueError('front = "fraction" needs phases = 2 in the same ring')
        return self

    @field_validator("name")
    @classmethod
    def free(cls, value: str) -> str:
        if value in TAKEN:
            raise ValueError(f"a ring cannot be called so, the results have another {value!r}")
        return value

    @field_validator("q_range")
    @classmethod
    def ascending(cls, value):
        if value is not None and value[0] >= value[1]:
            raise ValueError("q_range must be [lowest, highest] in 1/angstrom")
        return value


class XrdSection(Section):
    """Micro-XRD maps. Nothing that is missing is replaced: a mask, geometry or monitor is named, or is "none"."""

    paths: ClassVar = {"geometry": (), "mask": ("detector", "none"), "flat": (), "dark": ()}
    patterns: ClassVar = ("scans",)

    scans: Word | Annotated[list[Word], Field(min_length=1)]
    dataset: Word | None = None
    geometry: Word
    flip: Literal["none", "vertical", "horizontal", "both"] = "none"
    orientation: Annotated[Whole, Field(ge=1, le=4)] | None = None
    mask: Word = "detector"
    dead: Literal["drop", "count"] = "drop"
    monitor: Word = "recorded"
    monitor_place: Literal["behind", "before"] = "behind"
    motors: tuple[str, str] | None = None
    grid: GridSection | None = None
    incomplete: Switch = False
    rings: list[RingSection] = Field(default=[])
    azimuth_bins: Annotated[Whole, Field(ge=4, le=3600)] = 360
    pattern_bins: Annotated[Whole, Field(ge=10, le=20000)] = 1000
    q_range: tuple[Positive, Positive] | None = None
    pattern_spacing: Literal["q", "two_theta"] = "q"
    point_patterns: Switch = False
    solid_angle: Switch = True
    polarisation: Annotated[Number, Field(ge=-1, le=1)] | None = None
    flat: Word | None = None
    dark: Word | None = None
    splitting: Literal["none", "bbox"] = "none"
    standard: Word | None = None
    standard_d_err_A: Annotated[Number, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def rings_are_distinct(self):
        names = [ring.name for ring in self.rings]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"two rings are called {twice.pop()!r}")
        if self.standard is not None and self.standard not in names:
            raise ValueError(f"standard: no ring is called {self.standard!r}")
        return self
