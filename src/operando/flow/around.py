"""What each ring looks like around azimuth, map by map: its image, where its sectors lie, how round it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from operando import diffraction
from operando.core import Flag, Sums
from operando.core.errors import InputError
from operando.core.flags import flag_variable

from .facts import Ring
from .reduce import KINDS, take
from .stage import versioned

#: sectors around the ring
SECTORS = 36


@versioned("2")
def ring_around(reduced: xr.Dataset, *, rings: Sequence[Ring]) -> dict[str, xr.Dataset]:
    """Of each ring of one map `xrd/<ring>/image` over (azimuth, q) and `xrd/<ring>/sectors` over azimuth."""
    groups = {}
    for ring in rings:
        image = take(reduced, f"{ring.name}_image")
        shown = image.intensity(np.float32)
        shown["intensity"].attrs |= {
            "units": "counts",
            "long_name": "counts a pixel and frame, mean over the map",
        }
        shown["intensity_err"].attrs |= {"units": "counts", "long_name": "1-sigma error of intensity"}
        groups[f"xrd/{ring.name}/image"] = shown
        groups[f"xrd/{ring.name}/sectors"] = _sectors(image, ring.shape)
    return groups


def _sectors(image: Sums, shape: str) -> xr.Dataset:
    """Position and width of the ring in each sector of azimuth, from a peak fit."""
    bins = image.signal.sizes["azimuth"]
    count = next(n for n in range(min(SECTORS, bins), 0, -1) if bins % n == 0)
    wide = Sums(*(getattr(image, kind).coarsen(azimuth=bins // count).sum() for kind in KINDS))
    centres = image.signal["azimuth"].coarsen(azimuth=bins // count).mean()
    fits = diffraction.fit_peaks(
        Sums(*(getattr(wide, kind).assign_coords(azimuth=centres) for kind in KINDS)), shape=shape
    )
    return fits[["q", "q_err", "width", "width_err", "area", "area_err", "flag"]]


def roundness(sectors: xr.Dataset) -> xr.Dataset:
    """Harmonics of the position around the ring in every map: `azimuth_flatness` of its unflagged sectors, over `time`.

    NaN and TOO_FEW_COUNTS (`round_flag`) for a map in which too little of the ring is seen. A textured ring has
    peaks in few sectors, and one whose families move apart is not round for that reason: a statement about the
    geometry needs a ring of a phase at rest.
    """
    names = ("amplitude", "amplitude_err", "phase", "lattice_error", "q0", "q0_err", "p_flat")
    good = sectors["flag"] == 0
    each = [_flatness(sectors.isel(time=t), good.isel(time=t)) for t in range(sectors.sizes["time"])]
    known = next((one for one in each if one is not None), None)
    found = sectors.copy()
    if known is None:
        return found
    empty = known * np.nan
    joined = xr.concat(
        [empty if one is None else one for one in each], sectors["time"], combine_attrs="override"
    )
    for name in names:
        found[name] = joined[name].assign_attrs(known[name].attrs)
    missing = [int(Flag.TOO_FEW_COUNTS) if one is None else 0 for one in each]
    found["round_flag"] = flag_variable(np.array(missing), ("time",))
    return found


def _flatness(sectors: xr.Dataset, good: xr.DataArray) -> xr.Dataset | None:
    try:
        return diffraction.azimuth_flatness(sectors[["q", "q_err"]].where(good))
    except InputError:
        return None


def standard_distance(sectors: xr.Dataset, ring: Ring, geometry, d_err_A: float) -> xr.Dataset:
    """Distance from sample to detector at which the ring of an internal standard has its spacing, over `time`.

    From the weighted mean of the unflagged sectors; `relative_change` to the geometry given. NaN where none is seen.
    """
    good = (sectors["flag"] == 0) & (sectors["q_err"] > 0)
    weight = (sectors["q_err"] ** -2.0).where(good, 0.0)
    total = weight.sum("azimuth")
    mean = (weight * sectors["q"].fillna(0.0)).sum("azimuth") / total.where(total > 0)
    error = total.where(total > 0) ** -0.5
    names = ("distance_m", "distance_err_m", "relative_change")
    values = np.full((3, sectors.sizes["time"]), np.nan)
    for t, (q, e) in enumerate(zip(mean.values, error.values, strict=True)):
        if np.isfinite(q):
            seen = diffraction.distance_from_standard(q, e, ring.reflection, geometry, d_err_A=d_err_A)
            values[:, t] = [getattr(seen, name) for name in names]
    about = {"units": "mm", "long_name": "distance from the ring of the standard"}
    return xr.Dataset(
        {
            "distance": ("time", 1e3 * values[0], about),
            "distance_err": ("time", 1e3 * values[1], about | {"long_name": "1-sigma error of distance"}),
            "relative_change": ("time", values[2], {"units": "1", "long_name": "change relative to the geometry"}),
        },
        coords={"time": sectors["time"]}, attrs={"ring": ring.name, "given_mm": 1e3 * geometry.distance_m},
    )  # fmt: skip
