"""Reductions: what to keep of every frame. Callable `FrameBlock -> Sums`, frozen and picklable.

`pipeline.run` compiles several of them into one plan, so that a block is decoded once; calling one directly does
the same for a single block.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from ..core import FrameBlock, Geometry, Sums
from ..core.errors import InputError

Splitting = Literal["none", "bbox"]
Spacing = Literal["q", "two_theta"]


class Reduction(Protocol):
    """Has a `name` unique within one run, and turns a block of frames into `Sums`."""

    @property
    def name(self) -> str: ...

    def __call__(self, block: FrameBlock) -> Sums: ...


@dataclass(frozen=True, eq=False)
class _Compiled:
    """Reductions whose call is a plan of one."""

    def __call__(self, block: FrameBlock) -> Sums:
        """Reduce one block; the result does not depend on how frames were cut into blocks."""
        from .pipeline import reduce_block

        return reduce_block(self, block)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class TotalCounts(_Compiled):
    """Counts of all live, unmasked pixels of each frame: dims (frame,), weight = number of those pixels.

    mask   (rows, columns) bool, True where a pixel is left out; None for none
    """

    mask: np.ndarray | None = None
    name: str = "total_counts"


@dataclass(frozen=True, eq=False)
class Monitor:
    """The beam monitor of each frame: dims (frame,), NaN where nothing was recorded. Variance = counts, weight 1."""

    name: str = "monitor"

    def __call__(self, block: FrameBlock) -> Sums:
        import xarray as xr

        values = (
            np.full(len(block), np.nan) if block.monitor is None else np.asarray(block.monitor, np.float64)
        )
        coords = {"frame": np.asarray(block.index, np.int64)}
        signal = xr.DataArray(values, coords, ["frame"], attrs={"units": "counts"})
        variance = xr.DataArray(np.maximum(values, 0), coords, ["frame"], attrs={"units": "counts^2"})
        return Sums(signal, variance, xr.DataArray(1.0))


@dataclass(frozen=True, eq=False)
class FrameSum(_Compiled):
    """The sum image over all frames: dims (row, column), weight = number of frames in which the pixel was alive.

    Exact (int64) for integer pixels.
    """

    name: str = "frame_sum"


@dataclass(frozen=True, eq=False)
class Binned(_Compiled):
    """What pattern, map and ring window share.

    geometry       where every stored pixel looks; its shape has to be that of the frames
    mask           (rows, columns) bool, True where a pixel is left out; None for none
    q_range        lower and upper edge in 1/angstrom; None: from the smallest to the largest q on the detector
    solid_angle    divide by the relative solid angle of each pixel
    polarisation   factor as in pyFAI (1: fully horizontal); None: no correction
    flat, dark     (rows, columns) relative response; counts without beam per frame (one Poisson measurement)
    spacing        bins of equal width in q, or in the scattering angle; the axis is q in both cases
    splitting      "none": a pixel belongs to the bin of its centre (counts stay integers); "bbox": it is shared
                   among the bins that its bounding box in (q, azimuth) covers, as in pyFAI

    intensity = sum(counts - dark) / sum(solid_angle * polarisation * flat), NaN where no live pixel is.
    """

    geometry: Geometry
    mask: np.ndarray | None = None
    q_bins: int = 500
    q_range: tuple[float, float] | None = None
    solid_angle: bool = True
    polarisation: float | None = None
    flat: np.ndarray | None = None
    dark: np.ndarray | None = None
    splitting: Splitting = "none"
    spacing: Spacing = "q"
    name: str = ""

    def __post_init__(self) -> None:
        if self.splitting not in ("none", "bbox"):
            raise InputError(
                f"splitting {self.splitting!r} is not known", where=self.name, fix='Use "none" or "bbox".'
            )
        if self.q_bins < 1 or self.azimuths < 1:
            raise InputError(
                "the number of bins must be at least 1",
                where=self.name,
                fix="Give q_bins, azimuth_bins >= 1.",
            )
        if self.q_range is not None and not 0 <= self.q_range[0] < self.q_range[1]:
            raise InputError(
                f"q_range {self.q_range} is empty",
                where=self.name,
                fix="Give (lower, upper) in 1/angstrom, lower < upper.",
            )

    @property
    def azimuths(self) -> int:
        """Number of azimuth bins of width 360/n degrees, the first starting at 0; 1 without azimuth."""
        return getattr(self, "azimuth_bins", 1)

    @property
    def dims(self) -> tuple[str, ...]:
        return ("azimuth", "q") if hasattr(self, "azimuth_bins") else ("q",)

    def __getstate__(
        self,
    ):  # pyFAI's integrator, cached on the geometry, is large and is made anew on the other side
        return {**self.__dict__, "geometry": replace(self.geometry)}

    def __setstate__(self, state) -> None:
        self.__dict__.update(state)


@dataclass(frozen=True, eq=False)
class Pattern(Binned):
    """I(q) of each frame: dims (frame, q)."""

    name: str = "pattern"


@dataclass(frozen=True, eq=False)
class AzimuthalMap(Binned):
    """Azimuth x q map of each frame: dims (frame, azimuth, q); azimuth bins of 360/n degrees starting at 0."""

    azimuth_bins: int = 360
    name: str = "map"


@dataclass(frozen=True, eq=False)
class RingWindow(Binned):
    """Azimuth x q map near one ring: dims (frame, azimuth, q). `q_range` is required, and so is a name of its own."""

    azimuth_bins: int = 360
    q_bins: int = 32
    name: str = "ring"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.q_range is None:
            raise InputError(
                "a ring window needs a q_range", where=self.name, fix="Give (lower, upper) in 1/angstrom."
            )
