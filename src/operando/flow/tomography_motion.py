"""What moved: the whole sample, taken out by what is held fixed, and the solid within it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr

from operando import tomography as tomo

from .sections.tomography import TomographySection
from .stage import versioned
from .tomography_density import smeared
from .tomography_scan import ScanSettings
from .tomography_source import Volume

if TYPE_CHECKING:
    from .running import Run

LEAST_MOTION = 0.1  # voxels: below it a volume is left as it is, for interpolation smooths


@versioned("1")
def tomography_motion(first: Volume, volume: Volume, *, held: str, ratio: float) -> xr.Dataset:
    """Shift of the held collector from the first volume to this one (um), by `register_rigid`."""
    both = [
        xr.DataArray(smeared(v.read(), ratio), dims=("z", "y", "x"), attrs={"voxel_um": v.voxel_um})
        for v in (first, volume)
    ]
    profile = both[0].values.mean((1, 2))
    thick = float((profile[: len(profile) // 2] > 0.5 * profile[:3].max()).sum()) * first.voxel_um
    whole = len(profile) * first.voxel_um
    slab = (0.0, thick + 4 * first.voxel_um)
    if held == "upper collector":
        thick = float((profile[len(profile) // 2 :] > 0.5 * profile[-3:].max()).sum()) * first.voxel_um
        slab = (whole - thick - 4 * first.voxel_um, whole)
    return tomo.register_rigid(both[0], both[1], tomo.held_slab(both[0], slab), name=held)


def held_fixed(job: Run, section: TomographySection, first: Volume, one: Volume, how: ScanSettings) -> dict:
    """What is taken out of a volume (um; z, y, x), and what was found with its error."""
    none = xr.Dataset({n: ("freedom", np.zeros(3), {"units": "um"}) for n in ("motion", "motion_err")},
                      {"freedom": ["z", "y", "x"]}, {"held": section.held})  # fmt: skip
    if one is first or section.held == "none":
        return {"found": none, "taken_out": ()}
    ratio = how.light.collector_ratio if how.light else 0.0
    found = job.stages.stage(
        tomography_motion, {"first": first, "volume": one}, {"held": section.held, "ratio": ratio}
    )
    three = found.sel(freedom=["z", "y", "x"])[["motion", "motion_err"]]
    shift = np.nan_to_num(three["motion"].values)
    clear = np.abs(shift) > np.maximum(
        LEAST_MOTION * first.voxel_um, 3 * np.nan_to_num(three["motion_err"].values)
    )
    taken = tuple(float(v) for v in np.where(clear, shift, 0.0)) if clear.any() else ()
    three.attrs = {"held": section.held}
    return {"found": three, "taken_out": taken}


@versioned("1")
def tomography_displacement(
    first: Volume, last: Volume, *, window: int, ratio: float, method: Literal["own", "spam"] = "own"
) -> xr.Dataset:  # fmt: skip
    """Displacement of what has texture, from the first to the last volume."""
    both = [
        xr.DataArray(smeared(v.read(), ratio), dims=("z", "y", "x"), attrs={"voxel_um": v.voxel_um})
        for v in (first, last)
    ]
    how = tomo.Correlation(window=window, spacing=max(window // 2, 4), search=4)
    return tomo.displacement_field(both[0], both[1], how, method=method).assign_attrs(method=method)
