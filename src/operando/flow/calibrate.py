"""A geometry refined against a frame of a reference powder: `operando calibrate`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import xarray as xr

from operando import diffraction, read, stream
from operando.core import Frames, Geometry, Sums
from operando.core.errors import InputError
from operando.core.geometry import Flip

from .masks import mask_of

#: sectors of azimuth, most rings, and rounds of binning anew with the geometry found
SECTORS, MOST_RINGS, ROUNDS = 72, 12, 4
#: half width of the windows: this share of q at first (the start may be off), later this many pixels if that is less
WIDE, PIXELS = 0.03, 25.0
#: a window is at least so many pixels to each side; where the next ring is nearer, neither is used
NARROWEST = 10.0
#: rings farther off than so many pixels (rms) were taken for others
MOST_LEFT = 1.0
#: of the gap to the next ring
FREE_SHARE = 0.45


@dataclass(frozen=True)
class Calibrated:
    """A refined geometry, the reference's rings (1/angstrom) and their positions around azimuth as binned with it."""

    found: diffraction.Refined
    q: np.ndarray
    rings: xr.Dataset

    @property
    def geometry(self) -> Geometry:
        return self.found.geometry

    @property
    def rest_deg(self) -> float:
        """2 theta seen less known, rms over the places used, degrees."""
        points = self.found.points
        return float(np.sqrt((points["residual"].values[points["used"].values] ** 2).mean()))


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
    for turn in range(ROUNDS):
        q, half = usable_rings(spacing, geometry, wide=turn < ROUNDS - 2)
        points = fitted_rings(frames, geometry, q, half, mask)
        found = diffraction.refine_geometry(points, q, geometry, compared=start)
        geometry = found.geometry
    done = Calibrated(found, q, points)
    pixel = np.rad2deg(max(geometry.pixel_m) / geometry.distance_m)
    if done.rest_deg > MOST_LEFT * pixel:
        raise InputError(
            f"after refinement the rings lie {done.rest_deg / pixel:.1f} pixels off (rms): they are not those of the "
            "reference, or the start is too far off", where="calibrate",
            fix=f"Check reference and wavelength; the distance must be right within some {100 * WIDE:.0f} %.",
        )  # fmt: skip
    return done


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
            f"no reference powder {str(reference)!r}",
            where="--reference",
            fix=f"Give a file of spacings, or one of {known}.",
        ) from error  # fmt: skip
    if not (len(found) and np.isfinite(found).all() and (found > 0).all()):
        raise InputError("no spacings in it", where=str(reference), fix="One spacing in angstrom a line.")
    return np.sort(found)[::-1]


def usable_rings(spacing: np.ndarray, geometry: Geometry, *, wide: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rings on the detector that stand apart from the next: q and half width of their windows, 1/angstrom."""
    seen = geometry.q()
    low, high, pixel = float(seen.min()), float(seen.max()), pixel_q(seen)
    q = np.unique(2 * np.pi / spacing)
    gap = np.diff(q, prepend=0.0, append=np.inf)
    half = WIDE * q if wide else np.minimum(WIDE * q, PIXELS * pixel)
    half = np.minimum(FREE_SHARE * np.minimum(gap[:-1], gap[1:]), np.maximum(half, NARROWEST * pixel))
    good = (q - half > low) & (q + half < high) & (half >= NARROWEST * pixel)
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


def calibrate_file(
    path: Path, poni: Path, reference: str, target: Path, *, flip: Flip = "none", mask: str = "detector",
    dataset: str | None = None, overwrite: bool = False,
) -> Calibrated:  # fmt: skip
    """`calibrate` on the frames of a file; writes the geometry found to `target`.

    Raises `InputError` where `target` exists and `overwrite` is not set, for a flip under which the rings are clearly
    less sharp than under another, and as `calibrate`, `Geometry.from_poni` and `read.open_scans` do.
    """
    if flip not in get_args(Flip):
        raise InputError(f"no flip {flip!r}", where="--flip", fix=f"One of {', '.join(get_args(Flip))}.")
    if target.exists() and not overwrite:
        raise InputError(
            "exists already", where=str(target), fix="Choose another --output, or give --overwrite."
        )
    scan = read.open_scans([path], dataset)[0]
    start = Geometry.from_poni(poni, flip=flip).for_shape(scan.frames.shape, name=str(path))
    pixels = mask_of(mask, scan, start)
    image = stream.run([stream.FrameSum()], scan.frames)["frame_sum"].signal.values
    check = diffraction.check_orientation(image, start, mask=pixels)
    if check.verdict == "wrong":
        raise InputError(check.message, where=str(path), fix=f"Give --flip {check.best}.")
    found = calibrate(scan.frames, start, reference, mask=pixels)
    write_poni(found.geometry, target)
    return found


#: PONI's own names, factor to the unit shown, and that unit
SHOWN = {
    "distance_m": ("distance", 1e3, "mm"), "poni1_m": ("poni1", 1e3, "mm"), "poni2_m": ("poni2", 1e3, "mm"),
    "rot1": ("rot1", 180 / np.pi, "deg"), "rot2": ("rot2", 180 / np.pi, "deg"),
}  # fmt: skip


def sentences(done: Calibrated) -> list[tuple[str, str]]:
    """(topic, sentence) for a person: each parameter with its error and what it was, and what is left of the rings."""
    told = []
    for name, (short, factor, units) in SHOWN.items():
        one = done.found.parameters.sel(parameter=name)
        value, start, err = (factor * float(one[key]) for key in ("value", "start", "value_err"))
        digits = max(0, 1 - int(np.floor(np.log10(err)))) if err > 0 else 3
        told.append((short, f"{value:.{digits}f} +- {err:.{digits}f} {units} (was {start:.{digits}f})"))
    used, goodness = done.found.points["used"].values, done.found.parameters.attrs["goodness"]
    left = (
        f"2 theta is {1e3 * done.rest_deg:.1f} mdeg rms off, {np.sqrt(goodness):.1f} times what counting says"
    )
    told.append(("rings", f"{len(done.q)} rings, {used.sum()} of {used.size} places used; {left}"))
    return told


def write_poni(geometry: Geometry, path: Path) -> None:
    """Write a PONI 2.1 (the flip of the stored image is no part of that format)."""
    from pyFAI.io.ponifile import PoniFile

    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        PoniFile(geometry.integrator).write(file)
    os.replace(part, path)
