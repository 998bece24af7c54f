"""What is painted: strokes and label volumes to training labels, 0 where nothing is painted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr

from ...core.errors import InputError
from ..volume import AXES
from .image import as_volume

UNPAINTED = 0


@dataclass(frozen=True)
class Stroke:
    """A line painted with a round brush in one slice or through several.

    phase        name of the class; None rubs out what earlier strokes painted
    points       (z, y, x) voxel indices, joined by straight lines in order; one point is a dot
    radius_vox   of the brush, in the plane of the slice; 0 paints single voxels
    across       axis that the slice is cut across
    """

    phase: str | None
    points: tuple[tuple[float, float, float], ...]
    radius_vox: float = 1.0
    across: str = "z"


def paint_strokes(
    strokes: Sequence[Stroke], image: xr.DataArray, *, phases: Sequence[str] | None = None
) -> xr.DataArray:
    """Training labels (z, y, x) uint8 of strokes: 0 unpainted, k for the k-th phase; later strokes cover earlier ones.

    image    (z, y, x) or (y, x): the volume that was painted on
    phases   names in the order wanted; by first appearance where not given

    attrs: `phases`, `voxel_um`. Raises InputError without strokes, for a stroke that leaves the volume, and for a
    phase that is not in `phases`.
    """
    volume = as_volume(image, where="paint_strokes", check_values=False)
    names = list(phases or dict.fromkeys(s.phase for s in strokes if s.phase is not None))
    if not strokes or not names:
        raise InputError("nothing is painted", where="paint_strokes", fix="Paint strokes of two phases.")
    painted = np.zeros(volume.shape, np.uint8)
    for number, stroke in enumerate(strokes):
        if stroke.phase is not None and stroke.phase not in names:
            raise InputError(
                f"stroke {number} paints {stroke.phase!r}", where="paint_strokes",
                fix=f"The phases are {', '.join(names)}.",
            )  # fmt: skip
        value = UNPAINTED if stroke.phase is None else names.index(stroke.phase) + 1
        if stroke.across not in AXES:
            raise InputError(
                f"stroke {number} is across {stroke.across!r}", where="paint_strokes", fix="Give z, y or x."
            )
        axis = AXES.index(stroke.across)
        slices = np.moveaxis(painted, axis, 0)
        for point in _line(stroke, number, volume.shape):
            row, column = (point[a] for a in range(3) if a != axis)
            _dot(slices[point[axis]], row, column, stroke.radius_vox, value)
    return _labels(painted, volume, names)


def _line(stroke: Stroke, number: int, shape: tuple[int, ...]) -> np.ndarray:
    """Voxels along the stroke, no more than half a voxel apart before rounding."""
    points = np.asarray(stroke.points, float).reshape(-1, 3)
    bad = not len(points) or (points < -0.5).any() or (points > np.array(shape) - 0.5).any()
    if bad or not np.isfinite(points).all():
        raise InputError(
            f"stroke {number} has no points or leaves the volume of {shape} voxels", where="paint_strokes",
            fix="Give points as voxel indices (z, y, x).",
        )  # fmt: skip
    parts = [points[:1]]
    for a, b in pairwise(points):
        steps = max(int(np.ceil(2 * np.abs(b - a).max())), 1)
        parts.append(a + (b - a) * np.arange(1, steps + 1)[:, None] / steps)
    whole = np.rint(np.concatenate(parts)).astype(int)
    return np.unique(np.clip(whole, 0, np.array(shape) - 1), axis=0)


def _dot(plane: np.ndarray, y: int, x: int, radius: float, value: int) -> None:
    reach = int(np.ceil(radius))
    rows = slice(max(y - reach, 0), y + reach + 1)
    columns = slice(max(x - reach, 0), x + reach + 1)
    at_y, at_x = np.ogrid[: plane.shape[0], : plane.shape[1]]
    near = (at_y[rows] - y) ** 2 + (at_x[:, columns] - x) ** 2 <= radius**2
    plane[rows, columns][near] = value


def training_labels(labels: xr.DataArray, phases: Mapping[str, int | Sequence[int]]) -> xr.DataArray:
    """Training labels of a label volume that has other numbers: 0 unpainted, k for the k-th of `phases`.

    labels   (z, y, x) or (y, x) integers: a twin's labels, or those of another program
    phases   what each phase is called in `labels`: {"lithium": 2, "void": (3, 6)}; other values are unpainted

    Raises InputError for labels that are not whole numbers, a value in two phases, and a phase without a voxel.
    """
    volume = as_volume(labels, where="training_labels", check_values=False)
    values = [int(v) for v in np.concatenate([np.atleast_1d(v) for v in phases.values()])]
    if volume.dtype.kind not in "iub":
        raise InputError(f"labels are {volume.dtype}, not whole numbers", where="training_labels")
    if len(set(values)) < len(values):
        raise InputError("a value belongs to two phases", where="training_labels", fix=f"Values: {values}.")
    painted = np.zeros(volume.shape, np.uint8)
    for number, (name, value) in enumerate(phases.items(), 1):
        here = np.isin(volume.values, np.atleast_1d(value))
        if not here.any():
            raise InputError(f"no voxel is {name!r} ({value})", where="training_labels")
        painted[here] = number
    return _labels(painted, volume, list(phases))


def _labels(values: np.ndarray, like: xr.DataArray, phases: list[str]) -> xr.DataArray:
    attrs = {"units": "1", "phases": phases, "long_name": "training labels, 0 unpainted"}
    if "voxel_um" in like.attrs:
        attrs["voxel_um"] = like.attrs["voxel_um"]
    return xr.DataArray(values, dims=like.dims, coords=like.coords, attrs=attrs)
