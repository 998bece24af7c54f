"""From the sums of one scan to its maps: intensities, patterns, peaks and lattice parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from operando import diffraction
from operando.core import Flag, ScanGrid, Sums
from operando.core.flags import flag_variable

from .facts import Ring
from .reduce import take
from .stage import versioned

#: the beam counts as lost below this share of its reference
MONITOR_LOST_BELOW = 0.01


@versioned("1")
def fit_map(
    reduced: xr.Dataset, *, grid: ScanGrid, rings: Sequence[Ring], reference: float | None
) -> dict[str, xr.Dataset]:
    """Every quantity of one map, by group of results (see docs/decisions/0002, less the dim `time`).

    `reference` is the monitor reading that intensities are scaled to; None leaves them as counted.
    """
    beam = _Beam(reduced, grid, reference)
    groups = {"xrd": _overview(reduced, grid, beam), "xrd/pattern": _pattern(reduced, grid, beam)}
    for ring in rings:
        groups[f"xrd/{ring.name}"] = _ring(reduced, grid, ring, beam)
        groups[f"xrd/{ring.name}/azimuth"] = _around(reduced, ring)
    return groups


class _Beam:
    """The beam of each point relative to the reference: what intensities are divided by."""

    def __init__(self, reduced: xr.Dataset, grid: ScanGrid, reference: float | None) -> None:
        frames = xr.ones_like(reduced["monitor_signal"], dtype=np.int64)
        self.frames = grid.to_map(frames, add=True)
        self.measured = self.frames > 0
        self.monitor = grid.to_map(reduced["monitor_signal"])
        if reference is None:
            self.relative = xr.ones_like(self.monitor).where(self.measured)
            self.lost = xr.zeros_like(self.measured)
        else:
            relative = self.monitor / reference
            self.lost = self.measured & ~(relative > MONITOR_LOST_BELOW)
            self.relative = relative.where(~self.lost)
        self.used = reference is not None

    def scaled(self, sums: Sums) -> Sums:
        """Sums over (z, x, ...) with the beam in their weight."""
        return Sums(sums.signal, sums.variance, (sums.weight * self.relative).fillna(0.0))


def _overview(reduced: xr.Dataset, grid: ScanGrid, beam: _Beam) -> xr.Dataset:
    total = grid.sums_to_map(take(reduced, "total_counts"))
    alive = total.weight > 0
    frames = beam.frames.where(beam.measured, 1)
    found = xr.Dataset(
        {
            "total_counts": (total.signal / frames).where(alive).assign_attrs(
                units="counts", long_name="counts of all live pixels, a frame"
            ),
            "total_counts_err": (np.sqrt(total.variance) / frames).where(alive).assign_attrs(
                units="counts", long_name="1-sigma error of total_counts"
            ),
            "frames": beam.frames.assign_attrs(units="1", long_name="frames at this point"),
        }
    )  # fmt: skip
    transmitted, source = (beam.monitor, "monitor") if beam.used else (total.signal / frames, "summed counts")
    found["flag"] = _flags({Flag.NO_DATA: ~alive, Flag.MONITOR_LOST: beam.lost}, ("z", "x"))
    good = alive & ~beam.lost & (transmitted > 0)
    if beam.used and bool(good.any()):
        open_beam = float(np.nanpercentile(transmitted.where(good), 99))
        found["transmission"] = (-np.log(transmitted.where(good) / open_beam)).assign_attrs(
            units="1", long_name="absorbance -ln(I/I0)", source=source,
            note=f"I0 = {open_beam:.6g}, the 99th percentile of this map",
        )  # fmt: skip
        found["transmission_err"] = (1 / np.sqrt(transmitted.where(good))).assign_attrs(
            units="1", long_name="1-sigma error of transmission (counting)"
        )
    return found


def _pattern(reduced: xr.Dataset, grid: ScanGrid, beam: _Beam) -> xr.Dataset:
    mean = beam.scaled(grid.sums_to_map(take(reduced, "pattern"))).sum("z", "x").intensity()
    mean["intensity"].attrs |= {"units": "counts", "long_name": "counts a pixel and frame, mean over the map"}
    mean["intensity_err"].attrs |= {"units": "counts", "long_name": "1-sigma error of intensity"}
    return mean


def _ring(reduced: xr.Dataset, grid: ScanGrid, ring: Ring, beam: _Beam) -> xr.Dataset:
    sums = beam.scaled(grid.sums_to_map(take(reduced, f"{ring.name}_profile")))
    fits = diffraction.fit_peaks(sums, shape=ring.shape)
    found = xr.merge([fits, diffraction.lattice_parameter(fits, ring.reflection, ring.phase)])
    whole = diffraction.component_map(beam.scaled(grid.sums_to_map(take(reduced, f"{ring.name}_ring"))))
    found = found.assign(
        {
            f"intensity{name.removeprefix('intensity')}"
            if name.startswith("intensity")
            else f"intensity_{name}": whole[name]
            for name in whole.data_vars
        }
    )
    lost = xr.where(beam.lost, int(Flag.MONITOR_LOST), 0).astype(np.uint16)
    found["intensity_flag"] = found["intensity_flag"] | lost
    return found


def _around(reduced: xr.Dataset, ring: Ring) -> xr.Dataset:
    return diffraction.azimuth_profile(take(reduced, f"{ring.name}_image"))


def _flags(reasons: dict[Flag, xr.DataArray], dims: tuple[str, ...]) -> xr.DataArray:
    total = sum((xr.where(where, int(flag), 0) for flag, where in reasons.items()), start=0)
    return flag_variable(total.transpose(*dims).values, dims)
