"""The iterations behind `fit_void_layer`: one tile, all lengths in voxels, arrays (z, y, x) cut to a window at
the face."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import (
    binary_dilation,
    distance_transform_edt,
    gaussian_filter,
    gaussian_filter1d,
    maximum_filter,
    median_filter,
)
from scipy.special import ndtr

from ..core.flags import Flag
from ._layer_kernels import thickness_costs

STEP = 0.25  # of the thicknesses that are tried
SOLID_ROUNDS = 2  # in which the solid is sharpened; more would sharpen its noise
SOLID_SMOOTH = 3.0  # over columns, of the solid's grey value at the face
SKIN_MOST = 0.2  # of the contrast of solid and lithium, by which the solid at its face may differ from behind
FACE_SMOOTH = 1.0  # over columns, of the face
RIM = 0.5  # voxels by which the rim of a void may be off along the section
FACE_LOOSE = 0.05  # voxels by which the face may still be off when thicknesses are compared


class Tile:
    """State of the fit: `face` and `void` (y, x), `solid` (z, y, x)."""

    def __init__(self, grey, model, voxel, face, steel_end, good) -> None:
        self.model, self.good = model, good
        self.sigma = model.blur_um / voxel
        self.most = model.most_um / voxel
        nearest = distance_transform_edt(~good, return_distances=False, return_indices=True)
        face, steel_end = face[tuple(nearest)], steel_end[tuple(nearest)]
        self.face = gaussian_filter(median_filter(face.astype(float), 5), FACE_SMOOTH)
        low = max(int(self.face.min() - self.most) - 4, 0)
        high = min(int(self.face.max()) + 10, len(grey))
        self.low, self.grey = low, grey[low:high].astype(np.float64)
        self.z = (np.arange(low, high) + 0.5)[:, None, None]
        self.steel_free = self.z > steel_end[None] + 1 + 4 * self.sigma
        self.room = self.face - steel_end - 1 - 4 * self.sigma
        self.void, self.skin = np.zeros_like(self.face), np.zeros_like(self.face)
        self.solid = self._filled(self.grey.copy())
        self.trials = np.arange(0, self.most + STEP, STEP)
        self.rounds = 0
        self.cost = np.zeros((len(self.trials), *self.face.shape))

    def _overlap(self, low, high) -> np.ndarray:
        """Share of every voxel between two heights."""
        return np.clip(np.minimum(self.z + 0.5, high) - np.maximum(self.z - 0.5, low), 0, 1)

    def _top(self) -> np.ndarray:
        """First voxel of the window, per column, whose grey value is taken as the solid's own."""
        return np.clip(np.ceil(self.face + 1 - self.low).astype(int), 0, len(self.grey) - 2)

    def _filled(self, solid: np.ndarray) -> np.ndarray:
        """The solid carried down past the face: mean of the two voxels that begin one above it, smooth over columns."""
        top = self._top()
        near = (
            0.5 * (np.take_along_axis(solid, top[None], 0) + np.take_along_axis(solid, top[None] + 1, 0))[0]
        )
        near = gaussian_filter(near, SOLID_SMOOTH) + self.skin
        return np.where(np.arange(len(solid))[:, None, None] < top[None], near[None], solid)

    def _blurred(self, values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, self.sigma, mode="nearest")

    def _without_void(self) -> np.ndarray:
        share = self._overlap(self.face, np.inf)
        return self._blurred(self.model.lithium + share * (self.solid - self.model.lithium))

    def _width(self) -> np.ndarray:
        """Sigma of the edge along z: blur and the box of a voxel, wider on slopes."""
        slope = np.gradient(gaussian_filter(self.face, 1.0))
        return np.sqrt((self.sigma**2 + 1 / 12) * (1 + slope[0] ** 2 + slope[1] ** 2))

    def _bell(self, width) -> np.ndarray:
        return np.exp(-0.5 * ((self.z - self.face) / width) ** 2) / (width * np.sqrt(2 * np.pi))

    def _contrast(self) -> np.ndarray:
        at = np.clip(np.floor(self.face - self.low).astype(int), 0, len(self.solid) - 1)
        found = np.take_along_axis(self.solid, at[None], 0)[0] - self.model.lithium
        return np.maximum(found, 0.25 * (self.model.solid - self.model.lithium))

    def improve(self) -> None:
        """One round: solid, face, then thickness."""
        m, width = self.model, self._width()
        dark = m.void - m.lithium
        void = self._overlap(self.face - self.void, self.face)
        rest = self.grey - self._without_void() - dark * self._blurred(void)
        if self.rounds < SOLID_ROUNDS:
            self.solid = np.where(self.z - 0.5 > self.face + 1, self.solid + 0.7 * rest, self.solid)
        self.solid = self._filled(self.solid)
        bell, contrast = self._bell(width), self._contrast()
        near = (np.abs(self.z - self.face) < 2).astype(float)
        move = self._move(rest, -near * bell * contrast, near * self._skin_basis(width))
        self.face = gaussian_filter(self.face + np.clip(move, -0.5, 0.5), FACE_SMOOTH)
        self._compare(width, contrast, dark)
        self.rounds += 1

    def _skin_basis(self, width) -> np.ndarray:
        """Change of the image with the grey value of the solid from its face to the voxels taken as they are."""
        return ndtr((self.z - self.face) / width) - ndtr((self.z - self._top() - self.low) / width)

    def _move(self, rest, tilt, skin) -> np.ndarray:
        """Voxels by which the face lies higher; `skin` gets what the solid differs at its face, smooth over columns.

        Least squares of the rest by both together: a solid that changes behind its face would else move it.
        """
        sums = [
            (a * b).sum(0) for a, b in ((tilt, tilt), (tilt, skin), (skin, skin), (tilt, rest), (skin, rest))
        ]
        tt, ts, ss, tr, sr = (gaussian_filter(v, SOLID_SMOOTH) for v in sums)
        change = (sr * tt - tr * ts) / np.maximum(tt * ss - ts**2, 1e-6 * tt * ss)
        most = SKIN_MOST * (self.model.solid - self.model.lithium)
        new = np.clip(self.skin + change, -most, most)
        change, self.skin = new - self.skin, new
        return (sums[3] - change * sums[1]) / sums[0]

    def _compare(self, width, contrast, dark) -> None:
        """Cost of every thickness, the face free within FACE_LOOSE, shared over columns; then the choice."""
        m = self.model
        rest = self.grey - self._without_void()
        edge = ndtr((self.z - self.face) / width)
        use = self.steel_free & (self.z < self.face + 1) & (self.z > self.face - self.most - 3)
        weight = use / (m.noise**2 + (m.even * contrast * edge) ** 2)
        tilt = -contrast * self._bell(width)
        first_z = float(self.z[0, 0, 0])
        thickness_costs(
            rest, weight, tilt, self.face, width, first_z, dark, FACE_LOOSE, self.trials, self.cost
        )  # fmt: skip
        for axis in (1, 2):
            self.cost = gaussian_filter1d(self.cost, m.smooth_voxels, axis=axis)
        best = self.cost.argmin(0)
        self.raw = self.trials[best] + self._vertex(best)
        plateau = maximum_filter(np.where(best * STEP >= m.least_voxels, best, 0), 3)
        there = np.take_along_axis(self.cost, plateau[None], 0)[0]
        self.gain = 0.5 * (self.cost[0] - there) * max(4 * np.pi * m.smooth_voxels**2, 1.0)
        self.is_void = (plateau > 0) & (self.gain > 0)
        self.void = np.where(self.is_void, self.raw, 0.0)
        self.best = best

    def _vertex(self, best) -> np.ndarray:
        """Part of a step by which the least cost lies off the best trial, by a parabola."""
        inner = np.clip(best, 1, len(self.trials) - 2)
        a, b, c = (np.take_along_axis(self.cost, (inner + d)[None], 0)[0] for d in (-1, 0, 1))
        self.curve = np.maximum(a - 2 * b + c, 1e-12)
        shift = np.clip(0.5 * (a - c) / self.curve, -0.5, 0.5)
        return np.where((best == 0) | (best == len(self.trials) - 1), 0.0, shift * STEP)

    def result(self) -> dict[str, Any]:
        m, width = self.model, self._width()
        count = max(4 * np.pi * m.smooth_voxels**2, 1.0)
        skirt = binary_dilation(self.is_void, iterations=max(round(2 * m.smooth_voxels), 1))
        void = np.where(skirt, self.raw, 0.0)
        steep = np.hypot(*np.gradient(void))
        void_err = np.sqrt(2 / (self.curve / STEP**2) / count + (RIM * steep) ** 2)
        void_err = np.minimum(void_err, self.most)
        firm = (self._bell(width) ** 2).sum(0) * self._contrast() ** 2 / m.noise**2
        face_err = np.sqrt(1 / np.maximum(firm, 1e-30) / (4 * np.pi * FACE_SMOOTH**2))
        flag = np.where(self.good, 0, int(Flag.NO_DATA))
        flag |= np.where(self.best == len(self.trials) - 1, int(Flag.WINDOW_EDGE), 0)
        flag |= np.where(self.room < np.maximum(self.raw, m.least_voxels), int(Flag.OUTSIDE_CALIBRATION), 0)
        maps = {"face": self.face, "face_err": face_err, "void": void, "void_err": np.where(skirt, void_err, np.nan),
                "contact": np.where(self.is_void, 0.0, 1.0), "gain": self.gain}  # fmt: skip
        return {n: np.where(self.good, v, np.nan) for n, v in maps.items()} | {"flag": flag}
