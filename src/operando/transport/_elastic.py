"""Conjugate gradients for the displacement of a periodic voxel grid under a mean strain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from . import _elastic_kernels as kernels
from ._domain import _energy_left


@dataclass(frozen=True)
class Grid:
    """What all load cases share: labels (z, y, x), table (label, 6, 6), 1/(4h) of each axis, the uniform medium."""

    labels: np.ndarray
    table: np.ndarray
    step: np.ndarray
    sines: tuple[np.ndarray, ...]
    cosines: tuple[np.ndarray, ...]
    lame: float
    shear: float
    workers: int


@dataclass(frozen=True)
class Response:
    """Mean stress (6,) of a mean strain, error of the energy density that belongs to it, steps, whether it stopped."""

    stress: np.ndarray
    err: float
    steps: int
    converged: bool
    displacement: np.ndarray


def make_grid(labels: np.ndarray, table: np.ndarray, spacing, dtype, workers: int) -> Grid:
    """Grid of labels 0..n-1; the uniform medium of the Green operator is the isotropic part of the mean stiffness."""
    share = np.bincount(labels.ravel(), minlength=len(table)) / labels.size
    mean = np.tensordot(share, table, 1)
    shear = max(np.trace(mean[3:, 3:]) / 3, 1e-30)
    lame = (mean[:3, :3].sum() - 6 * shear) / 9
    h = np.asarray(spacing, float) / spacing[2]
    phases = [2 * np.pi * fft.fftfreq(n) for n in labels.shape[:2]] + [
        2 * np.pi * fft.rfftfreq(labels.shape[2])
    ]
    sines = tuple((2 * np.sin(t / 2) / d).astype(dtype) for t, d in zip(phases, h, strict=True))
    # exactly zero at the Nyquist frequency of even grids, where cos(pi / 2) rounds to 6e-17
    cosines = tuple(np.where(np.isclose(abs(t), np.pi), 0, np.cos(t / 2)).astype(dtype) for t in phases)
    return Grid(
        labels, table.astype(dtype), (1 / (4 * h)).astype(dtype), sines, cosines,
        dtype(max(lame, -0.5 * shear)), dtype(shear), workers,
    )  # fmt: skip


def respond(grid: Grid, strain: np.ndarray, tolerance: float, most: int) -> Response:
    """Displacement u (3, z, y, x) with B^T C (strain + B u) = 0, until the energy is known within `tolerance`.

    In conjugate gradients the energy still to be lost is the sum of the falls to come, estimated from the last four.
    """
    dtype = grid.table.dtype
    shape = (3, *grid.labels.shape)
    u, r, f = (np.zeros(shape, dtype) for _ in range(3))
    mean, none = strain.astype(dtype), np.zeros(6, dtype)
    stress = kernels.forces(u, grid.labels, grid.table, mean, grid.step, r)
    np.negative(r, out=r)
    energy = float(strain @ stress)
    floor = float(np.finfo(dtype).eps) * 10
    falls, p, before, steps, converged, left = np.zeros(4), np.zeros(shape, dtype), 1.0, 0, energy <= 0, 0.0
    while not converged and steps < most:
        z = _green(grid, r)
        rz = kernels.dot(r.ravel(), z.ravel())
        if not rz > floor**2 * float(strain @ stress) * grid.labels.size:
            converged, left = True, 10 * rz / grid.labels.size  # of the order of the fall to come
            break
        p *= dtype.type(rz / before if steps else 0)
        p += z
        kernels.forces(p, grid.labels, grid.table, none, grid.step, f)
        alpha = rz / kernels.dot(p.ravel(), f.ravel())
        u += dtype.type(alpha) * p
        r -= dtype.type(alpha) * f
        falls = np.array([alpha * rz / grid.labels.size, *falls[:-1]])
        before, steps, left = rz, steps + 1, _energy_left(falls)
        energy -= falls[0]
        converged = left < tolerance * float(strain @ stress) * 1e-3 or (
            steps > 3 and left < tolerance * energy
        )
    stress = kernels.forces(u, grid.labels, grid.table, mean, grid.step, f)
    return Response(stress, left + floor * abs(float(strain @ stress)), steps, converged, u)


def _green(grid: Grid, force: np.ndarray) -> np.ndarray:
    axes = (1, 2, 3)
    spectrum = fft.rfftn(force, axes=axes, workers=grid.workers)
    kernels.green(spectrum, grid.sines, grid.cosines, grid.lame, grid.shear)
    return fft.irfftn(spectrum, s=force.shape[1:], axes=axes, workers=grid.workers, overwrite_x=True)
