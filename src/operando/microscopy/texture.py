"""Pole figures and inverse pole figures as densities in multiples of random, and colours of crystal directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from operando.core.errors import InputError

from .rotations import crystal_directions, equivalent_directions, symmetry

#: corners of the smallest sector of directions that symmetry leaves apart, by Laue group; others: the half sphere
_S2, _S3 = 2**0.5, 3**0.5
SECTORS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "m-3m": ((0, 0, 1), (1 / _S2, 0, 1 / _S2), (1 / _S3, 1 / _S3, 1 / _S3)),
    "6/mmm": ((0, 0, 1), (1, 0, 0), (_S3 / 2, 0.5, 0)),
    "4/mmm": ((0, 0, 1), (1, 0, 0), (1 / _S2, 1 / _S2, 0)),
    "mmm": ((0, 0, 1), (1, 0, 0), (0, 1, 0)),
    "-3m": ((0, 0, 1), (_S3 / 2, -0.5, 0), (_S3 / 2, 0.5, 0)),
}


def sector(laue: str) -> np.ndarray:
    """Corners (3, 3) of the sector, as unit vectors. Raises `InputError` for a group without one here."""
    if laue not in SECTORS:
        raise InputError(f"no triangle of directions is known for {laue}", where="sector",
                         fix=f"Known are {', '.join(SECTORS)}.")  # fmt: skip
    return np.array(SECTORS[laue], float)


def into_sector(directions: np.ndarray, laue: str) -> np.ndarray:
    """The equivalent of each direction (n, 3) that lies in the sector of its Laue group."""
    corners, turns = sector(laue), symmetry(laue)
    inward = np.cross(corners, np.roll(corners, -1, axis=0))
    inward *= np.sign(np.einsum("ij,j->i", inward, corners.sum(0)))[:, None]
    best, depth = directions.copy(), np.full(len(directions), -np.inf)
    for turn in turns:
        for sense in (1.0, -1.0):
            image = sense * directions @ turn.T
            inside = (image @ inward.T).min(1)
            better = inside > depth + 1e-12
            best, depth = np.where(better[:, None], image, best), np.where(better, inside, depth)
    return best


def direction_colours(directions: np.ndarray, laue: str) -> np.ndarray:
    """RGB (n, 3) of crystal directions: red, green and blue at the corners of the sector, lighter in its middle."""
    corners = sector(laue)
    share = into_sector(directions, laue) @ np.linalg.inv(corners)
    share = np.clip(share, 0, None)
    return np.sqrt(share / share.max(1, keepdims=True))


def inverse_pole_figure(
    quaternion: np.ndarray, laue: str, *, direction: tuple[float, float, float] = (0, 0, 1),
    weight: np.ndarray | None = None, halfwidth_deg: float = 10.0, resolution: int = 60,
) -> xr.Dataset:  # fmt: skip
    """Density of the crystal directions along `direction` of the sample over the sector, in multiples of random.

    quaternion  (n, 4) of grains or points; weight (n,), their area for example
    halfwidth_deg  angle at which the smoothing kernel (exp(k cos)) has fallen to one half

    Returns over `point`: `density` (1 = random), `X`, `Y` (equal-area projection, -sqrt 2 to sqrt 2), and `direction`
    over (point, axis). The mean of the density over the sphere is 1.
    """
    grid = _sector_grid(sector(laue), resolution)
    along = crystal_directions(quaternion, direction)
    images = np.concatenate([along @ turn.T * sense for turn in symmetry(laue) for sense in (1, -1)])
    repeated = np.tile(_weights(weight, len(along)), len(images) // len(along))
    return _over(grid, _density(grid, images, repeated, halfwidth_deg))


def pole_figure(
    quaternion: np.ndarray, hkl: tuple[int, int, int], laue: str, *, cell: np.ndarray | None = None,
    weight: np.ndarray | None = None, halfwidth_deg: float = 10.0, resolution: int = 60,
) -> xr.Dataset:  # fmt: skip
    """Density of the normals of the planes hkl over the upper half of the sample's sphere, in multiples of random.

    Arguments and result as for `inverse_pole_figure`; `direction` is in the sample (x, y, z).
    """
    from scipy.spatial.transform import Rotation

    planes = equivalent_directions(hkl, laue, cell)
    turned = Rotation.from_quat(np.atleast_2d(quaternion), scalar_first=True)
    images = np.concatenate([turned.apply(plane) for plane in planes])
    repeated = np.tile(_weights(weight, len(np.atleast_2d(quaternion))), len(planes))
    grid = _half_sphere(resolution)
    return _over(grid, _density(grid, images, repeated, halfwidth_deg))


def project(directions: np.ndarray) -> np.ndarray:
    """Equal-area (Lambert) projection of directions of the upper half sphere, (n, 2); the rim is at sqrt 2."""
    z = np.clip(directions[:, 2], 0, 1)
    return directions[:, :2] * np.sqrt(2 / (1 + z))[:, None]


def _weights(weight: np.ndarray | None, count: int) -> np.ndarray:
    return np.ones(count) if weight is None else np.asarray(weight, float)


def _density(grid: np.ndarray, images: np.ndarray, weight: np.ndarray, halfwidth_deg: float) -> np.ndarray:
    """Mean over images of kappa exp(kappa cos) / sinh(kappa), whose mean over the sphere is 1."""
    kappa = np.log(2) / (1 - np.cos(np.radians(halfwidth_deg)))
    if len(images) > 40_000:  # many points of few orientations: equal ones together
        rounded, back = np.unique(np.round(images, 2), axis=0, return_inverse=True)
        weight = np.bincount(back.ravel(), weight)
        images = rounded / np.linalg.norm(rounded, axis=1, keepdims=True)
    out = np.empty(len(grid))
    for part in np.array_split(np.arange(len(grid)), max(1, len(grid) * len(images) // 20_000_000)):
        out[part] = (
            np.exp(np.float32(kappa) * (grid[part].astype(np.float32) @ images.T.astype(np.float32) - 1))
            @ weight
        )
    return out / weight.sum() * 2 * kappa / (1 - np.exp(-2 * kappa))


def _sector_grid(corners: np.ndarray, resolution: int) -> np.ndarray:
    steps = np.linspace(0, 1, resolution)
    share = np.array([(1 - a - b, a, b) for a in steps for b in steps if a + b <= 1 + 1e-9])
    points = share @ corners
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _half_sphere(resolution: int) -> np.ndarray:
    side = np.linspace(-(2**0.5), 2**0.5, 2 * resolution)
    x, y = (g.ravel() for g in np.meshgrid(side, side))
    r2 = x**2 + y**2
    inside = r2 <= 2
    x, y, r2 = x[inside], y[inside], r2[inside]
    return np.stack([x * np.sqrt(1 - r2 / 4), y * np.sqrt(1 - r2 / 4), 1 - r2 / 2], 1)


def _over(grid: np.ndarray, density: np.ndarray) -> xr.Dataset:
    flat = project(grid)
    about: dict[str, Any] = {"units": "1", "long_name": "density, multiples of random"}
    return xr.Dataset(
        {"density": ("point", density, about), "direction": (("point", "axis"), grid, {"units": "1"})},
        coords={"X": ("point", flat[:, 0]), "Y": ("point", flat[:, 1]), "axis": ["x", "y", "z"]},
    )
