"""What a fit needs to know of its window, and counts and weights as plain rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from ..core import Sums
from ..core.errors import InputError
from ..core.threads import available_cores

ROWS = 4096  # fits in one piece of work of a thread


@dataclass(frozen=True)
class Rows:
    """Profiles as rows: q (n,), counts (rows, n), weight (rows or 1, n), variance as counts or None.

    `response`, `offset` (n,), or empty: see `fit_peaks`.
    `dims`, `shape` and `coords` bring a result of length `rows` back to labelled form.
    """

    q: np.ndarray
    counts: np.ndarray
    weight: np.ndarray
    variance: np.ndarray | None
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    coords: dict[Any, Any]
    response: np.ndarray = field(default_factory=lambda: np.empty(0))
    offset: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def shift(self) -> np.ndarray:
        """`offset` in bins."""
        return self.offset * ((len(self.q) - 1) / float(self.q[-1] - self.q[0]))

    def sampled(self, response: Any, offset: Any) -> Rows:
        """These rows with response and offset. Raises `InputError` where they do not fit or are no numbers."""
        found = []
        for name, values in (("response", response), ("offset", offset)):
            array = np.empty(0) if values is None else np.ascontiguousarray(values, float)
            if values is not None and (array.shape != self.q.shape or not np.isfinite(array).all()):
                raise InputError(f"{name} must be {len(self.q)} finite numbers, one a bin", where="fit_peaks")
            found.append(array)
        return replace(self, response=found[0], offset=found[1])

    def part(self, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Counts and weight of rows from `first` on as float64, scaled to Poisson statistics where needed."""
        rows = slice(first, first + ROWS)
        counts = np.ascontiguousarray(self.counts[rows], np.float64)
        weight = self.weight if len(self.weight) == 1 else self.weight[rows]
        weight = np.where(np.isfinite(weight) & (weight > 0), weight, 0.0).astype(np.float64)
        lost = ~np.isfinite(counts)
        if lost.any():
            weight = np.where(lost, 0.0, weight)
            counts = np.where(lost, 0.0, counts)
        if self.variance is not None:
            counts, weight = _as_poisson(counts, weight, np.asarray(self.variance[rows], np.float64))
        return counts, np.ascontiguousarray(weight)

    def unstack(self, values: np.ndarray, attrs: dict[str, Any]) -> xr.DataArray:
        return xr.DataArray(values.reshape(self.shape), dims=self.dims, coords=self.coords, attrs=attrs)


def rows_of(q: Any, counts: Any, weight: Any, variance: Any) -> Rows:
    """Sort out `Sums`, DataArrays with a dim `q`, or plain arrays with q last. Raises `InputError` on misfits."""
    if isinstance(q, Sums):
        q, counts, weight, variance = (
            None,
            q.signal,
            q.weight,
            None if q.signal.dtype.kind in "iu" else q.variance,
        )
    if isinstance(counts, xr.DataArray):
        if "q" not in counts.dims:
            raise InputError(f"profiles have dims {counts.dims}, none is called q", where="fit_peaks")
        counts = counts.transpose(..., "q")
        q = counts["q"].values if q is None else q
        dims, shape = counts.dims[:-1], counts.shape[:-1]
        coords = {name: c for name, c in counts.coords.items() if "q" not in c.dims}
        weight, variance = (_aligned(w, counts) for w in (weight, variance))
        values = counts.values
    else:
        values = np.asarray(counts)
        shape, coords = values.shape[:-1], {}
        dims = tuple(f"dim_{i}" for i in range(len(shape)))
    q = np.asarray(q, float)
    n = len(q) if q.ndim == 1 else -1
    if values.ndim == 0 or values.shape[-1] != n:
        raise InputError(
            f"q has shape {q.shape}, counts {values.shape}: the last axis must be q", where="fit_peaks"
        )
    if n < 6 or not (np.diff(q) > 0).all():
        raise InputError(f"a window of {n} bins; it needs six or more, with q ascending", where="fit_peaks")
    weight = np.ones(n) if weight is None else np.asarray(weight)
    spread = None if variance is None else _as_rows(variance, values.shape)
    return Rows(
        q, values.reshape(-1, n), _as_rows(weight, values.shape), spread,
        tuple(map(str, dims)), tuple(shape), coords,
    )  # fmt: skip


def _aligned(array: Any, counts: xr.DataArray) -> Any:
    if not isinstance(array, xr.DataArray):
        return array
    if "q" not in array.dims:
        array = array.expand_dims(q=counts.sizes["q"])
    if set(array.dims) == {"q"}:
        return array.values
    return array.broadcast_like(counts).transpose(*counts.dims).values


def _as_rows(array: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(array)
    if array.size == shape[-1]:
        return array.reshape(1, -1)
    if array.ndim == 0:
        return np.full((1, shape[-1]), array)
    try:
        return np.broadcast_to(array, shape).reshape(-1, shape[-1])
    except ValueError:
        raise InputError(
            f"weight or variance {array.shape} does not fit counts {shape}", where="fit_peaks"
        ) from None


def _as_poisson(
    counts: np.ndarray, weight: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scale each row so that its variance equals its counts: n' = s n, w' = s w, s = sum n / sum variance.

    One factor a row: a factor a bin would follow the noise of that bin and bias the fit.
    """
    used = weight > 0
    total = np.where(used, counts, 0).sum(1)
    spread = np.where(used, variance, 0).sum(1)
    good = (total > 0) & (spread > 0)
    scale = np.where(good, total / np.where(good, spread, 1.0), 1.0)[:, None]
    return np.maximum(counts, 0.0) * scale, weight * scale


def run_rows(rows: int, fit: Callable[[int], Any], threads: int | None) -> list[Any]:
    """`fit(first)` for every piece of `ROWS` rows, on threads; the order of results is that of the rows."""
    firsts: Sequence[int] = range(0, rows, ROWS)
    threads = min(threads or available_cores(), len(firsts))
    if threads <= 1:
        return [fit(first) for first in firsts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(fit, firsts))


def bin_edges(q: np.ndarray) -> np.ndarray:
    """Edges half way between bin centres, (n+1,)."""
    middle = 0.5 * (q[1:] + q[:-1])
    return np.concatenate([[q[0] - (middle[0] - q[0])], middle, [q[-1] + (q[-1] - middle[-1])]])


@lru_cache(maxsize=1)
def deviance_table() -> np.ndarray:
    """Mean and variance of one bin's Poisson deviance 2 (n ln(n / mu) - n + mu) against ln mu, (m, 2).

    With few counts a bin the deviance is not chi-squared; these are its true moments.
    """
    from scipy.special import xlogy
    from scipy.stats import poisson

    from ._fit_model import TABLE_LOW, TABLE_STEP

    table = []
    for log_mu in np.arange(TABLE_LOW, 6.5, TABLE_STEP):
        mu = np.exp(log_mu)
        n = np.arange(max(0, int(mu - 12 * np.sqrt(mu))), int(mu + 12 * np.sqrt(mu)) + 30)
        each = 2 * (xlogy(n, n) - n * log_mu - n + mu)
        chance = poisson.pmf(n, mu)
        mean = (chance * each).sum()
        table.append((mean, (chance * (each - mean) ** 2).sum()))
    return np.array(table)
