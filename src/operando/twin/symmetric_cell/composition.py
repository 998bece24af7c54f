"""What the layers are made of: attenuation and refraction from compositions (xraylib)."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

import numpy as np

from operando.core.errors import require_extra

from .cell import SymmetricCell
from .protocol import FARADAY, LITHIUM_CM3_MOL

LITHIUM_G_CM3 = 0.534
STEEL = ("Fe", 7.87)
CASING = ("C19H12O3", 1.30)  # PEEK
ELECTROLYTES = {"sulfide": ("Li10SnP2S12", 2.25), "oxide": ("Li7La3Zr2O12", 5.10)}


class Label(IntEnum):
    """What a voxel is."""

    AIR = 0
    STEEL = 1
    LITHIUM = 2
    VOID = 3
    INTERPHASE = 4
    ELECTROLYTE = 5
    PORE = 6
    CASING = 7


@lru_cache(maxsize=8)
def materials(cell: SymmetricCell) -> tuple[np.ndarray, np.ndarray]:
    """(8,) linear attenuation (1/cm) and (8,) refractive decrement delta, by `Label`, at the energy of the cell.

    The interphase keeps the atoms of the electrolyte that it consumed and of the lithium that came.
    Raises `ExtraMissing` without xraylib.
    """
    parts: dict[int, list[tuple[str, float]]] = {
        Label.STEEL: [STEEL],
        Label.LITHIUM: [("Li", LITHIUM_G_CM3)],
        Label.ELECTROLYTE: [ELECTROLYTES[cell.electrolyte]],
        Label.INTERPHASE: _interphase(cell),
        Label.CASING: [CASING],
    }
    mu, delta = np.zeros(len(Label)), np.zeros(len(Label))
    for label, mixture in parts.items():
        for formula, density in mixture:
            one = optics(formula, density, cell.energy_keV)
            mu[label] += one[0]
            delta[label] += one[1]
    return mu, delta


def optics(formula: str, density_g_cm3: float, energy_keV: float) -> tuple[float, float]:
    """Linear attenuation (1/cm) and delta of a compound. Raises `ExtraMissing` without xraylib."""
    xraylib = require_extra("xraylib", "tomo", "attenuation of a composition")
    mu = xraylib.CS_Total_CP(formula, energy_keV) * density_g_cm3
    return mu, 1 - xraylib.Refractive_Index_Re(formula, energy_keV, density_g_cm3)


def _interphase(cell: SymmetricCell) -> list[tuple[str, float]]:
    """Electrolyte and lithium in the interphase, as partial densities."""
    formula, density = ELECTROLYTES[cell.electrolyte]
    swelling_um = cell.interphase_li_cm3_mol * 3.6 / FARADAY * 1e4
    kept = 1 - swelling_um / cell.interphase_um_per_mAh_cm2
    lithium_g_cm2 = LITHIUM_G_CM3 * LITHIUM_CM3_MOL * 3.6 / FARADAY
    return [(formula, density * kept), ("Li", lithium_g_cm2 / (cell.interphase_um_per_mAh_cm2 * 1e-4))]
