"""Single-crystal grains on a ring: ring images map by map, grains found in them, followed and counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from operando import diffraction, stream
from operando.core import Scan, ScanGrid, Sums
from operando.core.frames import Frames

from .gather import map_times
from .grain_limit import limit_group
from .plan import Plan
from .stage import DETAIL, versioned

if TYPE_CHECKING:
    from .job import Run

#: azimuth bins of the map of azimuths in time, degrees
AZIMUTH_BIN_DEG = 5.0
#: bins in q of a ring image: a spot needs few, and empty bins cost memory
Q_BINS = 10


def grain_groups(
    job: Run, plan: Plan, scans: Sequence[Scan], grids: Sequence[ScanGrid]
) -> dict[str, xr.Dataset]:
    """`grains/table`, `grains/tracks`, `grains/counts` and `grains/azimuth` of the ring with grains = true, else none.

    Only one map is in memory at a time. The background of an image is the mean of the ring nearby in azimuth at the
    same q, spots left out: it follows layers that move and a beam that fades, as a reference map would not.
    attrs["background"] says so. Neighbouring grains of one azimuth are joined, so that where many share an orientation
    counts are lower bounds (tests/recovery/test_film_grains.py: three quarters of them at 1.5 grains a column).
    """
    xrd = job.experiment.xrd
    assert xrd is not None
    name = next((ring.name for ring in xrd.rings if ring.grains), None)
    if name is None:
        return {}
    window = replace(next(r for r in plan.reductions if r.name == name), q_bins=Q_BINS)
    time = map_times(scans, grids)[0].values
    order = np.argsort(time, kind="stable")

    def maps() -> Iterator[Sums]:
        for number, i in enumerate(order):
            job.listener.progress("grains", number, len(order))
            kept = job.stages.stage(
                ring_images, {"frames": scans[i].frames}, {"window": window, "grid": grids[i]}, name="grains"
            )
            yield images_as_sums(kept)

    grains = diffraction.find_grains(maps(), time=time[order])
    grains = diffraction.link_grains(grains)
    tracks = diffraction.track_table(grains)
    counts = diffraction.count_grains(grains)
    counts["images"] = grains["images"]
    facts = {"ring": name, "background": grains.attrs["background"], "rule": grains.attrs["rule"]}
    around = diffraction.azimuth_map(grains, bin_deg=AZIMUTH_BIN_DEG).to_dataset(name="grains")
    around["grains"].attrs["long_name"] = "grains in each bin of azimuth"
    limit = limit_group(job, job.stages.stage(
        ring_images, {"frames": scans[order[0]].frames}, {"window": window, "grid": grids[order[0]]}, name="grains"
    ))  # fmt: skip
    return {
        "grains/table": grains.assign_attrs(ring=name), "grains/tracks": tracks.assign_attrs(facts),
        "grains/counts": counts.assign_attrs(facts), "grains/azimuth": around.assign_attrs(facts),
        **limit,
    }  # fmt: skip


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
