"""Kernels of the multigrid solver against short numpy references."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

from operando.transport import _balance, _kernels, _levels, _percolation

SHAPE = (7, 5, 6)


def conductivities(rng, shape=SHAPE):
    k = rng.uniform(0.1, 3, shape)
    k[rng.random(shape) < 0.2] = 0
    return k


def faces(k, axis):
    """Harmonic conductance of the upper face of each voxel, zero at the end: the reference of `fill_fine`."""
    k = np.moveaxis(k, axis, 0)
    total = k[:-1] + k[1:]
    inner = np.divide(2 * k[:-1] * k[1:], total, out=np.zeros_like(total), where=total > 0)
    return np.moveaxis(np.concatenate([inner, np.zeros_like(k[:1])]), 0, axis)


def neighbour_flow(u, c):
    """Sum of conductance times neighbour; c: three arrays of upper faces."""
    flow = np.zeros_like(u)
    for axis in range(3):
        low, high = (slice(None),) * axis + (slice(None, -1),), (slice(None),) * axis + (slice(1, None),)
        flow[low] += c[axis][low] * u[high]
        flow[high] += c[axis][low] * u[low]
    return flow


def operator(u, c, low, high):
    out = neighbour_flow(np.ones_like(u), c) * u - neighbour_flow(u, c)
    out[0] += low * u[0]
    out[-1] += high * u[-1]
    return out


def put(levels, array):
    """A field of all levels with `array` on the fine one."""
    full = np.zeros_like(levels[2])
    full[levels[1][0] : levels[1][0] + array.size] = array.ravel()
    return full


def fine(levels, field, shape=SHAPE):
    return field[levels[1][0] : levels[1][0] + np.prod(shape)].reshape(shape)


@pytest.fixture
def system():
    rng = np.random.default_rng(3)
    k, scale = conductivities(rng), np.array([1.0, 0.5, 2.0])
    low, high = 2 * k[0], 2 * k[-1]
    c = [scale[axis] * faces(k, axis) for axis in range(3)]
    return rng, k, low, high, c, _levels.build_levels(k, scale, low, high)


def test_fine_level_holds_the_harmonic_conductances(system):
    _, _, low, high, c, levels = system
    for axis in range(3):
        np.testing.assert_allclose(fine(levels, levels[2 + axis]), c[axis], rtol=1e-14)
    ones = operator(np.ones(SHAPE), c, low, high)
    diagonal = neighbour_flow(np.ones(SHAPE), c)
    diagonal[0] += low
    diagonal[-1] += high
    np.testing.assert_allclose(fine(levels, levels[5]), diagonal, rtol=1e-13)
    np.testing.assert_allclose(ones[1:-1], 0, atol=1e-13)


def test_coarse_levels_of_a_uniform_medium_are_that_medium():
    """Conductances of merged cells equal area over distance, also where an odd number leaves a thin cell."""
    k = np.ones((6, 5, 4))
    shapes, offsets, cz, cy, _, _, _ = _levels.build_levels(k, np.ones(3), 2 * k[0], 2 * k[-1])
    assert shapes[1].tolist() == [3, 3, 2]
    level = slice(offsets[1], offsets[1] + 18)
    widths = np.array([2, 2, 1])
    np.testing.assert_allclose(
        cz[level].reshape(3, 3, 2)[:2], (widths * 2 / 2)[None, :, None] * np.ones((2, 3, 2))
    )
    np.testing.assert_allclose(cy[level].reshape(3, 3, 2)[:, 0], 4 / 2)
    np.testing.assert_allclose(cy[level].reshape(3, 3, 2)[:, 1], 4 / 1.5)


def test_apply_and_sweep_against_numpy(system):
    rng, _, low, high, c, levels = system
    shape, at = levels[0][0], levels[1][0]
    u, f = rng.standard_normal(SHAPE), rng.standard_normal(SHAPE)
    out = np.zeros_like(levels[2])
    product = _kernels.apply(shape, at, put(levels, u), out, *levels[2:6])
    expected = operator(u, c, low, high)
    np.testing.assert_allclose(fine(levels, out), expected, atol=1e-12)
    assert product == pytest.approx((u * expected).sum(), rel=1e-12)

    e = put(levels, u)
    _kernels.sweep(1, shape, at, e, put(levels, f), *levels[2:5], levels[6], np.zeros(30))
    black = np.indices(SHAPE).sum(0) % 2 == 1
    solved = fine(levels, levels[6]) * (f + neighbour_flow(u, c))
    np.testing.assert_allclose(fine(levels, e), np.where(black, solved, u), atol=1e-12)


def test_restriction_sums_the_residual_of_two_by_two_by_two_blocks(system):
    rng, _, low, high, c, levels = system
    shapes, offsets = levels[:2]
    f = rng.standard_normal(SHAPE) * (fine(levels, levels[5]) > 0)
    e, right = np.zeros_like(levels[2]), put(levels, f)
    _kernels.start_sweep(shapes[0], offsets[0], e, right, levels[6])
    _kernels.sweep(1, shapes[0], offsets[0], e, right, *levels[2:5], levels[6], np.zeros(30))
    _kernels.restrict(shapes[0], offsets[0], shapes[1], offsets[1], e, right, *levels[2:5], np.zeros(30))
    residual = f - operator(fine(levels, e), c, low, high)
    padded = np.zeros((8, 6, 6))
    padded[:7, :5, :6] = residual
    blocks = padded.reshape(4, 2, 3, 2, 3, 2).sum((1, 3, 5))
    np.testing.assert_allclose(right[offsets[1] : offsets[1] + 36].reshape(4, 3, 3), blocks, atol=1e-12)


def test_cycle_is_symmetric_positive_and_contracts(system):
    """Conjugate gradients need x . M y = y . M x; a cycle leaves under 0.3 of an error of a uniform medium."""
    rng, levels = system[0], system[-1]
    alive = fine(levels, levels[5]) > 0
    x, y = (rng.standard_normal(SHAPE) * alive for _ in range(2))

    def cycle(f, levels=levels, shape=SHAPE):
        e, right = np.zeros_like(levels[2]), put(levels, f)
        _kernels.cycle(levels[0], levels[1], e, right, *levels[2:5], levels[6], np.zeros(shape[1] * shape[2]))
        return fine(levels, e, shape)

    mx, my = cycle(x), cycle(y)
    assert (x * my).sum() == pytest.approx((y * mx).sum(), rel=1e-10)
    assert (x * mx).sum() > 0
    shape = (32, 16, 16)
    one = np.ones(shape)
    uniform = _levels.build_levels(one, np.ones(3), 2 * one[0], 2 * one[-1])
    u = rng.standard_normal(shape)
    unit = [faces(one, axis) for axis in range(3)]
    left = u - cycle(operator(u, unit, 2 * one[0], 2 * one[-1]), uniform, shape)
    energy = [(v * operator(v, unit, 2 * one[0], 2 * one[-1])).sum() for v in (left, u)]
    assert energy[0] < 0.3**2 * energy[1]


def test_audit_gives_fluxes_and_dissipation(system):
    rng, _, low, high, c, levels = system
    u, flux = rng.random(SHAPE), np.zeros(8)
    power = _balance.audit(levels[0][0], levels[1][0], put(levels, u), low, low, high, *levels[2:5], flux)
    expected = [(low * (1 - u[0])).sum(), *(c[0][:-1] * (u[:-1] - u[1:])).sum((1, 2)), (high * u[-1]).sum()]
    np.testing.assert_allclose(flux, expected, rtol=1e-12)
    inner = sum((np.delete(c[a], -1, a) * np.diff(u, axis=a) ** 2).sum() for a in range(3))
    assert power == pytest.approx(
        inner + (low * (1 - u[0]) ** 2).sum() + (high * u[-1] ** 2).sum(), rel=1e-12
    )
    sums = -np.diff(expected)
    assert _balance.imbalance(flux[0], sums) == pytest.approx(
        np.ptp(expected) / abs(np.mean(expected)), rel=1e-9
    )


@pytest.mark.parametrize("share", [0.2, 0.32, 0.5, 0.8])
def test_percolating_voxels_are_those_of_clusters_that_touch_both_ends(share):
    open_ = np.random.default_rng(5).random((20, 17, 19)) < share
    clusters, _ = label(open_)
    both = np.intersect1d(clusters[0], clusters[-1])
    expected = np.isin(clusters, both[both > 0])
    marks = open_.astype(np.uint8)
    assert _percolation.percolating(marks) == expected.sum()
    assert np.array_equal(marks == 1, expected)
