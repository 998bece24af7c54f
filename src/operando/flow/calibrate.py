"""A geometry refined against a frame of a reference powder: `operando calibrate`."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from operando import diffraction, stream
from operando.core import Frames, Geometry, Sums
from operando.core.errors import InputError

#: sectors of azimuth, most rings, and rounds of binning anew with the geometry found
SECTORS, MOST_RINGS, ROUNDS = 72, 12, 4
#: half width of the windows: this share of q at first (the start may be off), later this many pixels if that is less
WIDE, PIXELS = 0.03, 25.0
#: a window under so many pixels is too narrow for a ring
NARROWEST = 10.0
#: of the gap to the next ring
FREE_SHARE = 0.45


@dataclass(frozen=True)
class Calibrated:
    """A refined geometry, the reference's rings (1/angstrom) and their positions around azimuth as binned with it."""

    found: diffraction.Refined
    q: np.ndarray
    rings: xr.Dataset
    start: Geometry

    @property
    def geometry(self) -> Geometry:
        return self.found.geometry


def calibrate(
    frames: Frames, geometry: Geometry, reference: str | Path, *, mask: np.ndarray | None = None
) -> Calibrated:
    """Refine a geometry that is nearly right against frames of a reference powder, which are summed.

    reference   name of a calibrant that pyFAI knows ("CeO2", "LaB6", "alpha_Al2O3"), or a file of spacings (angstrom)
    mask        (rows, columns) bool, True where a pixel does not count

    The rings are fitted in `SECTORS` sectors of azimuth, the geometry to their places (`diffraction.refine_geometry`),
    and this is done again with the geometry found, `ROUNDS` times. Raises `InputError` for an unknown reference, no
    usable ring, or rings that are not where the start has them (within 3 % of q).
    """
    start = geometry = geometry.for_shape(frames.shape)
    spacing = spacings(reference, geometry.wavelength_A)
    found, points = None, None
    for turn in range(ROUNDS):
        q, half = usable_rings(spacing, geometry, wide=turn < ROUNDS - 2)
        points = fitted_rings(frames, geometry, q, half, mask)
        found = diffraction.refine_geometry(points, q, geometry)
        geometry = found.geometry
    assert found is not None and points is not None
    first = xr.Dataset({"start": found.parameters["start"]}) * np.nan
    first["start"] = ("parameter", [getattr(start, str(name)) for name in found.parameters["parameter"].values])
    parameters = found.parameters.assign(start=first["start"])
    return Calibrated(replace(found, parameters=parameters), q, points, start)


def spacings(reference: str | Path, wavelength_A: float) -> np.ndarray:
    """Spacings of a reference, angstrom, largest first. Raises `InputError` for one that pyFAI does not know."""
    from pyFAI.calibrant import CALIBRANT_FACTORY, Calibrant, get_calibrant

    try:
        if Path(reference).is_file():
            powder = Calibrant(filename=str(reference), wavelength=wavelength_A * 1e-10)
        else:
            powder = get_calibrant(str(reference), wavelength=wavelength_A * 1e-10)
        found = np.array(powder.dspacing, float)
    except Exception as error:
        known = ", ".join(sorted(CALIBRANT_FACTORY.all))
        raise InputError(
            f"no reference powder {str(reference)!r}", where="--reference", fix=f"Give a file of spacings, or one of {known}."
        ) from error
    if not (len(found) and np.isfinite(found).all() and (found > 0).all()):
        raise InputError("no spacings in it", where=str(reference), fix="One spacing in angstrom a line.")
    return np.sort(found)[::-1]


def usable_rings(spacing: np.ndarray, geometry: Geometry, *, wide: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rings on the detector that stand apart from the next: q and half width of their windows, 1/angstrom."""
    seen = geometry.q()
    low, high, pixel = float(seen.min()), float(seen.max()), pixel_q(seen)
    q = np.unique(2 * np.pi / spacing)
    gap = np.diff(q, prepend=0.0, append=np.inf)
    half = np.minimum(FREE_SHARE * np.minimum(gap[:-1], gap[1:]), WIDE * q)
    if not wide:
        half = np.minimum(half, PIXELS * pixel)
    good = (q - half > low) & (q + half < high) & (half > NARROWEST * pixel)
    q, half = q[good], half[good]
    if not len(q):
        raise InputError(
            f"no ring of the reference stands alone between {low:.2f} and {high:.2f} 1/angstrom", where="--reference",
            fix="Check wavelength and distance of the PONI, or take another reference.",
        )  # fmt: skip
    kept = np.unique(np.linspace(0, len(q) - 1, min(MOST_RINGS, len(q))).round().astype(int))
    return q[kept], half[kept]


def pixel_q(seen: np.ndarray) -> float:
    """1/angstrom from one pixel to the next, along the longer way to a corner."""
    steps = np.hypot(*np.gradient(seen[:: max(seen.shape[0] // 64, 1), :: max(seen.shape[1] // 64, 1)]))
    stride = max(seen.shape[0] // 64, 1), max(seen.shape[1] // 64, 1)
    return float(np.median(steps)) / float(np.mean(stride))


def fitted_rings(
    frames: Frames, geometry: Geometry, q: np.ndarray, half: np.ndarray, mask: np.ndarray | None
) -> xr.Dataset:
    """Place and width of every ring in every sector, over (ring, azimuth)."""
    pixel = pixel_q(geometry.q())
    windows = [
        stream.RingWindow(
            name=f"ring{k}", geometry=geometry, mask=mask, q_range=(centre - h, centre + h), azimuth_bins=SECTORS,
            q_bins=max(int(2 * h / (0.75 * pixel)), 16),
        )
        for k, (centre, h) in enumerate(zip(q, half, strict=True))
    ]  # fmt: skip
    sums = stream.run(windows, frames)
    fits = [diffraction.fit_peaks(_summed(sums[w.name])) for w in windows]
    kept = ["q", "q_err", "width", "area", "goodness", "flag"]
    return xr.concat([fit[kept] for fit in fits], "ring", combine_attrs="override")


def _summed(sums: Sums) -> Sums:
    return sums.sum("frame") if sums.per_frame else sums


def write_poni(geometry: Geometry, path: Path) -> None:
    """Write a PONI 2.1 (the flip of the stored image is no part of that format)."""
    from pyFAI.io.ponifile import PoniFile

    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        PoniFile(geometry.integrator).write(file)
    os.replace(part, path)
