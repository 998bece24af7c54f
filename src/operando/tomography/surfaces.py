"""Surfaces as sub-voxel height maps from grey values, and the blur of the image from its own edges."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.special import ndtr

from ..core.errors import InputError
from ..core.flags import Flag, flag_variable
from .volume import check_volume, coordinates, quantity, same_voxel

REACH = 5  # voxels on each side over which the grey values of an edge are added up


def surface_heights(
    volume: xr.DataArray, below: float, above: float, *, search: str = "first", z_um: tuple[float, float] |
    None = None, noise: float = 0.0, reach: int = REACH,
) -> xr.Dataset:  # fmt: skip
    """Height of the surface between two phases of known grey value in every column, by partial volume.

    h = z1 + sum over z1..z2 of dz (g - g_above) / (g_below - g_above)

    which is exact for any symmetric blur of a plane, and needs no model of it. The sum runs over `reach`
    voxels on each side of the first guess, where the smoothed volume crosses the middle of both grey values.

    below, above   grey values under and over the surface (as of `phase_greys`); both phases must be even over `reach`
    search         "first" crossing from below, or "last"
    z_um           only look between these heights above the lower side of the volume
    noise          1-sigma of a voxel, for the error: noise sqrt(2 reach) / |contrast| x voxel

    Over y, x: `height` (um above the lower side of the volume), `height_err`, `height_flag` (NO_DATA no
    crossing: NaN; WINDOW_EDGE the sum was cut by the border of the volume; POOR_FIT the ends of the sum are
    not at the two grey values: a thin layer or a pore is near). A series of volumes is done one by one. Raises
    InputError where no column has the surface.
    """
    volume = check_volume(volume.squeeze(), where="surface_heights")
    voxel = same_voxel(volume)
    grey = volume.values
    if below == above:
        raise InputError("both sides have the same grey value", where="surface_heights")
    first, last = 0, grey.shape[0]
    if z_um is not None:
        first, last = max(int(z_um[0] / voxel), 0), min(int(np.ceil(z_um[1] / voxel)), last)
    share = (grey[first:last].astype(np.float32) - np.float32(above)) / np.float32(below - above)
    start, found = crossing(share, search)
    if not found.any():
        raise InputError("no column holds the surface", where="surface_heights", fix="Check the grey values.")
    height, cut, odd = _summed(share, start, reach)
    flag = np.where(found, 0, int(Flag.NO_DATA)) | np.where(found & cut, int(Flag.WINDOW_EDGE), 0)
    flag |= np.where(found & odd, int(Flag.POOR_FIT), 0)
    error = abs(noise / (below - above)) * np.sqrt(2 * reach) * voxel
    result = xr.Dataset(
        {
            "height": quantity(np.where(found, (height + first) * voxel, np.nan), ("y", "x"), "um", "height"),
            "height_err": quantity(np.where(found, error, np.nan), ("y", "x"), "um"),
        },
        coords=coordinates(volume, "y", "x"),
        attrs={
            "below": below,
            "above": above,
            "voxel_um": voxel,
            "rule": "partial volume between two grey values",
        },
    )
    for name in ("height", "height_err"):
        result[name].attrs["voxel_um"] = voxel
    result["height_flag"] = flag_variable(flag, ("y", "x"))
    return result


def crossing(share: np.ndarray, search: str = "first") -> tuple[np.ndarray, np.ndarray]:
    """Index (y, x) of the voxel past the crossing of 1/2 by the smoothed share, and where there is one."""
    from scipy.ndimage import gaussian_filter

    under = gaussian_filter(share, 1.0) >= 0.5
    step = under[:-1] & ~under[1:]
    found = step.any(0)
    at = step.argmax(0) if search == "first" else len(step) - 1 - step[::-1].argmax(0)
    return at + 1, found


def _summed(share: np.ndarray, start: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    nz = share.shape[0]
    low, high = np.maximum(start - reach, 0), np.minimum(start + reach, nz)
    total = np.zeros(start.shape)
    for k in range(2 * reach):
        z = start - reach + k
        ok = (z >= 0) & (z < nz)
        total += np.where(ok, np.take_along_axis(share, np.clip(z, 0, nz - 1)[None], 0)[0], 0.0)
    ends = [np.take_along_axis(share, z[None], 0)[0] for z in (low, high - 1)]
    odd = (abs(ends[0] - 1) > 0.25) | (abs(ends[1]) > 0.25)
    return low + total, (start < reach) | (start + reach > nz), odd


def edge_blur(volume: xr.DataArray, surface: xr.Dataset) -> xr.Dataset:
    """Point spread of the image from the mean profile across a surface: sigma of a Gaussian, along z.

    Columns are laid on each other by their sub-voxel height, and an error function is fitted; the box of a
    voxel (1/12), the noise of the heights and the slope of the surface are taken out. Valid where the surface
    is sharp in truth (steel, electrolyte).

    Returns `blur` (um) with `blur_err` (spread over four quarters of the section), `profile` over `distance` (um from
    the surface, share of the lower phase).
    """
    volume = check_volume(volume.squeeze(), where="edge_blur")
    voxel = same_voxel(volume)
    height = surface["height"].where(surface["height_flag"] == 0).transpose("y", "x").values / voxel
    if np.isfinite(height).sum() < 64:
        raise InputError(
            "fewer than 64 good columns", where="edge_blur", fix="Use a larger piece of the surface."
        )
    low, high = surface.attrs["below"], surface.attrs["above"]
    slopes = [float(np.nanmean(np.diff(height, axis=a) ** 2)) for a in (0, 1)]
    noise = float(np.nanmean(surface["height_err"].values)) / voxel
    slope2 = max(sum(slopes) - 4 * noise**2, 0.0)
    ny, nx = (n // 2 for n in height.shape)
    quarters = [np.s_[a, b] for a in (np.s_[:ny], np.s_[ny:]) for b in (np.s_[:nx], np.s_[nx:])]
    at, whole, count = _profile(volume.values, height, low, high, np.s_[:, :])
    sigma = _width(at, whole, count)
    parts = [_width(*_profile(volume.values, height, low, high, q)) for q in quarters]

    def point_spread(width):
        return float(np.sqrt(np.clip((width**2 - noise**2) / (1 + slope2) - 1 / 12, 0, None))) * voxel

    spread = np.std([point_spread(p) for p in parts], ddof=1) / 2
    return xr.Dataset(
        {
            "blur": quantity(point_spread(sigma), (), "um", "sigma of the point spread"),
            "blur_err": quantity(float(spread), (), "um"),
            "profile": quantity(whole, "distance", "1", "share of the lower phase"),
        },
        coords={"distance": ("distance", at * voxel, {"units": "um"})},
        attrs={"slope": float(np.sqrt(slope2))},
    )


def _profile(grey, height, low, high, part) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean share of the lower phase against the distance from the surface, in bins of a quarter voxel."""
    h = height[part]
    g = grey[(slice(None), *part)]
    edges = np.arange(-REACH, REACH + 0.25, 0.25)
    total, count = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
    rows, columns = np.nonzero(np.isfinite(h))
    for k in range(-REACH, REACH + 1):
        z = np.floor(h[rows, columns]).astype(int) + k
        ok = (z >= 0) & (z < grey.shape[0])
        share = (g[z[ok], rows[ok], columns[ok]] - high) / (low - high)
        bins = np.digitize(z[ok] + 0.5 - h[rows[ok], columns[ok]], edges) - 1
        good = (bins >= 0) & (bins < len(total))
        total += np.bincount(bins[good], share[good], len(total))
        count += np.bincount(bins[good], minlength=len(total))
    with np.errstate(invalid="ignore", divide="ignore"):
        return 0.5 * (edges[1:] + edges[:-1]), np.where(count > 0, total / count, np.nan), count


def _width(at, share, count) -> float:
    """Sigma (voxels) of an error function through the profile, its place and ends free."""
    from scipy.optimize import curve_fit

    ok = count > 0

    def step(x, middle, sigma, top, bottom):
        return bottom + (top - bottom) * ndtr((middle - x) / sigma)

    found, _ = curve_fit(step, at[ok], share[ok], (0, 1, 1, 0), sigma=count[ok] ** -0.5,
                         bounds=([-2, 0.05, 0, -1], [2, 10, 2, 1]))  # fmt: skip
    return float(found[1])
