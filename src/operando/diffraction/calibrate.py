"""Is the geometry right? Orientation of the image, flatness of a ring, distance from an internal standard."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import xarray as xr

from ..core import Geometry, Reflection
from ..core.errors import GeometryError, InputError
from ..core.geometry import Flip

#: another flip is clearly better from this ratio of ring contrasts, and this difference in units of noise
CLEAR_RATIO, CLEAR_SIGMA = 1.3, 10.0


@dataclass(frozen=True)
class OrientationCheck:
    """Contrast of the rings for each flip of the stored image; see `check_orientation`.

    verdict   "right": the given flip is clearly best; "wrong": another one is; "undecided": the image cannot tell
    """

    given: Flip
    best: Flip
    contrast: dict[str, float]
    noise: float
    verdict: str

    @property
    def message(self) -> str:
        """One sentence for a person."""
        listed = ", ".join(f"{name} {value:.3g}" for name, value in self.contrast.items())
        if self.verdict == "wrong":
            return f'rings are sharper with flip = "{self.best}" than with "{self.given}" (ring contrast: {listed})'
        if self.verdict == "right":
            return f'flip = "{self.given}" gives the sharpest rings (ring contrast: {listed})'
        return f'the rings of this image do not tell whether flip = "{self.given}" is right (ring contrast: {listed})'


def check_orientation(
    image: np.ndarray, geometry: Geometry, *, mask: np.ndarray | None = None, bins: int | None = None
) -> OrientationCheck:
    """Compare how sharp the rings are under the four flips of the image, and say whether another one is clearly better.

    Contrast is the rms over q of I(q) less its running median, less what counting noise gives, relative to mean(I): a
    wrong flip smears rings over q. It cannot tell flips under which the rings fall on themselves (beam at the middle of
    an untilted detector): then, or without rings, the verdict is "undecided".

    image  (rows, columns) counts as stored (a sum of frames is better than one); negative values are masked
    mask   (rows, columns) bool, True where a pixel does not count
    bins   of q; None: one for each pixel along the longer radius

    Raises `GeometryError` when image and geometry differ in size.
    """
    geometry = geometry.for_shape(image.shape, name="check_orientation")
    values = np.asarray(image, float)
    used = np.isfinite(values) & (values >= 0)
    if np.issubdtype(np.asarray(image).dtype, np.unsignedinteger):
        used &= image != np.iinfo(image.dtype).max
    if mask is not None:
        if mask.shape != image.shape:
            raise GeometryError(
                f"the mask is {mask.shape}, the image {image.shape}", where="check_orientation"
            )
        used &= ~mask
    if used.sum() < 1000:
        raise InputError(
            "fewer than 1000 live pixels", where="check_orientation", fix="Give a frame with rings."
        )
    values = np.where(used, np.minimum(values, np.percentile(values[used], 99.9)), 0.0)
    found = {}
    for flip in get_args(Flip):
        q = replace(geometry, flip=flip).q()
        found[flip] = _ring_contrast(values[used], q[used], bins or max(image.shape) // 2)
    contrast = {flip: value for flip, (value, _) in found.items()}
    noise = max(error for _, error in found.values())
    best = max(contrast, key=lambda flip: contrast[flip])
    return OrientationCheck(geometry.flip, best, contrast, noise, _verdict(geometry.flip, contrast, noise))


def _ring_contrast(values: np.ndarray, q: np.ndarray, bins: int) -> tuple[float, float]:
    """Contrast of the rings, and the contrast that counting noise alone would show."""
    from scipy.ndimage import median_filter

    span = (float(q.min()), float(q.max()) * (1 + 1e-9))
    pixels = np.histogram(q, bins, span)[0]
    mean = np.histogram(q, bins, span, weights=values)[0] / np.maximum(pixels, 1)
    square = np.histogram(q, bins, span, weights=values**2)[0] / np.maximum(pixels, 1)
    full = pixels > 0.1 * np.median(pixels[pixels > 0])
    noise = np.maximum(square - mean**2, 0) / np.maximum(pixels, 1)
    sharp = mean[full] - median_filter(mean[full], max(bins // 20, 5))
    level = max(float(values.mean()), 1e-30)
    power, spread = float((sharp**2).mean()), float(noise[full].mean())
    return float(np.sqrt(max(power - spread, 0.0))) / level, float(
        np.sqrt(spread / np.sqrt(full.sum()))
    ) / level


def _verdict(given: str, contrast: dict[str, float], noise: float) -> str:
    others = max(value for flip, value in contrast.items() if flip != given)
    high, low = max(contrast[given], others), min(contrast[given], others)
    if high < CLEAR_RATIO * low or high - low < CLEAR_SIGMA * noise or high < 1e-3:
        return "undecided"
    return "right" if contrast[given] == high else "wrong"


def azimuth_flatness(fits: xr.Dataset) -> xr.Dataset:
    """Harmonics of a ring's position along azimuth: q = q0 (1 + sum_n A_n cos(n (azimuth - phase_n))), n = 1, 2.

    The first harmonic shows a wrong beam centre, the second a wrong tilt (or strain). Weighted least squares.

    fits   Dataset over `azimuth` (degrees) with `q`, `q_err` (1/angstrom) of one ring that should be round; NaN skipped

    Returns over `harmonic` (1, 2): `amplitude` (relative to q0) with `_err`, `phase` (degrees, where it is largest),
    `lattice_error`: the largest relative error of a spacing taken at one azimuth that follows from this harmonic; and
    the scalars `q0`, `q0_err`, `p_flat` (chance of such residuals from a flat ring), `goodness` (reduced chi-squared
    of the harmonics). Raises `InputError` for fewer than eight azimuths, or all in one half of the ring.
    """
    from scipy.stats import chi2

    good = np.isfinite(fits["q"].values) & np.isfinite(fits["q_err"].values)
    phi = np.deg2rad(fits["azimuth"].values[good])
    q, err = fits["q"].values[good], fits["q_err"].values[good]
    if len(q) < 8 or _largest_gap(phi) >= np.pi:
        raise InputError(
            f"{len(q)} azimuths that leave out half of the ring or more" if len(q) >= 8 else f"{len(q)} azimuths",
            where="azimuth_flatness", fix="Fit at least eight azimuths around more than half of the ring.",
        )  # fmt: skip
    basis = np.stack([np.ones_like(phi), np.cos(phi), np.sin(phi), np.cos(2 * phi), np.sin(2 * phi)], 1)
    cov = np.linalg.inv((basis / err[:, None] ** 2).T @ basis)
    best = cov @ (basis.T @ (q / err**2))
    flat = np.average(q, weights=err**-2)
    pairs = best[1:].reshape(2, 2)
    amplitude = np.hypot(*pairs.T)
    along = pairs / np.maximum(amplitude, 1e-300)[:, None]
    spread = [np.sqrt(a @ cov[1 + 2 * n : 3 + 2 * n, 1 + 2 * n : 3 + 2 * n] @ a) for n, a in enumerate(along)]
    phase = np.mod(np.rad2deg(np.arctan2(pairs[:, 1], pairs[:, 0])) / [1, 2], [360, 180])
    unit = {"units": "1"}
    found = xr.Dataset(coords={"harmonic": [1, 2]})
    found["amplitude"] = ("harmonic", amplitude / best[0], {**unit, "long_name": "amplitude relative to q"})
    found["amplitude_err"] = (
        "harmonic",
        np.array(spread) / best[0],
        {**unit, "long_name": "1-sigma error of amplitude"},
    )
    found["phase"] = ("harmonic", phase, {"units": "deg", "long_name": "azimuth of the maximum"})
    worst = {**unit, "long_name": "largest relative error of a spacing at one azimuth"}
    found["lattice_error"] = ("harmonic", amplitude / best[0], worst)
    found["q0"] = ((), best[0], {"units": "1/angstrom", "long_name": "mean position"})
    found["q0_err"] = ((), np.sqrt(cov[0, 0]), {"units": "1/angstrom", "long_name": "1-sigma error of q0"})
    found["p_flat"] = (
        (),
        chi2.sf((((q - flat) / err) ** 2).sum(), len(q) - 1),
        {**unit, "long_name": "chance if flat"},
    )
    free = max(len(q) - 5, 1)
    found["goodness"] = (
        (),
        (((q - basis @ best) / err) ** 2).sum() / free,
        {**unit, "long_name": "reduced chi-squared"},
    )
    return found


def _largest_gap(phi: np.ndarray) -> float:
    ordered = np.sort(np.mod(phi, 2 * np.pi))
    return float(np.diff(np.append(ordered, ordered[0] + 2 * np.pi)).max())


@dataclass(frozen=True)
class Distance:
    """Sample-to-detector distance in metres with its 1-sigma error, and its change relative to the PONI."""

    distance_m: float
    distance_err_m: float
    relative_change: float

    def applied_to(self, geometry: Geometry) -> Geometry:
        return replace(geometry, distance_m=self.distance_m)


def distance_from_standard(
    q: float, q_err: float, reflection: Reflection, geometry: Geometry, *, d_err_A: float = 0.0
) -> Distance:
    """Distance at which a ring of known spacing has the radius seen: L = L_poni tan(2 theta_seen) / tan(2 theta_known).

    q, q_err     1/angstrom, mean of the ring around azimuth as reduced with `geometry`
    reflection   of the standard; d_err_A, angstrom, how well its spacing is known

    Valid for small tilts (error of the order of the tilt squared). Raises `InputError` for a ring beyond 90 degrees.
    """
    angles = [2 * np.arcsin(min(k * geometry.wavelength_A / (4 * np.pi), 1.0)) for k in (q, reflection.q)]
    if not q > 0 or max(angles) >= np.pi / 2:
        raise InputError(
            f"{reflection.label} is not seen in forward direction", where="distance_from_standard"
        )
    seen, known = angles
    distance = geometry.distance_m * np.tan(seen) / np.tan(known)

    def slope(angle: float, k: float) -> float:  # d ln tan(2 theta) / dq
        sine = k * geometry.wavelength_A / (4 * np.pi)
        return float(2 / np.sin(2 * angle) * geometry.wavelength_A / (2 * np.pi) / np.sqrt(1 - sine**2))

    relative = np.hypot(
        slope(seen, q) * q_err, slope(known, reflection.q) * reflection.q * d_err_A / reflection.d_A
    )
    return Distance(float(distance), float(distance * relative), float(distance / geometry.distance_m - 1))
