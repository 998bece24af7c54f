"""The classifier of a segmentation: trained here or read, and how it goes through a volume in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando import tomography as tomo
from operando.core import digest
from operando.core.errors import InputError, ReadError
from operando.read.volume_file import Box
from operando.tomography.learn.image import Scale

from .input_files import file_digest
from .segmentation_known import Known, Scan

CHUNK = 64
BYTES_FOREST = 320  # of features and filters, a voxel
BYTES_UNET = 24  # a voxel of the slices held
VERSION = "1"


@dataclass(frozen=True)
class ForestSettings:
    dimensions: int = 3
    sigmas: tuple[float, ...] = (0.7, 1.4, 2.8)
    trees: int = 50
    depth: int = 16
    seed: int = 0


@dataclass(frozen=True)
class NetSettings:
    encoder: str = "light"
    neighbours: int = 2
    across: str = "y"
    patch: tuple[int, int] = (96, 128)
    epochs: int = 200
    time_s: float | None = 300.0
    seed: int = 0


Settings = ForestSettings | NetSettings
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Classifier:
    """A trained forest or U-Net, and a digest of its training."""

    model: Any
    digest: str

    @property
    def phases(self) -> tuple[str, ...]:
        return self.model.phases

    @property
    def is_net(self) -> bool:
        return isinstance(self.model, tomo.UNet)

    @property
    def kind(self) -> str:
        if self.is_net:
            s = self.model.settings
            return f"U-Net {s.encoder}, {2 * s.neighbours + 1} slices across {s.across}"
        return f"forest of {len(self.model.trees['roots'])} trees, {self.model.features.dimensions}D features"

    @property
    def reach(self) -> tuple[int, int, int]:
        """How far around a box its probabilities look (z, y, x); a U-Net takes whole slices."""
        if self.is_net:
            s = self.model.settings
            z, y, x = (s.neighbours if a == s.across else 0 for a in "zyx")
            return z, y, x
        r = self.model.features.reach
        return (r if self.model.features.dimensions == 3 else 0), r, r

    def check(self, scan: Scan) -> None:
        """Raise InputError where the scan has other voxels or grey values than the training."""
        self.model.scale.check_values(scan.file.sample(), scan.voxel_um, where=scan.name)

    def boxes(self, shape: Sequence[int], memory_gb: float) -> list[Box]:
        """Boxes that cover a volume; each fits into memory with its surroundings, its sides are of whole chunks."""
        side = self._sides(shape, memory_gb)
        cuts = [[slice(s, min(s + b, n)) for s in range(0, n, b)] for n, b in zip(shape, side, strict=True)]
        return list(product(*cuts))

    def _sides(self, shape: Sequence[int], memory_gb: float) -> tuple[int, int, int]:
        voxels = memory_gb * 2**30 / (BYTES_UNET if self.is_net else BYTES_FOREST)
        if self.is_net:
            across = "zyx".index(self.model.settings.across)
            per = np.prod(shape) / shape[across]
            thick = max(int(voxels / per - 2 * self.reach[across]) // CHUNK, 1) * CHUNK
            z, y, x = (thick if a == across else n for a, n in enumerate(shape))
            return z, y, x
        sides = list(shape)
        while np.prod([min(s + 2 * r, n) for s, r, n in zip(sides, self.reach, shape, strict=True)]) > voxels:
            widest = int(np.argmax(sides))
            if sides[widest] <= CHUNK:
                break
            sides[widest] = -(-sides[widest] // (2 * CHUNK)) * CHUNK
        return sides[0], sides[1], sides[2]

    def of_block(self, values: np.ndarray, inner: Box, voxel_um: float) -> np.ndarray:
        """(phase, z, y, x) float32 of `inner` of a block that was cut out with `reach` around it."""
        if not self.is_net:
            return self.model.of_block(values, inner)
        across = "zyx".index(self.model.settings.across)
        block = xr.DataArray(values, dims=("z", "y", "x"), attrs={"voxel_um": voxel_um})
        out = np.empty((len(self.phases), *(s.stop - s.start for s in inner)), np.float32)
        wanted = inner[across]
        for number, p in tomo.predict_slices(self.model, block, check=False, threads=threads()):
            if wanted.start <= number < wanted.stop:
                at = [slice(None)] * 4
                at[across + 1] = number - wanted.start
                out[tuple(at)] = p
        return out


def threads() -> int:
    """As many as the processors free of other work, one at least: threads of torch wait for each other actively."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1, min(cores, round(cores - busy)))


def read_classifier(path: Path) -> Classifier:
    """A forest (`.npz`) or a U-Net (`.pt`). Raises ReadError for other files."""
    if path.suffix == ".npz":
        return Classifier(tomo.load_forest(path), file_digest(path))
    if path.suffix == ".pt":
        return Classifier(tomo.load_unet(path), file_digest(path))
    raise ReadError("neither a forest (.npz) nor a U-Net (.pt)", where=str(path),
                    fix="Give a model of operando segment train.")  # fmt: skip


def training_key(known: Sequence[Known], how: Settings) -> str:
    return digest("training", VERSION, [k.digest for k in known], how)


def train(
    known: Sequence[Known],
    how: Settings,
    file: Path,
    *,
    tell: Callable[[dict[str, float]], None] | None = None,
) -> Classifier:
    """Train on what is known, or read the model of an earlier call with the same labels and settings.

    file   `.npz` (forest) or `.pt` (U-Net) is put behind it with the key of the training; an interrupted training of a
           U-Net goes on from its last epoch
    """
    key = training_key(known, how)
    path = file.with_name(f"{file.name}-{key[:12]}{'.pt' if isinstance(how, NetSettings) else '.npz'}")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        scale = scale_of(known)
        if isinstance(how, NetSettings):
            _train_net(known, how, scale, path, tell)
        else:
            model = train_forest(known, how, scale)
            partial = path.with_name(f"{path.stem}.partial.npz")
            model.save(partial)
            partial.replace(path)
    model = tomo.load_unet(path) if isinstance(how, NetSettings) else tomo.load_forest(path)
    return Classifier(model, key)


def scale_of(known: Sequence[Known]) -> Scale:
    scans = {k.scan.file.path: k.scan for k in known}
    sizes = [s.voxel_um for s in scans.values()]
    if max(sizes) > 1.03 * min(sizes):
        raise InputError(f"training volumes have voxels of {sizes} um", where="segmentation",
                         fix="Resample to one size.")  # fmt: skip
    samples = {s.name: s.file.sample() for s in scans.values()}
    if empty := [name for name, values in samples.items() if not values.size]:
        raise InputError("no voxel is a number", where=", ".join(empty), fix="Check the reconstruction.")
    return Scale.of_values(np.concatenate(list(samples.values())), sizes[0])


def train_forest(known: Sequence[Known], how: ForestSettings, scale: Scale, most: int = 100_000):
    """`tomography.train_forest` on what is known; at most so many voxels of each phase."""
    features = tomo.FeatureSettings(tuple(how.sigmas), dimensions=how.dimensions)
    r = features.reach
    pairs = [k.image((r if how.dimensions == 3 else 0, r, r)) for k in known]
    return tomo.train_forest(
        [p[0] for p in pairs], [p[1] for p in pairs], features=features, trees=how.trees, depth=how.depth,
        balanced=False, seed=how.seed, scale=scale, most=most,
    )  # fmt: skip


def _train_net(known: Sequence[Known], how: NetSettings, scale: Scale, path: Path, tell) -> None:
    across = "zyx".index(how.across)
    reach = [max(how.patch) // 2] * 3
    reach[across] = how.neighbours
    pairs = [k.image(reach) for k in known]
    settings = tomo.UNetSettings(how.encoder, how.neighbours, how.across)
    training = path.with_name(f"{path.stem}.training.pt")
    train = tomo.TrainSettings(
        patch=(how.patch[0], how.patch[1]), epochs=how.epochs, time_s=how.time_s, seed=how.seed, steps=40,
        augmentation=tomo.Augmentation(rotation_deg=0, zoom=0),
    )  # fmt: skip
    tomo.train_unet(
        [p[0] for p in pairs], [p[1] for p in pairs], settings, train, checkpoint=training, scale=scale, tell=tell,
        threads=threads(),
    )  # fmt: skip
    training.replace(path)
