"""The level of the retrieved image: grey values that lithium has where it is known to be whole.

What the rim of the sample leaves is the same in all rows. What a flat is off by, and what goes on into the collectors,
shifts a row as a whole.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

from .tomography_density import Outline

GROUND = 4.0  # voxels over the section, of what the rim of the sample leaves
DEEP = 7.0  # voxels from the solid; beyond them lithium is taken to be whole
EDGE_ROWS = 3  # of lithium, whose mean goes on into the collectors: there it is taken to be whole, too
BESIDE = 2  # voxels from voids and from the face: blur reaches no further
NEAR = (2.0, 4.0, 4.0)  # voxels (z, y, x) around, over which lithium tells the level
LEAST_WEIGHT = 1e-3  # of lithium around
Layers = dict[str, tuple[np.ndarray, np.ndarray]]  # (face, void) of bottom and top, voxels, (y, x)
Whole = tuple[np.ndarray, np.ndarray]  # voxels (z, y, x) of bottom and top


def rim_field(
    image: np.ndarray, whole: Whole, outline: Outline, used: np.ndarray, lithium: float
) -> np.ndarray:
    """What is missing everywhere above a point of the section (y, x), from whole lithium."""
    both = (whole[0] | whole[1]) & outline.sample
    ground = float(np.median(image[both & used]))
    weight = gaussian_filter(both.sum(0).astype(float), GROUND)
    excess = gaussian_filter(np.where(both, image - ground, 0.0).sum(0), GROUND)
    return (lithium - ground - excess / np.maximum(weight, 1e-3)).astype(np.float32)


def local_level(image: np.ndarray, whole: Whole, lithium: float) -> np.ndarray:
    """What is missing at each voxel (z, y, x), from whole lithium around it; nothing far from any.

    What changes slowly is hardly seen by refraction: there the image repeats what was assumed, and what flats are off
    by stays. Voids are darker than the lithium beside and behind them, whatever its level.
    """
    mask = whole[0] | whole[1]
    weight = gaussian_filter(mask.astype(np.float32), NEAR)
    missing = gaussian_filter(np.where(mask, np.float32(lithium) - image, np.float32(0)), NEAR)
    return missing / (weight + np.float32(LEAST_WEIGHT))


def whole_by_layers(z: np.ndarray, outline: Outline, layers: Layers, used: np.ndarray) -> Whole:
    """Voxels (z, y, x) of (bottom, top) lithium that is whole as far as faces and voids are known.

    That lies deep, or more than `BESIDE` voxels from face and voids.
    """
    parts = []
    for part, name in zip(whole_lithium(z, outline), ("bottom", "top"), strict=True):
        face, void = layers[name]
        end = face - void if name == "bottom" else face + void
        known = used & np.isfinite(end)
        room = np.where(known, end, np.inf if name == "bottom" else -np.inf)
        extreme = minimum_filter if name == "bottom" else maximum_filter
        limit = extreme(room, 2 * BESIDE + 1)
        depth = limit - z if name == "bottom" else z - limit
        parts.append(used & (part | (known & (depth > BESIDE))))
    return parts[0], parts[1]


def whole_lithium(z: np.ndarray, outline: Outline) -> Whole:
    """Voxels (z, y, x) of (bottom, top) lithium so deep, or so near to the collector, that no void is there."""
    near = EDGE_ROWS
    return (
        outline.sample & ((outline.bottom - z > DEEP) | ((z < z[0] + near) & (outline.bottom > z))),
        outline.sample & ((z - outline.top > DEEP) | ((z > z[-1] - near) & (outline.top < z))),
    )
