"""First guess of one peak in a row of counts: numba, plain arrays."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

#: bins this many box sizes from the middle of the most significant box tell the moments
NEAR = 0.8


@njit(cache=True, nogil=True, error_model="numpy")
def ends_of(counts, w, n):
    """Counts per weight at the two ends of the window, from a sixth of it each."""
    left, right, left_w, right_w, total, total_w = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(max(n // 6, 2)):
        left, left_w = left + counts[i], left_w + w[i]
        right, right_w = right + counts[n - 1 - i], right_w + w[n - 1 - i]
    for i in range(n):
        total, total_w = total + counts[i], total_w + w[i]
    middle = 0.5 * total / total_w
    return left / left_w if left_w > 0 else middle, right / right_w if right_w > 0 else middle, total_w


@njit(cache=True, nogil=True, error_model="numpy")
def accumulate(counts, w, b_lo, slope, n, sums):
    """Into sums (3, > n): counts, counts expected of the line, and first moment, of all bins before each."""
    inside, expected, moment = 0.0, 0.0, 0.0
    for i in range(n):
        sums[0, i], sums[1, i], sums[2, i] = inside, expected, moment
        inside, expected, moment = (
            inside + counts[i],
            expected + w[i] * (b_lo + slope * i),
            moment + i * counts[i],
        )
    sums[0, n], sums[1, n], sums[2, n] = inside, expected, moment


@njit(cache=True, nogil=True, error_model="numpy")
def start_one(model, space, par):
    """First guess of one peak: the box with the most significant excess over the line between the window's ends."""
    n, merit, low, high = model.n, space.log, model.low, model.high
    b_lo, b_hi, total_w = ends_of(space.counts, space.w, n)
    sums = space.edge
    accumulate(space.counts, space.w, b_lo, (b_hi - b_lo) / (n - 1), n, sums)
    best, place, size, area = 0.0, 0.5 * n, 3, 0.0
    for width in (3, 5, 8, 13, 21):
        if width > 0.7 * n:
            break
        boxes = n - width + 1
        for i in range(boxes):
            inside, expected = sums[0, i + width] - sums[0, i], sums[1, i + width] - sums[1, i]
            excess = max(inside - expected, 0.0)
            merit[i] = excess * excess / (inside + expected + 1.0)
        for i in range(boxes):
            if merit[i] > best:
                best, size, place = merit[i], width, float(i)
    if best > 0:
        i = int(place)
        inside, moment = sums[0, i + size] - sums[0, i], sums[2, i + size] - sums[2, i]
        middle = i + 0.5 * (size - 1)
        area = (inside - (sums[1, i + size] - sums[1, i])) / 0.84
        place = 0.5 * (middle + (moment / inside if inside > 0 else middle))
    par[0], par[1] = max(b_lo, 0.2 / total_w), max(b_hi, 0.2 / total_w)
    par[2] = place - 0.5 * (n - 1)
    par[3] = size / 2.8
    par[4] = max(area, 1.0)
    by_moments(space.counts, space.w, n, place, size, par)
    par[4] *= n / total_w
    if par.size > 5:
        par[5] = 0.3
    for j in range(par.size):
        par[j] = min(max(par[j], low[j]), high[j])


@njit(cache=True, nogil=True, error_model="numpy")
def by_moments(counts, w, n, place, size, par):
    """Improve position, width and counts in `par` by the moments of what lies over the line near the box.

    They are not trusted further than half a width, and a factor of 1.8: few counts may say anything.
    """
    slope = (par[1] - par[0]) / (n - 1)
    first, last = max(int(np.ceil(place - NEAR * size)), 0), min(int(np.floor(place + NEAR * size)), n - 1)
    total, moment, second = 0.0, 0.0, 0.0
    for i in range(first, last + 1):
        excess, d = counts[i] - w[i] * (par[0] + slope * i), i - place
        total, moment, second = total + excess, moment + d * excess, second + d * d * excess
    if total <= 0:
        return
    mean = moment / total
    variance = second / total - mean * mean
    if variance > 0:
        width = min(max(math.sqrt(variance), 0.55 * par[3]), 1.8 * par[3])
        par[2] += min(max(mean, -0.5 * par[3]), 0.5 * par[3])
        par[3], par[4] = width, max(1.02 * total, 1.0)
