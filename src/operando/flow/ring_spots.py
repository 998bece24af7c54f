"""Spots of a textured ring, and the family that each belongs to."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando import diffraction

from .sections import RingSection


def mean_spots(around: xr.Dataset, ring: RingSection) -> xr.Dataset:
    """Spots on the ring summed over all maps, and the family that each belongs to.

    `family` is the one of the experiment file whose window holds the spot, else "" ; `plane_angle` (degrees, 0 for
    planes in the film) is what `pair_families` groups by.
    """
    good = around["intensity"].notnull()
    count = good.sum("time")
    mean = around["intensity"].where(good).sum("time") / count.where(count > 0)
    error = ((around["intensity_err"] ** 2).where(good).sum("time")) ** 0.5 / count.where(count > 0)
    spots = diffraction.find_ring_spots(
        xr.Dataset({"intensity": mean, "intensity_err": error}), noise="measured"
    )
    place = spots["near"].values
    families = [
        next((name for name, at in ring.families.items() if _near(azimuth, at, ring.half_width_deg)), "")
        for azimuth in place
    ]
    spots["family"] = ("spot", np.array(families, dtype="U32"))
    angle = diffraction.plane_angle(place)
    spots["plane_angle"] = ("spot", angle, {"units": "deg", "long_name": "angle of the planes to the film"})
    return spots


def _near(azimuth: float, centres: list[float], half_width: float) -> bool:
    return any(abs((azimuth - centre + 180) % 360 - 180) <= half_width for centre in centres)
