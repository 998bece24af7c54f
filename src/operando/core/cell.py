"""The battery cell and the beam, as facts."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import InputError
from .units import energy_to_wavelength


@dataclass(frozen=True)
class Layer:
    """One layer of the stack. `phase` names a `Phase` where the layer diffracts."""

    name: str
    thickness_um: float
    phase: str | None = None

    def __post_init__(self) -> None:
        if self.thickness_um < 0:
            raise InputError("a layer cannot have a negative thickness", where=f"layer {self.name}")


@dataclass(frozen=True)
class Cell:
    """Layers from the substrate up (z grows), and the active area."""

    layers: tuple[Layer, ...]
    area_cm2: float

    def bounds_um(self) -> dict[str, tuple[float, float]]:
        """Bottom and top of each layer in um above the substrate."""
        bounds, z = {}, 0.0
        for layer in self.layers:
            bounds[layer.name] = (z, z + layer.thickness_um)
            z += layer.thickness_um
        return bounds


@dataclass(frozen=True)
class Beam:
    """A monochromatic beam. Divergence and band width are not modelled yet."""

    energy_keV: float

    @property
    def wavelength_A(self) -> float:
        """Wavelength of the beam, angstrom."""
        return energy_to_wavelength(self.energy_keV)
