"""Fluorescence lines: where they are, and which of them a peak may be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xarray as xr

from ..core.errors import InputError, require_extra

K_LINES = {"Ka": ("KL3", "KL2"), "Kb": ("KM3", "KM2", "KN2", "KN3")}
L_LINES = {"La": ("L3M5", "L3M4"), "Lb": ("L2M4", "L3N5"), "Lg": ("L2N4",)}


@dataclass(frozen=True)
class LineGroup:
    """Lines of one element that are seen as one peak: energies (keV) and shares that add to one."""

    name: str
    energies: tuple[float, ...]
    shares: tuple[float, ...]

    @property
    def mean_keV(self) -> float:
        return float(np.dot(self.energies, self.shares))


@dataclass(frozen=True)
class LineRegion:
    """A stretch of the spectrum with lines in it and a straight background: one position is found for it."""

    low_keV: float
    high_keV: float
    groups: tuple[LineGroup, ...]

    @property
    def name(self) -> str:
        return ", ".join(group.name for group in self.groups)


@lru_cache(maxsize=128)
def line_group(element: str, series: str = "Ka") -> LineGroup:
    """A group of lines, as "Ka" or "Kb" of "W". Raises `InputError` for an unknown element or series."""
    tables = require_extra("xraylib", "compton", "fluorescence lines")
    names = {**K_LINES, **L_LINES}.get(series)
    try:
        number = tables.SymbolToAtomicNumber(element)
    except ValueError:
        number = 0
    if names is None or not number:
        raise InputError(
            f"no lines {series} of {element}", where="line_group", fix='As line_group("W", "Ka").'
        )
    rows = []
    for name in names:
        try:
            code = getattr(tables, f"{name}_LINE")
            rows.append((tables.LineEnergy(number, code), tables.RadRate(number, code)))
        except ValueError:
            continue
    if not rows:
        raise InputError(f"{element} has no {series} lines", where="line_group")
    energies, rates = np.array(rows).T
    return LineGroup(
        f"{element} {series}", tuple(map(float, energies)), tuple(map(float, rates / rates.sum()))
    )


def detector_regions(elements: tuple[str, ...] = ("Cd", "Te", "W", "Pb")) -> tuple[LineRegion, ...]:
    """The stretches used for calibration: Cd and Te (sensor) together, and K alpha of W and Pb (shielding).

    W K beta (67 keV) lies where twice-scattered photons of 115 keV set in, on a background that is not straight;
    Pb K beta (85-87 keV) lies on the flank of their Compton peak. Neither is used.
    """
    regions = []
    sensor = [e for e in ("Cd", "Te") if e in elements]
    if sensor:
        groups = tuple(line_group(e, s) for e in sensor for s in ("Ka", "Kb"))
        low, high = min(g.mean_keV for g in groups) - 1.8, max(g.mean_keV for g in groups) + 1.8
        regions.append(LineRegion(low, high, groups))
    if "W" in elements:
        regions.append(LineRegion(55.8, 61.8, (line_group("W", "Ka"),)))
    if "Pb" in elements:
        regions.append(LineRegion(70.8, 77.2, (line_group("Pb", "Ka"),)))
    if not regions:
        raise InputError(
            f"none of {', '.join(elements) or 'no elements'} is Cd, Te, W or Pb", where="detector_regions",
            fix="Name elements of the sensor or shielding, or build LineRegion objects.",
        )  # fmt: skip
    return tuple(regions)


def name_lines(
    peaks_keV,
    elements: tuple[str, ...],
    *,
    tolerance_keV: float = 0.06,
    extra: dict[str, float] | None = None,
) -> xr.Dataset:
    """Name peaks by the nearest line of the elements that may be there.

    peaks_keV      energies of peaks
    elements       candidates
    tolerance_keV  a peak further than this from every line keeps the name ""
    extra          other features by energy, as {"elastic": 17.0, "escape": 4.65}

    Returns over `peak`: `energy`, `name`, `line_energy` (NaN where unnamed), `distance`. Lines outside the spectrum are
    not offered. A name means that the energy agrees, not that no other element could be meant.
    """
    table: list[tuple[str, float]] = list((extra or {}).items())
    for element in elements:
        for series in (*K_LINES, *L_LINES):
            try:
                group = line_group(element, series)
            except InputError:
                continue
            table.append((group.name, group.mean_keV))
    at = np.asarray(peaks_keV, float)
    energies = np.array([energy for _, energy in table])
    nearest = np.abs(at[:, None] - energies[None, :]).argmin(1)
    distance = at - energies[nearest]
    named = np.abs(distance) <= tolerance_keV
    data = {
        "energy": ("peak", at, {"units": "keV"}),
        "name": ("peak", np.array([table[i][0] if ok else "" for i, ok in zip(nearest, named, strict=True)])),
        "line_energy": ("peak", np.where(named, energies[nearest], np.nan), {"units": "keV"}),
        "distance": ("peak", np.where(named, distance, np.nan), {"units": "keV"}),
    }
    return xr.Dataset(data)
