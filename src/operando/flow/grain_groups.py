"""Single-crystal grains on a ring: ring images map by map, grains found in them, followed and counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando import diffraction
from operando.core import Scan, ScanGrid, Sums
from operando.core.errors import ExperimentError

from .gather import map_times
from .grain_images import image_call, images_as_sums
from .grain_limit import limit_group
from .plan import Plan

if TYPE_CHECKING:
    from .running import Run
    from .sections.xrd import RingSection, XrdSection

#: azimuth bins of the map of azimuths in time, degrees
AZIMUTH_BIN_DEG = 5.0
#: a reference is averaged over +- this in azimuth
SMOOTH_DEG = 1.0


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
    reference = diffraction.sum_maps(images_as_sums(images(order[k])) for k in chosen) if chosen else None
    search = diffraction.GrainSearch(scale="image", smooth_deg=SMOOTH_DEG if chosen else 0.0)
    grains = diffraction.find_grains(maps(), reference=reference, search=search, time=time[order])
    if chosen:
        numbers = ", ".join(str(k + 1) for k in chosen)
        grains.attrs["background"] += f", from map{'s' if len(chosen) > 1 else ''} {numbers}"
    if not chosen:
        job.notes.append(
            f"grains of {name}: the background comes from neighbouring azimuths; where a map has no lithium yet, "
            'name it: grains_reference = "first"'
        )
    grains = diffraction.link_grains(grains)
    chance = grains["link_chance"].values
    if links := int(np.isfinite(chance).sum()):
        job.notes.append(
            f"grains of {name}: about {np.nansum(chance):.1f} of the {links} links from map to map may join two "
            "different grains (known to a factor of two or three)"
        )
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
