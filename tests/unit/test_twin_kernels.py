"""The twin's kernels against plain numpy, and its Poisson numbers against the distribution."""

import numpy as np
import pytest
from scipy.stats import chisquare, poisson

from operando.twin.film import _kernels as kernels

DEAD = np.uint32(2**32 - 1)


def fill(rate: np.ndarray, key: int = 7, live: np.ndarray | None = None) -> np.ndarray:
    out = np.empty(rate.size, np.uint32)
    live = np.ones(rate.size, bool) if live is None else live
    kernels.fill_poisson(rate.astype(np.float32), live, np.uint64(key), DEAD, *kernels.poisson_tables(), out)
    return out


def mix_reference(number: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        z = number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def draw_reference(rate: np.ndarray, word: np.ndarray) -> np.ndarray:
    table, means, inverse = kernels.poisson_tables()
    mean = rate.astype(np.float32)
    level = (np.sqrt(mean) * 256).astype(np.int64)
    part = np.maximum((mean - means[level]) * inverse[level], 0)
    up = ((word >> np.uint64(29)) & np.uint64(0xFFFFFF)) < (part * 2**24).astype(np.uint64)
    column = (word & np.uint64(31)).astype(np.int64)
    entry = table[(level + up) * 32 + column].astype(np.int64)
    keep = ((word >> np.uint64(5)) & np.uint64(0xFFFFFF)).astype(np.int64) < entry >> 8
    return np.where(keep, column, entry & 255)


def test_poisson_kernel_equals_its_numpy_reference():
    rate = np.random.default_rng(1).uniform(0, 8, 200_000).astype(np.float32)
    rate[:100] = 0
    word = mix_reference(np.uint64(7) + np.arange(rate.size, dtype=np.uint64))
    np.testing.assert_array_equal(fill(rate), draw_reference(rate, word))


@pytest.mark.parametrize("mean", [0.003, 0.1, 0.77, 1.0, 3.21, 7.999, 8.001, 20.5, 130.0])
def test_poisson_numbers_have_the_poisson_distribution(mean):
    counts = fill(np.full(400_000, mean), key=11)
    mean = float(np.float32(mean))
    low, high = poisson.ppf([1e-4, 1 - 1e-4], mean).astype(int)
    kept = counts[(counts >= low) & (counts <= high)]
    observed = np.bincount(kept - low, minlength=high - low + 1)
    probability = poisson.pmf(np.arange(low, high + 1), mean)
    expected = kept.size * probability / probability.sum()
    enough = expected > 5
    f_obs, f_exp = observed[enough], expected[enough]
    assert chisquare(f_obs, f_exp * f_obs.sum() / f_exp.sum()).pvalue > 1e-4
    assert counts.mean() == pytest.approx(mean, abs=4.5 * np.sqrt(mean / counts.size))


def test_poisson_variance_is_the_mean_for_a_spread_of_means():
    rate = np.random.default_rng(2).uniform(0, 12, 2_000_000).astype(np.float32)
    off = fill(rate, key=3) - rate.astype(float)
    assert (off**2).mean() / rate.mean() == pytest.approx(1, abs=0.005)


def test_neighbours_and_frames_are_independent():
    rate = np.full(1_000_000, 1.0)
    one, two = fill(rate, key=2**40 + 1).astype(float), fill(rate, key=2**41 + 1).astype(float)
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.005
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.005


def test_dead_pixels_get_the_dead_value():
    live = np.arange(1000) % 3 > 0
    out = fill(np.full(1000, 2.0), live=live)
    assert (out[~live] == DEAD).all()
    assert (out[live] < 40).all()


def test_rings_equal_their_numpy_reference():
    rng = np.random.default_rng(5)
    rate, factor = np.zeros(5000, np.float32), rng.random(5000).astype(np.float32)
    index, profile = rng.integers(0, 90, 5000).astype(np.uint16), rng.random(90).astype(np.float32)
    kernels.add_smooth(rate, factor, index, profile)
    expected = factor * profile[index]
    pixels = rng.choice(5000, 800, replace=False).astype(np.int32)
    q, shape = rng.uniform(1.2, 1.5, 800).astype(np.float32), rng.random(800).astype(np.float32)
    kernels.add_still(rate, pixels, shape, np.float32(3.0))
    kernels.add_moving(rate, pixels, q, shape, np.float32(1.35), np.float32(0.02), np.float32(5.0))
    expected[pixels] += 3.0 * shape + 5.0 * shape * np.exp(-0.5 * ((q - 1.35) / 0.02) ** 2)
    np.testing.assert_allclose(rate, expected, rtol=1e-4, atol=1e-6)
