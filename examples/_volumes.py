"""Volumes of the symmetric-cell twin as phase retrieval gives them, for the examples that start from volumes."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from operando import tomography as tomo
from operando.twin.symmetric_cell import Label, SymmetricCell, materials
from operando.twin.symmetric_cell.voxels import sharp

LITHIUM, BLUR, CONTRAST_TO_NOISE = 0.09, 0.8, 3.0  # grey value of Li (1/cm); voxels; (lithium - void) / noise


def greys(cell: SymmetricCell) -> np.ndarray:
    """Grey value of each `Label`: electron density, scaled to that of lithium."""
    delta = materials(cell)[1]
    return delta * LITHIUM / delta[Label.LITHIUM]


def retrieved(
    cell: SymmetricCell, scan: int, phases: dict, seed: int = 0
) -> tuple[xr.DataArray, xr.DataArray]:
    """A scan (grey value by electron density, blurred, with noise), and the true label of every voxel."""
    labels, _, delta = sharp(cell, scan, (0, cell.height))
    grey = gaussian_filter(
        delta * np.float32(LITHIUM / materials(cell)[1][Label.LITHIUM]), BLUR, mode="nearest"
    )
    rng = np.random.default_rng([cell.seed, scan, seed])
    grey += np.float32(LITHIUM / CONTRAST_TO_NOISE) * rng.standard_normal(grey.shape, dtype=np.float32)
    made = xr.DataArray(grey, dims=("z", "y", "x"), attrs={"units": "1/cm", "voxel_um": cell.voxel_um})
    return made, tomo.training_labels(made.copy(data=labels), phases)


def painted(label: xr.DataArray, share: float, rng: np.random.Generator) -> xr.DataArray:
    """Labels of which only a share of the voxels is kept, as if a person had painted them."""
    return label.copy(data=np.where(rng.random(label.shape) < share, label.values, 0).astype("u1"))
