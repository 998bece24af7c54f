"""Sums: what one pass over frames leaves behind. Merging is exact; division comes last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr

FRAME = "frame"


@dataclass(frozen=True)
class Sums:
    """Signal, its variance, and the weight it was collected with, over the same named dims.

    `signal` and `variance` are in counts (counts squared); `weight` is what the signal has to be divided
    by (pixels x solid angle x polarisation ...). With a dim `frame` (whose coordinate is the scan
    index) parts concatenate; without it they add. `weight` may lack `frame` when it is the same for
    all frames. Integer parts make the result independent of order and split, to the last bit.
    """

    signal: xr.DataArray
    variance: xr.DataArray
    weight: xr.DataArray

    def __post_init__(self) -> None:
        if self.signal.dims != self.variance.dims:
            raise ValueError(f"signal has dims {self.signal.dims}, variance {self.variance.dims}")

    @property
    def per_frame(self) -> bool:
        """Whether the first axis is frames, which are put together and not added."""
        return FRAME in self.signal.dims

    def intensity(self, dtype: type = np.float64) -> xr.Dataset:
        """signal / weight with its 1-sigma error; NaN where the weight is zero. `dtype` of both: float64 or float32."""
        weight = self.weight.transpose(*[dim for dim in self.signal.dims if dim in self.weight.dims])
        with np.errstate(divide="ignore"):
            inverse: np.ndarray = np.where(weight.values > 0, 1.0 / weight.values, np.nan).astype(dtype)
        view = xr.Variable(weight.dims, inverse).set_dims(dict(self.signal.sizes)).values
        value = np.multiply(self.signal.values, view, dtype=dtype, casting="unsafe")
        error = np.sqrt(self.variance.values, dtype=dtype, casting="unsafe")
        error *= view
        names = {"intensity": value, "intensity_err": error}
        return xr.Dataset({name: self.signal.copy(data=array).rename(name) for name, array in names.items()})

    def sum(self, *dims: str) -> Sums:
        """Sum over named dims (bins into coarser ones, frames into one)."""
        weight = self.weight
        if FRAME in dims and FRAME not in weight.dims:
            weight = weight * self.signal.sizes[FRAME]
        return Sums(
            self.signal.sum(dims), self.variance.sum(dims), weight.sum([d for d in dims if d in weight.dims])
        )


def merge(parts: Iterable[Sums]) -> Sums:
    """Merge parts of one reduction: concatenate and sort along `frame`, else add.

    Raises `ValueError` for no parts, or for a frame that comes twice.
    """
    parts = list(parts)
    if not parts:
        raise ValueError("nothing to merge")
    if not parts[0].per_frame:
        total = parts[0]
        for part in parts[1:]:
            total = Sums(
                total.signal + part.signal, total.variance + part.variance, total.weight + part.weight
            )
        return total
    frames = np.concatenate([p.signal[FRAME].values for p in parts])
    order = np.argsort(frames, kind="stable")
    if len(frames) > 1 and (np.diff(frames[order]) == 0).any():
        raise ValueError("a frame occurs in two parts")

    def join(arrays: list[xr.DataArray]) -> xr.DataArray:
        joined = xr.concat(arrays, FRAME) if len(arrays) > 1 else arrays[0]
        return joined if (order[1:] > order[:-1]).all() else joined.isel({FRAME: order})

    weights = [p.weight for p in parts]
    if any(FRAME in w.dims for w in weights):
        weights = [
            w if FRAME in w.dims else w.expand_dims({FRAME: p.signal[FRAME].values})
            for w, p in zip(weights, parts, strict=True)
        ]
        weight = join(weights)
    else:
        weight = weights[0]
    return Sums(join([p.signal for p in parts]), join([p.variance for p in parts]), weight)
