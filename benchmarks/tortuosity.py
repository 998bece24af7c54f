"""Tortuosity map of 1600 domains and one 100^3 volume: taufactor (CPU) and ours in the same minutes; a 256^3 volume.

Times are CPU seconds of the process, one thread each, so that other users of the machine do not count. taufactor is
timed on a part of the domains (those that percolate: it does not notice the others), one by one and as a batch, the
faster way counts, and scaled up to those that percolate; all of our time counts, that of the others too. The
reference is an independent assembly in SciPy, float64, solved to 1e-10. taufactor needs torch:
`pip install torch==2.13.0 taufactor` (a CPU build); without it only ours is timed.
Run: python benchmarks/tortuosity.py [large] [cube] [map] [0.1 0.5 ...: porosities of the map]
"""

from __future__ import annotations

import resource
import sys
import time
import warnings

import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter, label
from scipy.sparse.linalg import cg

from operando.transport import effective_conductivity, tortuosity_factor, tortuosity_map

PART, ROUNDS = 2, 4


def blobs(shape, radius: float, porosity: float, seed: int) -> np.ndarray:
    """Solid where smoothed noise is high; where more than 0.8 is pore it leads nowhere: there see `sheets`."""
    grey = smooth(shape, radius, seed)
    return grey > np.quantile(grey[::3, ::3, ::3], porosity)


def sheets(shape, radius: float, porosity: float, seed: int) -> np.ndarray:
    """Thin walls of solid where smoothed noise is near its middle, as in a foam: they percolate at any porosity."""
    off = np.abs(smooth(shape, radius, seed))
    return off < np.quantile(off[::3, ::3, ::3], 1 - porosity)


def smooth(shape, radius: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(shape, np.float32)
    return gaussian_filter(noise, radius, mode="wrap", truncate=3)


def reference(solid: np.ndarray) -> float:
    """Tortuosity factor along axis 0 by SciPy."""
    clusters, _ = label(solid)
    ends = np.intersect1d(clusters[0], clusters[-1])
    open_ = np.isin(clusters, ends[ends > 0])
    if not open_.any():
        return np.inf
    number = np.full(solid.shape, -1)
    number[open_] = np.arange(open_.sum())
    pairs = []
    for axis in range(3):
        a, b = np.moveaxis(number, axis, 0)[:-1].ravel(), np.moveaxis(number, axis, 0)[1:].ravel()
        pairs.append(np.stack([a, b])[:, (a >= 0) & (b >= 0)])
    a, b = np.concatenate(pairs, 1)
    n = int(open_.sum())
    w = sparse.coo_matrix((np.ones(len(a)), (a, b)), (n, n))
    w = (w + w.T).tocsr()
    first, last = number[0][open_[0]], number[-1][open_[-1]]
    diagonal = np.asarray(w.sum(1)).ravel()
    np.add.at(diagonal, first, 2.0)
    np.add.at(diagonal, last, 2.0)
    matrix, b = (sparse.diags(diagonal) - w).tocsr(), np.zeros(n)
    b[first] = 2.0
    u, info = cg(matrix, b, rtol=1e-10, maxiter=20_000, M=sparse.diags(1 / diagonal))
    if info:
        raise RuntimeError("the reference did not converge")
    flux = (2 * (1 - u[first])).sum()
    return solid.mean() / (flux * len(solid) / solid[0].size)


def taufactor_times(domains: list[np.ndarray]) -> tuple[dict[str, float], np.ndarray]:
    import taufactor

    start = time.process_time()
    alone = np.array([taufactor.Solver(d.astype(int), device="cpu").solve(verbose=False)[0] for d in domains])
    one = time.process_time()
    taufactor.Solver(np.stack(domains).astype(int), device="cpu").solve(verbose=False)
    return {"alone": one - start, "batch": time.process_time() - one}, alone


def have_taufactor() -> bool:
    warnings.filterwarnings("ignore")
    try:
        import taufactor  # noqa: F401
        import torch

        torch.set_num_threads(1)
    except ImportError:
        print("taufactor is not installed: only ours is timed")
        return False
    return True


def map_of_domains(peer: bool, counts: int, porosity: float) -> None:
    structure = sheets if porosity > 0.8 else blobs
    radius = 3.0 if porosity <= 0.8 else max(3.0, 0.45 / (1 - porosity))  # walls of two voxels or more
    volume = structure((100, 25 * counts, 25 * counts), radius, porosity, 1)
    percolates = tortuosity_map(volume)["percolates"].values.ravel()  # also compiles
    if not percolates.any():
        print(f"| {counts**2} domains, porosity {porosity}: none percolates |")
        return
    chosen = np.random.default_rng(0).choice(np.flatnonzero(percolates), PART * ROUNDS)
    parts = [volume[:, 25 * (c // counts) :, 25 * (c % counts) :][:, :25, :25] for c in chosen]
    ours, theirs, found = [], [], []
    rows = np.array_split(np.arange(counts), ROUNDS)
    factors = []
    for n in range(ROUNDS):
        if peer:
            seconds, alone = taufactor_times(parts[PART * n : PART * (n + 1)])
            theirs.append(min(seconds.values()) / PART)
            found.extend(alone)
        start = time.process_time()
        strip = volume[:, 25 * rows[n][0] : 25 * (rows[n][-1] + 1)]
        factors.append(tortuosity_map(strip, workers=1)["tau_factor"].values)
        ours.append((time.process_time() - start) / max(np.isfinite(factors[-1]).sum(), 1))
    tau = np.concatenate(factors).ravel()
    total = sum(o * np.isfinite(f).sum() for o, f in zip(ours, factors, strict=True))
    true = np.array([reference(part) for part in parts])
    error = np.abs(tau[chosen] / true - 1)[np.isfinite(true)]
    same = np.array_equal(np.isfinite(tau[chosen]), np.isfinite(true))
    share = f"{percolates.mean():.0%} percolate"
    print(
        f"| {counts**2} domains 25 x 25 x 100, {structure.__name__}, porosity {porosity}, {share} | {total:.1f} s |",
        end="",
    )
    if peer:
        ratios = np.array(theirs) / np.array(ours)
        off = np.abs(np.array(found) / true - 1)[np.isfinite(true)]
        print(f" {np.mean(theirs) * percolates.sum():.0f} s | {np.median(ratios):.0f} x |", end="")
        print(f" theirs off by {np.median(off):.1e} median, {off.max():.1e} worst;", end="")
    print(f" ours {np.median(error):.1e} median, {error.max():.1e} worst; same ones percolate: {same} |")


def cube(peer: bool) -> None:
    solid = blobs((100, 100, 100), 3.0, 0.5, 2)
    tortuosity_factor(solid[:9, :9, :9])  # compile
    ours, theirs = [], []
    for _ in range(2):
        start = time.process_time()
        tau = float(tortuosity_factor(solid, directions="z", workers=1)["tau_factor"][0])
        ours.append(time.process_time() - start)
        if peer:
            seconds, alone = taufactor_times([solid])
            theirs.append(min(seconds.values()))
    print(f"| 100^3, porosity 0.5 | {min(ours):.2f} s |", end="")
    if peer:
        ratio = np.median(np.array(theirs) / np.array(ours))
        print(f" {min(theirs):.2f} s | {ratio:.1f} x | taufactor {alone[0]:.4f}, ours {tau:.4f} |")
    else:
        print(f" ours {tau:.4f} |")


def large() -> None:
    labels = blobs((256, 256, 256), 5.0, 0.3, 3).astype(np.uint8)
    effective_conductivity(labels[:9, :9, :9], {0: 0.01, 1: 1.0}, directions="z")  # compile
    wall, start = time.perf_counter(), time.process_time()
    found = effective_conductivity(labels, {0: 0.01, 1: 1.0}, directions="z")
    wall, seconds = time.perf_counter() - wall, time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"256^3, two phases, contrast 100: {seconds:.1f} s CPU, {wall:.1f} s wall, peak {peak:.2f} GB,",
        end=" ",
    )
    print(f"k = {found['conductivity'].item():.5f}\n")


def main() -> None:
    what = sys.argv[1:] or ["large", "cube", "map"]
    if "large" in what:  # first: the peak of memory is that of the process
        large()
    peer = have_taufactor()
    print(
        "| job | operando | taufactor | ratio | error against the reference |\n| --- | --- | --- | --- | --- |"
    )
    if "cube" in what:
        cube(peer)
    if "map" in what:
        asked = [float(word) for word in what if word.replace(".", "").isdigit()]
        for porosity in asked or (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95):
            map_of_domains(peer, 40 if porosity in (0.1, 0.5, 0.85, 0.9, 0.95) else 16, porosity)


if __name__ == "__main__":
    main()
