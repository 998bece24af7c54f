"""Images that learning takes: checked volumes, painted classes that can be learned, and the scale they belong to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ...core.errors import InputError
from ..volume import check_volume, same_voxel

SAMPLES = 200_000
SAME_VOXEL = 0.03  # relative; features and filters change little within it


@dataclass(frozen=True)
class Scale:
    """What size of voxel and which grey values a model was trained on.

    voxel_um   size of a voxel
    middle     grey value that the model takes as 0: the median of the training images
    half       grey value over `middle` that it takes as 1: half of the 1 to 99 % range
    low, high  0.1 and 99.9 % of the grey values
    """

    voxel_um: float
    middle: float
    half: float
    low: float
    high: float

    @classmethod
    def of(cls, images: list[xr.DataArray]) -> Scale:
        """Of training images. Raises InputError where voxel sizes differ or all grey values are equal."""
        sizes = [same_voxel(i, where=f"training image {n}") for n, i in enumerate(images)]
        if max(sizes) > (1 + SAME_VOXEL) * min(sizes):
            raise InputError(
                f"training images have voxels of {sizes} um", where="training", fix="Resample to one size."
            )
        return cls.of_values(np.concatenate([sample(i) for i in images]), float(sizes[0]))

    @classmethod
    def of_values(cls, grey: np.ndarray, voxel_um: float) -> Scale:
        """Of grey values that were taken from the training images. Raises InputError where all are equal."""
        grey = _numbers(grey, "training")
        low, first, middle, last, high = np.percentile(grey, [0.1, 1, 50, 99, 99.9])
        if not last > first:
            raise InputError("all grey values are equal", where="training", fix="Check the image.")
        return cls(voxel_um, float(middle), float(last - first) / 2, float(low), float(high))

    def check(self, image: xr.DataArray, *, where: str) -> None:
        """Raise InputError where `image` has other voxels or other grey values than the training images.

        Grey values: over a quarter of the voxels lies further than a fifth of the training range beyond it, or
        the whole image spans under a twentieth of it (counts against 1/cm, 8 bit against 16 bit).
        """
        self.check_values(sample(image), same_voxel(image, where=where), where=where)

    def check_values(self, grey: np.ndarray, size: float, *, where: str) -> None:
        """The same of grey values that were taken from the image, with voxels of `size` um."""
        if abs(size / self.voxel_um - 1) > SAME_VOXEL:
            raise InputError(
                f"voxels of {size:g} um, the model was trained on {self.voxel_um:g} um", where=where,
                fix="Resample the image to the voxel size of the model, or train on images of this size.",
            )  # fmt: skip
        grey = _numbers(grey, where)
        span = self.high - self.low
        outside = ((grey < self.low - 0.2 * span) | (grey > self.high + 0.2 * span)).mean()
        found = np.percentile(grey, [0.1, 99.9])
        if outside > 0.25 or found[1] - found[0] < 0.05 * span:
            raise InputError(
                f"grey values of {found[0]:.4g} to {found[1]:.4g}, the model was trained on "
                f"{self.low:.4g} to {self.high:.4g}", where=where,
                fix="Bring the image to the units of the training images, or train on it.",
            )  # fmt: skip

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """(grey - middle) / half, float32, cut at -8 and 8 so that zingers do not spread."""
        return np.clip((values.astype(np.float32) - self.middle) / self.half, -8, 8, dtype=np.float32)


def _numbers(grey: np.ndarray, where: str) -> np.ndarray:
    """Those grey values that are numbers. Raises InputError where none is."""
    grey = grey[np.isfinite(grey)]
    if not grey.size:
        raise InputError("no voxel is a number", where=where, fix="Check the reconstruction.")
    return grey


def sample(image: xr.DataArray) -> np.ndarray:
    """About 200 000 grey values, taken evenly from slices along the first axis."""
    planes = np.unique(np.linspace(0, image.shape[0] - 1, 32).astype(int))
    per = max(image[0].size * len(planes) // SAMPLES, 1)
    return np.concatenate([np.asarray(image[int(p)].values, np.float64).ravel()[::per] for p in planes])


def as_volume(image: xr.DataArray, *, where: str, check_values: bool = True) -> xr.DataArray:
    """`image` as (z, y, x): a plane (y, x) becomes one slice. Raises InputError for a series, NaN, no voxel size."""
    if "time" in image.dims and image.sizes["time"] == 1:
        image = image.isel(time=0, drop=True)
    if "time" in image.dims:
        raise InputError("a series in time", where=where, fix="Give one scan: volume.isel(time=0).")
    if "z" not in image.dims:
        if "voxel_um" not in image.attrs:
            raise InputError("the voxel size is not known", where=where, fix="Set attrs['voxel_um'] (um).")
        image = image.expand_dims("z")
    return check_volume(image, where=where, allow_nan=not check_values)


def learnable(image: xr.DataArray, labels: xr.DataArray, *, where: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Image and labels as volumes that belong together. Raises InputError where they do not."""
    volume = as_volume(image, where=where)
    painted = as_volume(labels, where=f"{where}, labels", check_values=False)
    if volume.shape != painted.shape:
        raise InputError(
            f"labels of {painted.shape}, image of {volume.shape} voxels", where=where,
            fix="Paint on the image that you give.",
        )  # fmt: skip
    if painted.dtype.kind not in "iub" or int(painted.min()) < 0:
        raise InputError(f"labels of {painted.dtype} below 0 or not whole", where=where)
    return volume, painted


def class_names(labels: list[xr.DataArray], *, where: str) -> tuple[str, ...]:
    """Names of the classes, each painted somewhere. Raises InputError for no, one or an unlabelled class."""
    count = np.sum([np.bincount(v.values.ravel(), minlength=256)[:256] for v in labels], axis=0)[1:]
    named = [tuple(map(str, v.attrs["phases"])) for v in labels if "phases" in v.attrs]
    if len(set(named)) > 1:
        raise InputError(f"label images name different phases: {sorted(set(named))}", where=where)
    names = (
        named[0] if named else tuple(str(k) for k in range(1, int(np.flatnonzero(count).max(initial=-1)) + 2))
    )
    painted = [n for n, c in zip(names, count, strict=False) if c]
    if len(painted) < 2 and len(names) < 3:
        raise InputError(
            f"painted: {', '.join(painted) or 'nothing'}", where=where,
            fix="A classifier needs strokes of at least two classes.",
        )  # fmt: skip
    missing = [n for n, c in zip(names, count, strict=False) if not c]
    if missing:
        raise InputError(
            f"no voxel is painted as {', '.join(missing)}", where=where,
            fix="Paint some of every class, or leave the class out.",
        )  # fmt: skip
    if count[len(names) :].any():
        raise InputError(f"labels above {len(names)}, the number of phases", where=where)
    return names
