"""What a voxel of an image can be: its sides, and its grey value."""

from __future__ import annotations

from typing import Any

import numpy as np

#: sides (um) that a voxel of an image can have: a tenth of a nanometre to ten centimetres
SIDES_UM = (1e-4, 1e5)
#: grey values beyond this are damage: the fourth power of more, in a structure tensor, is no float32 any more
LARGEST_GREY = 1e9


def voxel_of(value: Any) -> tuple[float, float, float] | None:
    """Sides (z, y, x) in um, from one number or three of attributes or a user; None for what no voxel can have."""
    try:
        z, y, x = (float(v) for v in np.broadcast_to(np.asarray(value, float), 3))
    except (TypeError, ValueError):
        return None
    return (z, y, x) if all(SIDES_UM[0] <= v <= SIDES_UM[1] for v in (z, y, x)) else None


def voxel_side(value: Any) -> float | None:
    """The side (um) of a voxel that is a cube: the first of `voxel_of`."""
    found = voxel_of(value)
    return None if found is None else found[0]


def is_grey(values: np.ndarray) -> np.ndarray:
    """Where grey values are numbers that an image can have."""
    with np.errstate(invalid="ignore"):
        return np.abs(values) <= LARGEST_GREY
