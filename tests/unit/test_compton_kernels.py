"""Each numba kernel of the Compton room and of its twin against a short numpy reference."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, optimize

from operando.compton import (
    _line_kernels,
    _multiple_kernels,
    _rebin_kernels,
    _sharing_kernels,
    electron_momentum,
)
from operando.twin.coin_cell import _kernels as twin_kernels


def test_rebinning_is_the_overlap_and_loses_nothing(rng):
    counts = rng.poisson(40, (3, 400)).astype(np.uint16)
    gain, lower = np.array([0.1, 0.11, np.nan]), np.array([72.0, 71.5, 70.0])
    angle = np.array([88.0, 92.0, 90.0])
    out = np.zeros((3, 130))
    _rebin_kernels.rebin_momentum(counts, gain, lower, angle, 115.0, -6.5, 0.1, out)
    edges = np.linspace(-6.5, 6.5, 131)
    for i in (0, 1):
        at = electron_momentum(115.0, lower[i] + gain[i] * np.arange(401), angle[i])
        summed = np.interp(edges, at, np.concatenate([[0], np.cumsum(counts[i])]))
        assert np.allclose(out[i], np.diff(summed), atol=1e-8)
    assert (out[2] == 0).all()
    whole = np.zeros((1, 2000))
    _rebin_kernels.rebin_momentum(counts[:1], gain[:1], lower[:1], angle[:1], 115.0, -100.0, 0.1, whole)
    assert whole.sum() == pytest.approx(counts[0].sum())


def test_energy_rebinning_is_the_overlap(rng):
    counts = rng.poisson(5, (4, 100)).astype(np.int64)
    gain, lower = rng.uniform(0.9, 1.1, 4), rng.uniform(-1, 1, 4)
    out, reference = np.zeros(90), np.zeros(90)
    _rebin_kernels.rebin_energy(counts, gain, lower, 5.0, 0.8, out)
    for i in range(4):
        at = lower[i] + gain[i] * np.arange(101)
        reference += np.diff(
            np.interp(5.0 + 0.8 * np.arange(91), at, np.concatenate([[0], np.cumsum(counts[i])]))
        )
    assert np.allclose(out, reference)


def test_line_shift_is_the_weighted_least_squares_fit(rng):
    energy = np.arange(55.0, 63.0, 0.1)
    lines, shares, group = np.array([57.98, 59.32]), np.array([0.37, 0.63]), np.zeros(2, np.int64)
    sigma = 0.34

    def model(e, shift, area, b0, b1):
        t = np.linspace(-1, 1, len(e))
        bells = [
            s * np.exp(-0.5 * ((e - c - shift) / sigma) ** 2) for s, c in zip(shares, lines, strict=True)
        ]
        return area * 0.1 * sum(bells) / (sigma * np.sqrt(2 * np.pi)) + b0 + b1 * t

    counts = rng.poisson(model(energy, 0.41, 4000.0, 30.0, 5.0)).astype(float)
    found = _line_kernels.line_shift(counts, energy, 0.1, lines, shares, group, 1, sigma, 1.5, 7)
    start = [0.3, 3000, 20, 0]
    for _ in range(6):  # the weights follow the model, as in the kernel
        error = np.sqrt(np.maximum(model(energy, *start), 0.05))
        start, cov = optimize.curve_fit(model, energy, counts, start, error, absolute_sigma=True)
    assert found[4] == _line_kernels.FOUND
    assert found[0] == pytest.approx(start[0], abs=2e-5)
    assert found[1] == pytest.approx(np.sqrt(cov[0, 0]), rel=0.02)
    assert (
        _line_kernels.line_shift(np.zeros(80), energy, 0.1, lines, shares, group, 1, sigma, 1.5, 7)[4] == 1.0
    )


@pytest.mark.parametrize("add", [True, False])
def test_clusters_are_those_of_labelling(rng, add):
    frame = np.where(rng.random((20, 20)) < 0.12, rng.uniform(5, 90, (20, 20)), 0.0)
    out = np.empty((400, 4))
    found = _sharing_kernels.frame_events(
        frame, 3.0, add, 4, np.empty((20, 20), np.bool_), np.empty((400, 2), np.int64), out
    )
    labels, number = ndimage.label(frame > 3.0, np.ones((3, 3)))
    index = np.arange(1, number + 1)
    sizes = ndimage.sum_labels(frame > 0, labels, index)
    keep = (sizes <= 4) if add else (sizes == 1)
    energies = ndimage.sum_labels(frame, labels, index)[keep]
    places = np.array(ndimage.maximum_position(frame, labels, index))[keep]
    mine = out[:found][np.lexsort((out[:found, 1], out[:found, 0]))]
    order = np.lexsort((places[:, 1], places[:, 0]))
    assert found == keep.sum()
    assert np.allclose(mine[:, 2], energies[order])
    assert np.array_equal(mine[:, :2], places[order])


def test_second_turns_are_geometry_times_cross_sections(rng):
    electrons, mu = np.zeros((6, 8, 8)), np.zeros((6, 8, 8))
    electrons[1:5, 2:7, 1:6], mu[1:5, 2:7, 1:6] = 0.03, 0.2
    voxel, out = np.array([0.02, 0.05, 0.05]), np.array([1.0, 0.0, 0.0])
    starts, random = np.tile([2, 4, 3], (200, 1)), rng.random((200, 6))
    energy, weight = np.empty(200), np.empty(200)
    _multiple_kernels.second_turns(electrons, mu, voxel, starts, random, 115.0, out, 1e-4, energy, weight)

    def turn(before, cos):
        after = before / (1 + before / 510.99895 * (1 - cos))
        return after, (after / before) ** 2 * (after / before + before / after - 1 + cos**2)

    def depth(start, direction, length):
        at = (start + direction * length * (np.arange(4000)[:, None] + 0.5) / 4000) / voxel
        i = np.floor(at).astype(int)
        inside = ((i >= 0) & (i < electrons.shape)).all(1)
        return mu[tuple(i[inside].T)].sum() * length / 4000

    box = np.array(electrons.shape) * voxel
    for n in range(0, 200, 9):
        place = (starts[n] + random[n, :3]) * voxel
        w = 2 * random[n, 3] - 1
        direction = np.array(
            [w, *(np.sqrt(1 - w * w) * np.array([f(2 * np.pi * random[n, 4]) for f in (np.sin, np.cos)]))]
        )
        far = np.where(direction > 0, (box - place) / direction, -place / direction).min()
        second = place + direction * far * random[n, 5]
        here = electrons[tuple(np.floor(second / voxel).astype(int))]
        between, first = turn(115.0, direction[1])
        last, again = turn(between, direction @ out)
        loss = depth(place, direction, far * random[n, 5])
        up = depth(second, out, box[0] - second[0]) - depth(place, out, box[0] - place[0])
        expected = 4 * np.pi * far * here * first * again / turn(115.0, 0.0)[1] * np.exp(-loss - up)
        assert energy[n] == pytest.approx(last, rel=1e-12)
        assert weight[n] == pytest.approx(expected, rel=2e-3, abs=1e-12)


def test_twin_kernel_takes_differences_of_interpolated_tables(rng):
    u0, step, size = -30.0, 0.05, 1000
    table = np.cumsum(rng.random((2, 3, size)), axis=2)
    still = np.cumsum(rng.random(800))
    amounts, node, share = rng.random((2, 4)), np.array([0, 1, 0, 1]), rng.random(4)
    peak, gain, offset = rng.uniform(60, 61, 4), rng.uniform(0.4, 0.5, 4), rng.uniform(0, 1, 4)
    out = np.empty((4, 150))
    twin_kernels.expected_counts(
        amounts, node, share, peak, gain, offset, table, u0, step, still, np.full(4, 0.3), 40.0, out
    )
    u = u0 + step * np.arange(size)
    for i in range(4):
        edge = offset[i] + gain[i] * np.arange(151)
        total = 0.3 * np.interp(edge, 40.0 + step * np.arange(800), still, left=0.0)
        for c in range(2):
            low, high = (np.interp(edge - peak[i], u, table[c, node[i] + k]) for k in (0, 1))
            total = total + amounts[c, i] * (low * (1 - share[i]) + high * share[i])
        above = edge[:-1] > peak[i] + u0
        assert np.allclose(out[i][above], np.diff(total)[above], rtol=1e-9, atol=1e-9)
