"""Changes of training patches that do not change what they show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates


@dataclass(frozen=True)
class Augmentation:
    """How much patches are changed; each is drawn anew for every patch.

    flips          mirror rows, columns and the order of slices, each half of the time
    turns          turn by 90 degrees (square patches; wrong where up and down differ)
    rotation_deg, zoom   largest angle and relative change of size
    bend_vox       displacement by a smooth random field, 1 sigma
    gain, offset   1-sigma relative change of contrast, and shift in units of the half range of the training images
    noise, blur_vox      largest sigma of added noise (same units) and of a Gaussian blur

    Blur softens thin layers more than scans of one beamline differ: keep it small.
    """

    flips: bool = True
    turns: bool = False
    rotation_deg: float = 5.0
    zoom: float = 0.05
    bend_vox: float = 0.0
    gain: float = 0.03
    offset: float = 0.02
    noise: float = 0.0
    blur_vox: float = 0.0

    def __call__(
        self, image: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Image (channel, row, column) and labels (row, column), changed together."""
        if self.flips:
            for axis in np.flatnonzero(rng.random(3) < 0.5):
                image = np.flip(image, int(axis))
                labels = np.flip(labels, int(axis) - 1) if axis else labels
        if self.turns:
            turn = int(rng.integers(4))
            image, labels = np.rot90(image, turn, (1, 2)), np.rot90(labels, turn)
        if (self.rotation_deg or self.zoom or self.bend_vox) and rng.random() < 0.5:
            image, labels = self._moved(image, labels, rng)
        image = image * np.float32(1 + self.gain * rng.standard_normal())
        image = image + np.float32(self.offset * rng.standard_normal())
        if self.blur_vox:
            width = self.blur_vox * rng.random()
            image = gaussian_filter(image, (0, width, width), mode="nearest")
        if self.noise:
            sigma = np.float32(self.noise * rng.random())
            image = image + sigma * rng.standard_normal(image.shape, dtype=np.float32)
        return np.ascontiguousarray(image, np.float32), np.ascontiguousarray(labels)

    def _moved(self, image, labels, rng):
        rows, columns = labels.shape
        angle = np.deg2rad(self.rotation_deg) * rng.uniform(-1, 1)
        size = 1 + self.zoom * rng.uniform(-1, 1)
        y, x = np.mgrid[:rows, :columns].astype(np.float32)
        dy, dx = y - (rows - 1) / 2, x - (columns - 1) / 2
        c, s = np.cos(angle) / size, np.sin(angle) / size
        at = np.stack([(rows - 1) / 2 + c * dy - s * dx, (columns - 1) / 2 + s * dy + c * dx])
        if self.bend_vox:
            at += self._bend((2, rows, columns), rng)
        moved = [map_coordinates(plane, at, order=1, mode="reflect") for plane in image]
        return np.stack(moved), map_coordinates(labels, at, order=0, mode="reflect")

    def _bend(self, shape, rng):
        width = max(shape[1:]) / 8
        field = gaussian_filter(rng.standard_normal(shape), (0, width, width), mode="wrap")
        return self.bend_vox * field / max(field.std(), 1e-12)
