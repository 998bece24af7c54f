"""From the sums of one scan to its maps: intensities, patterns, peaks and lattice parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from operando import diffraction
from operando.core import Flag, ScanGrid, Sums
from operando.core.flags import flag_variable
from operando.core.sums import FRAME

from .facts import Ring
from .reduce import KINDS, take
from .stage import versioned

#: share of a ring's window, at each end, that tells the background
SIDE_BAND = 0.12
#: the beam counts as lost below this share of its reference
MONITOR_LOST_BELOW = 0.01
#: response and offset of the bins of each family, see `diffraction.peak_sampling`
Samplings = dict[str, tuple[np.ndarray, np.ndarray]]


@versioned("7")
def fit_map(
    reduced: xr.Dataset,
    *,
    grid: ScanGrid,
    rings: Sequence[Ring],
    reference: float | None,
    behind: bool,
    points: bool,
    pixels: Mapping[str, diffraction.RingPixels],
    two_phases: Sequence[str] = (),
) -> dict[str, xr.Dataset]:
    """Every quantity of one map, by group of results (see docs/decisions/0002, less the dim `time`).

    `reference` is the monitor reading that intensities are scaled to; None leaves them as counted.
    `behind`: the monitor is behind the sample. `points` keeps the pattern of every point. `pixels`: as in `Plan`.
    `two_phases`: rings that are fitted with two peaks as well.
    """
    beam = _Beam(reduced, grid, reference)
    patterns = beam.scaled(grid.sums_to_map(take(reduced, "pattern")))
    groups = {
        "xrd": _overview(reduced, grid, beam, behind),
        "xrd/pattern": _pattern(patterns.sum("z", "x"), "mean over the map"),
    }
    if points:
        groups["points"] = _pattern(patterns, "of each point")
    for ring in rings:
        known = samplings(reduced, ring, pixels.get(ring.name))
        groups[f"xrd/{ring.name}"] = _ring(reduced, grid, ring, beam, known)
        if ring.name in two_phases:
            groups[f"xrd/{ring.name}/phases"] = _two_phases(_profiles(reduced, grid, ring, beam), known)
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
            self.lost = self.measured & ~((relative > MONITOR_LOST_BELOW) & np.isfinite(relative))
            self.relative = relative.where(~self.lost)
        self.used = reference is not None

    def scaled(self, sums: Sums) -> Sums:
        """Sums over (z, x, ...) with the beam in their weight."""
        return Sums(sums.signal, sums.variance, (sums.weight * self.relative).fillna(0.0))


def _overview(reduced: xr.Dataset, grid: ScanGrid, beam: _Beam, behind: bool) -> xr.Dataset:
    total = grid.sums_to_map(take(reduced, "total_counts"))
    alive = total.weight > 0
    frames = beam.frames.where(beam.measured, 1)
    found = xr.Dataset({"frames": _told(beam.frames, "1", "frames at this point")})
    _put(found, "total_counts", total.signal / frames, total.variance**0.5 / frames, alive,
         units="counts", long_name="counts of all live pixels, a frame")  # fmt: skip
    flag = xr.where(alive, 0, int(Flag.NO_DATA)) | xr.where(beam.lost, int(Flag.MONITOR_LOST), 0)
    found["flag"] = flag_variable(flag.transpose("z", "x").values, ("z", "x"))
    seen, source = (
        (beam.monitor, "monitor") if beam.used and behind else (total.signal / frames, "summed counts")
    )
    _absorbance(found, seen, alive & ~beam.lost & (seen > 0), source, beam)
    return found


def _absorbance(found: xr.Dataset, seen: xr.DataArray, good: xr.DataArray, source: str, beam: _Beam) -> None:
    """-ln(I/I0) by what was seen behind the sample, I0 from the brightest points of the map itself."""
    counts = seen.where(good)
    reading = counts / beam.relative if beam.used and source == "summed counts" else counts
    open_beam = float(np.nanpercentile(reading, 99)) if bool(good.any()) else np.nan
    _put(found, "transmission", -xr.apply_ufunc(np.log, reading / open_beam), 1 / counts**0.5, good,
         units="1", long_name="absorbance -ln(I/I0)", source=source,
         note=f"I0 = {open_beam:.6g}, the 99th percentile of the {source} of this map")  # fmt: skip


def _pattern(sums: Sums, where: str) -> xr.Dataset:
    found = xr.Dataset()
    mean = sums.intensity().astype(np.float32)
    _put(found, "intensity", mean["intensity"], mean["intensity_err"], None,
         units="counts", long_name=f"counts a pixel and frame, {where}")  # fmt: skip
    return found


def _profiles(reduced: xr.Dataset, grid: ScanGrid, ring: Ring, beam: _Beam) -> Sums:
    """Profiles of the families of a ring over (family, z, x, q)."""
    return beam.scaled(grid.sums_to_map(take(reduced, f"{ring.name}_profile")))


def _ring(reduced: xr.Dataset, grid: ScanGrid, ring: Ring, beam: _Beam, known: Samplings) -> xr.Dataset:
    fits = _fits(_profiles(reduced, grid, ring, beam), ring, known)
    cell = diffraction.lattice_parameter(fits, ring.reflection, ring.phase)
    found = fits.assign({name: cell[name] for name in cell.data_vars if name not in fits})
    ring_sums = beam.scaled(grid.sums_to_map(take(reduced, f"{ring.name}_ring")))
    whole = diffraction.component_map(ring_sums, core=_core(ring))
    # a family none of whose windows is whole has no weight, though the ring was measured: that is a gap
    cut = (found["flag"] == int(Flag.NO_DATA)) & (ring_sums.weight.sum("q") > 0)
    found["flag"] = found["flag"].where(~cut, np.uint16(Flag.CUT_BY_GAP)).assign_attrs(fits["flag"].attrs)
    found["intensity"], found["intensity_err"] = whole["intensity"], whole["intensity_err"]
    lost = xr.where(beam.lost, int(Flag.MONITOR_LOST), 0).astype(np.uint16)
    found["intensity_flag"] = (whole["flag"] | lost).assign_attrs(whole["flag"].attrs)
    return found


def samplings(reduced: xr.Dataset, ring: Ring, pixels: diffraction.RingPixels | None) -> Samplings:
    """How the bins of each family sample its spots (see `peak_sampling`), by family; without those not known."""
    found: Samplings = {}
    if pixels is None:
        return found
    image, profile = take(reduced, f"{ring.name}_image"), _around(reduced, ring)
    # windows are chosen by the weight of one frame, as when the profiles were made
    image = Sums(image.signal, image.variance, image.weight / reduced.sizes[FRAME])
    for family, azimuths in ring.families:
        weight = diffraction.family_profile(image, azimuths, ring.half_width_deg).weight
        used = tuple(weight.attrs["azimuths_used"])
        q = weight["q"].values
        seen = diffraction.peak_sampling(pixels, q, profile, used, ring.half_width_deg) if used else None
        if seen is not None:
            found[family] = seen
    return found


def _fits(sums: Sums, ring: Ring, known: Samplings) -> xr.Dataset:
    """Peak fits family by family, each with its own sampling. Only Gaussians can be moved within their bins."""
    if not known:
        return diffraction.fit_peaks(sums, shape=ring.shape)
    fits = []
    for family in sums.signal["family"].values:
        response, offset = known.get(str(family), (None, None))
        fits.append(
            diffraction.fit_peaks(
                one_family(sums, family), shape=ring.shape, response=response,
                offset=offset if ring.shape == "gaussian" else None,
            )
        )  # fmt: skip
    return xr.concat(fits, sums.signal["family"], combine_attrs="override").transpose("family", ...)


def _two_phases(sums: Sums, known: Samplings) -> xr.Dataset:
    """Two-peak fits family by family."""
    fits = []
    for family in sums.signal["family"].values:
        response, offset = known.get(str(family), (None, None))
        fits.append(diffraction.fit_two_peaks(one_family(sums, family), response=response, offset=offset))
    return xr.concat(fits, sums.signal["family"], combine_attrs="override")


def one_family(sums: Sums, family: str) -> Sums:
    return Sums(*(getattr(sums, kind).sel(family=family) for kind in KINDS))


def _put(found: xr.Dataset, name: str, value: xr.DataArray, error: xr.DataArray, good, **attrs: str) -> None:
    """A variable with its error, NaN where it is not `good`."""
    about = {"units": attrs["units"], "long_name": f"1-sigma error of {name}"}
    for key, array, told in ((name, value, attrs), (f"{name}_err", error, about)):
        found[key] = (array if good is None else array.where(good)).assign_attrs(told)


def _told(array: xr.DataArray, units: str, long_name: str) -> xr.DataArray:
    return array.assign_attrs(units=units, long_name=long_name)


def _around(reduced: xr.Dataset, ring: Ring) -> xr.Dataset:
    """Profile along the ring of all frames together, as that of one mean frame: gaps are judged by pixels a cell."""
    image, frames = take(reduced, f"{ring.name}_image"), reduced.sizes[FRAME]
    mean = Sums(image.signal / frames, image.variance / frames**2, image.weight / frames)
    return diffraction.azimuth_profile(mean, core=_core(ring))


def _core(ring: Ring) -> tuple[float, float]:
    """Where a peak may wander within its window; what is left on both sides tells the background."""
    low, high = ring.q_range
    return low + SIDE_BAND * (high - low), high - SIDE_BAND * (high - low)
