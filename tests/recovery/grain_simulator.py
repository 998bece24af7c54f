"""Ring sums with known grains, written apart from the analysis: nothing here imports it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from operando.core import Sums

AZIMUTH = np.arange(360) + 0.5
Q = np.linspace(2.53, 2.56, 12)


@dataclass
class Grain:
    azimuth: float
    q: float
    counts: float  # at each of its points
    rows: tuple[int, int]
    columns: tuple[int, int]
    born: int = 0
    died: int = 10**6  # the first map without it
    rate: float = 0.0  # degrees a map

    def azimuth_at(self, index: int) -> float:
        return (self.azimuth + self.rate * (index - self.born)) % 360

    def lives(self, index: int) -> bool:
        return self.born <= index < self.died


def spot(azimuth: float, q: float, width_deg: float = 0.9, width_q: float = 0.004) -> np.ndarray:
    """Fraction of a spot's counts in each bin (azimuth, q)."""
    turn = (AZIMUTH - azimuth + 180) % 360 - 180
    image = np.exp(-0.5 * (turn / width_deg) ** 2)[:, None] * np.exp(-0.5 * ((Q - q) / width_q) ** 2)
    norm = 2 * np.pi * width_deg * width_q / (1.0 * (Q[1] - Q[0]))
    return image / norm


def open_weight(shadow=(215, 235), gaps=((40, 44), (301, 304))) -> np.ndarray:
    """Weight (azimuth, q): zero in gaps and shadow, falling towards large azimuth elsewhere."""
    weight = np.repeat((1.0 - 0.3 * AZIMUTH / 360)[:, None], len(Q), axis=1)
    for first, last in (shadow, *gaps):
        weight[(first < AZIMUTH) & (last > AZIMUTH)] = 0.0
    return weight


def background(shape: tuple[int, int], level: float) -> np.ndarray:
    """Expected counts at weight one (z, x, azimuth, q), with gradients in all of them."""
    z, x = np.meshgrid(np.linspace(0.7, 1.3, shape[0]), np.linspace(0.9, 1.1, shape[1]), indexing="ij")
    ring = 1 + 0.3 * np.cos(np.radians(AZIMUTH - 70))[:, None] * np.ones(len(Q)) + 0.02 * np.arange(len(Q))
    return level * (z * x)[:, :, None, None] * ring


def label(counts: np.ndarray, weight: np.ndarray) -> Sums:
    coords = {
        "z": np.arange(counts.shape[0]) * 1.0,
        "x": np.arange(counts.shape[1]) * 33.0,
        "azimuth": AZIMUTH,
        "q": Q,
    }
    signal = xr.DataArray(counts, dims=("z", "x", "azimuth", "q"), coords=coords)
    return Sums(signal, signal, xr.DataArray(weight, dims=("azimuth", "q")))


def make_map(
    rng, grains: list[Grain], index: int, shape=(20, 12), level=2.0, weight=None, exposure=1.0
) -> Sums:
    weight = open_weight() if weight is None else weight
    expected = background(shape, level)
    for g in grains:
        if g.lives(index):
            block = (slice(*g.rows), slice(*g.columns))
            expected[block] += g.counts * spot(g.azimuth_at(index), g.q)
    return label(rng.poisson(exposure * expected * weight).astype(np.float32), exposure * weight)


def random_grains(rng, number: int, shape=(20, 12), counts=(150.0, 600.0), maps=1, rate=0.0) -> list[Grain]:
    """Columnar grains at azimuths clear of gaps and shadow."""
    weight, grains = open_weight()[:, 0], []
    while len(grains) < number:
        azimuth = rng.uniform(0, 360)
        if spot(azimuth, Q.mean())[weight == 0].sum() > 1e-6:
            continue
        z, x = rng.integers(0, shape[0] - 4), rng.integers(0, shape[1])
        born = int(rng.integers(-2, maps))
        grains.append(
            Grain(
                azimuth,
                rng.uniform(2.540, 2.550),
                rng.uniform(*counts),
                (z, z + int(rng.integers(3, 10))),
                (x, x + 1),
                max(born, 0),
                born + 1 + int(rng.exponential(6)) if maps > 1 else 10**6,
                rng.normal(0, rate) if rate else 0.0,
            )
        )
    return grains
