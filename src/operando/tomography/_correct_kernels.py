"""Counts to sinograms of attenuation in one pass over memory, and the guards that work along angle and column."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def attenuation(counts, first, last, bend, share, dark, dead, place, floor, out, lowest, highest):
    """-ln((counts - dark) / (flat - dark)) of some images, each written to its place in angle.

    counts (images, rows, columns); first, last (flats), bend, dark (rows, columns) float32; share t (images,):
    the flat is first + t (last - first) + t (1 - t) bend; dead (rows, columns) bool: become NaN;
    place (images,) in `out` (rows, angles, columns) float32, -1 to leave out.
    Transmission under `floor` counts as `floor`. `lowest` and `highest` (rows, columns) float32 of the counts are kept
    up to date. Returns how many values stood at the floor.
    """
    images, rows, columns = counts.shape
    low = np.float32(floor)
    clipped = 0
    for i in range(images):
        if place[i] < 0:
            continue
        t = np.float32(share[i])
        both = t * (np.float32(1) - t)
        for r in range(rows):
            for c in range(columns):
                count = np.float32(counts[i, r, c])
                lowest[r, c] = min(lowest[r, c], count)
                highest[r, c] = max(highest[r, c], count)
                if dead[r, c]:
                    out[r, place[i], c] = np.nan
                    continue
                beam = first[r, c] + t * (last[r, c] - first[r, c]) + both * bend[r, c] - dark[r, c]
                value = (count - dark[r, c]) / beam
                if value < low:
                    value = low
                    clipped += 1
                out[r, place[i], c] = -np.log(value)
    return clipped


@njit(cache=True, nogil=True)
def remove_zingers(sinogram, limit):
    """Replace values more than `limit` under both neighbours in angle (a hit by a stray photon) by their mean.

    sinogram (angles, columns) float32 of attenuation, in place. Returns how many were replaced.
    """
    angles, columns = sinogram.shape
    found = 0
    before = sinogram[0].copy()
    for i in range(1, angles - 1):
        for c in range(columns):
            here, following = sinogram[i, c], sinogram[i + 1, c]
            if here < before[c] - limit and here < following - limit:
                before[c] = here
                sinogram[i, c] = 0.5 * (sinogram[i - 1, c] + following)
                found += 1
            else:
                before[c] = here
    return found


@njit(cache=True, nogil=True)
def fill_columns(sinogram, good):
    """Fill columns that are not `good` linearly from the nearest good ones, in place. Some column must be good."""
    angles, columns = sinogram.shape
    left = -1
    c = 0
    while c < columns:
        if good[c]:
            left = c
            c += 1
            continue
        right = c
        while right < columns and not good[right]:
            right += 1
        for k in range(c, right):
            if left < 0:
                wl, a, b = 0.0, right, right
            elif right == columns:
                wl, a, b = 1.0, left, left
            else:
                wl, a, b = (right - k) / (right - left), left, right
            for i in range(angles):
                sinogram[i, k] = wl * sinogram[i, a] + (1.0 - wl) * sinogram[i, b]
        c = right


@njit(cache=True, nogil=True)
def fill_lost(sinogram, good):
    """Fill values of `good` columns that are not finite from the nearest finite ones in angle, in place.

    A column without one finite value is no longer good. Returns how many values were filled.
    """
    angles, columns = sinogram.shape
    found = 0
    whole = True
    for i in range(angles):
        for c in range(columns):
            whole &= np.isfinite(sinogram[i, c]) or not good[c]
    if whole:
        return found
    for c in range(columns):
        last = -1
        if not good[c]:
            continue
        for i in range(angles):
            if np.isfinite(sinogram[i, c]):
                if last < i - 1:
                    for k in range(last + 1, i):
                        w = 0.0 if last < 0 else (i - k) / (i - last)
                        a = sinogram[i, c] if last < 0 else sinogram[last, c]
                        sinogram[k, c] = w * a + (1.0 - w) * sinogram[i, c]
                        found += 1
                last = i
        good[c] = last >= 0
        if last >= 0:
            for k in range(last + 1, angles):
                sinogram[k, c] = sinogram[last, c]
                found += 1
    return found


@njit(cache=True, nogil=True)
def median_at_rank(turned, order, size):
    """Median over `size` columns at equal rank: the middle step of a sorting filter.

    turned (columns, angles) float32, order (columns, angles): angle of each rank. Returns (angles, columns) with
    every value replaced by the median of its rank. Borders are reflected (c b a | a b c d | d c b).
    """
    columns, angles = turned.shape
    ranked = np.empty((angles, columns), np.float32)
    for c in range(columns):
        for i in range(angles):
            ranked[i, c] = turned[c, order[c, i]]
    for i in range(angles):
        ranked[i] = running_median(ranked[i], size)
    out = np.empty((angles, columns), np.float32)
    for c in range(columns):
        for i in range(angles):
            out[order[c, i], c] = ranked[i, c]
    return out


@njit(cache=True, nogil=True)
def running_median(values, size):
    """Median over windows of `size` values, borders reflected: a sorted window that loses one value and gains one."""
    n = values.shape[0]
    half = size // 2
    window = np.empty(size, values.dtype)
    for k in range(size):
        window[k] = values[reflected(k - half, n)]
    window.sort()
    out = np.empty(n, values.dtype)
    out[0] = window[half]
    for i in range(1, n):
        old = values[reflected(i - half - 1, n)]
        new = values[reflected(i - half + size - 1, n)]
        k = np.searchsorted(window, old)
        if new > old:
            while k + 1 < size and window[k + 1] < new:
                window[k] = window[k + 1]
                k += 1
        else:
            while k > 0 and window[k - 1] > new:
                window[k] = window[k - 1]
                k -= 1
        window[k] = new
        out[i] = window[half]
    return out


@njit(cache=True, nogil=True)
def reflected(i, n):
    while i < 0 or i >= n:
        i = -i - 1 if i < 0 else 2 * n - 1 - i
    return i
