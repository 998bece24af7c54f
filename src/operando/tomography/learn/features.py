"""Multi-scale features of every voxel: smoothed grey, gradients, curvatures, structure, differences of scales."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from ...core.errors import InputError
from ..volume import AXES
from .image import as_volume

KINDS = ("grey", "gaussian", "gradient", "hessian", "structure", "difference")
TRUNCATE = 3.0
SLAB = 1 << 22  # voxels worked on at a time


@dataclass(frozen=True)
class FeatureSettings:
    """Which features. Lengths are in voxels: a model belongs to the voxel size that it was trained on.

    sigmas        Gaussian widths, rising
    kinds         of KINDS: grey (as it is), gaussian, gradient (magnitude), hessian (eigenvalues, rising),
                  structure (eigenvalues of the structure tensor of width 1.5 sigma, falling), difference (of a
                  width and the next wider one)
    dimensions    2: within slices along z; 3: in the volume
    """

    sigmas: tuple[float, ...] = (0.7, 1.4, 2.8, 5.6)
    kinds: tuple[str, ...] = KINDS
    dimensions: int = 2

    def __post_init__(self) -> None:
        wrong = [k for k in self.kinds if k not in KINDS]
        if wrong or not self.kinds:
            raise InputError(f"no features {wrong}", where="FeatureSettings", fix=f"There are {KINDS}.")
        if not self.sigmas or min(self.sigmas) < 0.3 or list(self.sigmas) != sorted(set(self.sigmas)):
            raise InputError(
                f"sigmas {self.sigmas}", where="FeatureSettings", fix="Give rising widths from 0.3."
            )
        if self.dimensions not in (2, 3):
            raise InputError(f"{self.dimensions} dimensions", where="FeatureSettings", fix="Give 2 or 3.")

    @property
    def names(self) -> list[str]:
        """Name of each feature, in the order of the array."""
        result = ["grey"] if "grey" in self.kinds else []
        for i, sigma in enumerate(self.sigmas):
            for kind in ("gaussian", "gradient"):
                result += [f"{kind} {sigma:g}"] if kind in self.kinds else []
            for kind in ("hessian", "structure"):
                result += [f"{kind} {n} {sigma:g}" for n in range(self.dimensions) if kind in self.kinds]
            if "difference" in self.kinds and i + 1 < len(self.sigmas):
                result.append(f"difference {sigma:g} {self.sigmas[i + 1]:g}")
        return result

    @property
    def reach(self) -> int:
        """How far the features of a voxel look, voxels."""
        wide = int(TRUNCATE * max(self.sigmas) + 0.5) + 2
        return wide + (int(TRUNCATE * 1.5 * max(self.sigmas) + 0.5) if "structure" in self.kinds else 0)


def pixel_features(image: xr.DataArray, settings: FeatureSettings | None = None) -> xr.DataArray:
    """Features (z, y, x, feature) float32 of every voxel of an image (z, y, x) or (y, x).

    gradient   |grad g|,   hessian   eigenvalues of d2g/dxi dxj,   structure   of G(1.5 sigma) * (grad g grad g^T),
    each of g = G(sigma) * image with central differences of one voxel; structure eigenvalues as their square roots,
    so that all features have the units of the image. For large volumes see `feature_slabs`.
    Raises InputError for NaN and unknown voxels.
    """
    settings = settings or FeatureSettings()
    volume = as_volume(image, where="pixel_features")
    parts = [values for _, values in feature_slabs(volume, settings)]
    return xr.DataArray(
        np.concatenate(parts), dims=(*volume.dims, "feature"),
        coords={**{k: v for k, v in volume.coords.items() if k in AXES}, "feature": settings.names},
        attrs={"units": str(volume.attrs.get("units", "1"))},
    )  # fmt: skip


def feature_slabs(
    volume: xr.DataArray, settings: FeatureSettings, *, voxels: int = SLAB
) -> Iterator[tuple[slice, np.ndarray]]:
    """Features of slabs along z in turn, the same as of the whole volume: (rows, (z, y, x, feature) float32)."""
    height, area = volume.shape[0], volume.shape[1] * volume.shape[2]
    step = max(voxels // area, 1)
    spare = settings.reach if settings.dimensions == 3 else 0
    for start in range(0, height, step):
        rows = slice(start, min(start + step, height))
        low, high = max(rows.start - spare, 0), min(rows.stop + spare, height)
        block = np.asarray(volume[low:high].values, np.float32)
        keep = slice(rows.start - low, rows.stop - low)
        yield rows, _features(block, settings)[keep]


def _features(block: np.ndarray, settings: FeatureSettings) -> np.ndarray:
    from ._feature_kernels import differences_2d, differences_3d, fill_eigenvalues_2d, fill_eigenvalues_3d

    flat = settings.dimensions == 2
    differences = differences_2d if flat else differences_3d
    fill = fill_eigenvalues_2d if flat else fill_eigenvalues_3d
    names = settings.names
    out = np.empty((*block.shape, len(names)), np.float32)
    if "grey" in settings.kinds:
        out[..., 0] = block
    smooth = [_smooth(block, s, flat) for s in settings.sigmas]
    for i, sigma in enumerate(settings.sigmas):
        at = {k: names.index(f"{k} {sigma:g}") for k in ("gaussian", "gradient") if k in settings.kinds}
        if "gaussian" in at:
            out[..., at["gaussian"]] = smooth[i]
        if "difference" in settings.kinds and i + 1 < len(smooth):
            out[..., names.index(f"difference {sigma:g} {settings.sigmas[i + 1]:g}")] = (
                smooth[i] - smooth[i + 1]
            )
        if not {"gradient", "hessian", "structure"} & set(settings.kinds):
            continue
        gradient, second, products = differences(smooth[i])
        if "gradient" in at:
            out[..., at["gradient"]] = gradient
        if "hessian" in settings.kinds:
            fill(second, out, names.index(f"hessian 0 {sigma:g}"), False)
        if "structure" in settings.kinds:
            wide = np.stack([_smooth(p, 1.5 * sigma, flat) for p in products])
            fill(wide, out, names.index(f"structure 0 {sigma:g}"), True)
    return out


def _smooth(values: np.ndarray, sigma: float, flat: bool) -> np.ndarray:
    widths = (0, sigma, sigma) if flat else sigma
    return gaussian_filter(values, widths, mode="nearest", truncate=TRUNCATE)
