"""Whether two maps go together, with a p-value that knows that neighbours are alike."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import stats

from ..core.errors import InputError
from .volume import quantity, voxel_sizes


def map_relation(
    first: xr.DataArray, second: xr.DataArray, *, rng: np.random.Generator, block_um: float | None = None,
    permutations: int = 999,
) -> xr.Dataset:  # fmt: skip
    """Rank correlation of two maps (y, x) and its p-value by permutation of blocks.

    Local roughness against void growth in the same column (paper 004, Fig. S9). Columns near each other are not
    independent, so a p-value by columns is far too small. Here the second map is cut into blocks longer than its
    correlation, and against a first map that stays, whole blocks are shuffled, and turned or mirrored.

    block_um   side of a block; four times the longer correlation length (1/e) of the two maps where not given
    rng        source of chance

    Returns `correlation` (Spearman), `correlation_err` (from its spread under no relation), `p_value` (two-sided,
    (1 + as extreme) / (1 + permutations)), `p_value_naive` (columns taken as independent), `blocks`.
    Raises InputError where the maps differ in size or hold fewer than nine blocks.
    """
    first, second = first.transpose("y", "x"), second.transpose("y", "x")
    if first.shape != second.shape:
        raise InputError(f"maps of {first.shape} and {second.shape}", where="map_relation")
    pixel = voxel_sizes(first, where="map")["x"]
    a, b = _ranks(first.values), _ranks(second.values)
    size = max(round((block_um / pixel) if block_um else 4 * max(_length(a), _length(b))), 1)
    ny, nx = (n // size for n in a.shape)
    if ny * nx < 9:
        raise InputError(
            f"{ny} x {nx} blocks of {size * pixel:.3g} um", where="map_relation",
            fix="Use larger maps, or a smaller block_um that is still longer than the correlation.",
        )  # fmt: skip
    a, b = (_blocks(m, ny, nx, size) for m in (a, b))
    observed = _correlation(a, b)
    null = np.array([_correlation(a, _shuffled(b, rng)) for _ in range(permutations)])
    p = (1 + (np.abs(null - null.mean()) >= abs(observed - null.mean())).sum()) / (1 + permutations)
    both = np.isfinite(a) & np.isfinite(b)
    naive = stats.spearmanr(a[both], b[both]).pvalue
    return xr.Dataset(
        {
            "correlation": quantity(observed, (), "1", "Spearman rank correlation"),
            "correlation_err": quantity(float(null.std()), (), "1"),
            "p_value": quantity(float(p), (), "1", "by permutation of blocks"),
            "p_value_naive": quantity(float(naive), (), "1", "columns taken as independent: too small"),
            "blocks": quantity(ny * nx, (), "1"),
        },
        attrs={"block_um": size * pixel, "permutations": permutations},
    )


def _ranks(values: np.ndarray) -> np.ndarray:
    ranks = np.full(values.shape, np.nan)
    good = np.isfinite(values)
    ranks[good] = stats.rankdata(values[good])
    return ranks


def _length(ranks: np.ndarray) -> float:
    """Lag in voxels at which the autocorrelation falls to 1/e, the longer of x and y."""
    found = []
    for m in (ranks, ranks.T):
        rows = np.nan_to_num(m - np.nanmean(m))
        power = (np.abs(np.fft.rfft(rows, 2 * rows.shape[1], axis=1)) ** 2).mean(0)
        lag = np.fft.irfft(power)[: rows.shape[1]] / (rows.shape[1] - np.arange(rows.shape[1]))
        below = np.flatnonzero(lag < lag[0] / np.e)
        found.append(float(below[0]) if len(below) else float(rows.shape[1]))
    return max(found)


def _blocks(values: np.ndarray, ny: int, nx: int, size: int) -> np.ndarray:
    """(blocks, size, size)."""
    cut = values[: ny * size, : nx * size].reshape(ny, size, nx, size)
    return cut.swapaxes(1, 2).reshape(-1, size, size)


def _shuffled(blocks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    mixed = blocks[rng.permutation(len(blocks))]
    mixed = np.rot90(mixed, int(rng.integers(4)), axes=(1, 2))
    return mixed[:, ::-1] if rng.integers(2) else mixed


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3:
        return np.nan
    x, y = a[both] - a[both].mean(), b[both] - b[both].mean()
    below = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / below) if below > 0 else 0.0
