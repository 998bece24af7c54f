"""The threshold rule beside a plain loop of scipy.ndimage.label: the same spots, bin for bin."""

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from operando.core import Sums
from operando.diffraction.grains import GrainSearch, find_spots

AZIMUTH, Q = np.arange(360) + 0.5, np.linspace(2.53, 2.55, 10)


def labelled(counts, weight):
    coords = {
        "z": np.arange(counts.shape[0]) * 1.0,
        "x": np.arange(counts.shape[1]) * 33.0,
        "azimuth": AZIMUTH,
        "q": Q,
    }
    signal = xr.DataArray(counts, dims=("z", "x", "azimuth", "q"), coords=coords)
    return Sums(signal, signal, xr.DataArray(weight, dims=("azimuth", "q")))


@pytest.mark.parametrize("diagonal", [True, False])
def test_same_components_with_the_same_sums(diagonal):
    rng = np.random.default_rng(0)
    counts = rng.poisson(3.0, (6, 7, 360, 10)).astype(np.float32)
    for _ in range(60):
        azimuth, q = rng.uniform(0, 360), rng.uniform(0, 9)
        profile = np.exp(-0.5 * (((AZIMUTH - azimuth + 180) % 360 - 180) / 1.3) ** 2)[:, None]
        spot = 60 * profile * np.exp(-0.5 * ((np.arange(10) - q) / 1.2) ** 2)
        counts[rng.integers(0, 6), rng.integers(0, 7)] += rng.poisson(spot)
    reference = rng.poisson(30.0, counts.shape).astype(np.float32)
    weight = np.ones((360, 10))
    search = GrainSearch(rule="mean", diagonal=diagonal, margin=0, threads=1)
    got = find_spots(labelled(counts, weight), labelled(reference, 10 * weight), search)
    expected = []
    for point, (image, background) in enumerate(
        zip(counts.reshape(-1, 360, 10), reference.reshape(-1, 360, 10), strict=True)
    ):
        residual = image.astype(float) - background.astype(float) / 10
        mask = residual > 10 * np.maximum(residual, 0).mean()
        double = np.concatenate([mask, mask])  # two turns: a component across the seam is whole once in them
        labels, _ = ndimage.label(double, np.ones((3, 3)) if diagonal else None)
        whole = np.unique(labels[labels > 0])
        first = ndimage.minimum(np.indices(double.shape)[0], labels, whole)
        for k, start in zip(whole, np.atleast_1d(first), strict=True):
            if 0 < start <= 360:
                where = labels == k
                where = where[:360] | where[360:]
                expected.append((point, where.sum(), residual[where].sum()))
    assert len(expected) > 60
    ours = np.stack([got.column(n) for n in ("point", "bins", "counts")], 1)
    order = [np.lexsort(np.asarray(t).T[::-1]) for t in (ours, expected)]
    np.testing.assert_allclose(ours[order[0]], np.asarray(expected)[order[1]], rtol=1e-9)
