"""Synthetic isotropic polycrystals: grains, grain boundaries and pores of measured sizes, periodic on all sides."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from operando.core.errors import InputError

PORE, GRAIN, BOUNDARY = 0, 1, 2
LABELS = {"pore": PORE, "grain": GRAIN, "boundary": BOUNDARY}


def polycrystal(
    shape: tuple[int, int, int], rng: np.random.Generator, *, grain_size: float, porosity: float = 0.0,
    pore_size: float = 0.0, boundary: float = 1.0, grain_spread: float = 0.0, pores_at: str = "anywhere",
    voxel: float = 1.0, units: str = "um",
) -> xr.DataArray:  # fmt: skip
    """Labels of a random isotropic polycrystal: 0 pore, 1 grain, 2 grain boundary. Periodic on all sides.

    Grains are Laguerre cells of random seeds (Voronoi cells for `grain_spread` 0); a voxel is boundary where its centre
    is nearer than half of `boundary` to the plane between two cells. Pores are spheres that may overlap.

    shape         voxels (z, y, x)
    grain_size    diameter of the sphere of the mean grain volume, in `units`
    porosity      share of pores, met to the voxel
    pore_size     1.5 times the mean chord of the pores, which for spheres is their diameter, in `units`
    boundary      thickness of the boundaries in voxels; 0: none
    grain_spread  spread of the radii that weigh the cells, relative to the mean
    pores_at      "anywhere", or "boundary": centres on grain boundaries
    voxel         edge of a voxel in `units`

    Returns uint8 over z y x with attrs of what was asked, `labels` and `grains` (number of seeds).
    Raises `InputError` for sizes that do not fit the box or the voxels.
    """
    _check(shape, grain_size, porosity, pore_size, boundary, grain_spread, pores_at, voxel)
    box = np.asarray(shape) * voxel
    count = max(1, round(box.prod() / (np.pi / 6 * grain_size**3)))
    seeds = rng.uniform(0, 1, (count, 3)) * box
    radii = grain_size / 2 * np.clip(1 + grain_spread * rng.standard_normal(count), 0.1, None)
    labels = np.full(shape, GRAIN, np.uint8)
    near = _boundary_distance(seeds, radii if grain_spread else None, shape, voxel)
    labels[near < boundary * voxel / 2] = BOUNDARY
    if porosity > 0:
        labels[_pores(near, rng, porosity, pore_size, pores_at, voxel)] = PORE
    names = " ".join(f"{value}: {name}" for name, value in LABELS.items())
    return xr.DataArray(
        labels, dims=("z", "y", "x"),
        coords={d: (d, (np.arange(n) + 0.5) * voxel, {"units": units}) for d, n in zip("zyx", shape, strict=True)},
        attrs={
            "labels": names, "grains": count, "grain_size": grain_size, "porosity": porosity, "pore_size": pore_size,
        },
    )  # fmt: skip


def pore_size(pores: np.ndarray, voxel: float = 1.0) -> float:
    """1.5 times the mean chord of the pores along the three axes (the diameter, for spheres); NaN without pores.

    The mean chord 2 share / (crossings per length) needs no cut pores apart, nor a choice of what one pore is.
    pores (z, y, x) bool.
    """
    pores = np.asarray(pores, bool)
    crossings = sum(int(np.count_nonzero(np.diff(pores, axis=axis))) for axis in range(3))
    planes = sum(pores.size - pores.size // pores.shape[axis] for axis in range(3))
    if not crossings:
        return float("nan")
    return 1.5 * 2 * float(pores.mean()) * planes / crossings * voxel


def _check(shape, grain_size, porosity, size, boundary, spread, pores_at, voxel) -> None:
    where = "polycrystal"
    if len(shape) != 3 or min(shape) < 2 or not voxel > 0 or boundary < 0 or spread < 0:
        raise InputError(
            "a shape of three, a positive voxel and a boundary of zero or more are needed", where=where
        )
    if not 2 * voxel <= grain_size:
        raise InputError(f"grains of {grain_size} are smaller than two voxels of {voxel}", where=where)
    if not 0 <= porosity < 1:
        raise InputError(f"porosity {porosity} is not a share between 0 and 1", where=where)
    if porosity > 0 and not 2 * voxel <= size <= min(shape) * voxel / 2:
        raise InputError(
            f"pores of {size} do not fit: two voxels ({2 * voxel}) to half of the box ({min(shape) * voxel / 2})",
            where=where, fix="Choose another voxel or a larger box, or set porosity to 0.",
        )  # fmt: skip
    if pores_at not in ("anywhere", "boundary"):
        raise InputError(f"unknown place for pores {pores_at!r}", where=where, fix="anywhere or boundary.")


def _centres(shape, voxel: float) -> np.ndarray:
    axes = np.meshgrid(*((np.arange(n) + 0.5) * voxel for n in shape), indexing="ij")
    return np.stack([a.ravel() for a in axes], 1)


def _power_neighbours(points, centres, radii, box, count: int):
    """Nearest centres by power distance |x - c|^2 - r^2, periodic, and those distances.

    Radii enter as a fourth coordinate sqrt(max r^2 - r^2), so that an ordinary search tree finds them.
    """
    lift = np.sqrt(radii.max() ** 2 - radii**2)
    tree = cKDTree(np.column_stack([centres % box, lift]), boxsize=[*box, 0])
    found, index = tree.query(
        np.column_stack([points, np.zeros(len(points))]), k=min(count, len(centres)), workers=2
    )
    return found.reshape(len(points), -1) ** 2 - radii.max() ** 2, index.reshape(len(points), -1)


def _boundary_distance(seeds, radii, shape, voxel: float) -> np.ndarray:
    """Distance of every voxel to the nearest plane between its cell and another one."""
    box = np.asarray(shape) * voxel
    radii = np.zeros(len(seeds)) if radii is None else radii
    near = np.full(np.prod(shape), np.inf)
    points = _centres(shape, voxel)
    for part in np.array_split(np.arange(len(points)), max(1, len(points) // 500_000)):
        power, index = _power_neighbours(points[part], seeds, radii, box, 5)
        for n in range(1, power.shape[1]):
            between = seeds[index[:, n]] - seeds[index[:, 0]]
            between -= box * np.round(between / box)
            gap = np.maximum(np.linalg.norm(between, axis=1), 1e-9)
            near[part] = np.minimum(near[part], (power[:, n] - power[:, 0]) / (2 * gap))
    return near.reshape(shape)


def _pores(near, rng, porosity: float, size: float, pores_at: str, voxel: float) -> np.ndarray:
    """Spheres whose overlap has the wanted chord: the diameter is corrected by what was measured, three times.

    The share is met by growing or shrinking all spheres together. A start for the diameter is that of a Boolean model.
    """
    shape, box = near.shape, np.asarray(near.shape) * voxel
    points, coverage = _centres(shape, voxel), -np.log1p(-porosity)
    diameter = size * (1 - porosity) * coverage / porosity
    order = rng.uniform(0, 1, (4 * int(np.ceil(coverage * box.prod() / (np.pi / 6 * diameter**3))) + 8, 4))
    for _ in range(3):
        count = min(len(order), max(1, round(coverage * box.prod() / (np.pi / 6 * diameter**3))))
        centres = _pore_centres(order[:count], near, pores_at, voxel)
        square, _ = _power_neighbours(points, centres, np.full(count, diameter / 2), box, 1)
        level = np.partition(square[:, 0], round(porosity * len(square)))[round(porosity * len(square))]
        pores = (square[:, 0] < level).reshape(shape)
        measured = pore_size(pores, voxel)
        diameter *= size / measured if np.isfinite(measured) else 1.0
    return pores


def _pore_centres(order: np.ndarray, near: np.ndarray, pores_at: str, voxel: float) -> np.ndarray:
    """Random places in the box, or random voxels next to a boundary; the same numbers give the same places."""
    if pores_at == "anywhere":
        return order[:, :3] * np.asarray(near.shape) * voxel
    sites = np.argwhere(near < voxel)
    if not len(sites):
        raise InputError("there are no grain boundaries to put pores on", where="polycrystal")
    return (sites[(order[:, 3] * len(sites)).astype(int)] + order[:, :3]) * voxel
