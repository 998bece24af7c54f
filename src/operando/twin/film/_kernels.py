"""Numba kernels of the twin: expected counts and fast Poisson numbers that depend on a key and the pixel only."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit

LEVELS_PER_ROOT = 256  # tables are kept for means (i / 256)^2
LARGEST_MEAN = 8.0  # larger means are drawn in parts
COLUMNS = 32  # counts 0..31; a mean of 8 exceeds them once in 1e10
LOW_24 = np.uint64(0xFFFFFF)

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)


@njit(cache=True, nogil=True)
def mix(number):
    """SplitMix64: 64 random bits from a counter (Steele, Lea, Flood 2014)."""
    z = number * GOLDEN
    z = (z ^ (z >> np.uint64(30))) * MIX_1
    z = (z ^ (z >> np.uint64(27))) * MIX_2
    return z ^ (z >> np.uint64(31))


@njit(cache=True, nogil=True)
def add_smooth(rate, factor, q_index, profile):
    """rate = factor * profile[q_index]: the diffuse part of a frame."""
    for i in range(rate.size):
        rate[i] = factor[i] * profile[q_index[i]]


@njit(cache=True, nogil=True)
def add_still(rate, pixels, values, height):
    """rate[pixels] += height * values: a ring that stays where it is."""
    for i in range(pixels.size):
        rate[pixels[i]] += height * values[i]


@njit(cache=True, nogil=True)
def add_moving(rate, pixels, q, shape, centre, sigma, height):
    """rate[pixels] += height * shape * exp(-((q - centre) / sigma)^2 / 2), within 6 sigma."""
    limit = 6.0 * sigma
    for i in range(pixels.size):
        off = q[i] - centre
        if abs(off) < limit:
            u = off / sigma
            rate[pixels[i]] += height * shape[i] * np.exp(-0.5 * u * u)


@njit(cache=True, nogil=True, error_model="numpy")
def draw(mean, word, table, means, inverse):
    """One Poisson number for a mean up to 8: alias tables of two neighbouring means, mixed to give the mean exactly."""
    level = np.uint64(np.sqrt(mean) * LEVELS_PER_ROOT)
    part = max((mean - means[level]) * inverse[level], 0.0)
    level += np.uint64(((word >> np.uint64(29)) & LOW_24) < np.uint64(part * 16777216.0))
    column = word & np.uint64(31)
    entry = np.uint64(table[(level << np.uint64(5)) | column])
    keep = ((word >> np.uint64(5)) & LOW_24) < (entry >> np.uint64(8))
    return column if keep else entry & np.uint64(255)


@njit(cache=True, nogil=True, error_model="numpy")
def fill_poisson(rate, live, key, dead, table, means, inverse, out):
    """out = Poisson(rate) where `live`, else `dead`. The same key and rate give the same numbers."""
    for i in range(rate.size):
        mean = rate[i]
        word = mix(key + np.uint64(i))
        if mean <= LARGEST_MEAN:
            total = draw(mean, word, table, means, inverse)
        else:
            parts = int(np.ceil(mean / LARGEST_MEAN))
            total = np.uint64(0)
            for _ in range(parts):
                total += draw(mean / parts, word, table, means, inverse)
                word = mix(word)
        out[i] = total if live[i] else dead


@lru_cache(maxsize=1)
def poisson_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Alias tables (Walker 1977, Vose 1991) of Poisson numbers for means (i / 256)^2 up to 8.

    Returns the tables, 32 entries a mean, each threshold * 2^32 with the alias in its lowest byte; the means; and one
    over the distance to the next mean.
    """
    from scipy.stats import poisson

    levels = int(np.sqrt(LARGEST_MEAN) * LEVELS_PER_ROOT) + 3
    means = (np.arange(levels) / LEVELS_PER_ROOT) ** 2
    weights = poisson.pmf(np.arange(COLUMNS), means[:, None])
    weights *= COLUMNS / weights.sum(1, keepdims=True)
    threshold, alias = _alias(weights)
    steps = np.minimum(np.rint(threshold * 2**24), 2**24 - 1).astype(np.uint32)
    return ((steps << np.uint32(8)) | alias).ravel(), means, 1 / np.diff(means, append=2 * means[-1])


@njit(cache=True)
def _alias(weights):
    threshold = np.ones(weights.shape)
    alias = np.zeros(weights.shape, np.uint8)
    columns = weights.shape[1]
    for level in range(weights.shape[0]):
        left = weights[level].copy()
        alias[level] = np.arange(columns)
        done = np.zeros(columns, np.bool_)
        for _ in range(columns):
            small, large = -1, -1
            for i in range(columns):
                if not done[i] and left[i] < 1.0 and small < 0:
                    small = i
                if not done[i] and left[i] >= 1.0 and large < 0:
                    large = i
            if small < 0 or large < 0:
                break
            threshold[level, small] = left[small]
            alias[level, small] = large
            done[small] = True
            left[large] -= 1.0 - left[small]
    return threshold, alias
