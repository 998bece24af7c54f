"""Thickness of electrodes to local current density, with its noise floor (paper 003, eq. 3)."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core.errors import InputError
from ..core.flags import Flag, flag_variable
from ..core.units import FARADAY_C_PER_MOL, LI_MOLAR_VOLUME_CM3_PER_MOL
from .volume import check_series, quantity, voxel_sizes

#: neighbours nearer than this to an unknown column count less in a smoothed map; below it the map is unknown
LEAST_WEIGHT = 0.2


def mA_per_cm2(
    thickness_um: float, seconds: float, molar_volume: float = LI_MOLAR_VOLUME_CM3_PER_MOL
) -> float:
    """Current density that changes Li by `thickness_um` in `seconds`: j = dz F / (V_m dt)."""
    return thickness_um * 1e-4 * FARADAY_C_PER_MOL / molar_volume / seconds * 1e3


def smooth_map(values: xr.DataArray, sigma_um: float) -> xr.DataArray:
    """`values` (..., y, x) under a Gaussian of `sigma_um`, unknown columns left out of the mean."""
    from scipy.ndimage import gaussian_filter

    if not sigma_um > 0:
        return values
    sizes = voxel_sizes(values, where="map")
    values = values.transpose(..., "y", "x")
    sigma = [0.0] * (values.ndim - 2) + [sigma_um / sizes["y"], sigma_um / sizes["x"]]
    known = np.isfinite(values.values).astype(float)
    weight = gaussian_filter(known, sigma, mode="constant")
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = gaussian_filter(np.nan_to_num(values.values), sigma, mode="constant") / weight
    return values.copy(data=np.where(weight >= LEAST_WEIGHT, mean, np.nan))


def _noise_gain(known: np.ndarray, sigma_px: float) -> np.ndarray:
    """Noise of a smoothed map (..., y, x) over that far from borders and unknown columns: sqrt(sum k^2) / sum k."""
    from scipy.ndimage import gaussian_filter

    if not sigma_px > 0:
        return np.ones(known.shape)
    sigma = [0.0] * (known.ndim - 2) + [sigma_px] * 2
    sums = gaussian_filter(known.astype(float), sigma, mode="constant")
    squares = gaussian_filter(known.astype(float), [s / np.sqrt(2) for s in sigma], mode="constant")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sums > 0, np.sqrt(squares) / sums, np.inf)


def noise_floor(first: xr.DataArray, second: xr.DataArray, *, smooth_um: float = 0.0) -> xr.Dataset:
    """Noise of thickness maps from two images without current between them.

    first, second   (y, x) thickness, um
    smooth_um       the Gaussian that maps are smoothed by before they are compared; use the same for the current

    Returns `difference` (1-sigma of the difference of two maps, from the median of |d - median d|; its error assumes
    patches of the correlation area), `thickness` (of one map: difference / sqrt 2), `offset` (median: drift between
    the two), `gradient` (1/um; rms slope of the normalised difference, for `find_hot_spots`), `kurtosis` (0 if
    Gaussian). Raises InputError for maps of different sizes or fewer than 16 known columns.
    """
    check_series(first, second, where="noise_floor")
    d = smooth_map(second.copy(data=second.values - first.values), smooth_um).transpose("y", "x")
    values, sizes = d.values, voxel_sizes(d)
    known = np.isfinite(values)
    if known.sum() < 16:
        raise InputError(f"{int(known.sum())} columns are known in both maps", where="noise_floor")
    offset = float(np.median(values[known]))
    sigma = float(np.median(np.abs(values[known] - offset)) / 0.6745)
    slopes = [np.diff(values, axis=a) / sizes[n] for a, n in ((0, "y"), (1, "x"))]
    rms = [np.nanmedian(np.abs(s)) / 0.6745 for s in slopes]
    gradient = float(np.sqrt(rms[0] * rms[1]) / sigma) if sigma > 0 else np.nan
    area = known.sum() * sizes["x"] * sizes["y"]
    patches = max(area * gradient**2 / (2 * np.pi), 1.0) if sigma > 0 else np.nan
    inner = np.clip((values[known] - offset) / sigma, -6, 6) if sigma > 0 else np.zeros(1)
    return xr.Dataset(
        {
            "difference": quantity(sigma, (), "um", "noise of the difference of two maps"),
            "difference_err": quantity(sigma * 1.17 / np.sqrt(patches), (), "um"),
            "thickness": quantity(sigma / np.sqrt(2), (), "um", "noise of one map"),
            "offset": quantity(offset, (), "um", "median difference"),
            "gradient": quantity(gradient, (), "1/um", "rms slope of the normalised difference"),
            "kurtosis": quantity(float((inner**4).mean() - 3), (), "1", "excess kurtosis"),
        },
        attrs={"smooth_um": smooth_um, "columns": int(known.sum())},
    )


def local_current_density(
    thickness: xr.DataArray, floor: xr.Dataset, *, thickness_err: xr.DataArray | float | None = None,
    times_s: np.ndarray | None = None, smooth_um: float | None = None,
    molar_volume: float = LI_MOLAR_VOLUME_CM3_PER_MOL,
) -> xr.Dataset:  # fmt: skip
    """Maps of current density between images in turn: j = (t2 - t1) F / (V_m dt), positive where Li is plated.

    thickness      (time, y, x) um, registered; `time` in s or `times_s`
    floor          of `noise_floor`, with the same `smooth_um`; its error applies everywhere
    thickness_err  (time, y, x) or number: 1-sigma of each column before smoothing, where the noise differs between
                   columns; scaled so that its median agrees with the floor

    Over interval, y, x: `current_density` with `_err` (mA/cm2) and `_flag` (NO_DATA unknown, TOO_FEW_COUNTS below
    2 sigma of the floor: not distinguishable from no current); over interval: `floor` (1-sigma, mA/cm2), `mean`,
    `mean_err` (floor over the independent patches, and the offset between the two images of
    the floor as the 1-sigma of what all columns share: mean void, collector), `start`, `end` (s).
    Raises InputError for one image, times that do not rise, or a floor found at another smoothing.
    """
    smooth = float(floor.attrs["smooth_um"]) if smooth_um is None else smooth_um
    if smooth != floor.attrs["smooth_um"]:
        raise InputError(
            f"the floor was found at {floor.attrs['smooth_um']} um smoothing, not {smooth}",
            where="local_current_density",
        )
    times = np.asarray(thickness["time"].values if times_s is None else times_s, float)
    if (
        thickness.sizes.get("time", 0) < 2
        or len(times) != thickness.sizes["time"]
        or not (np.diff(times) > 0).all()
    ):
        raise InputError(
            "two images or more with rising times are needed", where="local_current_density",
            fix="Give thickness over time (s).",
        )  # fmt: skip
    thickness = thickness.transpose("time", "y", "x")
    change = smooth_map(thickness.copy(data=thickness.values).diff("time", label="upper"), smooth).values
    factor = np.array([mA_per_cm2(1.0, dt, molar_volume) for dt in np.diff(times)])[:, None, None]
    sigma = float(floor["difference"])
    seen = np.isfinite(thickness.values)
    gain = _noise_gain(seen[1:] & seen[:-1], smooth / voxel_sizes(thickness)["x"])
    error = gain * _column_errors(thickness, thickness_err, sigma)
    j = change * factor
    known = np.isfinite(j)
    weak = np.where(known & (np.abs(change) < 2 * error), int(Flag.TOO_FEW_COUNTS), 0)
    flag = np.where(known, weak, int(Flag.NO_DATA))
    sizes = voxel_sizes(thickness)
    area = known.sum((1, 2)) * sizes["x"] * sizes["y"]
    patches = np.maximum(area * float(floor["gradient"]) ** 2 / (2 * np.pi), 1)
    mean_um = np.hypot(sigma / np.sqrt(patches), float(floor["offset"]))
    dims = ("interval", "y", "x")
    result = xr.Dataset(
        {
            "current_density": quantity(j, dims, "mA/cm2", "local current density"),
            "current_density_err": quantity(np.where(known, error * factor, np.nan), dims, "mA/cm2"),
            "floor": quantity(sigma * factor[:, 0, 0], "interval", "mA/cm2", "noise floor, 1 sigma"),
            "mean": quantity(np.nanmean(j, (1, 2)), "interval", "mA/cm2", "mean over the section"),
            "mean_err": quantity(mean_um * factor[:, 0, 0], "interval", "mA/cm2"),
            "start": quantity(times[:-1], "interval", "s"),
            "end": quantity(times[1:], "interval", "s"),
        },
        attrs={"molar_volume_cm3_per_mol": molar_volume, "smooth_um": smooth, "voxel_um": sizes["x"]},
    )
    result["current_density_flag"] = flag_variable(flag, dims)
    keep = {k: v for k, v in thickness.coords.items() if k in ("y", "x")}
    return result.assign_coords(keep)


def _column_errors(thickness: xr.DataArray, error, sigma: float) -> np.ndarray:
    """Error of a difference, (interval, y, x) or a number: that of the columns, scaled to the floor by its median."""
    if error is None:
        return np.array(sigma)
    each = np.broadcast_to(np.asarray(error, float), thickness.shape)
    pair = np.hypot(each[1:], each[:-1])
    return pair * sigma / np.nanmedian(pair)
