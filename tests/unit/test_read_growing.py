"""A file that its writer still holds open: readable in SWMR mode, and a clear error otherwise."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from read_layouts import DEAD, counts

from operando.core.errors import ReadError
from operando.read import inspect, open_scans

WRITER = textwrap.dedent("""
    import sys
    import h5py, hdf5plugin, numpy as np
    path, source, swmr = sys.argv[1], np.load(sys.argv[2]), sys.argv[3] == "swmr"
    with h5py.File(path, "w", libver="latest") as file:
        data = file.create_dataset(
            "entry/data/data", (0, *source.shape[1:]), "u4", maxshape=(None, *source.shape[1:]),
            chunks=(1, *source.shape[1:]), **hdf5plugin.Bitshuffle(cname="lz4"))
        if swmr:
            file.swmr_mode = True
        print("ready", flush=True)
        for line in sys.stdin:
            length, written = map(int, line.split())
            data.resize(length, 0)
            for i in range(written):
                data[i] = source[i]
            data.flush()
            print("done", flush=True)
""")


class Writer:
    """A process that writes as many frames as it is told, and keeps the file open."""

    def __init__(self, folder, frames, mode):
        self.path = folder / "growing.h5"
        np.save(folder / "source.npy", frames)
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(self.path), str(folder / "source.npy"), mode],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"

    def write(self, length, written):
        self.process.stdin.write(f"{length} {written}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0
        self.process.stdout.close()


@pytest.fixture
def writer(tmp_path):
    started = []

    def start(frames, mode="swmr"):
        started.append(Writer(tmp_path, frames, mode))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.close()


def test_growing_file_gives_what_was_flushed_and_more_when_opened_again(writer):
    frames = counts(9)
    growing = writer(frames)
    with pytest.raises(ReadError, match="no frames yet"):
        open_scans(growing.path)
    growing.write(4, 4)
    (early,) = open_scans(growing.path)
    assert len(early.frames) == 4
    (block,) = early.frames.blocks()
    assert block.codec == "bslz4"
    np.testing.assert_array_equal(block.load(), frames[:4])
    growing.write(9, 6)  # the dataset has its full length, the detector is at frame 6
    (late,) = open_scans(growing.path)
    got = next(iter(late.frames.blocks())).load()
    np.testing.assert_array_equal(got[:6], frames[:6])
    assert (got[6:] == DEAD).all()
    assert late.frames.missing.tolist() == [False] * 6 + [True] * 3
    assert late.frames.digest != early.frames.digest
    (again,) = early.frames.blocks()  # what was opened early still gives its frames
    assert again.chunks == block.chunks
    growing.close()
    (closed,) = open_scans(growing.path)
    assert len(closed.frames) == 9


def test_file_open_for_writing_without_swmr_says_so(writer):
    growing = writer(counts(3), "plain")
    growing.write(3, 3)
    with pytest.raises(ReadError, match="still being written, not in SWMR mode"):
        open_scans(growing.path)
    look = inspect(growing.path)
    assert not look.readable
    assert "SWMR" in look.why
