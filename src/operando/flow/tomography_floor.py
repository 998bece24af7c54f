"""The noise floor of the local current density: two scans without current, or two halves of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando import tomography as tomo
from operando.core.errors import ExperimentError

from .sections.tomography import TomographySection
from .tomography_measures import ELECTRODES
from .tomography_scan import ScanSettings, measured
from .tomography_source import Volume, reconstructed

if TYPE_CHECKING:
    from .running import Run

CHANGING = 0.92  # of a collector's error: the rest is the same in all scans; measured on the twin
STILL_SHARE = 0.002  # of the largest step of charge that may pass between scans that count as without current


def noise_floors(
    job: Run, maps: xr.Dataset, volumes: list[Volume], how: ScanSettings, clock: xr.Dataset | None
) -> tuple[dict[str, xr.Dataset], str]:
    """Floor of each electrode: from two scans without current, else from the halves of the first scan's projections."""
    section = job.experiment.tomography
    assert section is not None
    pair = still_pair(section, clock, len(volumes))
    if pair is not None:
        level = [maps["level"].isel(time=k) for k in pair]
        source, scale = f"scans {pair[0] + 1} and {pair[1] + 1}, without current between", 1.0
    elif section.scans is not None:
        files = [section.scans] if isinstance(section.scans, str) else section.scans
        parts = [reconstructed(job, Path(files[0]), 0, part, volumes[0].centre) for part in (0, 1)]
        level = [measured(job, part, how)["maps"]["level"] for part in parts]
        source, scale = "even and odd projections of the first scan, noise over √2", 2**-0.5
        job.notes.append("tomography: no two scans without current: the noise floor is from even and odd projections "
                         "of the first scan, and knows of counting noise, not of what moved or drifted")  # fmt: skip
    else:
        job.notes.append(
            "tomography: no two scans without current, so no noise floor and no map of current density"
        )
        return {}, ""
    floors, source_too = {}, ""
    bent = CHANGING * float(maps["height_systematic"].max())
    for name in ELECTRODES:
        a, b = (
            one.sel(electrode=name, drop=True).assign_attrs(voxel_um=maps.attrs["voxel_um"]) for one in level
        )
        floor = tomo.noise_floor(a, b)
        for what in ("difference", "difference_err", "thickness", "offset"):
            floor[what] = (floor[what] * scale).assign_attrs(floor[what].attrs)
        if bent:
            for what in ("difference", "offset"):
                floor[what] = np.hypot(floor[what], bent * volumes[0].voxel_um).assign_attrs(
                    floor[what].attrs
                )
            source_too = f", and {bent:.2g} voxels of each column by refraction at the collectors"
        floors[name] = floor
    return floors, source + source_too


def still_pair(section: TomographySection, clock: xr.Dataset | None, count: int) -> tuple[int, int] | None:
    """Two scans without current between them: as given (from 1), else from the charge of the cycler's record."""
    if section.still is not None:
        first, second = (k - 1 for k in section.still)
        if max(first, second) >= count:
            raise ExperimentError(
                f"still names scan {max(section.still)}, there are {count}", where="tomography.still",
                fix="Number scans from 1, in order of time.",
            )  # fmt: skip
        return first, second
    if clock is None or not np.isfinite(clock["capacity"].values).all():
        return None
    steps = np.abs(np.diff(clock["capacity"].values))
    idle = (clock["current"].values[1:] == 0) & (clock["current"].values[:-1] == 0)
    quiet = np.flatnonzero((steps <= STILL_SHARE * max(steps.max(), 1e-12)) & idle)
    return (int(quiet[0]), int(quiet[0]) + 1) if len(quiet) else None
