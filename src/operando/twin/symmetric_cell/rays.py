"""Line integrals of a scan and what the detector would see without noise: transmission with phase contrast."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .cell import SymmetricCell
from .voxels import THREADS, sharp

DARKEST = 1e-6  # transmission below this is set to it
HALO = 4  # of the detector's blur, in sigma
#: the pixels on both sides of all faces along z, and along x
FACES: tuple[tuple[Any, Any], ...] = (
    (np.s_[:-1, :], np.s_[1:, :]),
    (np.s_[:, :-1], np.s_[:, 1:]),
)


def nominal_theta_deg(cell: SymmetricCell) -> np.ndarray:
    """(projections,) recorded angles: equal steps from 0 to 180 degrees, both included."""
    return np.linspace(0.0, 180.0, cell.projections)


def actual_theta_deg(cell: SymmetricCell, scan: int) -> np.ndarray:
    """(projections,) angles with the jitter of the stage."""
    rng = np.random.default_rng([cell.seed, 31, scan])
    return nominal_theta_deg(cell) + cell.angle_jitter_deg * rng.standard_normal(cell.projections)


def axis_shift_px(cell: SymmetricCell, scan: int) -> np.ndarray:
    """(projections,) how far right of `centre_px` the axis is in each projection."""
    rng = np.random.default_rng([cell.seed, 37, scan])
    return cell.axis_jitter_px * rng.standard_normal(cell.projections)


def line_integrals(volume: np.ndarray, theta_deg: np.ndarray, first: np.ndarray, columns: int) -> np.ndarray:
    """Mean line integrals of a volume over the pixels of a parallel beam, in voxels; voxels are uniform squares.

    volume     (z, y, x, ...) any quantity a voxel
    theta_deg  (angles,) the ray is x cos(theta) + y sin(theta) = t; x, y in voxels from the middle of the section
    first      (angles,) t of the middle of column 0, voxels

    Returns (angles, z, columns, ...) float32.
    """
    from ._ray_kernels import strip_sums

    depth, rest = volume.shape[0], volume.shape[3:]
    flat = np.ascontiguousarray(np.moveaxis(volume, 0, 2), np.float32).reshape(*volume.shape[1:3], -1)
    out = np.empty((len(theta_deg), columns, flat.shape[2]), np.float32)
    theta, first = np.deg2rad(theta_deg), np.asarray(first, float)

    def some(part: np.ndarray) -> None:
        here = slice(part[0], part[-1] + 1)
        strip_sums(flat, theta[here], first[here], out[here])

    parts = [part for part in np.array_split(np.arange(len(theta)), THREADS) if len(part)]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(some, parts))
    return np.moveaxis(out.reshape(len(theta), columns, depth, *rest), 2, 1)


def transmission(cell: SymmetricCell, scan: int, rows: tuple[int, int] | None = None) -> np.ndarray:
    """(projections, rows, columns) float32 intensity over the incoming one, rows growing along z, without noise.

    exp(-integral of mu), then propagation by the transport of intensity, I + d div(I grad P) with P the integral of
    delta (m), then the blur of the detector. Teague, J. Opt. Soc. Am. 73, 1434 (1983). Valid while the second term
    is small against the first. At the rims of steel it is not: there a pixel gives all its light to its neighbours
    and no more, so that no photons are made or lost (rays would carry it some pixels farther).
    """
    first, last = (0, cell.height) if rows is None else rows
    spare = int(np.ceil(HALO * cell.blur_px)) + 1
    low, high = max(first - spare, 0), min(last + spare, cell.height)
    _, mu, delta = sharp(cell, scan, (low, high))
    first_column = -cell.centre_px - axis_shift_px(cell, scan) - spare
    wide = cell.columns + 2 * spare  # light also comes from beside the detector
    angles = actual_theta_deg(cell, scan)
    paths = line_integrals(np.stack([mu, delta], -1), angles, first_column, wide)
    light = np.exp(-paths[..., 0] * np.float32(cell.voxel_um * 1e-4))
    if cell.distance_mm:
        per_pixel = cell.distance_mm * 1e-3 / (cell.voxel_um * 1e-6)  # distance and P in pixels
        for image, path in zip(light, paths[..., 1], strict=True):
            image += flux_divergence(image, path, per_pixel)
        np.maximum(light, 0, out=light)  # rounding
    if cell.blur_px:
        from scipy.ndimage import gaussian_filter1d

        for axis in (1, 2):
            light = gaussian_filter1d(light, cell.blur_px, axis, mode="nearest", truncate=HALO)
    return np.maximum(light[:, first - low : last - low, spare : spare + cell.columns], DARKEST)


def flux_divergence(light: np.ndarray, path: np.ndarray, distance: float = 1.0) -> np.ndarray:
    """distance div(I grad P) on a pixel grid (z, x): differences of the flux through pixel faces, none through the rim.

    A pixel whose faces would carry away more than its light gives each of them its share of what there is.
    """
    fluxes, leaving = [], np.zeros_like(light)
    for a, b in FACES:
        flux = np.float32(distance) * (light[a] + light[b]) / 2 * (path[b] - path[a])  # from b into a
        leaving[b] += np.maximum(flux, 0)
        leaving[a] -= np.minimum(flux, 0)
        fluxes.append(flux)
    share = np.minimum(1, light / np.maximum(leaving, np.finfo(np.float32).tiny))
    out = np.zeros_like(light)
    for (a, b), flux in zip(FACES, fluxes, strict=True):
        flux = flux * np.where(flux > 0, share[b], share[a])
        out[a] += flux
        out[b] -= flux
    return out
