"""Slices of labelled volumes, cut along one axis, with their neighbours as channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...core.errors import InputError
from .image import Scale
from .network import UNetSettings


@dataclass
class Slices:
    """Scaled grey values and class numbers (-1 unknown) of volumes as (slice, row, column), and slices to use."""

    images: list[np.ndarray]
    labels: list[np.ndarray]
    use: list[tuple[int, int]]  # (volume, slice), those with labels
    neighbours: int
    multiple: int

    @classmethod
    def split(
        cls, pairs: list[tuple[xr.DataArray, xr.DataArray]], settings: UNetSettings, scale: Scale, held: float
    ) -> tuple[Slices, Slices]:
        """Slices to train on and slices held out, none of which is or sees the other.

        Raises InputError where a class is labelled in only one of them.
        """
        images = [scale.scaled(turned(v, settings)) for v, _ in pairs]
        labels = [turned(p, settings).astype(np.int64) - 1 for _, p in pairs]
        train, other, learn, look = [], [], [], []
        for number, label in enumerate(labels):
            if len(label) == 1:  # one slice: hold out its right side
                cut = label.shape[2] - max(round(held * label.shape[2]), 1)
                train.append(np.where(np.arange(label.shape[2]) < cut, label, -1))
                other.append(np.where(np.arange(label.shape[2]) >= cut, label, -1))
            else:
                cut = len(label) - max(round(held * len(label)), 1)
                gap = 2 * settings.neighbours
                mask = np.arange(len(label))[:, None, None]
                train.append(np.where(mask < cut - gap, label, -1))
                other.append(np.where(mask >= cut, label, -1))
            learn += [(number, int(s)) for s in np.flatnonzero((train[-1] >= 0).any((1, 2)))]
            look += [(number, int(s)) for s in np.flatnonzero((other[-1] >= 0).any((1, 2)))]
        if not learn or not look:
            raise InputError(
                "no labelled slice is left to train on or to hold out", where="train_unet",
                fix="Label more slices, or change `held`.",
            )  # fmt: skip
        seen = {int(k) for part in train for k in np.unique(part)} - {-1}
        missing = sorted({int(k) for part in labels for k in np.unique(part)} - {-1} - seen)
        if missing:
            raise InputError(
                f"classes {[m + 1 for m in missing]} are labelled in held-out slices only", where="train_unet",
                fix="Label them in earlier slices too, or change `held`.",
            )  # fmt: skip
        common = settings.neighbours, settings.multiple
        return cls(images, train, learn, *common), cls(images, other, look, *common)

    def stack(self, volume: int, number: int) -> np.ndarray:
        """(channel, row, column) of a slice and its neighbours."""
        image = self.images[volume]
        at = np.clip(np.arange(number - self.neighbours, number + self.neighbours + 1), 0, len(image) - 1)
        return image[at]

    def batch(self, how, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Random patches, changed by the augmentation: (patch, channel, row, column), (patch, row, column)."""
        cut = [self._patch(how, rng) for _ in range(how.batch)]
        rows, columns = (max(image.shape[i] for image, _ in cut) for i in (1, 2))
        done = [fit(image, label, rows, columns) for image, label in cut]
        return np.stack([d[0] for d in done]), np.stack([d[1] for d in done])

    def _patch(self, how, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A patch with at least one labelled voxel: its middle is near one drawn at random."""
        volume, number = self.use[int(rng.integers(len(self.use)))]
        label = self.labels[volume][number]
        spots = np.flatnonzero(label.ravel() >= 0)
        row, column = divmod(int(spots[rng.integers(len(spots))]), label.shape[1])
        rows = _window(row, how.patch[0], label.shape[0], rng)
        columns = _window(column, how.patch[1], label.shape[1], rng)
        image = self.stack(volume, number)[:, rows, columns]
        image, label = how.augmentation(image, label[rows, columns], rng)
        m = self.multiple
        return fit(image, label, -(-label.shape[0] // m) * m, -(-label.shape[1] // m) * m)

    def each(self, most: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Whole slices one by one, evenly taken, until about `most` voxels."""
        per = max(int(np.median([label[0].size for label in self.labels])), 1)
        wanted = max(most // per, 1)
        keep = np.unique(np.linspace(0, len(self.use) - 1, min(wanted, len(self.use))).astype(int))
        for volume, number in (self.use[int(i)] for i in keep):
            image, label = self.stack(volume, number), self.labels[volume][number]
            rows, columns = (-(-n // self.multiple) * self.multiple for n in label.shape)
            image, label = fit(image, label, rows, columns)
            yield image[None], label[None]


def turned(volume: xr.DataArray, settings: UNetSettings) -> np.ndarray:
    """The values with the axis of the slices first."""
    return np.ascontiguousarray(volume.transpose(settings.across, ...).values)


def fit(image: np.ndarray, label: np.ndarray, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Fill up at the lower and right side: the image with its edge, the labels with unknown."""
    more = (0, rows - label.shape[0]), (0, columns - label.shape[1])
    if not any(m[1] for m in more):
        return image, label
    return np.pad(image, ((0, 0), *more), mode="edge"), np.pad(label, more, constant_values=-1)


def _window(at: int, size: int, length: int, rng: np.random.Generator) -> slice:
    size = min(size, length)
    low, high = max(at - size + 1, 0), min(at, length - size)
    start = int(rng.integers(low, high + 1))
    return slice(start, start + size)
