"""Grains of 240 100 images of 360 x 10 bins, streamed, beside a loop of scipy.ndimage.label over the same images.

    python benchmarks/grains_label.py [maps]

The peer thresholds each image at ten times its mean residual, labels it, joins labels over 360 degrees and takes
sums and centres with numpy; ours does that rule, and the significance rule with background, errors, splitting
and linking over points. Both are timed on the same maps in turn, in one process; the data is made in chunks.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
import xarray as xr
from scipy import ndimage

from operando.core import Sums
from operando.diffraction.grains import GrainSearch, find_grains

ROWS = COLUMNS = 49
AZIMUTH, Q = np.arange(360) + 0.5, np.linspace(2.53, 2.55, 10)


def make_map(rng: np.random.Generator, expected: np.ndarray, grains: int) -> Sums:
    counts = rng.poisson(2.0, expected.shape).astype(np.float32)
    for _ in range(grains):
        a, b = rng.uniform(0, 360), rng.uniform(2, 7)
        profile = np.exp(-0.5 * ((AZIMUTH - a + 180) % 360 - 180) ** 2)[:, None]
        profile = profile * np.exp(-0.5 * ((np.arange(10) - b) / 1.5) ** 2) * 40
        z, x = rng.integers(0, 30), rng.integers(0, COLUMNS)
        counts[z : z + 15, x] += rng.poisson(profile, (15, 360, 10))
    coords = {"z": np.arange(ROWS) * 1.0, "x": np.arange(COLUMNS) * 33.0, "azimuth": AZIMUTH, "q": Q}
    signal = xr.DataArray(counts, dims=("z", "x", "azimuth", "q"), coords=coords)
    return Sums(signal, signal, xr.DataArray(np.ones((360, 10)), dims=("azimuth", "q")))


def scipy_loop(counts: np.ndarray, background: np.ndarray) -> int:
    """Label, join the seam, and measure every component of every image."""
    total = 0
    for image, reference in zip(counts, background, strict=True):
        residual = image - reference
        mask = residual > 10 * np.maximum(residual, 0).mean()
        labels, number = ndimage.label(mask, np.ones((3, 3)))
        for j in np.flatnonzero(mask[0]):
            for k in range(max(j - 1, 0), min(j + 2, 10)):
                if mask[-1, k] and labels[-1, k] != labels[0, j]:
                    labels[labels == labels[-1, k]] = labels[0, j]
        if number:
            index = np.unique(labels[labels > 0])
            ndimage.sum_labels(residual, labels, index)
            ndimage.center_of_mass(residual, labels, index)
            total += len(index)
    return total


def main(maps: int = 100) -> None:
    rng = np.random.default_rng(0)
    shape = (ROWS, COLUMNS, 360, 10)
    expected = np.full(shape, 2.0)
    coords = {"z": np.arange(ROWS) * 1.0, "x": np.arange(COLUMNS) * 33.0, "azimuth": AZIMUTH, "q": Q}
    reference = xr.DataArray(
        rng.poisson(8.0, shape).astype(np.float32), dims=("z", "x", "azimuth", "q"), coords=coords
    )
    reference = Sums(reference, reference, xr.DataArray(np.full((360, 10), 4.0), dims=("azimuth", "q")))
    background = (reference.signal.values / 4).reshape(-1, 360, 10)
    rules = {"threshold rule": GrainSearch(rule="mean"), "significance rule": GrainSearch()}
    first = make_map(rng, expected, 90)
    for search in rules.values():
        find_grains([first], reference=reference, search=search)  # compile
    clock = dict.fromkeys([*rules, "significance, no reference"], 0.0)
    busy = dict(clock)
    peer: list[float] = []
    ratio: list[float] = []
    for index in range(maps):
        data = make_map(rng, expected, 90)
        for name in clock:
            search = rules.get(name, rules["significance rule"])
            start, cpu = time.perf_counter(), time.process_time()
            find_grains([data], reference=None if "no" in name.split() else reference, search=search)
            clock[name] += time.perf_counter() - start
            busy[name] += time.process_time() - cpu
            if name == "threshold rule":
                ours = time.process_time() - cpu
        if index < 3:  # the peer is slow: three whole maps, the rest extrapolated
            start = time.process_time()
            scipy_loop(data.signal.values.reshape(-1, 360, 10), background)
            peer.append(time.process_time() - start)
            ratio.append(peer[-1] / ours)
    images = maps * ROWS * COLUMNS
    print(f"{images} images, {np.prod(shape[2:])} bins each, 2 threads")
    for name, seconds in clock.items():
        print(f"  ours, {name:28s} {seconds:7.1f} s wall {busy[name]:7.1f} s CPU")
    whole = np.median(peer) * maps
    print(
        f"  scipy.ndimage.label loop         {whole:7.1f} s CPU (from {len(peer)} maps), ratio {np.median(ratio):.1f}"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  peak memory of the process       {peak:7.2f} GiB, making the data included")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
