"""Reconstruction slab by slab in bounded memory: how many rows at once, with how many threads, and the loop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..core.errors import InputError
from ..core.projections import Projections
from .correct import PIECE_BYTES, Correction, Mended, phase_margin, sinograms
from .flats import FlatPlan
from .fourier_backproject import Backprojector, Region, check_region, outside_circle
from .fourier_lines import Beams, Window

CHUNK = 16  # rows of a chunk on disk: slabs are multiples of it


@dataclass(frozen=True)
class ReconSettings:
    """How a scan is reconstructed. Nothing here depends on the machine but `threads`, `memory_gb` and `device`.

    centre       column of the axis; None: found by two ways, an error where they differ by over
                 `centre_tolerance_px` (and three joint errors)
    rows         (first, end) detector rows; None: all
    region       (first y, end y, first x, end x) pixels; None: the whole square
    correction   flats, zingers, stripes, phase
    window       "ramp", or a softer filter
    edge         "extend": projections go on with their edge values; "zero": nothing lies outside the field of view
    outside      pixels that some angles do not see: "nan", or "keep" what comes out
    tolerance    of the non-uniform FFT, relative
    partial      use a scan that was cut short, or has a gap in its angles
    threads      None: the cores this process may use
    memory_gb    limit of the arrays held; None: half of what is free, at most 8
    device       "cpu", "gpu", or "auto": gpu where cufinufft, cupy and a device are there
    """

    centre: float | None = None
    centre_tolerance_px: float = 1.0
    rows: tuple[int, int] | None = None
    region: Region | None = None
    correction: Correction = field(default_factory=Correction)
    window: Window = "ramp"
    edge: Literal["extend", "zero"] = "extend"
    outside: Literal["nan", "keep"] = "nan"
    tolerance: float = 1e-3
    partial: bool = False
    threads: int | None = None
    memory_gb: float | None = None
    device: Literal["auto", "cpu", "gpu"] = "cpu"

    @property
    def cores(self) -> int:
        if self.threads:
            return self.threads
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class SlabPlan:
    """(first, end) rows of each slab, threads, and the memory (bytes) that this takes at most, by count."""

    slabs: tuple[tuple[int, int], ...]
    threads: int
    bytes: int


def plan_slabs(projections: Projections, settings: ReconSettings) -> SlabPlan:
    """As many threads as memory allows, up to the cores; then as many rows a slab as it allows.

    Raises `InputError` where one thread and the smallest slab need more than the limit, and says what they need; and
    where the pixel size is unknown: attenuation would have no unit.
    """
    if projections.pixel_um is None:
        raise InputError(
            "the pixel size is unknown, so attenuation has no unit", where=projections.name,
            fix="Give pixel_um (--pixel): micrometres a pixel at the sample.",
        )  # fmt: skip
    first, end = rows_of(projections, settings)
    limit = memory_limit(settings)
    height = min(CHUNK, end - first)
    threads = settings.cores
    while threads > 1 and _bytes(projections, settings, height, threads) > limit:
        threads -= 1
    least = _bytes(projections, settings, height, threads)
    if least > limit:
        raise InputError(
            f"{least / 1e9:.2f} GB of memory are needed, {limit / 1e9:.2f} GB are allowed", where=projections.name,
            fix="Allow more (memory_gb, --memory), or choose a smaller region.",
        )  # fmt: skip
    while height < end - first and _bytes(projections, settings, height + CHUNK, threads) <= limit:
        height += CHUNK
    slabs = tuple((start, min(start + height, end)) for start in range(first, end, height))
    return SlabPlan(slabs, threads, _bytes(projections, settings, min(height, end - first), threads))


def rows_of(projections: Projections, settings: ReconSettings) -> tuple[int, int]:
    """First and end row that are reconstructed. Raises `InputError` for rows that the detector does not have."""
    first, end = settings.rows or (0, projections.rows)
    if not 0 <= first < end <= projections.rows:
        raise InputError(
            f"rows {first} to {end} of a detector of {projections.rows} rows", where=projections.name,
            fix="Give first and end row, counted from 0.",
        )  # fmt: skip
    return int(first), int(end)


def memory_limit(settings: ReconSettings) -> float:
    """Bytes: what was asked for, else half of the free memory, at most 8 GB."""
    if settings.memory_gb is not None:
        return settings.memory_gb * 1e9
    try:
        with open("/proc/meminfo") as file:
            free = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        free = int(4e9)
    return min(0.5 * free, 8e9)


def _bytes(projections: Projections, settings: ReconSettings, height: int, threads: int) -> int:
    """Arrays alive at once: sinograms of a slab, counts being read, and the work of each thread."""
    n, columns = len(projections), projections.columns
    y0, y1, x0, x1 = check_region(settings.region, columns)
    pixels = (y1 - y0) * (x1 - x0)
    points = n * int(2.1 * columns)
    tall = height + 2 * phase_margin(projections, settings.correction)
    flats = 0 if projections.flats is None else projections.flats.shape[0]
    slab = 4 * n * tall * columns + 12 * (flats + 4) * tall * columns
    reading = threads * min(PIECE_BYTES, n * tall * columns * projections.images.dtype.itemsize)
    each = 36 * points + 33 * pixels  # spectrum, padded pair, sorted places; fine grid, pair and its parts
    stripes = 24 * n * columns
    back = 16 * points + threads * each + 3 * CHUNK * 4 * pixels
    return int(slab + max(reading, threads * stripes, back))


def reconstruct_slabs(
    projections: Projections, flats: FlatPlan, plan: SlabPlan, settings: ReconSettings, centre: float | np.ndarray,
    keep: np.ndarray, *, mended: Mended | None = None, skip: frozenset[int] = frozenset(),
) -> Iterator[tuple[int, np.ndarray]]:  # fmt: skip
    """(first row, (up to CHUNK rows, y, x) float32 in 1/cm) in order of row; slabs whose first row is in `skip` are
    left out. Pixels that some angles do not see are NaN unless `settings.outside` is "keep".
    """
    todo = [slab for slab in plan.slabs if slab[0] not in skip]
    if not todo:
        return
    beams = Beams(projections.angles_deg[keep], projections.columns, centre)
    back = Backprojector(
        beams, region=settings.region, pixel_um=projections.pixel_um, window=settings.window, edge=settings.edge,
        tolerance=settings.tolerance, threads=plan.threads, device=choose_device(settings.device),
        slices=sum(end - start for start, end in todo),
    )  # fmt: skip
    hidden = outside_circle(beams.columns, back.region, beams.circle_px)
    for start, end in todo:
        sino = sinograms(
            projections,
            flats,
            slice(start, end),
            settings.correction,
            keep=keep,
            threads=plan.threads,
            mended=mended,
        )
        for row in range(start, end, CHUNK):
            part = sino[row - start : min(row + CHUNK, end) - start]
            dead = ~np.isfinite(part[:, 0, 0])
            slices = back(np.where(dead[:, None, None], np.float32(0), part) if dead.any() else part)
            slices[dead] = np.nan
            if settings.outside == "nan":
                slices[:, hidden] = np.nan
            yield row, slices
        del sino


def choose_device(device: str) -> str:
    """ "cpu" or "gpu"; "auto" takes the GPU where cufinufft and cupy are there and see a device."""
    if device != "auto":
        return device
    from ._gpu import available

    return "gpu" if available() else "cpu"
