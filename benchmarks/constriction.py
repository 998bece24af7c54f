"""Constriction of contact maps: every exact answer, and the same map by finite differences in the volume.

The peer is a seven-point finite-volume solve with scipy (Jacobi-preconditioned conjugate gradients) of the same block.
Run: python benchmarks/constriction.py
"""

from __future__ import annotations

import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads wait for each other on a busy machine

import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter
from scipy.sparse.linalg import cg

from operando.transport import Slab, contact_current

UM = 1e-4
HALF = Slab(np.inf, 1.0)


def ohm(mask: np.ndarray, sides: str = "periodic") -> float:
    areal = float(contact_current(mask, 1.0, HALF, sides=sides).constriction_resistance)
    return areal / (mask.size * UM**2)


def discs(shape, centres, radius):
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    return np.any([(y - c[0]) ** 2 + (x - c[1]) ** 2 <= radius**2 for c in centres], 0)


def patches(n: int, share: float, size: float, seed: int = 1) -> np.ndarray:
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(n, n)), size)
    return field > np.quantile(field, 1 - share)


def exact_cases() -> list[tuple[str, float, float]]:
    rows = []
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        mask = np.zeros((1, 320), bool)
        mask[:, : round(share * 320)] = True
        rows.append(
            (
                f"stripes, share {share}, 320 pixels",
                ohm(mask),
                np.log(1 / np.sin(np.pi * share / 2)) / np.pi / UM,
            )
        )
    for radius, e in ((12, 0.1), (20, 0.2), (20, 0.35)):
        n = round(radius / e * np.sqrt(np.pi))
        e = radius / (n / np.sqrt(np.pi))
        series = 1 - 1.4098 * e + 0.3441 * e**3 + 0.0435 * e**5
        rows.append(
            (f"periodic spot, e = {e:.2f}, radius {radius}", ohm(discs((n, n), [(n / 2 + 0.3, n / 2 - 0.2)], radius)),
             series / (4 * radius * UM))
        )  # fmt: skip
    single = [ohm(discs((n, n), [(n / 2, n / 2)], 10)) for n in (400, 800)]
    radius = np.sqrt(discs((40, 40), [(20, 20)], 10).sum() / np.pi)  # of a disc of the same area
    rows.append(("single spot, radius 10", 2 * single[1] - single[0], 1 / (4 * radius * UM)))
    angle = np.arange(6) * np.pi / 3
    places = np.vstack([[0.0, 0.0], 60 * np.stack([np.sin(angle), np.cos(angle)], 1)])
    maps = [discs((n, n), n / 2 + places, 8) for n in (600, 1200)]
    cluster, radius = [ohm(m) for m in maps], np.sqrt(maps[0].sum() / 7 / np.pi)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    greenwood = (1 / (28 * radius) + (1 / apart[apart > 0]).sum() / (2 * np.pi * 49)) / UM
    rows.append(("7 spots (Greenwood), radius 8", 2 * cluster[1] - cluster[0], greenwood))
    return rows


def by_volume(mask: np.ndarray, pixel_um: float, depth_um: float) -> float:
    """Areal resistance (Ohm cm2) of a block of 1 S/cm, voxels as large as the pixels."""
    layers = round(depth_um / pixel_um)
    h = pixel_um * UM
    index = np.arange(layers * mask.size).reshape(layers, *mask.shape)
    pairs = [(index[1:], index[:-1]), (index[:, 1:], index[:, :-1]), (index[:, :, 1:], index[:, :, :-1])]
    a, b = (np.concatenate([p[k].ravel() for p in pairs]) for k in (0, 1))
    g = np.full(len(a), h)
    system = sparse.coo_matrix(
        (np.r_[g, g, -g, -g], (np.r_[a, b, a, b], np.r_[a, b, b, a])), (index.size,) * 2
    )
    ends, right = np.zeros(index.size), np.zeros(index.size)
    ends[index[0][mask]] = right[index[0][mask]] = 2 * h
    ends[index[-1].ravel()] += 2 * h
    system = (system + sparse.diags(ends)).tocsr()
    potential, _ = cg(system, right, rtol=1e-7, M=sparse.diags(1 / system.diagonal()))
    return mask.size * h**2 / (2 * h * (1 - potential[index[0][mask]])).sum()


def main() -> None:
    print("| case | ours / Ohm | exact / Ohm | error |\n| --- | ---: | ---: | ---: |")
    for name, ours, exact in exact_cases():
        print(f"| {name} | {ours:.5g} | {exact:.5g} | {100 * (ours / exact - 1):+.3f} % |")
    print("\n| map | share | time / s | steps |\n| --- | ---: | ---: | ---: |")
    for share in (0.02, 0.2, 0.5):
        mask = patches(1024, share, 6.0)
        best, found = np.inf, None
        for _ in range(2):
            start = time.perf_counter()
            found = contact_current(mask, 1.7, [Slab(30, 1e-4), Slab(1000, 2e-3)])
            best = min(best, time.perf_counter() - start)
        print(
            f"| 1024 x 1024, mirror sides, two layers | {share} | {best:.2f} | {found.attrs['iterations']} |"
        )
    print("\n| block | way | time / s | Ohm cm2 |\n| --- | --- | ---: | ---: |")
    coarse = patches(32, 0.2, 2.0)
    for refine in (1, 2):
        mask = np.kron(coarse, np.ones((refine, refine), bool))
        for name, way in (
            ("volume, scipy", lambda m, h: by_volume(m, h, 32.0)),
            ("ours", lambda m, h: float(contact_current(m, h, Slab(32.0, 1.0)).resistance)),
        ):
            start = time.perf_counter()
            value = way(mask, 1.0 / refine)
            size = " x ".join([str(32 * refine)] * 3)
            print(f"| {size} | {name} | {time.perf_counter() - start:.3f} | {value:.6f} |")


if __name__ == "__main__":
    main()
