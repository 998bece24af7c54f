"""[compton]: energy-resolved images of a sheet beam in a cell, at three heights and several states."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .base import Number, Positive, Section, Switch, Whole, Word
from .own_cell import OwnCell

#: beams of which a photon is scattered by an outer electron, and its energy told by a sensor of CdTe
LOWEST_KEV, HIGHEST_KEV = 20.0, 1000.0
#: more is a slip of the unit: pixels, pinholes, sensors and sheets of metres, and what is denser than osmium
Millimetres = Annotated[Positive, Field(le=100)]
Density = Annotated[Positive, Field(le=25)]  # g/cm3


class MaterialSection(Section):
    """What a component is made of, with its density as it is in the cell (pores included)."""

    formula: Word
    density_g_cm3: Density


class TomogramSection(Section):
    """Labels (z, y, x) of the cell, named in the file or here (`labels = { cathode = 1, ... }`)."""

    paths: ClassVar = {"file": ()}

    file: Word
    lateral_um: Positive | None = None
    vertical_um: Positive | None = None
    labels: dict[Word, Whole] | None = None


class StateSection(Section):
    """One state of charge: the files of regions 1, 2, 3 (with cathode, above it, anode alone) and, where known, x."""

    paths: ClassVar = {"regions": ()}

    name: Word
    regions: Annotated[list[Word], Field(min_length=3, max_length=3)]
    hour: Annotated[Number, Field(ge=-1e6, le=1e6)] | None = None
    x: Annotated[Number, Field(ge=-1, le=10)] | None = None


class ComptonSection(OwnCell):
    """Compton imaging. Two states or more have a known x: lithium content is told from differences to them."""

    energy_keV: Positive
    angle_deg: Annotated[Positive, Field(lt=180)] = 90.0
    distance_mm: Annotated[Positive, Field(le=100_000)] | None = None
    magnification: Annotated[Positive, Field(ge=0.001, le=1000)] = 1.0
    pitch_mm: Annotated[Positive, Field(ge=0.001, le=10)]
    pinhole_mm: Millimetres = 0.2
    inverted: Switch = True
    sheet_um: Annotated[Positive, Field(le=100_000)]
    heights_um: tuple[Number, Number, Number]
    resolution_keV: Annotated[Positive, Field(le=100)] = 0.8
    sensor_mm: Millimetres = 2.0
    polarisation: Annotated[Number, Field(ge=-1, le=1)] = 0.95
    lines: list[Word] = Field(default=["Cd", "Te", "W", "Pb"])
    cathode: MaterialSection
    separator: MaterialSection
    anode: MaterialSection
    case: MaterialSection = Field(default=MaterialSection(formula="Fe70Cr19Ni11", density_g_cm3=7.9))
    lid_um: Annotated[Number, Field(ge=0)] = 0.0
    tomogram: TomogramSection
    states: Annotated[list[StateSection], Field(min_length=2)]
    x_err: Annotated[Number, Field(ge=0)] = 0.0
    dataset: Word | None = None
    energy_units: Literal["keV", "eV"] | None = None
    correct_scale: Switch = True
    correct_angle: Switch = True
    absorption: Switch = True
    block: Annotated[Whole, Field(ge=1, le=80)] = 4

    @model_validator(mode="after")
    def references(self):
        if not LOWEST_KEV <= self.energy_keV <= HIGHEST_KEV:
            raise ValueError(
                f"energy_keV = {self.energy_keV:g} is no energy of Compton imaging ("
                f"{LOWEST_KEV:g} to {HIGHEST_KEV:g} keV): is it in another unit?"
            )
        names = [state.name for state in self.states]
        if len(set(names)) < len(names):
            raise ValueError("two states have one name")
        files = [(file, state.name) for state in self.states for file in state.regions]
        for i, (file, name) in enumerate(files):
            first = next(other for same, other in files[: i + 1] if same == file)
            if file in [same for same, _ in files[:i]]:
                raise ValueError(f"states: {file} is named twice, in {first!r} and in {name!r}")
        known = {state.x for state in self.states if state.x is not None}
        if len(known) < 2:
            raise ValueError(
                "states: two states of different known x are needed (x = ...): without them no content"
            )
        return self
