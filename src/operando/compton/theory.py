"""Free-atom Compton profiles and attenuation, from the tables of xraylib."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache

import numpy as np

from ..core.errors import InputError, require_extra

FWHM_PER_SIGMA = 2.3548200450309493
#: momenta (a.u.) of the stored tables; beyond the last one J is taken as zero
MOMENTA = np.concatenate([np.linspace(0, 8, 321), np.linspace(8.1, 30, 220), np.linspace(31, 99, 69)])


def _tables():
    return require_extra("xraylib", "compton", "Compton profiles of atoms")


@lru_cache(maxsize=64)
def composition(formula: str) -> tuple[tuple[int, float], ...]:
    """(atomic number, atoms a formula unit) of a formula like "Ni0.6Mn0.2Co0.2O2". Raises `InputError`."""
    import re

    text = formula.replace(" ", "")
    rows = re.findall(r"([A-Z][a-z]?)(\d*\.?\d*)", text)
    if not rows or "".join(a + b for a, b in rows) != text:
        raise InputError(
            f"{formula!r} is no formula", where="composition", fix='Write it like "Ni0.6Mn0.2Co0.2O2".'
        )
    try:
        return tuple((_tables().SymbolToAtomicNumber(s), float(n) if n else 1.0) for s, n in rows)
    except ValueError as error:
        raise InputError(f"an unknown element in {formula!r}", where="composition") from error


def electrons(formula: str) -> float:
    """Electrons a formula unit."""
    return float(sum(z * n for z, n in composition(formula)))


def molar_mass(formula: str) -> float:
    """g / mol."""
    return float(sum(_tables().AtomicWeight(z) * n for z, n in composition(formula)))


def electron_density(formula: str, density_g_cm3: float) -> float:
    """Electrons in a cm3."""
    return density_g_cm3 / molar_mass(formula) * 6.02214076e23 * electrons(formula)


@lru_cache(maxsize=64)
def _table(number: int) -> np.ndarray:
    """J at MOMENTA: the sum over shells of the profile of one electron times the shell's electrons.

    The tables lack a few upper halves of a spin-orbit pair (2p3/2 of C): these have the profile of the lower half.
    """
    tables = _tables()
    total, one = np.zeros_like(MOMENTA), np.zeros_like(MOMENTA)
    for shell in range(30):
        try:
            occupied = tables.ElectronConfig(number, shell)
        except ValueError:
            break
        if occupied > 0:
            with suppress(ValueError):
                one = np.array([tables.ComptonProfile_Partial(number, shell, float(p)) for p in MOMENTA])
            total += occupied * one
    return total


def atomic_profile(formula: str, momentum, fwhm: float = 0.0) -> np.ndarray:
    """Compton profile J(p_z) (electrons a formula unit and a.u.) of free atoms, blurred by a Gaussian.

    formula    as "LiNi0.6Mn0.2Co0.2O2"
    momentum   p_z, a.u.
    fwhm       full width of the blur, a.u.: 0.905 for 0.8 keV at 115 keV and 90 degrees; 0 for none

    The area over all p_z is the number of electrons to 1 % (tables end at 100 a.u.). Free atoms are not the solid: the
    valence part is wrong in shape and in how it changes with Li content, so nothing absolute may rest on it.
    """
    momentum = np.asarray(momentum, float)
    if fwhm <= 0:
        return _interpolated(formula, momentum)
    sigma = fwhm / FWHM_PER_SIGMA
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    moved = momentum[..., None] + sigma * nodes
    return _interpolated(formula, moved) @ weights / weights.sum()


def _interpolated(formula: str, momentum: np.ndarray) -> np.ndarray:
    at = np.abs(momentum)
    return sum(n * np.interp(at, MOMENTA, _table(z), right=0.0) for z, n in composition(formula))


def attenuation(formula: str, energy_keV, density_g_cm3: float) -> np.ndarray:
    """Linear attenuation coefficient (1/cm) of a material at each energy (keV), photoelectric and scattering."""
    tables, rows = _tables(), composition(formula)
    whole = sum(tables.AtomicWeight(z) * n for z, n in rows)
    share = [(z, tables.AtomicWeight(z) * n / whole) for z, n in rows]
    energies = np.atleast_1d(np.asarray(energy_keV, float))
    values = [sum(w * tables.CS_Total(z, float(e)) for z, w in share) for e in energies.ravel()]
    return density_g_cm3 * np.reshape(values, np.shape(energy_keV))


@lru_cache(maxsize=4)
def _sensor(formula: str, density: float) -> tuple[np.ndarray, np.ndarray]:
    energies = np.arange(5.0, 200.0, 0.25)
    return energies, attenuation(formula, energies, density)


def efficiency(
    energy_keV, thickness_mm: float = 2.0, formula: str = "Cd0.45Zn0.05Te0.5", density: float = 5.78
):
    """Share of photons that the sensor stops: 1 - exp(-mu t). Photons that leave it again as lines are not
    taken off.
    """
    energies, mu = _sensor(formula, density)
    return 1 - np.exp(-np.interp(energy_keV, energies, mu) * thickness_mm / 10)
