"""Volumes of a scan without projections: exact partial volumes, then blur, edges and noise as asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from operando.core.errors import InputError

from .cell import SymmetricCell
from .composition import materials
from .fields import axis_um
from .state import State, on_voxels, state
from .texture import texture

RIM = 8  # sub-pixels a voxel along x and y for the round outlines
THREADS = 2


def volumes(
    cell: SymmetricCell, scan: int, *, blur_vox: float = 0.0, noise_per_cm: float = 0.0, distance_mm: float = 0.0,
    rows: tuple[int, int] | None = None, seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Labels and attenuation of one scan.

    Every voxel holds the mean over its volume: mu = sum of share * mu_material, the shares being exact overlaps with
    the surfaces of the truth. In this order: `distance_mm` adds the edges of propagation, mu - distance * laplacian
    of delta (1/m), as a reconstruction without phase retrieval shows them; `blur_vox` is the sigma of a Gaussian
    point spread (voxels); `noise_per_cm` adds white Gaussian noise of that sigma (1/cm), by `seed`, cell and scan.

    Returns labels (z, y, x) uint8 (`Label`, by the largest share, never blurred) and mu (z, y, x) float32 (1/cm).
    `rows` (first, last) gives only these rows of z. Raises `InputError` for a scan that does not exist.
    """
    first, last = (0, cell.height) if rows is None else rows
    if not 0 <= first < last <= cell.height:
        raise InputError(f"no rows {first} to {last}", where="volumes", fix=f"Rows are 0 to {cell.height}.")
    spare = int(np.ceil(4 * blur_vox)) + (1 if distance_mm else 0)
    low, high = max(first - spare, 0), min(last + spare, cell.height)
    labels, mu, delta = sharp(cell, scan, (low, high))
    if distance_mm:
        mu -= distance_mm * 1e-3 * laplacian(delta, cell.voxel_um * 1e-6) * 1e-2
    if blur_vox:
        from scipy.ndimage import gaussian_filter

        mu = gaussian_filter(mu, blur_vox, mode="nearest", truncate=4)
    keep = slice(first - low, last - low)
    labels, mu = labels[keep], mu[keep]
    if noise_per_cm:
        for row in range(last - first):
            rng = np.random.default_rng([cell.seed, 23, scan, seed, first + row])
            mu[row] += noise_per_cm * rng.standard_normal(mu.shape[1:], dtype=np.float32)
    return labels, mu


def sharp(cell: SymmetricCell, scan: int, rows: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels uint8, attenuation (1/cm) and delta float32 of some rows: voxel means, no blur."""
    from ._kernels import fill_voxels

    now = state(cell, scan)
    shape = (rows[1] - rows[0], cell.width, cell.width)
    out = np.empty(shape, np.uint8), np.empty(shape, np.float32), np.empty(shape, np.float32)
    facts = _facts(cell, now)

    def fill(part: tuple[int, int]) -> None:
        here = slice(part[0] - rows[0], part[1] - rows[0])
        arguments: tuple[Any, ...] = (*facts[:3], part, *facts[3:], *(one[here] for one in out))
        fill_voxels(*arguments)

    edges = np.linspace(rows[0], rows[1], THREADS + 1).astype(int)
    parts = [(int(a), int(b)) for a, b in pairwise(edges) if b > a]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(fill, parts))
    return out


def _facts(cell: SymmetricCell, now: State) -> tuple:
    """What `fill_voxels` needs, in its order, without rows and results."""
    seeds = texture(cell)
    inside, casing = outline(cell, now.shift_um)
    mu, delta = materials(cell)
    return (
        now.surfaces, cell.subsample, cell.voxel_um, inside, casing, on_voxels(now.first, cell),
        on_voxels(now.front, cell), now.swelling, now.displacement, now.shift_um, float(axis_um(cell)[0]),
        seeds.grain_step_um, seeds.grains, (cell.boundary_um, cell.boundary_contrast), seeds.pore_step_um,
        seeds.pores, cell.pore_margin_um, mu, delta,
    )  # fmt: skip


def outline(cell: SymmetricCell, shift_um: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """(y, x) share of each column inside the pellet, and inside its casing."""
    if cell.diameter_um is None:
        whole = np.ones((cell.width, cell.width))
        return whole, np.zeros_like(whole)
    pellet = disc_share(cell, cell.diameter_um / 2, shift_um)
    return pellet, disc_share(cell, cell.outer_um / 2, shift_um) - pellet


def disc_share(cell: SymmetricCell, radius_um: float, shift_um: tuple[float, float, float]) -> np.ndarray:
    """(y, x) share of each column inside a disc: counted on RIM x RIM points where its edge passes."""
    x = axis_um(cell)
    r = np.hypot(x[None] - shift_um[0], x[:, None] - shift_um[1])
    share = (r <= radius_um).astype(float)
    rim_y, rim_x = np.nonzero(abs(r - radius_um) < cell.voxel_um)
    part = ((np.arange(RIM) + 0.5) / RIM - 0.5) * cell.voxel_um
    px = x[rim_x][:, None, None] + part[None, None] - shift_um[0]
    py = x[rim_y][:, None, None] + part[None, :, None] - shift_um[1]
    share[rim_y, rim_x] = (px**2 + py**2 <= radius_um**2).mean((1, 2))
    return share


def laplacian(values: np.ndarray, step: float) -> np.ndarray:
    """Second differences along all axes over step^2; the ends repeat."""
    padded = np.pad(values, 1, mode="edge")
    inner = tuple(slice(1, -1) for _ in values.shape)
    total = -2.0 * values.ndim * values
    for axis in range(values.ndim):
        for offset in (0, 2):
            cut = list(inner)
            cut[axis] = slice(offset, offset + values.shape[axis])
            total = total + padded[tuple(cut)]
    return total / step**2
