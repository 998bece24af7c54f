"""Numba kernels of the twin: expected counts and fast Poisson numbers that depend on a key and the pixel only."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit

LEVELS_PER_ROOT = 256  # tables are kept for means (i / 256)^2
LARGEST_MEAN = 8.0  # larger means are drawn in parts
COLUMNS = 32  # counts 0..31; a mean of 8 exceeds them once in 1e10
BITS = np.uint64(24)

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


@njit(cache=True, nogil=True)
def _draw(mean, word, threshold, alias, level_mean):
    """One Poisson number for a mean up to 8: alias tables of two neighbouring means, mixed to give the mean exactly."""
    level = int(np.sqrt(mean) * LEVELS_PER_ROOT)
    low = level_mean[level]
    if low > mean:
        level -= 1
        low = level_mean[level]
    part = (mean - low) / (level_mean[level + 1] - low)
    level += ((word >> np.uint64(29)) & np.uint64(0xFFFFFF)) < part * 16777216.0
    column = word & np.uint64(31)
    keep = ((word >> np.uint64(5)) & np.uint64(0xFFFFFF)) < threshold[level, column]
    return column if keep else np.uint64(alias[level, column])


@njit(cache=True, nogil=True)
def fill_poisson(rate, live, key, dead, threshold, alias, level_mean, out):
    """out = Poisson(rate) where `live`, else `dead`. The same key and rate give the same numbers."""
    for i in range(rate.size):
        if not live[i]:
            out[i] = dead
            continue
        mean = rate[i]
        word = mix(key + np.uint64(i))
        if mean <= LARGEST_MEAN:
            out[i] = _draw(mean, word, threshold, alias, level_mean)
            continue
        parts = int(np.ceil(mean / LARGEST_MEAN))
        total = np.uint64(0)
        for _ in range(parts):
            total += _draw(mean / parts, word, threshold, alias, level_mean)
            word = mix(word)
        out[i] = total


@lru_cache(maxsize=1)
def poisson_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Alias tables (Walker, Vose) of Poisson numbers for means (i / 256)^2 up to 8: threshold, alias, means."""
    from scipy.stats import poisson

    levels = int(np.sqrt(LARGEST_MEAN) * LEVELS_PER_ROOT) + 3
    means = (np.arange(levels) / LEVELS_PER_ROOT) ** 2
    weights = poisson.pmf(np.arange(COLUMNS), means[:, None])
    weights *= COLUMNS / weights.sum(1, keepdims=True)
    threshold, alias = _alias(weights)
    return np.round(threshold * 2**24).astype(np.uint32), alias, means


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
