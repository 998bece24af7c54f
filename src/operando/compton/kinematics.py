"""Energies, angles and electron momenta of Compton scattering. Exact: no expansion in small momenta.

    E2 = E1 / (1 + E1 / mc2 (1 - cos theta))                                                    (peak)
    p_z / mc = (E2 - E1 + E1 E2 / mc2 (1 - cos theta)) / |q|,   |q|^2 = E1^2 + E2^2 - 2 E1 E2 cos theta

p_z in atomic units is 137.036 p_z / mc; it is positive above the peak. Source: equations 4 and 5 of Huang et al.,
J. Phys. Energy 7 (2025) 025009; Cooper et al., X-ray Compton Scattering (2004), ch. 1.
"""

from __future__ import annotations

import numpy as np

from ..core.errors import InputError

ELECTRON_KEV = 510.99895
AU_PER_MC = 137.035999
CLASSICAL_RADIUS2_CM2 = 7.9407877e-26


def compton_energy(energy_keV, angle_deg):
    """Energy (keV) of photons of `energy_keV` scattered by `angle_deg` from electrons at rest (equation 4)."""
    cos = np.cos(np.deg2rad(angle_deg))
    return energy_keV / (1 + energy_keV / ELECTRON_KEV * (1 - cos))


def energy_per_degree(energy_keV, angle_deg):
    """dE2 / dtheta of the Compton peak, keV a degree: - E2^2 / mc2 sin theta. Minus 0.301 at 115 keV and 90 degrees."""
    peak = compton_energy(energy_keV, angle_deg)
    return -(peak**2) / ELECTRON_KEV * np.sin(np.deg2rad(angle_deg)) * np.pi / 180


def electron_momentum(energy_keV, scattered_keV, angle_deg):
    """Electron momentum p_z (a.u.) of photons of `scattered_keV` (equation 5). Arguments broadcast."""
    cos = np.cos(np.deg2rad(angle_deg))
    balance = scattered_keV - energy_keV + energy_keV * scattered_keV / ELECTRON_KEV * (1 - cos)
    return AU_PER_MC * balance / _transfer(energy_keV, scattered_keV, cos)


def _transfer(energy_keV, scattered_keV, cos):
    return np.sqrt(energy_keV**2 + scattered_keV**2 - 2 * energy_keV * scattered_keV * cos)


def momentum_slope(energy_keV, scattered_keV, angle_deg):
    """Jacobian dp_z / dE2 (a.u. a keV), exact: 1.131 at the peak for 115 keV and 90 degrees.

    d/dE2 of equation 5: (137.036 (1 + E1 / mc2 (1 - cos)) - p_z (E2 - E1 cos) / |q|) / |q|.
    """
    cos = np.cos(np.deg2rad(angle_deg))
    transfer = _transfer(energy_keV, scattered_keV, cos)
    momentum = electron_momentum(energy_keV, scattered_keV, angle_deg)
    rise = AU_PER_MC * (1 + energy_keV / ELECTRON_KEV * (1 - cos))
    return (rise - momentum * (scattered_keV - energy_keV * cos) / transfer) / transfer


def scattered_energy(energy_keV, momentum, angle_deg):
    """Energy (keV) at which electrons of momentum p_z (a.u.) scatter: equation 5 solved for E2.

    E2 = E1 (a - y^2 cos + y sqrt(a^2 - 2 a cos + 1 - y^2 sin^2)) / (a^2 - y^2), y = p_z / mc, a = 1 + E1 / mc2
    (1 - cos).
    """
    cos = np.cos(np.deg2rad(angle_deg))
    y = np.asarray(momentum) / AU_PER_MC
    a = 1 + energy_keV / ELECTRON_KEV * (1 - cos)
    root = np.sqrt(a**2 - 2 * a * cos + 1 - y**2 * (1 - cos**2))
    return energy_keV * (a - y**2 * cos + y * root) / (a**2 - y**2)


def scattering_angle(energy_keV, peak_keV, energy_err_keV=0.0, peak_err_keV=0.0):
    """Scattering angle (degrees) and its 1-sigma error from the energies of incident photons and Compton peak.

    cos theta = 1 - mc2 (1 / E2 - 1 / E1). Raises `InputError` when no angle gives this peak.
    """
    cos = 1 - ELECTRON_KEV * (1 / np.asarray(peak_keV, float) - 1 / np.asarray(energy_keV, float))
    if np.any(np.abs(cos) >= 1):
        raise InputError(
            f"no scattering angle takes {energy_keV} keV to {peak_keV} keV", where="scattering_angle",
            fix="Check the energy scale and which line is the elastic one.",
        )  # fmt: skip
    sin = np.sqrt(1 - cos**2)
    by_peak = ELECTRON_KEV / np.asarray(peak_keV) ** 2 * peak_err_keV
    by_beam = ELECTRON_KEV / np.asarray(energy_keV) ** 2 * energy_err_keV
    return np.rad2deg(np.arccos(cos)), np.rad2deg(np.hypot(by_peak, by_beam) / sin)


def klein_nishina(energy_keV, angle_deg, polarisation: float = 0.0):
    """d sigma / dOmega (cm2 / sr) of a free electron at rest, for a detector straight above a beam.

    r0^2 / 2 (E2/E1)^2 (E2/E1 + E1/E2 - (1 - P) sin^2 theta): P is the linear polarisation across the plane of
    scattering (0: none; 1 for a perfect synchrotron beam and a detector above it).
    """
    ratio = compton_energy(energy_keV, angle_deg) / energy_keV
    sin2 = np.sin(np.deg2rad(angle_deg)) ** 2
    return CLASSICAL_RADIUS2_CM2 / 2 * ratio**2 * (ratio + 1 / ratio - (1 - polarisation) * sin2)


def scattering_weight(energy_keV, scattered_keV, angle_deg, polarisation: float = 0.0):
    """What J(p_z) is multiplied by to give d2 sigma / dOmega dE2 (cm2 / (sr keV)) in the impulse approximation.

    r0^2 / 2 (E2 / E1) (137.036 / |q|) X, X as in `klein_nishina`. Invalid where the energy given to the electron is not
    large against its binding energy. Source: Ribberfors, Phys. Rev. B 12 (1975) 2067, to first order in p_z / mc.
    """
    cos = np.cos(np.deg2rad(angle_deg))
    ratio = compton_energy(energy_keV, angle_deg) / energy_keV
    x = ratio + 1 / ratio - (1 - polarisation) * (1 - cos**2)
    transfer = _transfer(energy_keV, scattered_keV, cos)
    return CLASSICAL_RADIUS2_CM2 / 2 * scattered_keV / energy_keV * AU_PER_MC / transfer * x
