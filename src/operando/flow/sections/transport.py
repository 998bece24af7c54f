"""[transport]: what segmented volumes conduct, how they obstruct, how stiff they are."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from .base import Number, Positive, Section, Seed, Switch, Voxel, Whole, Word

Share = Annotated[Number, Field(ge=0)]
Index = Annotated[Whole, Field(ge=0)]


CONTRAST = 1e5  # of Young's moduli: their numerical error is some 1e-7 of the stiffer one
APART = 1e10  # of conductivities: solves converge to 1e8, and beyond this nothing is left but rounding


class SolidSection(Section):
    """One phase: its label in the volumes (none of `[segmentation]`, which has names), what it conducts, how stiff."""

    label: Annotated[Whole, Field(ge=0, le=65_535)]
    conductivity_mS_per_cm: Share = 0.0
    young_GPa: Share = 0.0
    poisson: Annotated[Number, Field(gt=-1, lt=0.5)] = 0.25


class SyntheticSection(Section):
    """Isotropic polycrystals of this grain size, alike in porosity and pore size, that cubes are compared with."""

    grain_um: Positive
    boundary_voxels: Share = 1.0
    pores_at: Literal["anywhere", "boundary"] = "anywhere"
    seeds: Annotated[Whole, Field(ge=2, le=100)] = 4


class HotSpotSection(Section):
    """A disc in the middle of the first face with `times` the current density of what is around it."""

    diameter_um: Positive
    times: Annotated[Number, Field(gt=1)] = 10.0


class TransportSection(Section):
    """Label volumes, what `[segmentation]` labelled, or the solid under an interface of `[tomography]`."""

    patterns: ClassVar = ("labels",)

    source: Literal["labels", "segmentation", "tomography"] | None = None
    labels: Word | list[Word] | None = None
    names: list[Annotated[str, Field(pattern=r"^[^/]+$", min_length=1)]] | None = None
    dataset: Word | None = None
    voxel_um: Voxel | None = None
    interface: Literal["bottom", "top"] = "bottom"
    depth_um: Positive = 100.0
    phases: dict[Word, SolidSection] = Field(
        default={"pore": SolidSection(label=0), "solid": SolidSection(label=1, conductivity_mS_per_cm=1.0)}
    )
    bulk: Word | None = None
    outside: Index | None = None
    rows: Annotated[list[Index], Field(min_length=2, max_length=2)] | None = None
    region: Annotated[list[Index], Field(min_length=4, max_length=4)] | None = None
    along: Literal["x", "y", "z"] = "z"
    domain_um: tuple[Positive, Positive, Positive] | None = None
    cube_um: Positive | None = 100.0
    cubes: Annotated[Whole, Field(ge=1, le=100)] = 3
    synthetic: SyntheticSection | None = None
    hot_spot: HotSpotSection | None = None
    stiffness: Switch = True
    tolerance: Annotated[Number, Field(ge=1e-6, lt=0.5)] = 0.01
    seed: Seed = 1

    @model_validator(mode="before")
    @classmethod
    def numbered(cls, told: Any) -> Any:
        """Phases of `[segmentation]` are told by their names: their labels are their places here."""
        if not (isinstance(told, dict) and told.get("source") == "segmentation"):
            return told
        phases = told.get("phases")
        if not isinstance(phases, dict):
            raise ValueError(
                "phases: say what each conducts: { pore = {}, NAME = { conductivity_mS_per_cm = 1.0 } }"
            )
        numbered = {
            name: {**one, "label": k} if isinstance(one, dict) else one
            for k, (name, one) in enumerate(phases.items())
        }
        return told | {"phases": numbered}

    @model_validator(mode="after")
    def one_source(self):
        if self.source in ("segmentation", "tomography") and self.labels is not None:
            raise ValueError(f"labels: write either labels or source = {self.source!r}")
        if self.source == "segmentation" and self.outside is not None:
            raise ValueError("outside: voxels of [segmentation] without a label are outside by themselves")
        return self

    @model_validator(mode="after")
    def phases_serve(self):
        labels = [phase.label for phase in self.phases.values()]
        if len(set(labels)) < len(labels):
            raise ValueError("phases: two phases have one label")
        if self.outside in labels:
            raise ValueError(f"outside: {self.outside} is the label of a phase")
        if not any(phase.conductivity_mS_per_cm for phase in self.phases.values()):
            raise ValueError("phases: none conducts; give one conductivity_mS_per_cm")
        if self.bulk is not None and self.bulk not in self.phases:
            raise ValueError(f"bulk: {self.bulk!r} is not among the phases")
        if not self.phases[self.bulk_name].conductivity_mS_per_cm:
            raise ValueError(f"bulk: {self.bulk_name!r} does not conduct")
        conducts = [p.conductivity_mS_per_cm for p in self.phases.values() if p.conductivity_mS_per_cm]
        if max(conducts) > APART * min(conducts):
            raise ValueError(
                f"phases: conductivities of {min(conducts):g} and {max(conducts):g} mS/cm: at over {APART:g} times "
                "the poorer one is lost in rounding; say that it blocks (0)"
            )
        young = [phase.young_GPa for phase in self.phases.values() if phase.young_GPa]
        if self.stiffness and young and max(young) > CONTRAST * min(young):
            raise ValueError(
                f"phases: Young's moduli of {min(young):g} and {max(young):g} GPa: at more than {CONTRAST:g} times the "
                "softer one is lost in rounding; call it a pore (young_GPa = 0)"
            )
        if self.hot_spot and self.cube_um and self.hot_spot.diameter_um >= self.cube_um:
            raise ValueError(
                f"hot_spot: a disc of {self.hot_spot.diameter_um:g} um covers the face of a cube of {self.cube_um:g} um"
            )
        if self.synthetic is not None and not set(labels) <= {0, 1, 2}:
            raise ValueError("synthetic: labels must be 0 (pore), 1 (grain), 2 (boundary) to be compared")
        if self.synthetic is not None and self.synthetic.boundary_voxels and 2 not in labels:
            raise ValueError("synthetic: give a phase of label 2 for the boundaries, or boundary_voxels = 0")
        return self

    @property
    def domain(self) -> tuple[float, float, float]:
        """Domains of the map along x, y, z (um): as said, else 100 along the flux and 25 across."""
        x, y, z = (100.0 if axis == self.along else 25.0 for axis in "xyz")
        return self.domain_um or (x, y, z)

    @property
    def bulk_name(self) -> str:
        """The dense material that factors are relative to: as said, else what conducts best."""
        return self.bulk or max(self.phases, key=lambda name: self.phases[name].conductivity_mS_per_cm)

    @property
    def conducting(self) -> list[int]:
        """Labels of the phases that conduct."""
        return [phase.label for phase in self.phases.values() if phase.conductivity_mS_per_cm]
