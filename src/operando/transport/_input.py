"""Checks of volumes and phase properties that the functions of this room share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from operando.core.errors import InputError

DIRECTIONS = ("z", "y", "x")


def volume_array(volume: np.ndarray | xr.DataArray, where: str) -> np.ndarray:
    """The volume as an array (z, y, x), transposed by name where it has names."""
    if isinstance(volume, xr.DataArray) and set(volume.dims) == set(DIRECTIONS):
        volume = volume.transpose(*DIRECTIONS)
    values = np.asarray(volume)
    if values.ndim != 3 or not values.size:
        raise InputError(
            "a volume has three dimensions (z, y, x), none of them empty", where=f"{where}, {values.shape}"
        )
    if values.dtype.kind not in "biuf":
        raise InputError(f"a volume holds numbers, not {values.dtype}", where=where)
    return values


def conductivity_array(volume, conductivity: Mapping[int, float] | None, where: str) -> np.ndarray:
    """Conductivity of every voxel, float64 or float32: `volume` itself, or its labels looked up."""
    values = volume_array(volume, where)
    k = values if conductivity is None else look_up(values, conductivity, where)
    if k.dtype.kind != "f":
        k = k.astype(np.float32)
    if np.isnan(k).any():
        raise InputError(
            f"{np.isnan(k).sum()} voxels have no value (NaN)", where=where,
            fix="Give missing voxels a label or a conductivity, or cut them off.",
        )  # fmt: skip
    if np.isinf(k).any() or (k < 0).any():
        raise InputError(
            "conductivities must be finite and not negative", where=where,
            fix="A perfect conductor: use 10^4 times the next conductivity; a blocked voxel: use 0.",
        )  # fmt: skip
    return k


def look_up(labels: np.ndarray, property_of: Mapping[int, float], where: str) -> np.ndarray:
    """Property of every voxel by its label, float32."""
    if labels.dtype.kind == "f":
        if np.isnan(labels).any():
            raise InputError(
                f"{np.isnan(labels).sum()} voxels have no label (NaN)", where=where,
                fix="Give missing voxels a label of their own, or cut them off.",
            )  # fmt: skip
        if not (labels == np.round(labels)).all():
            raise InputError("labels must be whole numbers", where=where, fix="Segment the volume first.")
        labels = labels.astype(np.int64)
    found = np.unique(labels)
    unknown = sorted(set(found.tolist()) - {int(label) for label in property_of})
    if unknown:
        raise InputError(
            f"labels {unknown[:8]} have no value given", where=where, fix=f"Given: {sorted(property_of)}."
        )
    table = np.array([property_of[label] for label in found.tolist()], float)
    return table[np.searchsorted(found, labels)]


def spacing_of(voxel: float | Sequence[float], where: str) -> tuple[float, float, float]:
    """Edges of a voxel along z, y, x."""
    h = np.broadcast_to(np.asarray(voxel, float), 3)
    if not (np.isfinite(h) & (h > 0)).all():
        raise InputError(
            "voxel edges must be positive", where=where, fix="One number, or three along z, y, x."
        )
    return (float(h[0]), float(h[1]), float(h[2]))


def axes_of(directions: str | Sequence[str], where: str) -> list[int]:
    """Axis numbers of named directions."""
    unknown = [d for d in directions if d not in DIRECTIONS]
    if unknown or not directions:
        raise InputError(f"unknown directions {directions!r}", where=where, fix="Any of z, y, x.")
    return [DIRECTIONS.index(d) for d in directions]


def along(array: np.ndarray, spacing: tuple[float, float, float], axis: int):
    """Array and spacing with `axis` first, the others in their order."""
    order = [axis, *(a for a in range(3) if a != axis)]
    return np.transpose(array, order), tuple(spacing[a] for a in order)
