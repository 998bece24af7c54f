"""How pixels sample a spotty ring: what a peak looks like in bins of few pixels whose intensity is not uniform."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from .rings import inside_window

#: the profile along the ring is used where a family's part of it is this many times its error
MIN_SEEN = 20.0


@dataclass(frozen=True)
class RingPixels:
    """The live pixels of a ring's window, each (pixels,): q (1/angstrom), azimuth (degrees), weight, and bin in q."""

    q: np.ndarray
    azimuth: np.ndarray
    weight: np.ndarray
    bin: np.ndarray


def peak_sampling(
    pixels: RingPixels, q: np.ndarray, profile: xr.Dataset, azimuths: tuple[float, ...], half_width: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """Response and offset of each q bin to the peak of a family, as `fit_peaks` takes them; each (n,).

    A bin adds up pixels of weight w_p at q_p; the spot's intensity along the ring is t(azimuth), not uniform. To the
    background the bin weighs sum w_p, to the peak sum w_p t_p, and the peak is seen at the mean of q_p by w_p t_p:

        response_i = (sum w t / sum w)_i / (sum w t / sum w over all bins),   offset_i = (sum w t q / sum w t)_i - q_i

    Without them positions are off by a few hundredths of a pixel where a bin holds ten or twenty pixels
    (tests/recovery/test_sampling.py).

    q         (n,) bin centres, 1/angstrom
    profile   Dataset over `azimuth` around the ring with `intensity`, `intensity_err`, as from `azimuth_profile`,
              summed over enough frames; NaN in gaps. Smoothed over three bins, and linear between bins
    azimuths  windows that were added up, degrees

    Returns None where the profile is not known well enough (below `MIN_SEEN` errors), or no pixel is in the windows.
    """
    around = profile["azimuth"].values.astype(float)
    step = 360.0 / len(around)
    intensity, error = (
        profile["intensity"].values.astype(float),
        profile["intensity_err"].values.astype(float),
    )
    bins = np.logical_or.reduce([inside_window(around, a, half_width) for a in azimuths])
    known = np.isfinite(intensity) & np.isfinite(error)
    seen = bins & known
    if not seen.any() or intensity[seen].sum() < MIN_SEEN * np.sqrt((error[seen] ** 2).sum()):
        return None
    filled = np.interp(around, around[known], intensity[known], period=360)
    smooth = np.maximum(0.25 * np.roll(filled, 1) + 0.5 * filled + 0.25 * np.roll(filled, -1), 0)
    inside = bins[np.minimum((pixels.azimuth % 360 / step).astype(int), len(around) - 1)]
    light = pixels.weight[inside] * np.interp(pixels.azimuth[inside], around, smooth, period=360)
    at, n = pixels.bin[inside], len(q)
    plain, lit = (np.bincount(at, w, minlength=n) for w in (pixels.weight[inside], light))
    place = np.bincount(at, light * pixels.q[inside], minlength=n)
    if not lit.sum() > 0:
        return None
    mean = lit.sum() / plain.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        response = np.where(plain > 0, lit / plain / mean, 1.0)
        offset = np.where(lit > 0, place / lit - q, 0.0)
    return response, offset
