"""Where to paint next: the places of which a classifier is least sure, spread over the volume."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from ...core.errors import InputError
from ..volume import coordinates, quantity
from .image import as_volume


def suggest_strokes(
    probabilities: xr.DataArray, *, number: int = 10, apart_vox: float = 20.0, patch_vox: float = 2.0,
    painted: xr.DataArray | None = None,
) -> xr.Dataset:  # fmt: skip
    """Where painting would teach most: highest entropy of the mean of a small patch, no two nearer than `apart_vox`.

    entropy = -sum_k p_k ln p_k / ln(number of phases),   1 where all phases are equally likely

    probabilities   (phase, z, y, x), of `PixelForest.probabilities` or a U-Net
    patch_vox       Gaussian width within slices over which entropy is averaged: single noisy voxels teach little
    painted         (z, y, x) what is painted already: nothing nearer than half of `apart_vox` is suggested

    Over `suggestion`, most uncertain first: voxel indices `z_index`, `y_index`, `x_index`, `entropy`, `first` and
    `second` (the two likeliest phases: the question to answer there). Fewer than `number` where there is no room
    or nothing uncertain. Raises InputError for probabilities with NaN or without a phase axis.
    """
    if "phase" not in probabilities.dims or probabilities.sizes["phase"] < 2:
        raise InputError("no probabilities over two phases or more", where="suggest_strokes")
    p = probabilities.transpose("phase", "z", "y", "x")
    values = p.values
    if not np.isfinite(values).all():
        raise InputError("probabilities hold NaN", where="suggest_strokes", fix="Predict without NaN voxels.")
    entropy = -np.sum(values * np.log(np.maximum(values, 1e-12)), 0) / np.log(len(values))
    entropy = gaussian_filter(entropy, (0, patch_vox, patch_vox), mode="nearest")
    if painted is not None:
        _near_paint(
            entropy, as_volume(painted, where="suggest_strokes", check_values=False).values, apart_vox / 2
        )
    places = _spread(entropy, number, apart_vox)
    order = np.argsort(-values[(slice(None), *places.T)], axis=0)
    names = p["phase"].values.astype(str)
    result = xr.Dataset(
        {
            **{f"{a}_index": quantity(places[:, i], "suggestion", "1", "voxel") for i, a in enumerate("zyx")},
            "entropy": quantity(entropy[tuple(places.T)], "suggestion", "1", "relative entropy, 1 for no idea"),
            "first": quantity(names[order[0]], "suggestion", "1", "likeliest phase"),
            "second": quantity(names[order[1]], "suggestion", "1", "next likely phase"),
        },
        attrs={"apart_vox": apart_vox},
    )  # fmt: skip
    at = coordinates(p.isel(phase=0), "z", "y", "x") if "voxel_um" in p.attrs else {}
    for i, axis in enumerate("zyx"):
        if axis in at:
            result[axis] = quantity(at[axis][1][places[:, i]], "suggestion", "um")
    return result


def _near_paint(entropy: np.ndarray, painted: np.ndarray, distance: float) -> None:
    from scipy.ndimage import distance_transform_edt

    for z in np.flatnonzero((painted > 0).any((1, 2))):
        entropy[z][distance_transform_edt(painted[z] == 0) < distance] = -1


def _spread(entropy: np.ndarray, number: int, apart: float) -> np.ndarray:
    """(place, 3) voxels, greedily the highest that is far enough from those taken."""
    left, places = entropy.copy(), []
    reach = int(np.ceil(apart))
    for _ in range(number):
        at = np.unravel_index(int(left.argmax()), left.shape)
        if not left[at] > 1e-3:
            break
        places.append(at)
        box = tuple(slice(max(int(i) - reach, 0), int(i) + reach + 1) for i in at)
        grid = np.ogrid[tuple(slice(b.start, min(b.stop, n)) for b, n in zip(box, left.shape, strict=True))]
        away = sum((g - i) ** 2 for g, i in zip(grid, at, strict=True))
        left[box][away < apart**2] = -1
    return np.array(places, int).reshape(-1, 3)
