"""Texture of a ring: families of spots by the angle of their planes to the film, and ratios of families."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from ..core import Geometry, Reflection
from ..core.flags import flag_variable
from .rings import Family, inside_window


def plane_angle(
    azimuth_deg: np.ndarray, reflection: Reflection | None = None, geometry: Geometry | None = None
) -> np.ndarray:
    """Angle of the lattice planes to the film, 0 to 90 degrees: 0 for planes that lie flat in it.

    The scattering vector at azimuth chi is (cos theta cos chi, -sin theta, cos theta sin chi) in (x, beam, z), and the
    film normal is z: cos(angle) = cos(theta) |sin chi|. Without reflection and geometry theta is taken as zero.
    """
    theta = 0.0
    if reflection is not None and geometry is not None:
        theta = float(np.arcsin(reflection.q * geometry.wavelength_A / (4 * np.pi)))
    return np.rad2deg(np.arccos(np.clip(np.cos(theta) * np.abs(np.sin(np.deg2rad(azimuth_deg))), 0, 1)))


def pair_families(
    spots: xr.Dataset,
    *,
    tolerance_deg: float = 10.0,
    half_width_deg: float = 10.0,
    names: dict[str, float] | None = None,
) -> list[Family]:
    """Put spots of the same angle of their planes to the film into families.

    tolerance_deg  spots sorted by that angle are split where neighbours differ by more than this
    names          {name: angle in degrees} for families known beforehand; others are called "angle65" by their mean

    Uses unflagged spots only. Families are sorted by angle.
    """
    azimuth = spots["azimuth"].values[np.isfinite(spots["azimuth"].values)]
    if not len(azimuth):
        return []
    angle = plane_angle(azimuth)
    order = np.argsort(angle)
    groups = np.split(order, np.flatnonzero(np.diff(angle[order]) > tolerance_deg) + 1)
    families = []
    for group in groups:
        mean = float(angle[group].mean())
        known = [name for name, value in (names or {}).items() if abs(value - mean) <= tolerance_deg]
        at = tuple(sorted(float(a) for a in azimuth[group]))
        families.append(Family(known[0] if known else f"angle{mean:.0f}", at, half_width_deg))
    return families


def free_azimuths(families: Sequence[Family], azimuth: np.ndarray, margin_deg: float = 0.0) -> np.ndarray:
    """True for azimuth bins that no family's window touches: where the ring's background can be measured."""
    taken = np.zeros(len(azimuth), bool)
    for family in families:
        for centre in family.azimuths_deg:
            taken |= inside_window(azimuth, centre, family.half_width_deg + margin_deg)
    return ~taken


def overlapping(families: Sequence[Family]) -> list[tuple[str, str]]:
    """Pairs of families whose azimuth windows overlap: a value of one then holds counts of the other."""
    pairs = []
    for i, one in enumerate(families):
        for two in families[i + 1 :]:
            away = [abs((a - b + 180) % 360 - 180) for a in one.azimuths_deg for b in two.azimuths_deg]
            if min(away) < one.half_width_deg + two.half_width_deg:
                pairs.append((one.name, two.name))
    return pairs


def family_ratio(first: xr.Dataset, second: xr.Dataset) -> xr.Dataset:
    """Ratio of peak areas of two families, with its error: r = A1 / A2, (r_err / r)^2 = (e1 / A1)^2 + (e2 / A2)^2.

    first, second  Datasets with `area`, `area_err`, `flag` of the same dims, as from `fit_peaks`

    Returns `ratio`, `ratio_err`, `flag` (the reasons of both); NaN where either is missing.
    """
    value = first["area"] / second["area"]
    error = (
        abs(value)
        * ((first["area_err"] / first["area"]) ** 2 + (second["area_err"] / second["area"]) ** 2) ** 0.5
    )
    found = xr.Dataset({
        "ratio": value.assign_attrs(units="1", long_name="ratio of peak areas"),
        "ratio_err": error.assign_attrs(units="1", long_name="1-sigma error of ratio"),
    })  # fmt: skip
    found["flag"] = flag_variable(
        (first["flag"] | second["flag"]).values, tuple(map(str, first["flag"].dims))
    )
    return found
