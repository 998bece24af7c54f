"""What the grain search sees on these very maps: known spots put in and searched again, and false spots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando import diffraction
from operando.core import Sums
from operando.core.errors import InputError

from .grain_images import images_as_sums
from .stage import versioned

if TYPE_CHECKING:
    from .running import Run

#: counts of the spots that are put in
COUNTS = (5.0, 8.0, 12.0, 18.0, 27.0, 40.0, 60.0, 90.0, 135.0, 200.0, 400.0)
#: spots put in at each level, and empty images searched for false ones
SPOTS, IMAGES = 120, 1000


def limit_group(job: Run, first: xr.Dataset) -> dict[str, xr.Dataset]:
    """`grains/limit` from the ring images of the first map: efficiency against counts, detection limits, false rate."""
    try:
        return {
            "grains/limit": job.stages.stage(search_limit, {"images": first}, {"seed": 1}, name="grain-limit")
        }
    except InputError as error:
        job.notes.append(f"grains: no detection limit: {error.what}")
        return {}


@versioned("2")
def search_limit(images: xr.Dataset, *, seed: int) -> xr.Dataset:
    """Efficiency over `counts`; attrs hold the limits (counts in a spot) and the false spots an image, with errors."""
    rng = np.random.default_rng(seed)
    sums = images_as_sums(images)
    found, _ = diffraction.detection_limit(sums, None, COUNTS, spots=SPOTS, rng=rng)
    false = diffraction.false_rate(_background(sums), images=IMAGES, rng=rng)
    return found.assign_attrs(found.attrs | {f"false_{name}": value for name, value in false.items()})


def _background(sums: Sums) -> Sums:
    """The median over the map, which single spots do not move, as counts of one image over (z = 1, x = 1)."""
    weight = sums.weight.broadcast_like(sums.signal).transpose(*sums.signal.dims)
    seen = (sums.signal / weight.where(weight > 0)).mean(("z", "x"))
    # at few counts a median is 0: the mean of what lies within the scatter of Poisson counts
    typical = weight.where(weight > 0).mean(("z", "x")).fillna(0.0)
    scatter = 4 * (seen * typical).clip(1.0) ** 0.5 / typical.where(typical > 0)
    calm = (sums.signal / weight.where(weight > 0)).where(lambda v: abs(v - seen) < scatter).mean(("z", "x"))
    mean = (calm * typical).fillna(0.0).expand_dims(z=[0.0], x=[0.0])
    return Sums(mean, mean, typical.expand_dims(z=[0.0], x=[0.0]))
