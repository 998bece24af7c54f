"""Photons that turn twice before they reach the pinhole: numba, plain arrays."""

from __future__ import annotations

import numpy as np
from numba import njit

MC2 = 510.99895


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def klein_nishina(before, cos):
    """(energy after, cross-section in units of r0^2 / 2), unpolarised."""
    after = before / (1 + before / MC2 * (1 - cos))
    ratio = after / before
    return after, ratio * ratio * (ratio + 1 / ratio - 1 + cos * cos)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def at(volume, z, y, x, dz, dy, dx):
    """Value of the voxel at a place (cm); -1 outside."""
    i, j, k = int(np.floor(z / dz)), int(np.floor(y / dy)), int(np.floor(x / dx))
    if i < 0 or j < 0 or k < 0 or i >= volume.shape[0] or j >= volume.shape[1] or k >= volume.shape[2]:
        return -1.0
    return volume[i, j, k]


@njit(cache=True, nogil=True, error_model="numpy")
def depth_along(mu, z, y, x, w, v, u, length, voxel, step):
    """Optical depth from a place along a direction over `length` (cm), in steps."""
    total, gone = 0.0, 0.5 * step
    while gone < length:
        value = at(mu, z + gone * w, y + gone * v, x + gone * u, voxel[0], voxel[1], voxel[2])
        if value > 0:
            total += value * min(step, length - gone + 0.5 * step)
        gone += step
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def way_out(shape, z, y, x, w, v, u, voxel):
    """How far (cm) a direction leads until it leaves the volume."""
    far = 1e9
    for place, slope, number, size in (
        (z, w, shape[0], voxel[0]), (y, v, shape[1], voxel[1]), (x, u, shape[2], voxel[2])
    ):  # fmt: skip
        if slope > 1e-12:
            far = min(far, (number * size - place) / slope)
        elif slope < -1e-12:
            far = min(far, -place / slope)
    return max(far, 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def second_turns(electrons, mu, voxel, starts, random, e1, out_direction, step, energy, weight):
    """For each photon: energy after two turns, and its rate over that of one turn to the same direction.

    electrons  (z, y, x) r0^2 / 2 times electrons a cm3, 1/cm; mu (z, y, x) 1/cm at about the mean energy
    starts     (photon, 3) voxel of the first turn; random (photon, 6) uniform: place in it, direction, place
               along the way
    The beam goes along y. The first direction is drawn evenly over the sphere, the second turn evenly along the way.
    """
    single = klein_nishina(e1, out_direction[1])[1]
    for n in range(starts.shape[0]):
        z = (starts[n, 0] + random[n, 0]) * voxel[0]
        y = (starts[n, 1] + random[n, 1]) * voxel[1]
        x = (starts[n, 2] + random[n, 2]) * voxel[2]
        w = 2 * random[n, 3] - 1
        flat = np.sqrt(max(1 - w * w, 0.0))
        v, u = flat * np.sin(2 * np.pi * random[n, 4]), flat * np.cos(2 * np.pi * random[n, 4])
        far = way_out(electrons.shape, z, y, x, w, v, u, voxel)
        length = far * random[n, 5]
        z2, y2, x2 = z + length * w, y + length * v, x + length * u
        here = at(electrons, z2, y2, x2, voxel[0], voxel[1], voxel[2])
        between, first = klein_nishina(e1, v)
        turn = w * out_direction[0] + v * out_direction[1] + u * out_direction[2]
        last, second = klein_nishina(between, turn)
        energy[n] = last
        if here <= 0:
            weight[n] = 0.0
            continue
        loss = depth_along(mu, z, y, x, w, v, u, length, voxel, step)
        for_one = depth_along(
            mu, z, y, x, out_direction[0], out_direction[1], out_direction[2],
            way_out(mu.shape, z, y, x, out_direction[0], out_direction[1], out_direction[2], voxel), voxel, step,
        )  # fmt: skip
        for_two = depth_along(
            mu, z2, y2, x2, out_direction[0], out_direction[1], out_direction[2],
            way_out(mu.shape, z2, y2, x2, out_direction[0], out_direction[1], out_direction[2], voxel), voxel, step,
        )  # fmt: skip
        weight[n] = 4 * np.pi * far * here * first * second / single * np.exp(-loss - for_two + for_one)
