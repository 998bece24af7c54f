"""Kernels of the correction against their plain numpy forms, and the guards of flats and darks."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import median_filter

from operando.core.errors import InputError
from operando.core.projections import ArrayStack, Projections
from operando.tomography import _correct_kernels as kernels
from operando.tomography.correct import Correction, Mended, sinograms
from operando.tomography.flats import flat_field, plan_flats, saturated_pixels, steady_mean
from operando.tomography.stripes import remove_stripes


def scan(rng, n=40, rows=3, columns=30, beam=5000, **changes):
    shape = beam * (1 + 0.2 * np.sin(np.arange(columns) / 5))
    truth = 0.5 + 0.3 * np.sin(np.linspace(0, 3, n))[:, None, None] * np.ones((n, rows, columns))
    images = rng.poisson(shape * np.exp(-truth)) + 100
    flats, darks = rng.poisson(shape, (8, rows, columns)) + 100, np.full((3, rows, columns), 100)
    facts = {
        "flats": flats.astype(np.uint16),
        "darks": darks.astype(np.uint16),
        "images": images.astype(np.uint16),
    }
    facts |= {k: changes.pop(k) for k in list(changes) if k in facts}
    stacks = {k: None if v is None else ArrayStack(v, k) for k, v in facts.items()}
    return Projections("scan", angles_deg=np.linspace(0, 180, n, endpoint=False), **stacks, **changes), truth


def test_attenuation_is_the_log_of_the_transmission(rng):
    counts = rng.integers(0, 3000, (7, 2, 9)).astype(np.uint16)
    first, last = rng.uniform(2000, 3000, (2, 2, 9)).astype(np.float32)
    dark, dead = rng.uniform(50, 90, (2, 9)).astype(np.float32), rng.random((2, 9)) < 0.2
    share, place = rng.random(7), np.array([3, -1, 0, 1, 5, 2, 4])
    out = np.full((2, 6, 9), 7, np.float32)
    low, high = np.full((2, 9), np.inf, np.float32), np.full((2, 9), -np.inf, np.float32)
    bend, t = rng.normal(0, 50, (2, 9)).astype(np.float32), share[:, None, None]
    clipped = kernels.attenuation(counts, first, last, bend, share, dark, dead, place, 1e-2, out, low, high)
    beam = first + t * (last - first) + t * (1 - t) * bend - dark
    transmission = (counts - dark) / beam
    expected = np.where(dead, np.nan, -np.log(np.maximum(transmission, 1e-2)))
    kept = place >= 0
    np.testing.assert_allclose(out[:, place[kept]].transpose(1, 0, 2), expected[kept], rtol=2e-5, atol=2e-6)
    assert clipped == ((transmission < 1e-2) & ~dead)[kept].sum()
    np.testing.assert_array_equal(low, counts[kept].min(0))
    np.testing.assert_array_equal(high, counts[kept].max(0))


def test_zingers_go_and_nothing_else(rng):
    clean = rng.normal(1, 0.02, (50, 12)).astype(np.float32)
    hit = clean.copy()
    hit[[7, 7, 30], [2, 3, 11]] -= 0.8
    found = kernels.remove_zingers(hit, 0.3)
    assert found == 3
    expected = clean.copy()
    expected[[7, 7, 30], [2, 3, 11]] = 0.5 * (clean[[6, 6, 29], [2, 3, 11]] + clean[[8, 8, 31], [2, 3, 11]])
    np.testing.assert_allclose(hit, expected, rtol=1e-6)


def test_columns_and_lost_values_are_interpolated(rng):
    sinogram = rng.random((6, 14)).astype(np.float32)
    good = np.ones(14, bool)
    good[[0, 4, 5, 13]] = False
    filled = sinogram.copy()
    kernels.fill_columns(filled, good)
    for row, before in zip(filled, sinogram, strict=True):
        np.testing.assert_allclose(
            row, np.interp(np.arange(14), np.flatnonzero(good), before[good]), rtol=1e-5
        )
    lost = sinogram.copy()
    lost[[0, 2, 3, 5], [1, 1, 1, 1]] = np.nan
    lost[:, 9] = np.nan
    alive = np.ones(14, bool)
    assert kernels.fill_lost(lost, alive) == 4
    assert not alive[9]
    assert alive.sum() == 13
    np.testing.assert_allclose(lost[:, 1], np.interp(np.arange(6), [1, 4], sinogram[[1, 4], 1]), rtol=1e-5)


@pytest.mark.parametrize("size", [5, 21, 31])
def test_running_median(rng, size):
    values = rng.integers(0, 40, 26).astype(np.float32)  # with ties, and windows longer than the array
    np.testing.assert_array_equal(kernels.running_median(values, size), median_filter(values, size))


def test_sorting_filter_takes_a_stripe_and_leaves_the_rest(rng):
    y = np.linspace(0, 6, 80)[:, None] + np.linspace(0, 1, 60)
    clean = (2 + np.sin(y)).astype(np.float32)
    striped = clean.copy()
    striped[:, 25] += 0.3
    mended = remove_stripes(striped, "sorting", 7)
    two_columns = 2 / 59  # how much the signal changes over them: a median may move it by that
    assert np.abs(mended - clean)[:, 25].max() < two_columns
    assert np.abs(mended - clean)[:, 5:20].max() < two_columns


def test_unknown_stripe_method_stops():
    with pytest.raises(InputError, match="magic"):
        remove_stripes(np.ones((4, 30), np.float32), "magic")


def test_sign_of_the_attenuation(rng):
    projections, truth = scan(rng)
    found = sinograms(projections, plan_flats(projections), slice(None), Correction(stripes="none"))
    np.testing.assert_allclose(found.mean((0, 2)), truth[:, 0, 0], atol=0.02)  # I = I0 exp(-mu T): positive


def test_drifting_beam_between_flats_before_and_after(rng):
    shape, n = 40_000, 40
    drift = np.linspace(1, 0.8, n)
    images = rng.poisson(shape * np.exp(-1.0) * drift[:, None, None], (n, 3, 30))
    flats = np.r_[rng.poisson(shape, (10, 3, 30)), rng.poisson(0.8 * shape, (10, 3, 30))]
    changes = {"images": images.astype(np.uint16), "flats": flats.astype(np.uint16), "darks": None}
    projections, _ = scan(rng, **changes, flat_after=np.r_[np.zeros(10), np.full(10, n)])
    plan = plan_flats(projections)
    found = sinograms(projections, plan, slice(None), Correction(stripes="none"))
    np.testing.assert_allclose(found.mean((0, 2)), 1.0, atol=0.006)


def test_saturated_flats_stop_and_single_ones_are_left_out(rng):
    projections, _ = scan(rng)
    flats = projections.flats.images.copy()
    flats[2] = 65535
    plan = plan_flats(dataclasses.replace(projections, flats=ArrayStack(flats)))
    assert 2 not in plan.used
    assert any("1 of 8 flats are saturated" in note for note in plan.notes)
    twelve_bit = np.minimum(flats, 4095)
    with pytest.raises(InputError, match="every flat is saturated"):
        plan_flats(dataclasses.replace(projections, flats=ArrayStack(twelve_bit)))
    assert saturated_pixels(twelve_bit[0]).mean() > 0.5
    assert not saturated_pixels(projections.flats.images[0]).any()


def test_flats_without_beam(rng):
    projections, _ = scan(rng)
    flats = projections.flats.images.copy()
    flats[0] = 100
    plan = plan_flats(dataclasses.replace(projections, flats=ArrayStack(flats)))
    assert 0 not in plan.used
    with pytest.raises(InputError, match="no brighter than the darks"):
        plan_flats(dataclasses.replace(projections, flats=ArrayStack(np.full_like(flats, 100))))


def test_outliers_of_flats_do_not_count(rng):
    flats = rng.normal(1000, 10, (12, 4, 50)).astype(np.float32)
    hit = flats.copy()
    hit[5, 2, 20] = 50_000
    np.testing.assert_allclose(steady_mean(hit)[2, 20], np.delete(flats[:, 2, 20], 5).mean(), rtol=1e-5)
    np.testing.assert_allclose(steady_mean(flats), flats.mean(0), rtol=1e-5)


def test_dead_and_stuck_pixels_are_filled_and_counted(rng):
    projections, truth = scan(rng)
    flats, images = projections.flats.images.copy(), projections.images.images.copy()
    flats[:, 1, 10] = 100  # sees no beam
    images[:, 0, 20] = 700  # stuck
    images[11, 2, 5] += 30_000  # a stray photon
    broken = dataclasses.replace(projections, flats=ArrayStack(flats), images=ArrayStack(images))
    plan = plan_flats(broken)
    assert flat_field(broken, plan, slice(None)).dead.sum() == 1
    mended = Mended()
    found = sinograms(broken, plan, slice(None), Correction(stripes="none"), mended=mended)
    assert (mended.dead_pixels, mended.zingers) == (2, 1)
    for row, column in ((1, 10), (0, 20)):
        np.testing.assert_allclose(found[row, :, column], truth[:, 0, 0], atol=0.12)
    assert any("2 dead pixels" in note for note in mended.notes())


def test_too_many_dead_pixels_stop(rng):
    projections, _ = scan(rng)
    flats = projections.flats.images.copy()
    flats[:, :, 4:20] = 100
    broken = dataclasses.replace(projections, flats=ArrayStack(flats))
    with pytest.raises(InputError, match="pixels are dead"):
        sinograms(broken, plan_flats(broken), slice(None), Correction())


def test_a_row_without_beam_is_missing_not_invented(rng):
    projections, _ = scan(rng)
    flats = projections.flats.images.copy()
    flats[:, 1] = 100
    broken = dataclasses.replace(projections, flats=ArrayStack(flats))
    mended = Mended()
    found = sinograms(broken, plan_flats(broken), slice(None), Correction(), mended=mended)
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()
    assert mended.dead_rows == [1]


def test_slabs_threads_and_pieces_give_the_same_bits(rng, monkeypatch):
    projections, _ = scan(rng)
    plan = plan_flats(projections)
    whole = sinograms(projections, plan, slice(None), Correction())
    monkeypatch.setattr("operando.tomography.correct.PIECE_BYTES", 20_000)
    parts = [sinograms(projections, plan, slice(r, r + 1), Correction(), threads=2) for r in range(3)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
