"""Constants (CODATA 2018, exact where SI makes them so), two conversions everyone needs, the range of all numbers."""

from __future__ import annotations

import math

HC_KEV_ANGSTROM = 12.398419843320026  # h c, keV angstrom
FARADAY_C_PER_MOL = 96485.33212
GAS_CONSTANT_J_PER_MOL_K = 8.31446261815324
LI_MOLAR_VOLUME_CM3_PER_MOL = 13.0  # metal at room temperature
#: whatever the unit: numbers beyond these are a slip of the pen, nothing that is measured and no array's length
LARGEST, SMALLEST = 10**15, 1e-25


def is_measured(value: float) -> bool:
    """Whether a number can be one of a measurement: finite, and zero or between `SMALLEST` and `LARGEST`."""
    return math.isfinite(value) and (value == 0 or SMALLEST <= abs(value) <= LARGEST)


def energy_to_wavelength(energy_keV: float) -> float:
    """Wavelength in angstrom of photons of `energy_keV`: lambda = h c / E."""
    return HC_KEV_ANGSTROM / energy_keV


def wavelength_to_energy(wavelength_A: float) -> float:
    """Photon energy in keV for a wavelength in angstrom: E = h c / lambda."""
    return HC_KEV_ANGSTROM / wavelength_A
