"""Stripes of a sinogram (rings of a slice) removed, by our fast sorting filter or by algotom's methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from ..core.errors import InputError, require_extra

Stripes = Literal["none", "sorting", "normalization", "filtering", "wavelet", "fitting", "all"]
_ALGOTOM = {
    "normalization": "remove_stripe_based_normalization", "filtering": "remove_stripe_based_filtering",
    "wavelet": "remove_stripe_based_wavelet_fft", "fitting": "remove_stripe_based_fitting",
    "all": "remove_all_stripe",
}  # fmt: skip


def remove_stripes(sinogram: np.ndarray, method: Stripes = "sorting", size: int | None = None) -> np.ndarray:
    """A sinogram (angles, columns) of attenuation without what stays in one column at all angles.

    "sorting": values of each column in order, median over `size` columns at equal rank, back in place (Vo, Atwood and
    Drakopoulos 2018, algorithm 3). Mends stripes narrower than `size`/2; invalid near features that are narrow, strong
    and hardly move (a metal pin near the axis), which it bites into: take a smaller `size`, or "none".
    The other names are algotom's methods at its default settings, slower; "all" also finds wide and dead stripes.

    Raises `InputError` for an unknown method, `ExtraMissing` where algotom is needed and absent.
    """
    if method == "none":
        return sinogram
    if method == "sorting":
        return _sorting(sinogram, size or usual_size(sinogram.shape[1]))
    return _peer(method)(sinogram).astype(np.float32)


def usual_size(columns: int) -> int:
    """Odd, a hundredth of the width, at least 5: 21 for a detector of 2048. More bites into strong narrow features."""
    return max(5, columns // 100 // 2 * 2 + 1)


def _sorting(sinogram: np.ndarray, size: int) -> np.ndarray:
    from ._correct_kernels import median_at_rank

    turned = np.ascontiguousarray(sinogram.T, np.float32)
    return median_at_rank(turned, turned.argsort(axis=1), size)


def _peer(method: str) -> Callable[[np.ndarray], np.ndarray]:
    if method not in _ALGOTOM:
        raise InputError(
            f"no way to remove stripes called {method!r}",
            fix=f"Choose one of: none, sorting, {', '.join(_ALGOTOM)}.",
        )
    removal = require_extra("algotom.prep.removal", "tomo", f"stripe removal by {method!r}")
    return getattr(removal, _ALGOTOM[method])


def ring_roughness(image: np.ndarray, centre: tuple[float, float] | None = None) -> float:
    """How ringed a slice is: rms of what the azimuthal mean has left after a running median of nine radii.

    image (y, x), NaN outside; centre (y, x) of the rings, default the middle. Bins are one pixel wide, the innermost
    ten are left out (few pixels). In units of the image.
    """
    from scipy.ndimage import median_filter

    y, x = np.indices(image.shape)
    cy, cx = centre or ((image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2)
    good = np.isfinite(image)
    radius = np.rint(np.hypot(y - cy, x - cx)[good]).astype(int)
    count = np.bincount(radius)
    mean = np.bincount(radius, image[good].astype(float)) / np.maximum(count, 1)
    inside = slice(10, int(min(image.shape) / 2) - 1)
    rough = mean - median_filter(mean, 9)
    return float(np.sqrt(np.mean(rough[inside] ** 2)))
