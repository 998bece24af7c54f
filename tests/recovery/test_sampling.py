"""Spots in bins of few pixels: positions with and without what is known of how the pixels sample them."""

import numpy as np
import pytest
import xarray as xr

from operando.core import Sums
from operando.core.errors import InputError
from operando.diffraction import RingPixels, azimuth_profile, fit_peaks, fit_two_peaks, peak_sampling

N, STEP, SIGMA, WINDOW, SPOT = 24, 0.5, 1.4, (20.0, 10.0), 22.5


def detector():
    """Square pixels 120 from the centre: q is the radius in pixels, bins are half a pixel wide."""
    x, y = np.meshgrid(np.arange(-140, 141), np.arange(-140, 141))
    q, azimuth = np.hypot(x, y).ravel(), np.rad2deg(np.arctan2(y, x)).ravel() % 360
    inside = (q >= 114) & (q < 126)
    q, azimuth = q[inside], azimuth[inside]
    return RingPixels(q, azimuth, np.ones(len(q)), ((q - 114) / STEP).astype(int))


def texture(azimuth):
    return np.exp(-0.5 * ((np.asarray(azimuth) - SPOT) / 4) ** 2)


def expected(pixels, position, scale):
    peak = texture(pixels.azimuth) * np.exp(-0.5 * ((pixels.q - position) / SIGMA) ** 2)
    return scale * (3 * peak + 0.5)


def profile_along(pixels, counts):
    bins = (pixels.azimuth.astype(int), pixels.bin)
    sums = []
    for values in (counts, counts, pixels.weight):
        table = np.zeros((360, N))
        np.add.at(table, bins, values)
        sums.append(xr.DataArray(table, dims=("azimuth", "q")))
    coords = {"azimuth": np.arange(360) + 0.5, "q": 114 + (np.arange(N) + 0.5) * STEP}
    return azimuth_profile(Sums(*(s.assign_coords(coords) for s in sums)), core=(115.5, 124.5))


def summed(pixels, values):
    inside = np.abs(pixels.azimuth.astype(int) + 0.5 - WINDOW[0]) <= WINDOW[1]
    return np.bincount(pixels.bin[inside], values[inside], minlength=N)


def errors_of(sampling, scale=1e6):
    pixels, q = detector(), 114 + (np.arange(N) + 0.5) * STEP
    response, offset = sampling if sampling else (None, None)
    weight, found = summed(pixels, pixels.weight), []
    for position in np.linspace(118, 122, 17):
        counts = summed(pixels, expected(pixels, position, scale))
        found.append(float(fit_peaks(q, counts, weight, response=response, offset=offset)["q"]) - position)
    return np.array(found)


def known_sampling(scale=1e3):
    pixels, q = detector(), 114 + (np.arange(N) + 0.5) * STEP
    profile = profile_along(pixels, expected(pixels, 120.3, scale))
    return peak_sampling(pixels, q, profile, (WINDOW[0],), WINDOW[1])


def test_sampling_takes_the_bias_of_positions_away():
    flat, better = errors_of(None), errors_of(known_sampling())
    assert np.abs(flat).max() > 0.01  # of a pixel: the trouble is there
    assert np.abs(better).max() < 0.15 * np.abs(flat).max()
    assert better.std() < 0.15 * flat.std()


def test_two_peaks_take_the_same_sampling():
    pixels, q = detector(), 114 + (np.arange(N) + 0.5) * STEP
    response, offset = known_sampling()
    counts = summed(pixels, expected(pixels, 117.0, 1e5) + expected(pixels, 123.0, 1e5))
    found = fit_two_peaks(q, counts, summed(pixels, pixels.weight), response=response, offset=offset)
    plain = fit_two_peaks(q, counts, summed(pixels, pixels.weight))
    off, off_plain = (np.abs(f["q"].values - [117.0, 123.0]).max() for f in (found, plain))
    assert off < 0.3 * off_plain


def test_a_profile_that_is_not_seen_gives_no_sampling():
    pixels, q = detector(), 114 + (np.arange(N) + 0.5) * STEP
    profile = profile_along(pixels, np.full(len(pixels.q), 1.0))
    assert peak_sampling(pixels, q, profile, (WINDOW[0],), WINDOW[1]) is None


def test_misfits_are_refused():
    q = 114 + (np.arange(N) + 0.5) * STEP
    with pytest.raises(InputError, match="24 finite numbers"):
        fit_peaks(q, np.ones(N), response=np.ones(5))
    with pytest.raises(InputError, match="Gaussians only"):
        fit_peaks(q, np.ones(N), offset=np.zeros(N), shape="pseudo-voigt")
