"""Grains and pores of the electrolyte, in its own coordinates: one seed a cell of a wrapped grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .cell import SymmetricCell

LARGEST = 1.75  # cut of the pore radii, over their median
BULGE = 1.4  # farthest wall of a pore, over its radius


@dataclass(frozen=True)
class Texture:
    """Seeds of grains and pores.

    grain_step_um, pore_step_um  edge of the grid cells
    grains  (gz, gy, gx, 4) seed in its grid cell (0..1 along z, y, x), relative density of the grain
    pores   (pz, py, px, 4) centre in its grid cell (0..1 along z, y, x), radius (um)
    """

    grain_step_um: float
    grains: np.ndarray
    pore_step_um: float
    pores: np.ndarray


@lru_cache(maxsize=4)
def texture(cell: SymmetricCell) -> Texture:
    """The texture of a cell. Grid cells repeat outside of the volume."""
    rng = np.random.default_rng([cell.seed, 17])
    pore_step = _pore_step_um(cell)
    grains = rng.random((*_count(cell, cell.grain_um), 4))
    grains[..., 3] = rng.standard_normal(grains.shape[:3]) * cell.grain_contrast
    pores = rng.random((*_count(cell, pore_step), 4))
    pores[..., 3] = _radii(cell, rng, pores.shape[:3]) if cell.porosity > 0 else 0.0
    return Texture(cell.grain_um, grains, pore_step, pores)


def _radii(cell: SymmetricCell, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    normal = rng.standard_normal(shape)
    return np.minimum(np.exp(cell.pore_spread * normal), LARGEST) * cell.pore_radius_um


def _pore_step_um(cell: SymmetricCell) -> float:
    """Edge of the grid cell that gives the porosity with one pore in each."""
    radii = _radii(cell, np.random.default_rng(0), (20000,))
    pore = 4 / 3 * np.pi * float((radii**3).mean())
    if cell.porosity <= 0:
        return 10 * cell.pore_radius_um
    return max((pore / cell.porosity) ** (1 / 3), BULGE * LARGEST * cell.pore_radius_um)


def _count(cell: SymmetricCell, step_um: float) -> tuple[int, int, int]:
    depth, width = cell.height * cell.voxel_um, cell.width * cell.voxel_um
    lateral = int(np.ceil(width / step_um)) + 4
    return int(np.ceil(2 * depth / step_um)) + 4, lateral, lateral
