"""Hot spots: patches of current density above what the noise floor explains, as objects followed in time."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import ndimage, optimize

from ..core.errors import InputError
from .volume import quantity, voxel_sizes


def false_objects(level: float, area_um2: float, gradient_per_um: float) -> float:
    """Expected number of patches of noise above `level` sigma: E = A g^2 (2 pi)^(-3/2) u exp(-u^2 / 2).

    Euler characteristic of a smooth Gaussian field of unit variance and rms slope g along x and y (Adler 1981).
    Valid for u > 2.
    """
    return float(area_um2 * gradient_per_um**2 * (2 * np.pi) ** -1.5 * level * np.exp(-(level**2) / 2))


def level_for(false_per_map: float, area_um2: float, gradient_per_um: float) -> float:
    """The level in sigma at which noise makes `false_per_map` patches; at least 2.5."""

    def off(u):
        least = area_um2 * gradient_per_um**2 * (2 * np.pi) ** -1.5 / false_per_map
        return np.log(least * u) - u**2 / 2

    return 2.5 if off(2.5) <= 0 else float(optimize.brentq(off, 2.5, 40.0))


def find_hot_spots(
    current: xr.Dataset, floor: xr.Dataset, *, factor: float = 1.5, false_per_map: float = 0.05,
    least_um2: float = 0.0,
) -> xr.Dataset:  # fmt: skip
    """Patches that draw significantly more than `factor` times the median current, followed through the intervals.

    A column is hot where s j - factor |median j| > u sigma, with s the sign of the median current of the map
    and u the level at which noise alone makes `false_per_map` patches a map (see `false_objects`; for a map
    that sits just at factor x median everywhere: an upper bound). Patches that overlap in successive intervals
    are the same spot.

    current  of `local_current_density`;  floor  of `noise_floor` with the same smoothing

    Over `spot`: `peak` (mA/cm2, with its sign) and `peak_err`, `ratio` (peak over median, highest), `area`
    (um2, largest), `significance` (sigma above factor x median), `peak_y`, `peak_x` (um), `first` and `last`
    interval. Also
    `label` (interval, y, x), number of the spot + 1; over interval `level` (mA/cm2, what it takes), `count`.
    attrs: `level_sigma`, `false_per_map`, `factor`. A map without a floor is refused: InputError.
    """
    if "gradient" not in floor or not np.isfinite(float(floor["gradient"])):
        raise InputError(
            "hot spots need a noise floor", where="find_hot_spots",
            fix="Pass noise_floor of two images without current between them.",
        )  # fmt: skip
    j = current["current_density"].transpose("interval", "y", "x")
    error = current["current_density_err"].transpose("interval", "y", "x").values
    sizes = voxel_sizes(current.assign_attrs(current.attrs) if "voxel_um" in current.attrs else j)
    pixel = sizes["x"] * sizes["y"]
    area = float(np.isfinite(j.values).sum((1, 2)).max()) * pixel
    gradient = min(float(floor["gradient"]), 2 / np.sqrt(pixel))
    level = level_for(false_per_map, area, gradient)
    median = np.nanmedian(j.values, (1, 2))[:, None, None]
    sign = np.where(median < 0, -1.0, 1.0)
    excess = (sign * j.values - factor * np.abs(median)) / error
    hot = np.nan_to_num(excess, nan=-np.inf) > level
    label = _followed(hot, least_um2 / pixel)
    rows = [_describe(label == k, j, error, excess, median, pixel) for k in range(1, label.max() + 1)]
    units = {"peak": "mA/cm2", "peak_err": "mA/cm2", "ratio": "1", "area": "um2", "significance": "1", "peak_y": "um",
             "peak_x": "um", "first": "1", "last": "1"}  # fmt: skip
    data = {n: quantity(np.array([r[n] for r in rows], float), "spot", u) for n, u in units.items()}
    per_map = np.array([len(np.unique(part[part > 0])) for part in label])
    data["label"] = quantity(label, j.dims, "1", "number of the spot, 0 none")
    data["count"] = quantity(per_map, "interval", "1", "hot spots in the map")
    needed = factor * np.abs(median[:, 0, 0]) + level * np.nanmedian(error, (1, 2))
    data["level"] = quantity(needed, "interval", "mA/cm2", "current density of a hot spot")
    coords = {k: v for k, v in j.coords.items() if k in ("y", "x")}
    attrs = {"level_sigma": level, "false_per_map": false_per_map, "factor": factor}
    return xr.Dataset(data, coords, attrs)


def _followed(hot: np.ndarray, least: float) -> np.ndarray:
    """Labels of patches (8 neighbours) joined to those of the next interval that share a column."""
    flat = np.zeros((3, 3, 3), int)
    flat[1] = 1
    if least > 1:
        label, _ = ndimage.label(hot, flat)
        hot = hot & (np.bincount(label.ravel())[label] >= least)
    joined = flat.copy()
    joined[:, 1, 1] = 1
    return ndimage.label(hot, joined)[0]


def _describe(mine, j, error, excess, median, pixel) -> dict[str, float]:
    values = np.where(mine, excess, -np.inf)
    at = np.unravel_index(int(np.argmax(values)), values.shape)
    maps = np.flatnonzero(mine.any((1, 2)))
    place = {
        f"peak_{a}": float(j[a].values[i]) if a in j.coords else float(i)
        for a, i in zip("yx", at[1:], strict=True)
    }
    middle = abs(float(median[at[0], 0, 0]))
    return {
        "peak": float(j.values[at]), "peak_err": float(error[at]), "significance": float(values[at]),
        "ratio": abs(float(j.values[at])) / middle if middle > 0 else np.inf,
        "area": float(mine.sum((1, 2)).max() * pixel), **place, "first": float(maps[0]), "last": float(maps[-1]),
    }  # fmt: skip
