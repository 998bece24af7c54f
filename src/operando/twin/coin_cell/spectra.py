"""Photon spectra of the sheet as the detector would record them, before a single photon is counted.

    d2 sigma / dOmega dE2 = (r0^2 / 2) (E2 / E1) (1 / |q|) X sum over shells of J(p_z / mc),   E1 - E2 > binding energy

the impulse approximation with X = E1/Ec + Ec/E1 - (1 - P) sin^2 theta for a detector above a beam polarised P in the
plane of the ring. Source: Cooper et al., X-ray Compton Scattering (2004), ch. 1.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .cell import CoinCell
from .materials import (
    AU_PER_MC,
    CLASSICAL_RADIUS2_CM2,
    HOST,
    LI,
    MC2_KEV,
    MOMENTA,
    SENSOR,
    SENSOR_G_CM3,
    SEPARATOR,
    Shells,
    attenuation,
    electrons_per_gram,
    formula_shells,
    li_shells,
    line_table,
)  # fmt: skip

#: scatterers that have a spectrum of their own
SCATTERERS = ("host", "li", "separator", "anode")
STEP_KEV = 0.02
ENERGY = np.arange(4.0, 150.0, STEP_KEV)  # middle of fine bins
ANGLE_STEP_DEG = 0.5


def peak_keV(cell: CoinCell, angle_deg):
    """Energy of a photon scattered by an electron at rest."""
    return cell.energy_keV / (1 + cell.energy_keV / MC2_KEV * (1 - np.cos(np.deg2rad(angle_deg))))


def cross_section(cell: CoinCell, shells: Shells, angle_deg: float) -> np.ndarray:
    """cm2 / (sr keV) of a formula unit at ENERGY."""
    e1, cos = cell.energy_keV, np.cos(np.deg2rad(angle_deg))
    transfer = np.sqrt(e1**2 + ENERGY**2 - 2 * e1 * ENERGY * cos)
    momentum = AU_PER_MC * (ENERGY - e1 + e1 * ENERGY / MC2_KEV * (1 - cos)) / transfer
    total = np.zeros_like(ENERGY)
    for electrons, edge, profile in shells:
        j = np.interp(np.abs(momentum), MOMENTA, profile, right=0.0)
        total += electrons * np.where(e1 - ENERGY > edge, j, 0.0)
    ratio = peak_keV(cell, angle_deg) / e1
    x = ratio + 1 / ratio - (1 - cell.polarisation) * (1 - cos**2)
    return CLASSICAL_RADIUS2_CM2 / 2 * (ENERGY / e1) * (AU_PER_MC / transfer) * x * total


def record(cell: CoinCell, spectrum: np.ndarray) -> np.ndarray:
    """What the sensor makes of photons: stopped, some with a part of their charge lost, and blurred."""
    stopped = spectrum * (1 - np.exp(-_sensor(cell) * cell.sensor_mm / 10))
    above = np.cumsum((stopped / ENERGY)[::-1])[::-1] * STEP_KEV  # a lost part of any size is equally likely
    whole = (1 - cell.shelf) * stopped + cell.shelf * above
    return _blur(whole, cell.resolution_keV / 2.3548200450309493)


@lru_cache(maxsize=4)
def _sensor(cell: CoinCell) -> np.ndarray:
    coarse = np.arange(4.0, 151.0, 0.5)
    return np.interp(ENERGY, coarse, attenuation(SENSOR, coarse, SENSOR_G_CM3))


def _blur(spectrum: np.ndarray, sigma_keV: float) -> np.ndarray:
    reach = np.arange(-6 * sigma_keV, 6 * sigma_keV + STEP_KEV, STEP_KEV)
    kernel = np.exp(-0.5 * (reach / sigma_keV) ** 2)
    return np.convolve(spectrum, kernel / kernel.sum(), "same")


def twice_scattered(cell: CoinCell, angle_deg: float) -> np.ndarray:
    """Spectrum (area 1) of photons that reach the same direction by two turns, all first directions being equally long.

    Klein-Nishina for both turns, electrons at rest; the first direction is summed over the sphere.
    """
    e1 = cell.energy_keV
    cos1 = (np.arange(180) + 0.5) / 90 - 1
    around = np.deg2rad(np.arange(120) * 3.0 + 1.5)
    c1, phi = np.meshgrid(cos1, around, indexing="ij")
    whole = np.deg2rad(angle_deg)
    c2 = c1 * np.cos(whole) + np.sqrt(1 - c1**2) * np.sin(whole) * np.cos(phi)
    between = e1 / (1 + e1 / MC2_KEV * (1 - c1))
    last = between / (1 + between / MC2_KEV * (1 - c2))
    weight = _klein_nishina(e1, between, c1) * _klein_nishina(between, last, c2)
    edges = np.append(ENERGY - STEP_KEV / 2, ENERGY[-1] + STEP_KEV / 2)
    spectrum = np.histogram(last, edges, weights=weight)[0]
    return _blur(spectrum / spectrum.sum() / STEP_KEV, 1.2)  # the momenta of the electrons


def _klein_nishina(before, after, cos):
    ratio = after / before
    return ratio**2 * (ratio + 1 / ratio - 1 + cos**2)


@lru_cache(maxsize=4)
def tables(cell: CoinCell) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cumulative recorded spectra: angles (a,), u = E - peak (k,), and (scatterer and one for two turns, a, k).

    Per gram of scatterer (of host for "li" at x = 1), 1/cm2 of beam, and steradian; the last: per photon scattered.
    """
    half = np.rad2deg(np.arctan(cell.pixels * cell.pitch_mm / 2 / cell.distance_mm)) + 1.0
    number = int(np.ceil(half / ANGLE_STEP_DEG))
    angles = cell.angle_deg + np.arange(-number, number + 1) * ANGLE_STEP_DEG
    u = np.arange(-40.0, 30.0, STEP_KEV)
    per_gram = [
        (formula_shells(HOST), electrons_per_gram((*HOST, (3, 1.0)))),
        (li_shells(cell), electrons_per_gram((*HOST, (3, 1.0)))),
        (formula_shells(SEPARATOR), electrons_per_gram(SEPARATOR)),
        (formula_shells(LI), electrons_per_gram(LI)),
    ]
    found = np.empty((len(SCATTERERS) + 1, len(angles), len(u)))
    for a, angle in enumerate(angles):
        spectra = [units * cross_section(cell, shells, angle) for shells, units in per_gram]
        spectra.append(twice_scattered(cell, angle))
        for s, spectrum in enumerate(spectra):
            summed = np.cumsum(record(cell, spectrum)) * STEP_KEV
            found[s, a] = np.interp(u + peak_keV(cell, angle), ENERGY + STEP_KEV / 2, summed)
    return angles, u, found


@lru_cache(maxsize=4)
def still_spectrum(cell: CoinCell) -> np.ndarray:
    """Cumulative recorded spectrum of the lines of detector and shielding, per photon of the mean Compton rate."""
    sigma = cell.resolution_keV / 2.3548200450309493
    total = np.zeros_like(ENERGY)
    for element, share in cell.lines:
        rows = line_table(element)
        whole = sum(rate for _, rate in rows)
        for energy, rate in rows:
            total += share * rate / whole * np.exp(-0.5 * ((ENERGY - energy) / sigma) ** 2)
    return np.cumsum(total) * STEP_KEV / (sigma * np.sqrt(2 * np.pi))
