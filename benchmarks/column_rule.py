"""The column-wise rule of paper 004 on 1 Gvoxel: ours against a literal loop over columns, both numba. Target: 5 times.

Run: python benchmarks/column_rule.py [--rows N] [--size N] [--type uint8|float32] [--threads N]. The volume is
size x rows x size voxels, 1000 by default: with 1024 the voxels of a column all fall on the same lines of the cache,
which makes the literal loop three times slower than it needs to be. It is worked through in slabs of rows, each made on
the spot (memory under 3 GB for any size); ours and the literal loop take turns on each slab with the same number of
threads, and their labels are compared voxel by voxel. Beside them: the largest value of the slab by numpy, which does
nothing but read it, and a copy of it: what memory allows one thread.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numba
import numpy as np
from numba import njit, prange

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "unit"))
from column_rule_literal import literal_column

THRESHOLDS = {"steel": 160.0, "lithium": 65.0, "void": 25.0, "interphase": 80.0}
AHEAD, DEPTH = 4, 5
ROUNDS = 3  # on each slab; the least counts, for both: others use the memory, too


def slab(rows: int, number: int, dtype: type, *, nz: int = 1024, nx: int = 1024) -> np.ndarray:
    """Steel, rough Li with voids at its end, interphase, electrolyte with pores; noise of a sixth of the contrast."""
    rng = np.random.default_rng(number)
    rough = rng.normal(0, 3, (rows, nx))
    end = (nz // 4 + rough).astype(np.int32)
    void = np.where(rng.random((rows, nx)) < 0.3, rng.integers(1, 8, (rows, nx)), 0)
    noise = rng.normal(0, 5, (rows, nx)).astype(np.float32)
    grey = np.empty((nz, rows, nx), dtype)
    for z in range(nz):
        values = np.where(z < end - void, 40.0, np.where(z < end, 10.0, np.where(z < end + 15, 90.0, 130.0)))
        values = np.where(z < nz // 20, 200.0, values).astype(np.float32)
        values[(rng.random((rows, nx)) < 0.02) & (z > nz // 2)] = 10.0
        grey[z] = np.clip(values + np.roll(noise, 37 * z, axis=1), 0, 255)
    return grey


@njit(parallel=True)
def loop_over_columns(grey, steel, lithium, void, interphase, ahead, depth, label, contact):
    """The peer: the literal rule, one column after the other."""
    for y in prange(grey.shape[1]):
        for x in range(grey.shape[2]):
            contact[y, x] = literal_column(
                grey[:, y, x], steel, lithium, void, interphase, ahead, depth, label[:, y, x]
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--type", choices=["uint8", "float32"], default="uint8")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", type=int, default=1000, help="voxels along z and x")
    options = parser.parse_args()
    numba.set_num_threads(options.threads)
    from operando.tomography._column_kernels import march

    dtype = np.dtype(options.type).type
    limits = [np.float32(THRESHOLDS[n]) for n in ("steel", "lithium", "void", "interphase")]
    # time of the processor, not of the wall: others may be on the machine
    clock = time.process_time if options.threads == 1 else time.perf_counter
    ours = peer = reading = copying = size_b = 0.0
    size, per, voxels, equal, ratios = options.size, min(250, options.rows), 0, True, []
    for number in range(-1, options.rows // per):
        grey = slab(per, number + 1, dtype, nz=size, nx=size)
        label, theirs = np.full(grey.shape, 0, np.uint8), np.full(grey.shape, 0, np.uint8)
        first, last = np.empty((2, per, size), np.int32)
        contact, contact_peer = np.empty((2, per, size), np.uint8)
        copy = np.zeros_like(grey)
        taken = []
        for _ in range(ROUNDS if number >= 0 else 1):
            label[:], theirs[:] = 0, 0
            begin = clock()
            march(grey, True, *limits, dtype(THRESHOLDS["void"]), AHEAD, DEPTH, label, first, last, contact)
            middle = clock()
            loop_over_columns(grey, *limits, AHEAD, DEPTH, theirs, contact_peer)
            end = clock()
            grey.max()
            read = clock()
            np.copyto(copy, grey)
            taken.append([middle - begin, end - middle, read - end, clock() - read])
        least = np.min(taken, axis=0)
        if number < 0:  # compiling
            continue
        ours, peer, reading, copying = np.array([ours, peer, reading, copying]) + least
        voxels, size_b = voxels + grey.size, size_b + grey.nbytes
        ratios.append(least[1] / least[0])
        equal &= bool((label == theirs).all() and (contact == contact_peer).all())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{voxels / 1e9:.2f} Gvoxel {options.type}, {options.threads} thread(s), labels equal: {equal}")
    print(f"ours {ours:.2f} s ({voxels / 1e6 / ours:.0f} Mvoxel/s), loop over columns {peer:.2f} s")
    print(f"ratio {peer / ours:.1f} (slabs: median {np.median(ratios):.1f}, least {min(ratios):.1f})")
    gb = size_b / 1e9
    print(
        f"ours {gb / ours:.1f} GB/s of grey values; reading alone {gb / reading:.1f}, a copy {gb / copying:.1f}"
    )
    print(f"peak {memory:.1f} GB")


if __name__ == "__main__":
    main()
