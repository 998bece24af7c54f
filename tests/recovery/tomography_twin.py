"""Volumes of the symmetric-cell twin as the analysis gets them: phase retrieved, blurred, with noise."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from operando.twin.symmetric_cell import SymmetricCell, materials, truth
from operando.twin.symmetric_cell.voxels import sharp

LITHIUM = 0.0892  # 1/cm, what phase retrieval scales the decrement to
PHASES = {"air": 0, "steel": 1, "lithium": 2, "interphase": 4, "electrolyte": 5}


def cell(**changes) -> SymmetricCell:
    """A block of 128 x 128 x 96 voxels of 1.7 um, four scans: rest, then Li is stripped from the top."""
    return SymmetricCell.demo(**changes).block()


def greys(settings: SymmetricCell, contrast: str = "phase") -> dict[str, float]:
    """Grey value of each phase, in 1/cm of lithium for phase contrast."""
    mu, delta = materials(settings)
    table = mu if contrast == "absorption" else delta / delta[2] * LITHIUM
    return {name: float(table[k]) for name, k in PHASES.items()}


@lru_cache(maxsize=16)
def sharp_volume(settings: SymmetricCell, scan: int, contrast: str = "phase") -> np.ndarray:
    _, mu, delta = sharp(settings, scan, (0, settings.height))
    return mu if contrast == "absorption" else delta * np.float32(LITHIUM / materials(settings)[1][2])


def image(
    settings: SymmetricCell, scan: int, *, blur: float = 0.8, contrast_to_noise: float = 3.0, seed: int = 0,
    contrast: str = "phase",
) -> xr.DataArray:  # fmt: skip
    """A scan: sharp voxels, Gaussian blur (voxels), white noise of (lithium - void) / contrast_to_noise."""
    rng = np.random.default_rng([seed, scan])
    values = gaussian_filter(sharp_volume(settings, scan, contrast), blur, mode="nearest")
    values = values + np.float32(noise(contrast_to_noise)) * rng.standard_normal(
        values.shape, dtype=np.float32
    )
    attrs = {"units": "1/cm", "voxel_um": settings.voxel_um}
    return xr.DataArray(values.astype(np.float32), dims=("z", "y", "x"), attrs=attrs)


def noise(contrast_to_noise: float) -> float:
    return LITHIUM / contrast_to_noise


@lru_cache(maxsize=8)
def known(settings: SymmetricCell):
    return truth(settings)
