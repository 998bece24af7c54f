"""Single-crystal grains on a ring: ring images map by map, grains found in them, followed and counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from operando import diffraction, stream
from operando.core import Geometry, Scan, ScanGrid, Sums
from operando.core.errors import ExperimentError
from operando.core.frames import Frames
from operando.diffraction.grains import sum_maps

from .gather import map_times
from .grain_limit import limit_group
from .plan import Plan
from .stage import DETAIL, Call, versioned

if TYPE_CHECKING:
    from .running import Run
    from .sections.xrd import RingSection, XrdSection

#: azimuth bins of the map of azimuths in time, degrees
AZIMUTH_BIN_DEG = 5.0
#: half width of the window of ring images over q: cells differ by half a percent, rings are as wide
HALF_WINDOW = 0.014
#: a reference is averaged over +- this in azimuth
SMOOTH_DEG = 1.0
#: bins in q of a ring image, at most: a spot needs few, and empty bins cost memory; none is narrower than a pixel,
#: as rows of bins without pixels cut spots in two
Q_BINS, FEWEST_Q_BINS = 10, 4


def grain_groups(
    job: Run, plan: Plan, scans: Sequence[Scan], grids: Sequence[ScanGrid]
) -> dict[str, xr.Dataset]:
    """`grains/table`, `grains/tracks`, `grains/counts` and `grains/azimuth` of the ring with grains = true, else none.

    Only one map is in memory at a time. The background of an image is that of the maps named by `grains_reference`
    as free of grains, scaled to the image; or else the mean of the ring nearby in azimuth at the same q, spots left
    out, times the map's own shape along azimuth. attrs["background"] and a note say which. Neighbouring grains of one
    azimuth are joined; counts hold what is expected to be lost so, and its error (tests/recovery/test_film_grains.py).
    """
    xrd = job.experiment.xrd
    assert xrd is not None
    ring = grain_ring(xrd)
    if ring is None:
        return {}
    name = ring.name
    time = map_times(scans, grids)[0].values
    order = np.argsort(time, kind="stable")

    def images(i: int) -> xr.Dataset:
        return job.stages.get(image_call(plan, ring, scans[i], grids[i]))

    def maps() -> Iterator[Sums]:
        for number, i in enumerate(order):
            job.listener.progress("grains", number, len(order))
            yield images_as_sums(images(i))

    chosen = reference_maps(ring, len(order))
    reference = sum_maps(images_as_sums(images(order[k])) for k in chosen) if chosen else None
    search = diffraction.GrainSearch(scale="image", smooth_deg=SMOOTH_DEG if chosen else 0.0)
    grains = diffraction.find_grains(maps(), reference=reference, search=search, time=time[order])
    if chosen:
        numbers = ", ".join(str(k + 1) for k in chosen)
        grains.attrs["background"] += f", from map{'s' if len(chosen) > 1 else ''} {numbers}"
    job.notes.append(f"grains of {name}: background: {grains.attrs['background']}")
    grains = diffraction.link_grains(grains)
    tracks = diffraction.track_table(grains)
    counts = diffraction.count_grains(grains)
    counts["images"] = grains["images"]
    facts = {"ring": name, "background": grains.attrs["background"], "rule": grains.attrs["rule"]}
    around = diffraction.azimuth_map(grains, bin_deg=AZIMUTH_BIN_DEG).to_dataset(name="grains")
    around["grains"].attrs["long_name"] = "grains in each bin of azimuth"
    limit = limit_group(job, images(order[0]))
    return {
        "grains/table": grains.assign_attrs(ring=name), "grains/tracks": tracks.assign_attrs(facts),
        "grains/counts": counts.assign_attrs(facts), "grains/azimuth": around.assign_attrs(facts),
        **limit,
    }  # fmt: skip


def grain_ring(xrd: XrdSection) -> RingSection | None:
    """The ring in which grains are looked for, if any."""
    return next((ring for ring in xrd.rings if ring.grains), None)


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


def reference_maps(ring: RingSection, number: int) -> list[int]:
    """Which maps, from 0 in order of time, make the Li-free reference of a ring; none where none is named.

    Raises `ExperimentError` for a map that is not there.
    """
    if ring.grains_reference is None:
        return []
    if ring.grains_reference == "first":
        return [0]
    absent = [k for k in ring.grains_reference if not 1 <= k <= number]
    if absent:
        raise ExperimentError(
            f"ring {ring.name} names map {absent[0]} as free of grains, there are maps 1 to {number}",
            where="xrd.rings.grains_reference", fix="Count maps from 1 in order of time.",
        )  # fmt: skip
    return sorted({k - 1 for k in ring.grains_reference})


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
