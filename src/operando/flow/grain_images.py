"""Ring images in which grains are looked for: one map at a time, kept as a stage."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from operando import stream
from operando.core import Geometry, Scan, ScanGrid, Sums
from operando.core.frames import Frames

from .plan import Plan
from .stage import Call, versioned
from .stage_file import DETAIL

if TYPE_CHECKING:
    from .sections.xrd import RingSection

#: half width of the window of ring images over q: cells differ by half a percent, rings are as wide
HALF_WINDOW = 0.014
#: bins in q of a ring image, at most: a spot needs few, and empty bins cost memory; none is narrower than a pixel,
#: as rows of bins without pixels cut spots in two
Q_BINS, FEWEST_Q_BINS = 10, 4


def image_call(plan: Plan, ring: RingSection, scan: Scan, grid: ScanGrid) -> Call:
    """The stage of the ring images of one scan."""
    settings = {"window": _window(plan, ring), "grid": grid}
    return Call(ring_images, {"frames": scan.frames}, settings, "grains")


def _window(plan: Plan, ring: RingSection) -> Any:
    """Window of the ring images: the ring's own, no wider than `HALF_WINDOW` unless the user gave it.

    A wide one holds lines of other phases, whose texture looks like grains.
    """
    window = replace(next(r for r in plan.reductions if r.name == ring.name), q_bins=Q_BINS)
    if window.q_range is None:
        return window
    low, high = window.q_range
    if ring.q_range is None:
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        half = min(half, HALF_WINDOW * middle)
        low, high = middle - half, middle + half
    bins = int((high - low) / pixel_q(plan.geometry, 0.5 * (low + high)))
    return replace(window, q_range=(low, high), q_bins=min(max(bins, FEWEST_Q_BINS), Q_BINS))


def pixel_q(geometry: Geometry, q: float) -> float:
    """Width in q of a pixel on the ring at q, 1/angstrom, of a detector across the beam: k cos(t/2) cos^2(t) p / L."""
    half = np.arcsin(min(q * geometry.wavelength_A / (4 * np.pi), 0.7))
    size = max(geometry.pixel_m) / geometry.distance_m
    return float(2 * np.pi / geometry.wavelength_A * np.cos(half) * np.cos(2 * half) ** 2 * size)


@versioned("1")
def ring_images(frames: Frames, *, window: Any, grid: ScanGrid) -> xr.Dataset:
    """Counts of a ring over (z, x, azimuth, q) of one map, its weight over (azimuth, q), and frames a point."""
    sums = stream.run([window], frames)[window.name]
    weight = sums.weight
    if "frame" in weight.dims:  # dead pixels change from frame to frame: what most frames have
        weight = weight.median("frame")
    count = xr.ones_like(sums.signal.isel(azimuth=0, q=0, drop=True), dtype=np.int64)
    found = xr.Dataset({
        "counts": grid.to_map(sums.signal, add=True).fillna(0).astype(np.int32), "weight": weight,
        "frames": grid.to_map(count, add=True),
    })  # fmt: skip
    return found.assign_attrs(
        {DETAIL: f"{len(frames)} ring images of {weight.sizes['azimuth']} x {weight.sizes['q']}"}
    )


def images_as_sums(kept: xr.Dataset) -> Sums:
    """Ring images as `find_grains` takes them: points without a frame have weight zero."""
    counts = kept["counts"].transpose("z", "x", "azimuth", "q")
    weight = (kept["frames"] * kept["weight"]).astype(np.float32).transpose("z", "x", "azimuth", "q")
    return Sums(counts, counts, weight)
