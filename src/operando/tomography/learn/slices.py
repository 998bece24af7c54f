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

    def __post_init__(self) -> None:
        self.count = self.counts()

    @classmethod
    def split(
        cls, pairs: list[tuple[xr.DataArray, xr.DataArray]], settings: UNetSettings, scale: Scale, held: float
    ) -> tuple[Slices, Slices]:
        """Slices to train on and slices held out (`held_block`), none of which is or sees the other.

        Raises InputError where a class is labelled in only one of them.
        """
        images = [scale.scaled(turned(v, settings)) for v, _ in pairs]
        labels = [turned(p, settings).astype(np.int64) - 1 for _, p in pairs]
        train, other, learn, look = [], [], [], []
        for number, label in enumerate(labels):
            axis = 2 if len(label) == 1 else 0  # of one slice, columns are held out
            gap = 2 * settings.neighbours if axis == 0 else 0
            start, stop = held_block(label, axis, held, gap)
            at = np.arange(label.shape[axis]).reshape([-1 if a == axis else 1 for a in range(3)])
            train.append(np.where((at < start - gap) | (at >= stop + gap), label, -1))
            other.append(np.where((at >= start) & (at < stop), label, -1))
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

    def counts(self) -> np.ndarray:
        """(slice of `use`, class) labelled voxels."""
        labels = [self.labels[volume][number] for volume, number in self.use]
        classes = 1 + max(int(label.max()) for label in labels)
        return np.array([np.bincount(label[label >= 0], minlength=classes) for label in labels])

    def batch(self, how, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Random patches, changed by the augmentation: (patch, channel, row, column), (patch, row, column), (patch,).

        The last is the weight of each patch: how much likelier it would be, were patches drawn without regard to class.
        """
        cut = [self._patch(how, rng) for _ in range(how.batch)]
        rows, columns = (max(image.shape[i] for image, _, _ in cut) for i in (1, 2))
        done = [fit(image, label, rows, columns) for image, label, _ in cut]
        weight = np.array([w for _, _, w in cut], np.float32)
        return np.stack([d[0] for d in done]), np.stack([d[1] for d in done]), weight

    def _patch(self, how, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
        """A patch around a labelled voxel: of a slice drawn at random, or (`how.balance` of them) of a class."""
        at = int(rng.integers(len(self.use)))
        wanted: int | None = None
        if how.balance and rng.random() < how.balance:
            present = np.flatnonzero(self.count.sum(0))
            wanted = int(present[rng.integers(len(present))])
            of_class = np.cumsum(self.count[:, wanted])
            at = int(np.searchsorted(of_class, rng.integers(of_class[-1]), side="right"))
        volume, number = self.use[at]
        label = self.labels[volume][number]
        spots = np.flatnonzero(label.ravel() >= 0 if wanted is None else label.ravel() == wanted)
        row, column = divmod(int(spots[rng.integers(len(spots))]), label.shape[1])
        rows = _window(row, how.patch[0], label.shape[0], rng)
        columns = _window(column, how.patch[1], label.shape[1], rng)
        weight = self._weight(label[rows, columns], at, how.balance)
        image = self.stack(volume, number)[:, rows, columns]
        image, label = how.augmentation(image, label[rows, columns], rng)
        m = self.multiple
        return *fit(image, label, -(-label.shape[0] // m) * m, -(-label.shape[1] // m) * m), weight

    def _weight(self, label: np.ndarray, at: int, balance: float) -> float:
        """Density of a window without regard to class over its density in the mixture, 1 / (1 - balance) at most.

        Both are sums over the voxels of the window: 1 / (slices voxels_of_slice) a voxel without regard to class,
        1 / (classes voxels_of_class) with it.
        """
        if not balance:
            return 1.0
        inside = np.bincount(label[label >= 0], minlength=self.count.shape[1])
        total = self.count.sum(0)
        blind = inside.sum() / (len(self.use) * self.count[at].sum())
        even = (inside / np.maximum(total, 1)).sum() / (total > 0).sum()
        return float(blind / ((1 - balance) * blind + balance * even))

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


def held_block(label: np.ndarray, axis: int, held: float, gap: int) -> tuple[int, int]:
    """First and end of the block held out along an axis: the last ones, unless a class would lose most of its voxels.

    Then, of a dozen places, the one where the class that loses most loses least: a rare class that lies together must
    not be held out whole.
    """
    length = label.shape[axis]
    size = max(round(held * length), 1)
    classes = int(label.max()) + 1
    lines = np.moveaxis(label, axis, 0).reshape(length, -1)
    count = np.array([np.bincount(line[line >= 0], minlength=classes) for line in lines])
    total = np.maximum(count.sum(0), 1)

    def lost(start: int) -> float:
        return float((count[max(start - gap, 0) : start + size + gap].sum(0) / total).max())

    last = length - size
    if lost(last) <= 0.5:
        return last, length
    best = min((int(s) for s in np.linspace(last, 0, 13)), key=lost)
    return best, best + size


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
