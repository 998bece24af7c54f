"""How fast frames leave the disk: our chunks, h5py's direct chunks, and h5py's decoded frames, in one run.

    python benchmarks/read_chunks.py [--frames 512] [--folder FOLDER]

Writes an Eiger 4M data set of Poisson counts behind a virtual dataset, reads it several times in turn, and prints
the best rate of each. The file is in the page cache: this measures the software, not the disk.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

from operando.read import open_scans

SHAPE = (2167, 2070)
BLOCK = 32  # frames held at a time, by both
DIFFERENT = 8  # frames that are really different: compressing is what takes time


def write(folder: Path, frames: int, per_file: int = 128) -> Path:
    """Lima-like data files of compressed 4M frames, and a master with a virtual dataset of all of them."""
    rng = np.random.default_rng(0)
    layout = h5py.VirtualLayout((frames, *SHAPE), "uint32")
    chunks: list[bytes] = []
    for number, first in enumerate(range(0, frames, per_file)):
        count = min(per_file, frames - first)
        with h5py.File(folder / f"data_{number:04d}.h5", "w") as file:
            data = file.create_dataset(
                "data", (count, *SHAPE), "uint32", chunks=(1, *SHAPE), **hdf5plugin.Bitshuffle(cname="lz4")
            )
            for i in range(count):
                if len(chunks) < DIFFERENT:
                    data[i] = rng.poisson(1.0, SHAPE)
                    chunks.append(data.id.read_direct_chunk((i, 0, 0))[1])
                else:
                    data.id.write_direct_chunk((i, 0, 0), chunks[i % DIFFERENT])
        layout[first : first + count] = h5py.VirtualSource(f"data_{number:04d}.h5", "data", (count, *SHAPE))
    with h5py.File(folder / "master.h5", "w") as file:
        file.create_virtual_dataset("entry/data/data", layout)
    return folder / "master.h5"


def ours(master: Path) -> int:
    (scan,) = open_scans(master)
    return sum(len(chunk) for block in scan.frames.blocks(size=BLOCK) for chunk in block.chunks)


def direct_chunks(master: Path) -> int:
    total = 0
    for path in sorted(master.parent.glob("data_*.h5")):
        with h5py.File(path, "r", locking=False) as file:
            data = file["data"]
            for first in range(0, len(data), BLOCK):
                held = [
                    data.id.read_direct_chunk((i, 0, 0))[1]
                    for i in range(first, min(first + BLOCK, len(data)))
                ]
                total += sum(map(len, held))
    return total


def decoded(master: Path, frames: int = 16) -> int:
    with h5py.File(master, "r", locking=False) as file:
        data = file["entry/data/data"]
        return sum(data[i].nbytes for i in range(min(frames, len(data))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=512)
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        master = write(Path(folder), given.frames)
        ways = {
            "operando: open_scans and blocks": (ours, given.frames),
            "h5py: read_direct_chunk": (direct_chunks, given.frames),
            "h5py: decoded frames": (decoded, min(16, given.frames)),
        }
        best = dict.fromkeys(ways, np.inf)
        for _ in range(5):
            for name, (way, _frames) in ways.items():
                started = time.perf_counter()
                size = way(master)
                best[name] = min(best[name], time.perf_counter() - started)
                if way is not decoded and size / given.frames > 4 * SHAPE[0] * SHAPE[1]:
                    raise SystemExit(f"{name} read {size} bytes: not compressed")
        for name, (_way, frames) in ways.items():
            print(f"{name:32}  {frames / best[name]:9.0f} frames/s")


if __name__ == "__main__":
    main()
