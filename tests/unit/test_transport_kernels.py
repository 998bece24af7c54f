"""Kernels of the multigrid solver against short numpy references."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

from operando.transport import _balance, _kernels, _levels, _percolation, _sweeps

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
    out[..., 0] += low * u[..., 0]
    out[..., -1] += high * u[..., -1]
    return out


def put(levels, array, n=0):
    """A field of all levels with `array` (a, b, c) on level n."""
    full = np.zeros_like(levels[2])
    level = levels[0][n]
    for a, b in np.ndindex(array.shape[:2]):
        i = _levels.row_start(level, a, b)
        for c, value in enumerate(array[a, b]):
            full[(a + b + c) & 1, i + c // 2] = value
    return full


def take(levels, field, n=0):
    """Level n of a field as an array: the reference of `split_row`, `join_row` and `unpack`."""
    level = levels[0][n]
    out = np.zeros(level[:3], field.dtype)
    for a, b, c in np.ndindex(out.shape):
        out[a, b, c] = field[(a + b + c) & 1, _levels.row_start(level, a, b) + c // 2]
    return out


def system_of(kind):
    """A random medium of many conductivities, or of one and zero, with oblong voxels and electrodes on axis 2."""
    rng, scale = np.random.default_rng(3), np.array([1.0, 0.5, 2.0])
    k = conductivities(rng)
    k = (k > 0).astype(float) if kind == "uniform" else k
    low, high = 4 * k[..., 0], 4 * k[..., -1]
    c = [scale[axis] * faces(k, axis) for axis in range(3)]
    levels = _levels.build_levels(k, scale, low, high, kind == "uniform")
    return rng, k, low, high, c, scale, kind == "uniform", levels


@pytest.fixture(params=["many", "uniform"])
def system(request):
    return system_of(request.param)


def test_diagonal_is_the_sum_of_the_harmonic_conductances(system):
    _, _, low, high, c, _, _, levels = system
    diagonal = neighbour_flow(np.ones(SHAPE), c)
    diagonal[..., 0] += low
    diagonal[..., -1] += high
    np.testing.assert_allclose(take(levels, levels[2]), diagonal, rtol=1e-13)
    inverse = take(levels, levels[3])
    np.testing.assert_allclose(inverse[diagonal > 0] * diagonal[diagonal > 0], 1, rtol=1e-13)
    assert (inverse[diagonal == 0] == 0).all()
    assert np.array_equal(put(levels, take(levels, levels[2])), np.where(put(levels, diagonal), levels[2], 0))


def test_coarse_levels_of_a_uniform_medium_are_that_medium():
    """Conductances of merged cells equal area over distance, also where an odd number leaves a thin cell."""
    k = np.ones((4, 5, 6))
    c = [faces(k, axis) for axis in range(3)]
    widths = [np.ones(n) for n in k.shape]
    factors = [_levels.shrink_factors(w, _levels.merge_widths(w)) for w in widths]
    ca, cb, cc = _levels.coarsen(*c, *factors)
    assert ca.shape == (2, 3, 3)
    thickness = np.array([2, 2, 1])
    np.testing.assert_allclose(cc[..., :2], (thickness * 2 / 2)[None, :, None] * np.ones((2, 3, 2)))
    np.testing.assert_allclose(cb[:, 0], 4 / 2)
    np.testing.assert_allclose(cb[:, 1], 4 / 1.5)


def test_apply_and_sweeps_against_numpy(system):
    rng, _, low, high, c, scale, uniform, levels = system
    table, sides, diagonal, inverse = levels
    level = table[0]
    alive = take(levels, diagonal) > 0  # fields are zero where nothing conducts
    u, f = rng.standard_normal(SHAPE) * alive, rng.standard_normal(SHAPE)
    out, sums, buffer = np.zeros_like(diagonal), np.zeros(level[3]), np.zeros(level[3])
    _kernels.apply(level, uniform, scale, put(levels, u), out, sides, diagonal, inverse, buffer, sums)
    expected = operator(u, c, low, high)
    np.testing.assert_allclose(take(levels, out), expected, atol=1e-12)
    assert sums.sum() == pytest.approx((u * expected).sum(), rel=1e-12)
    for colour in (_sweeps.RED, _sweeps.BLACK):
        e = put(levels, u)
        sums[:] = 0
        _sweeps.sweep(colour, level, uniform, scale, e, put(levels, f), sides, inverse, buffer, sums, True)
        chosen = np.indices(SHAPE).sum(0) % 2 == colour
        solved = take(levels, inverse) * (f + neighbour_flow(u, c))
        np.testing.assert_allclose(take(levels, e), np.where(chosen, solved, u), atol=1e-12)
        assert sums.sum() == pytest.approx((f * solved)[chosen].sum(), rel=1e-10)


def test_restriction_sums_the_residual_of_two_by_two_by_two_blocks(system):
    rng, _, low, high, c, scale, uniform, levels = system
    table, sides, diagonal, inverse = levels
    n = table[0][3]
    f = rng.standard_normal(SHAPE) * (take(levels, diagonal) > 0)
    e, right, buffer, whole = np.zeros_like(diagonal), put(levels, f), np.zeros(n), np.zeros(n)
    _sweeps.start_sweep(table[0], e, right, inverse)
    _sweeps.sweep(
        _sweeps.BLACK, table[0], uniform, scale, e, right, sides, inverse, buffer, np.zeros(n), False
    )
    _sweeps.restrict(table[0], table[1], uniform, scale, e, right, sides, inverse, buffer, whole)
    residual = f - operator(take(levels, e), c, low, high)
    padded = np.zeros((8, 6, 6))
    padded[:7, :5, :6] = residual
    blocks = padded.reshape(4, 2, 3, 2, 3, 2).sum((1, 3, 5))
    np.testing.assert_allclose(take(levels, right, 1), blocks, atol=1e-12)
    before = take(levels, e)
    coarse = put(levels, rng.standard_normal((4, 3, 3)), 1)
    e += coarse
    _sweeps.prolong(table[0], table[1], e, inverse, whole)
    spread = np.kron(take(levels, coarse, 1), np.ones((2, 2, 2)))[:7, :5, :6] * (take(levels, diagonal) > 0)
    red = np.indices(SHAPE).sum(0) % 2 == 0
    np.testing.assert_allclose(take(levels, e), before + np.where(red, spread, 0), atol=1e-12)


def test_cycle_is_symmetric_positive_and_contracts(system):
    """Conjugate gradients need x . M y = y . M x; a cycle leaves under 0.3 of an error of a uniform medium."""
    rng, _, _, _, _, scale, uniform, levels = system
    alive = take(levels, levels[2]) > 0
    x, y = (rng.standard_normal(SHAPE) * alive for _ in range(2))

    def cycle(f, levels=levels, scale=scale, uniform=uniform):
        table, sides, diagonal, inverse = levels
        n, e = table[0][3], np.zeros_like(diagonal)
        sums = np.zeros(n)
        _kernels.cycle(
            table, uniform, scale, e, put(levels, f), sides, inverse, np.zeros(n), np.zeros(n), sums
        )
        assert sums.sum() == pytest.approx((f * take(levels, e)).sum(), rel=1e-10)
        return take(levels, e)

    mx, my = cycle(x), cycle(y)
    assert (x * my).sum() == pytest.approx((y * mx).sum(), rel=1e-10)
    assert (x * mx).sum() > 0
    one, shape = np.ones((16, 16, 32)), (16, 16, 32)
    plain = _levels.build_levels(one, np.ones(3), 2 * one[..., 0], 2 * one[..., -1], True)
    u = rng.standard_normal(shape)
    unit = [faces(one, axis) for axis in range(3)]
    left = u - cycle(operator(u, unit, 2 * one[..., 0], 2 * one[..., -1]), plain, np.ones(3), True)
    energy = [(v * operator(v, unit, 2 * one[..., 0], 2 * one[..., -1])).sum() for v in (left, u)]
    assert energy[0] < 0.3**2 * energy[1]


def test_audit_gives_fluxes_and_dissipation(system):
    rng, k, low, high, c, scale, _, _ = system
    u, flux = rng.random(SHAPE), np.zeros(SHAPE[2] + 1)
    power = _balance.audit(k, scale, u, low, low, high, flux)
    inside = (c[2][..., :-1] * (u[..., :-1] - u[..., 1:])).sum((0, 1))
    expected = [(low * (1 - u[..., 0])).sum(), *inside, (high * u[..., -1]).sum()]
    np.testing.assert_allclose(flux, expected, rtol=1e-12)
    inner = sum((np.delete(c[a], -1, a) * np.diff(u, axis=a) ** 2).sum() for a in range(3))
    ends = (low * (1 - u[..., 0]) ** 2).sum() + (high * u[..., -1] ** 2).sum()
    assert power == pytest.approx(inner + ends, rel=1e-12)
    sums = -np.diff(expected)
    assert _balance.imbalance(flux[0], sums) == pytest.approx(
        np.ptp(expected) / abs(np.mean(expected)), rel=1e-9
    )


@pytest.mark.parametrize("share", [0.2, 0.32, 0.5, 0.8])
@pytest.mark.parametrize("shape", [(20, 17, 19), (9, 8, 64), (8, 9, 150), (1, 30, 65), (40, 1, 1)])
def test_percolating_voxels_are_those_of_clusters_that_touch_both_ends(share, shape):
    open_ = np.random.default_rng(5).random(shape) < share
    clusters, _ = label(open_)
    both = np.intersect1d(clusters[..., 0], clusters[..., -1])
    assert np.array_equal(_percolation.percolating(open_), np.isin(clusters, both[both > 0]))


def test_a_long_winding_path_percolates():
    """A channel that turns back at every row of bits, so that marks travel both ways many times."""
    open_ = np.zeros((1, 61, 130), bool)
    open_[0, ::2] = True
    open_[0, 1::4, -2] = open_[0, 3::4, 1] = True
    open_[0, 1:, 0] = open_[0, :-1, -1] = False
    assert _percolation.percolating(open_).sum() == open_.sum()
    open_[0, 30, 64] = False
    assert not _percolation.percolating(open_).any()
