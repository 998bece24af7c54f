"""Kernels on decoded images: counts into atoms, atoms into bins. References: `tests/unit/test_stream_raw.py`."""

from __future__ import annotations

from numba import njit


@njit(nogil=True, cache=True)
def sum_runs(image, first, stop, atom, low, dead, total, lost):  # pragma: no cover - compiled
    """Add the live pixels of one flat image to `total[atom]`; note dead ones in `lost`, return how many.

    A pixel is dead if it is NaN, below `low` or equal to `dead`. `total` is int64 for integers, float64 for floats.
    """
    gone = 0
    for run in range(first.size):
        here = total[atom[run]]
        for pixel in range(first[run], stop[run]):
            value = image[pixel]
            if value != value or value < low or value == dead:
                lost[gone] = pixel
                gone += 1
            else:
                here += value
        total[atom[run]] = here
    return gone


@njit(nogil=True, cache=True)
def gather(total, bin_of, out):  # pragma: no cover - compiled
    """out[bin] = sum of its atoms; atoms with bin -1 are left out."""
    out[:] = 0
    for atom in range(total.size):
        if bin_of[atom] >= 0:
            out[bin_of[atom]] += total[atom]


@njit(nogil=True, cache=True)
def add_live(image, low, dead, total, alive):  # pragma: no cover - compiled
    """total += image and alive += 1 where the pixel is live."""
    for pixel in range(image.size):
        value = image[pixel]
        if not (value != value or value < low or value == dead):
            total[pixel] += value
            alive[pixel] += 1


@njit(nogil=True, cache=True)
def share_pixels(image, first, bins, share, low, dead, signal, variance, lost):  # pragma: no cover - compiled
    """Share the live pixels of one flat image among float64 bins; note dead ones in `lost`, return how many."""
    gone = 0
    for pixel in range(image.size):
        value = image[pixel]
        if value == 0 or first[pixel] == first[pixel + 1]:
            continue
        if value != value or value < low or value == dead:
            lost[gone] = pixel
            gone += 1
            continue
        for entry in range(first[pixel], first[pixel + 1]):
            part = share[entry] * value
            signal[bins[entry]] += part
            variance[bins[entry]] += share[entry] * abs(part)
    return gone
