"""Sums of a ring over (z, x, azimuth, q): checked, in order, added up, and as plain images."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from ..core.errors import InputError
from ..core.sums import Sums

DIMS = ("z", "x", "azimuth", "q")


def dispersion(sums: Sums) -> float:
    """Variance per count of sums whose bins are scaled Poisson counts; 1 for counts, 0 for an exact model."""
    signal, variance = sums.signal.values, sums.variance.values
    every = max(1, signal.size // 200_000)
    signal, variance = signal.reshape(-1)[::every], variance.reshape(-1)[::every]
    good = np.isfinite(signal) & (signal > 0)
    return float(np.median(variance[good] / signal[good])) if good.any() else 1.0


def sum_maps(maps: Iterable[Sums | None]) -> Sums:
    """Add maps into one reference: counts, variances and weights, missing ones left out.

    Raises `InputError` when no map holds data.
    """
    total = None
    for sums in maps:
        if sums is None or has_no_data(sums):
            continue
        parts = [part.fillna(0) for part in (sums.signal, sums.variance)]
        weight = sums.weight * np.isfinite(sums.signal)
        total = (
            (*parts, weight)
            if total is None
            else tuple(t + p for t, p in zip(total, (*parts, weight), strict=True))
        )
    if total is None:
        raise InputError(
            "no map to make a reference from", where="grains", fix="Name maps taken before plating began."
        )
    return Sums(*total)


def has_no_data(sums: Sums) -> bool:
    values = sums.signal.values
    return values.dtype.kind == "f" and not np.isfinite(values).any()


def ordered(sums: Sums, where: str) -> Sums:
    missing = [d for d in DIMS if d not in sums.signal.dims]
    if missing or sums.signal.ndim != 4:
        raise InputError(
            f"ring sums have dims {sums.signal.dims}, needed are {DIMS}", where=where,
            fix="Lay frames out with ScanGrid.sums_to_map, and pass one map at a time.",
        )  # fmt: skip
    if sums.signal.dims == DIMS:
        return sums
    return Sums(
        sums.signal.transpose(*DIMS),
        sums.variance.transpose(*DIMS),
        sums.weight.transpose(*[d for d in DIMS if d in sums.weight.dims]),
    )


def images_of(array: xr.DataArray, like: xr.DataArray, what: str) -> np.ndarray:
    """An array over some of DIMS as contiguous images (points, azimuth, q); a single image when z, x are absent."""
    alone = "z" not in array.dims and "x" not in array.dims
    sizes = {d: 1 if alone and d in ("z", "x") else like.sizes[d] for d in DIMS}
    wrong = [d for d in array.dims if array.sizes[d] != sizes.get(str(d))]
    if wrong:
        raise InputError(
            f"{what} has {array.sizes[wrong[0]]} values along {wrong[0]}, the map {like.sizes.get(wrong[0], 0)}",
            where="grains", fix="Reduce both with the same bins and grid.",
        )  # fmt: skip
    full = array.values.reshape([sizes[d] if d in array.dims else 1 for d in DIMS])
    return np.ascontiguousarray(np.broadcast_to(full, list(sizes.values()))).reshape(
        -1, sizes["azimuth"], sizes["q"]
    )


def azimuth_step(azimuth: np.ndarray) -> float:
    step = 360.0 / len(azimuth)
    if len(azimuth) < 3 or not np.allclose(np.diff(azimuth), step, rtol=1e-3):
        raise InputError(
            "azimuth bins are not equal steps round the whole ring", where="grains",
            fix="Integrate over 0-360 degrees; bins without pixels have weight zero.",
        )  # fmt: skip
    return step
