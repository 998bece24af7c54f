"""Interface voids as objects."""

from __future__ import annotations

import numpy as np

from .cell import SymmetricCell
from .state import ELECTRODES, State


def void_rows(cell: SymmetricCell, now: State) -> list[dict]:
    """Voids of both interfaces: connected over edges and corners of the fine section, inside the pellet.

    Each has electrode, volume (um3), area (um2), thickness (mean, um), thickest (um), and x, y (um from the rotation
    axis) and z (um above the floor) of its centre of volume.
    """
    return [row for electrode in (0, 1) for row in _rows(now, electrode)]


def _rows(now: State, electrode: int) -> list[dict]:
    from scipy import ndimage

    thickness = np.where(now.where.inside, now.voids[electrode], 0.0)
    labels, count = ndimage.label(thickness > 0, np.ones((3, 3), int))
    if count == 0:
        return []
    which = np.arange(1, count + 1)
    pixels = ndimage.sum_labels(thickness > 0, labels, which)
    total = ndimage.sum_labels(thickness, labels, which)
    thickest = ndimage.maximum(thickness, labels, which)
    lower = now.surfaces[1 if electrode == 0 else 5]
    places = {
        "x": np.broadcast_to(now.where.x[None], thickness.shape),
        "y": np.broadcast_to(now.where.y[:, None], thickness.shape),
        "z": lower + thickness / 2,
    }
    centres = {name: ndimage.sum_labels(thickness * at, labels, which) / total for name, at in places.items()}
    pixel = now.where.pixel_um**2
    return [
        {
            "electrode": ELECTRODES[electrode], "volume": total[k] * pixel, "area": pixels[k] * pixel,
            "thickness": total[k] / pixels[k], "thickest": thickest[k], **{n: c[k] for n, c in centres.items()},
        }
        for k in range(count)
    ]  # fmt: skip
