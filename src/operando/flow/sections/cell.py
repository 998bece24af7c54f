"""[cell] and [phases]: what the sample is."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from operando.core import Cell, Layer, Phase

from .base import Number, Positive, Section, Word


class LayerSection(Section):
    """One layer of the stack."""

    name: str
    thickness_um: Annotated[Number, Field(ge=0)]
    phase: str | None = None


class CellSection(Section):
    """Layers from the substrate up, and the active area."""

    area_cm2: Positive
    layers: list[LayerSection] = Field(min_length=1)

    def build(self) -> Cell:
        """The section as a `core.Cell`."""
        return Cell(tuple(Layer(**layer.model_dump()) for layer in self.layers), self.area_cm2)


class PhaseSection(Section):
    """Either `cif`, or a space group with the cell parameters (angstrom, degrees) that it leaves free."""

    paths: ClassVar = {"cif": ()}

    a: Positive | None = None
    b: Positive | None = None
    c: Positive | None = None
    alpha: Annotated[Positive, Field(lt=180)] = 90.0
    beta: Annotated[Positive, Field(lt=180)] = 90.0
    gamma: Annotated[Positive, Field(lt=180)] | None = None
    spacegroup: str | None = None
    cif: Word | None = None

    @model_validator(mode="after")
    def one_form(self):
        if (self.cif is None) == (self.a is None or self.spacegroup is None):
            raise ValueError("a phase needs either cif, or spacegroup and a (with b, c where they are free)")
        return self

    def build(self, name: str) -> Phase:
        """The section as a `core.Phase` of that name. Raises `InputError` for a CIF that cannot be read."""
        if self.cif is not None:
            return Phase.from_cif(self.cif, name)
        values = self.model_dump(exclude={"cif"}, exclude_none=True)
        return Phase.from_parameters(name, **values)
