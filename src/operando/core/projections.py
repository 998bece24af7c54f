"""Projections: the images of one tomographic scan, read piece by piece, with angles that say their unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from .digest import digest
from .errors import InputError


@runtime_checkable
class ImageStack(Protocol):
    """Images of one size. Holds paths, never open files; picklable; may be read again at any time.

    shape   (images, rows, columns)
    dtype   of the pixels as stored
    digest  changes when the raw data change
    """

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, int, int]: ...
    @property
    def dtype(self) -> np.dtype: ...
    @property
    def digest(self) -> str: ...

    def read(self, images: slice | Sequence[int] = slice(None), rows: slice = slice(None)) -> np.ndarray:
        """(images, rows, columns) counts of the images and rows asked for."""
        ...


@dataclass(frozen=True, eq=False)
class ArrayStack:
    """Images held in memory: for scripts, notebooks and tests."""

    images: np.ndarray
    name: str = "array"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Images, rows, columns."""
        n, rows, columns = self.images.shape
        return n, rows, columns

    @property
    def dtype(self) -> np.dtype:
        """Of the pixels."""
        return self.images.dtype

    @property
    def digest(self) -> str:
        """Changes with the content."""
        return digest(self.images)

    def read(self, images: slice | Sequence[int] = slice(None), rows: slice = slice(None)) -> np.ndarray:
        """Images and rows as they are held."""
        return self.images[images if isinstance(images, slice) else list(images)][:, rows]


@dataclass(frozen=True, eq=False)
class Projections:
    """One scan: images while the sample turns, flats (beam, no sample), darks (no beam), angles.

    name         file and entry, for messages
    images       the projections, in order of acquisition
    angles_deg   (projections,) degrees, one an image
    flats        None only where `flat_given` says that the images are transmissions already
    darks        None: no dark was recorded and the user said so, it counts as zero
    flat_after   (flats,) how many projections had been taken before each flat; None where the file does not say
    pixel_um     of the detector seen from the sample (voxel size), um; None where unknown
    started_s    start of the scan, seconds since the epoch (UTC), or None
    time_s       (projections,) seconds since the epoch, or None
    energy_keV, distance_mm   of the beam, and from sample to detector; None where unknown
    notes        sentences on everything that was assumed or mended in reading
    """

    name: str
    images: ImageStack
    angles_deg: np.ndarray
    flats: ImageStack | None = None
    darks: ImageStack | None = None
    flat_after: np.ndarray | None = None
    pixel_um: float | None = None
    started_s: float | None = None
    time_s: np.ndarray | None = None
    energy_keV: float | None = None
    distance_mm: float | None = None
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        angles = np.asarray(self.angles_deg, float)
        object.__setattr__(self, "angles_deg", angles)
        if angles.shape != (len(self),):
            raise InputError(
                f"{angles.size} angles for {len(self)} projections", where=self.name,
                fix="Give one angle an image, in the order of the images.",
            )  # fmt: skip
        if not np.isfinite(angles).all():
            raise InputError(
                f"angle {int(np.flatnonzero(~np.isfinite(angles))[0])} is not a number", where=self.name,
                fix="Give the angles in a file of their own, or as angles=.",
            )  # fmt: skip
        for kind, stack in (("flats", self.flats), ("darks", self.darks)):
            if stack is not None and stack.shape[1:] != self.images.shape[1:]:
                raise InputError(
                    f"{kind} of {stack.shape[1:]} pixels, projections of {self.images.shape[1:]}",
                    where=self.name, fix="They belong to another scan or camera setting: give the right ones.",
                )  # fmt: skip

    def __len__(self) -> int:
        return self.images.shape[0]

    @property
    def rows(self) -> int:
        """Rows of an image."""
        return self.images.shape[1]

    @property
    def columns(self) -> int:
        """Columns of an image."""
        return self.images.shape[2]

    @property
    def digest(self) -> str:
        """Of the images, flats, darks and angles: what a reconstruction depends on."""
        beside = [stack.digest if stack is not None else None for stack in (self.flats, self.darks)]
        return digest(self.images.digest, beside, self.angles_deg, self.flat_after, self.pixel_um)
