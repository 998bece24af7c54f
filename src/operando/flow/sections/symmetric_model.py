"""[symmetric_model]: voltage of the cell from the contact that tomography saw."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import Number, Positive, Section, Switch

Thickness = Annotated[Number, Field(ge=0)]


class SymmetricModelSection(Section):
    """Facts of the cell that images do not give. Positive current strips the top electrode."""

    electrolyte_um: Positive
    electrolyte_S_per_cm: Positive = 2.1e-3
    interphase_um: tuple[Thickness, Thickness] = (0.0, 0.0)  # bottom, top
    interphase_S_per_cm: Positive = 1e-5
    exchange_mA_per_cm2: Positive = 1.0
    temperature_K: Positive = 293.15
    constriction: Switch = True
