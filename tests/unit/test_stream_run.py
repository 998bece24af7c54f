"""`run`: the same bits for any cut, order, number of threads or processes, and after a kill."""

from __future__ import annotations

import errno
import os
import pickle
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
from stream_frames import Chunked, small_counts, small_geometry

from operando.core import ArrayFrames, merge
from operando.core.errors import InputError, OperandoError, ReadError
from operando.stream import AzimuthalMap, FrameSum, Monitor, Pattern, TotalCounts, pipeline, run, store

SHAPE = (96, 90)


def reductions(mask, q_bins: int = 30):
    g = small_geometry()
    return [
        AzimuthalMap(g, mask, q_bins=q_bins, azimuth_bins=18, polarisation=0.9),
        Pattern(g, mask, q_bins=20, splitting="bbox"),
        TotalCounts(mask),
        FrameSum(),
        Monitor(),
    ]


@pytest.fixture(scope="module")
def frames():
    counts, mask = small_counts(150, SHAPE)
    counts[70, 30, 30], counts[71, 9, 9], counts[5] = 2**32 - 1, 2**32 - 2, 2**32 - 1
    return Chunked.of(counts, mask)


@pytest.fixture(scope="module")
def expected(frames):
    return run(reductions(frames.mask), frames)


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        for role in ("signal", "variance", "weight"):
            assert getattr(a[name], role).identical(getattr(b[name], role)), (name, role)


class Inline:
    """A stand-in for a Dask client: `map` gives futures."""

    def map(self, function, items):
        for item in items:
            future: Future = Future()
            future.set_result(pickle.loads(pickle.dumps(function))(item))
            yield future


def test_threads_and_futures_change_nothing(frames, expected):
    assert_same(run(reductions(frames.mask), frames, threads=1), expected)
    assert_same(run(reductions(frames.mask), frames, threads=3), expected)
    assert_same(run(reductions(frames.mask), frames, map=Inline().map), expected)


def test_processes_change_nothing(frames, expected, tmp_path):
    with ProcessPoolExecutor(2) as pool:
        assert_same(run(reductions(frames.mask), frames, map=pool.map), expected)
        assert_same(run(reductions(frames.mask), frames, map=pool.map, checkpoint=tmp_path), expected)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_any_cut_into_blocks_merges_to_the_same(frames, expected, size):
    blocks = list(frames.blocks(size=size))[::-1]
    for reduction in reductions(frames.mask)[:3]:
        merged, whole = merge(reduction(block) for block in blocks), expected[reduction.name]
        assert (merged.signal.values == whole.signal.values).all()
        assert (merged.variance.values == whole.variance.values).all()
        assert (merged.weight == whole.weight).all()


def test_labels_and_units(expected):
    sums = expected["map"]
    assert sums.signal.dims == ("frame", "azimuth", "q")
    assert sums.signal.azimuth.values[0] == 10
    assert sums.signal.azimuth.attrs["units"] == "degree"
    assert sums.signal.q.attrs["units"] == "1/angstrom"
    assert expected["pattern"].signal.dims == ("frame", "q")
    assert expected["total_counts"].signal.dims == ("frame",)
    assert expected["frame_sum"].signal.dims == ("row", "column")


def test_frame_sum_is_exact(frames, expected):
    counts = frames.plain.counts
    live = counts != 2**32 - 1
    assert (expected["frame_sum"].signal.values == np.where(live, counts, 0).astype(np.int64).sum(0)).all()
    assert (expected["frame_sum"].weight.values == live.sum(0)).all()


def test_monitor_and_index(frames):
    plain = ArrayFrames(frames.plain.counts[:5], monitor=np.array([1.0, 2, np.nan, 4, 5]))
    sums = run([Monitor()], plain)["monitor"]
    np.testing.assert_array_equal(sums.signal.values, plain.monitor)
    assert sums.signal.frame.values.tolist() == [0, 1, 2, 3, 4]


class Killed(Exception):
    """Stands for kill -9: nothing after it runs."""


def test_a_killed_run_goes_on_and_gives_the_same_bits(frames, expected, tmp_path, monkeypatch):
    written = []

    def die(self, done, mark=store.Folder.mark):
        if len(written) == 2:
            raise Killed
        written.append(done.span)
        mark(self, done)

    with monkeypatch.context() as patch:
        patch.setattr(store.Folder, "mark", die)
        with pytest.raises(Killed):
            run(reductions(frames.mask), frames, checkpoint=tmp_path)
    calls = []
    monkeypatch.setattr(Chunked, "blocks", _noting(calls))
    assert_same(run(reductions(frames.mask), frames, checkpoint=tmp_path), expected)
    assert calls == [(64, 96), (96, 128), (128, 150)]


def _noting(calls, blocks=Chunked.blocks):
    def noted(self, start=0, stop=None, size=32):
        calls.append((start, stop))
        return blocks(self, start, stop, size)

    return noted


def test_a_finished_run_is_loaded_and_other_settings_are_not(frames, expected, tmp_path, monkeypatch):
    run(reductions(frames.mask), frames, checkpoint=tmp_path)
    other = run(reductions(frames.mask, q_bins=31), frames, checkpoint=tmp_path)
    assert other["map"].signal.sizes["q"] == 31
    changed = Chunked.of(frames.plain.counts[:40] // 2, frames.mask)
    assert (
        run([TotalCounts(frames.mask)], changed, checkpoint=tmp_path)["total_counts"].signal.sizes["frame"]
        == 40
    )
    monkeypatch.setattr(Chunked, "blocks", lambda *a, **k: pytest.fail("read again"))
    assert_same(run(reductions(frames.mask), frames, checkpoint=tmp_path), expected)


def test_a_full_disk_is_said_and_finished_spans_stay(frames, expected, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(store.Folder, "mark", _full_after(2))
        with pytest.raises(OperandoError, match="the disk is full"):
            run(reductions(frames.mask), frames, checkpoint=tmp_path)
    assert len(list(tmp_path.glob("*/done/*.npz"))) == 2
    assert_same(run(reductions(frames.mask), frames, checkpoint=tmp_path), expected)


def _full_after(count: int, mark=store.Folder.mark):
    left = [count]

    def full(self, done):
        if left[0] == 0:
            with store.told(self.path):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        mark(self, done)

    return full


def test_large_results_go_to_files_and_are_the_same(frames, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "SPILL_BYTES", 1000)
    monkeypatch.setattr(pipeline.tempfile, "tempdir", str(tmp_path))
    assert_same(run(reductions(frames.mask), frames), expected)
    assert not list(tmp_path.iterdir())


def test_progress_counts_all_frames(frames):
    seen = []
    run([TotalCounts(frames.mask)], frames, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (150, 150)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_wrong_use_is_one_clear_error(frames):
    with pytest.raises(InputError, match="same name"):
        run([TotalCounts(), TotalCounts()], frames)
    with pytest.raises(InputError, match="no frames"):
        run([TotalCounts()], ArrayFrames(np.empty((0, 4, 4), np.uint16)))
    with pytest.raises(InputError, match="mask is"):
        run([TotalCounts(np.zeros((3, 3), bool))], frames)
    with pytest.raises(InputError, match="every pixel is masked"):
        run([TotalCounts(np.ones(SHAPE, bool))], frames)
    with pytest.raises(InputError, match="not known"):
        Pattern(small_geometry(), splitting="full")  # type: ignore[arg-type]


@dataclass(frozen=True)
class Short:
    """A source that ends before it said it would."""

    plain: ArrayFrames

    def __getattr__(self, name):
        return getattr(object.__getattribute__(self, "plain"), name)

    def __len__(self):
        return len(self.plain) + 3

    def blocks(self, start=0, stop=None, size=32):
        return self.plain.blocks(start, stop, size)


def test_missing_frames_are_said(frames):
    with pytest.raises(ReadError, match="were asked for"):
        run([TotalCounts()], Short(frames.plain))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.int64, ">u2", np.float16])
def test_decoded_images_of_any_type(dtype):
    rng = np.random.default_rng(0)
    counts = rng.poisson(3.0, (4, *SHAPE)).astype(dtype)
    gone = rng.random(counts.shape) < 0.01
    counts[gone] = {"u": 65535, "i": -2, "f": np.nan}[np.dtype(dtype).kind]
    sums = run([TotalCounts(np.zeros(SHAPE, bool)), FrameSum()], ArrayFrames(counts))
    good = np.where(gone, 0, counts).astype(float)
    np.testing.assert_array_equal(sums["total_counts"].signal.values, good.sum((1, 2)))
    np.testing.assert_array_equal(sums["total_counts"].weight.values, (~gone).sum((1, 2)))
    np.testing.assert_array_equal(sums["frame_sum"].signal.values, good.sum(0))


def test_dark_comes_off_and_adds_to_the_variance(frames):
    counts, mask = small_counts(3, SHAPE)
    dark = np.random.default_rng(0).random(SHAPE)
    counts[1, 40, 5] = 2**32 - 1
    g = small_geometry()
    plain, taken = run(
        [Pattern(g, mask), Pattern(g, mask, dark=dark, name="dark")], ArrayFrames(counts)
    ).values()
    off = (plain.signal - taken.signal).values
    np.testing.assert_allclose((taken.variance - plain.variance).values, off, rtol=1e-9, atol=1e-9)
    live = ~mask & (counts[1] != 2**32 - 1)
    np.testing.assert_allclose(off.sum(1)[[0, 1]], [dark[~mask].sum(), dark[live].sum()], rtol=1e-5)


def test_flat_of_ten_times_is_a_tenth_of_the_intensity():
    counts, mask = small_counts(2, SHAPE)
    g, flat = small_geometry(), np.full(SHAPE, 10.0)
    plain, tenth = run(
        [Pattern(g, mask), Pattern(g, mask, flat=flat, name="flat")], ArrayFrames(counts)
    ).values()
    np.testing.assert_allclose(tenth.intensity().intensity * 10, plain.intensity().intensity, rtol=1e-8)
