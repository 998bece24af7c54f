"""The fused engine on compressed chunks against plain numpy, with everything that a detector may do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_frames import Chunked, bitshuffle, small_counts, small_geometry

from operando.core.errors import InputError, ReadError
from operando.stream import AzimuthalMap, Pattern, RingWindow, TotalCounts, run
from operando.stream.tables import axes, pixel_bins

SHAPE = (96, 90)


def reductions(mask, splitting="none", **more):
    common = {"geometry": small_geometry(), "mask": mask, "splitting": splitting, **more}
    return [
        AzimuthalMap(q_bins=40, azimuth_bins=24, **common),
        Pattern(q_bins=25, **common),
        RingWindow(q_range=(1.2, 1.5), q_bins=7, azimuth_bins=12, **common),
        TotalCounts(mask),
    ]


def by_hand(reduction, counts, mask):
    """Signal and number of live pixels in each bin of each frame, by numpy.bincount; and weights."""
    dead = counts == np.iinfo(counts.dtype).max
    if isinstance(reduction, TotalCounts):
        bins, size, weight = np.zeros(mask.size, int), 1, np.ones(mask.size)
    else:
        bins, size = pixel_bins(reduction, axes(reduction)).astype(int), axes(reduction).size
        weight = reduction.geometry.solid_angle().ravel() if reduction.solid_angle else np.ones(mask.size)
    signal, weights = [], []
    for image, gone in zip(counts, dead, strict=True):
        use = (bins >= 0) & ~mask.ravel() & ~gone.ravel()
        signal.append(np.bincount(bins[use], image.ravel()[use].astype(float), size).astype(np.int64))
        weights.append(np.bincount(bins[use], weight[use], size))
    return np.array(signal), np.array(weights)


def check(counts, mask, frames=None):
    result = run(reductions(mask), frames or Chunked.of(counts, mask), threads=1)
    for reduction in reductions(mask):
        sums = result[reduction.name]
        signal, weight = by_hand(reduction, counts, mask)
        assert (sums.signal.values.reshape(signal.shape) == signal).all(), reduction.name
        assert (sums.variance.values == sums.signal.values).all()
        whole = np.broadcast_to(sums.weight.values.reshape((-1, weight.shape[1])), weight.shape)
        np.testing.assert_allclose(whole, weight, rtol=0, atol=1e-6)
        assert ((whole == 0) == (weight == 0)).all()
    return result


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([np.uint8, np.uint16, np.uint32]), st.integers(1, 34))
def test_sums_equal_bincount_for_any_frames(seed, dtype, n):
    counts, mask = small_counts(n, SHAPE, dtype, seed)
    rng = np.random.default_rng(seed)
    top = int(np.iinfo(dtype).max)
    for _ in range(rng.integers(0, 30)):  # hot pixels of any height, and pixels dead in one frame
        place = (rng.integers(n), rng.integers(SHAPE[0]), rng.integers(SHAPE[1]))
        counts[place] = (
            rng.choice([top, top - 1, 4095, 4096, 16, 200])
            if dtype != np.uint8
            else rng.choice([255, 254, 16])
        )
    if seed % 3 == 0:
        counts[n // 2] = top  # a frame that is dead as a whole
    check(counts, mask)


def test_compressed_frames_do_not_fall_back_to_decoding():
    """The fused engine serves them: their `load` is never called."""
    counts, mask = small_counts(5, SHAPE)

    class NoLoad(Chunked):
        def blocks(self, *args, **named):
            for block in super().blocks(*args, **named):
                yield replace(block, load=lambda: pytest.fail("decoded"))

    check(counts, mask, NoLoad(Chunked.of(counts, mask).plain, Chunked.of(counts, mask).chunks))


def test_a_dead_frame_has_no_weight_and_no_intensity():
    counts, mask = small_counts(4, SHAPE)
    counts[2] = 2**32 - 1
    result = check(counts, mask)
    for sums in result.values():
        intensity = sums.intensity().intensity
        assert np.isnan(intensity[2]).all()
        assert np.isfinite(intensity[1]).any()


def test_no_lost_pixels_leave_the_weight_without_frames():
    counts, mask = small_counts(3, SHAPE)
    assert "frame" not in check(counts, mask)["map"].weight.dims


def test_counts_too_high_for_32_bits_are_exact():
    counts, mask = small_counts(3, SHAPE)
    counts[1, 5:9, 10:60] = 2**32 - 2
    result = check(counts, mask)
    assert result["total_counts"].signal[1] > 180 * 2**32


def test_without_a_mask_dead_gaps_are_still_left_out():
    counts, mask = small_counts(3, SHAPE)
    check(counts, np.zeros_like(mask))


def test_odd_sizes_and_part_blocks():
    for shape in ((7, 9), (61, 67), (45, 46)):
        counts, _ = small_counts(3, shape)
        mask = np.zeros(shape, bool)
        result = run([TotalCounts(mask)], Chunked.of(counts, mask))["total_counts"]
        live = np.where(counts == 2**32 - 1, 0, counts).astype(np.int64)
        assert (result.signal.values == live.sum((1, 2))).all()


@pytest.fixture(scope="module")
def damage_here():
    counts, mask = small_counts(3, SHAPE)
    return counts, mask, Chunked.of(counts, mask)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_damaged_chunks_end_in_one_clear_error_or_in_sums(damage_here, data):
    counts, mask, frames = damage_here
    broken = bytearray(frames.chunks[1])
    for _ in range(data.draw(st.integers(1, 5))):
        broken[data.draw(st.integers(0, len(broken) - 1))] ^= data.draw(st.integers(1, 255))
    cut = bytes(broken[: data.draw(st.integers(0, len(broken)))])
    frames = replace(frames, chunks=(frames.chunks[0], cut, frames.chunks[2]))
    failed = None
    try:
        result = run(reductions(mask), frames, threads=1)
    except ReadError as error:
        failed = str(error)
    if failed:
        assert "frame 1" in failed
    else:
        good = by_hand(reductions(mask)[0], counts, mask)[0]
        assert (result["map"].signal.values.reshape(good.shape)[[0, 2]] == good[[0, 2]]).all()


def test_a_truncated_chunk_names_its_frame():
    counts, mask = small_counts(3, SHAPE)
    frames = Chunked.of(counts, mask)
    for splitting in ("none", "bbox"):
        cut = replace(frames, chunks=(*frames.chunks[:2], frames.chunks[2][:200]))
        with pytest.raises(ReadError, match="frame 2: the compressed image is damaged"):
            run(reductions(mask, splitting)[:1], cut)


def test_a_ring_outside_the_detector_is_said():
    _, mask = small_counts(1, SHAPE)
    ring = RingWindow(small_geometry(), mask, q_range=(9.0, 9.5), name="Ti999")
    with pytest.raises(InputError, match=r"Ti999: no live pixel between q = 9 and 9.5"):
        run([ring], Chunked.of(*small_counts(1, SHAPE)))


def test_shared_pixels_agree_between_compressed_and_decoded_frames():
    counts, mask = small_counts(35, SHAPE)
    counts[3, 20, 20], counts[4, 21, 20], counts[5] = 70_000, 2**32 - 1, 2**32 - 1
    frames = Chunked.of(counts, mask)
    fused = run(reductions(mask, "bbox", dark=np.full(SHAPE, 0.125)), frames)
    plain = run(reductions(mask, "bbox", dark=np.full(SHAPE, 0.125)), frames.plain)
    for name in ("map", "pattern", "ring"):
        scale = float(plain[name].signal.max())
        for role in ("signal", "variance"):
            a, b = getattr(fused[name], role).values, getattr(plain[name], role).values
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-6 * scale)
        assert fused[name].weight.identical(plain[name].weight)
        assert np.isnan(fused[name].intensity().intensity[5]).all()


def test_blocks_of_another_size_are_left_to_the_decoder():
    counts, mask = small_counts(2, SHAPE)
    frames = Chunked.of(counts, mask)
    odd = bitshuffle(counts[1].ravel())[:8] + (4096).to_bytes(
        4, "big"
    )  # claims other blocks: must not be misread
    with pytest.raises(ReadError):
        run(reductions(mask), replace(frames, chunks=(frames.chunks[0], odd + frames.chunks[1][12:])))
