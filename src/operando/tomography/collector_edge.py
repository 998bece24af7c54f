"""Height of a metal collector from the light behind it: photons that refraction moves are not lost.

The edge of a metal rod refracts so strongly that its image is bent by more than it is rough. But what leaves the shadow
of the metal arrives beside it, so the light summed over rows from deep in the metal (I_m) to deep in the lithium (I_l),

    S = sum of I over rows z1 to z2 = I_m (h - z1) + I_l (z2 - h),

tells the mean height h of the edge along every ray, whatever refraction and blur do between. Times the path in
metal, ln(I_l / I_m), it is a projection of mu h(x, y): one slice to reconstruct. Where the edge is rough along
a ray the light is no linear mean of the heights; that is simulated with the map found, and taken off.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.ndimage import binary_erosion, gaussian_filter

from ..core.errors import InputError
from ..core.flags import flag_variable
from .fourier_backproject import Backprojector
from .fourier_project import Projector
from .volume import quantity

LEAST_CONTRAST = 0.1  # of the light through lithium less that through metal: fainter rays say nothing
LEAST_LIGHT = 0.02  # through the metal: darker, and only its highest ridge along a ray is seen
DEEP = 3  # rows on both sides whose mean is the light through metal, through lithium
SMOOTH = 1.5  # voxels over the section
ROUNDS = 3


def edge_by_photons(
    paths: np.ndarray, back: Backprojector, project: Projector, sample: np.ndarray, *, start: float, reach: int = 4,
    voxel_um: float, up: bool = True,
) -> xr.Dataset:  # fmt: skip
    """Height map of a collector from projections, by the photons behind it.

    paths   (z, angles, columns) -ln I/I0 without phase retrieval; back, project: of the same scan, in 1/cm
    sample  (y, x) bool, where the collector is
    start   height of the edge, voxels above the lower side, right within a voxel or two
    reach   rows on both sides of `start` within which all edges, fringes and blur lie; beyond them `DEEP` rows even
    up      the metal lies under the edge (else above it)

    Over y, x: `height`, `height_err` (um; NaN beside the sample), `height_flag`; attrs `rest_um`: what noise leaves.
    Raises `InputError` where the metal lets too little light through, or lies too near the border of the volume.
    """
    if not up:
        turned = edge_by_photons(
            paths[::-1], back, project, sample, start=len(paths) - start, reach=reach, voxel_um=voxel_um
        )
        turned["height"] = turned["height"].copy(data=len(paths) * voxel_um - turned["height"].values)
        return turned
    first, last = round(start) - reach, round(start) + reach
    if first < 1 or last + DEEP > len(paths):
        raise InputError("the collector is too near the border of the volume", where="edge_by_photons")
    light = np.exp(-paths[max(first - DEEP, 0) : last + DEEP])
    inner = slice(min(first, DEEP), len(light) - DEEP)
    metal, lithium = light[: inner.start].mean(0), light[inner.stop :].mean(0)
    seen = lithium - metal > LEAST_CONTRAST
    if not seen.any() or np.median(metal[seen]) < LEAST_LIGHT:
        raise InputError("too little light comes through the collector", where="edge_by_photons")
    z = np.arange(first, last)[:, None, None]
    path = np.where(seen, np.log(lithium / np.maximum(metal, 1e-6)), 0).astype(np.float32)
    found = np.clip(
        _mean_height(light[inner].sum(0), metal, lithium, seen, last - start, len(z)), -reach, reach
    )
    thick = back(path[None])[0]
    solid = np.where(sample, np.median(thick[binary_erosion(sample, iterations=2)]), 0).astype(np.float32)
    through = project(solid[None])[0]
    height = _section(back, found * path, solid)
    for _ in range(ROUNDS):
        height = _smooth(height, sample)
        rows = lithium * np.exp(-project(np.clip(start + height - z, 0, 1).astype(np.float32) * solid))
        seemed = _mean_height(rows.sum(0), lithium * np.exp(-through), lithium, seen, last - start, len(z))
        height = height + _section(back, found * path - seemed * through, solid)
    return _edge_dataset(height, sample, start, voxel_um)


def _mean_height(total, metal, lithium, seen, above: float, rows: int) -> np.ndarray:
    """Height over `start` (voxels) of the edge on every ray, from the light summed over `rows`."""
    contrast = np.where(seen, lithium - metal, 1)
    return np.where(seen, (rows * lithium - total) / contrast - (rows - above), 0)


def _section(back: Backprojector, lines: np.ndarray, solid: np.ndarray) -> np.ndarray:
    one = back(lines[None].astype(np.float32))[0]
    return np.where(solid > 0, one / np.where(solid > 0, solid, 1), 0)


def _smooth(height: np.ndarray, sample: np.ndarray, sigma: float = 0.8) -> np.ndarray:
    weight = gaussian_filter(sample.astype(float), sigma)
    return np.where(
        sample, gaussian_filter(np.where(sample, height, 0.0), sigma) / np.maximum(weight, 1e-6), 0
    )


def _edge_dataset(height: np.ndarray, sample: np.ndarray, start: float, voxel: float) -> xr.Dataset:
    smooth = _smooth(height, sample, SMOOTH)
    rest = float(np.std((height - _smooth(height, sample, 0.8))[binary_erosion(sample, iterations=4)]))
    gain = 1 / np.sqrt(4 * np.pi * SMOOTH**2)
    size = np.where(sample, max(rest * gain, 0.02) * voxel, np.nan)
    data = {
        "height": quantity(np.where(sample, (start + smooth) * voxel, np.nan), ("y", "x"), "um", "height"),
        "height_err": quantity(size, ("y", "x"), "um"),
    }
    result = xr.Dataset(
        data, attrs={"voxel_um": voxel, "rule": "photons behind the edge", "rest_um": rest * voxel}
    )
    for name in data:
        result[name].attrs["voxel_um"] = voxel
    result["height_flag"] = flag_variable(np.zeros(height.shape, int), ("y", "x"))
    return result
