"""Drift of energy scale and scattering angle from exposure to exposure, found from lines and Compton peak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from ..core import Flag
from ..core.errors import InputError
from ..core.flags import flag_variable
from .energy import EnergyCheck, find_lines, fit_scale
from .geometry import Pinhole
from .kinematics import compton_energy, energy_per_degree, momentum_slope, scattered_energy, scattering_angle
from .lines import LineRegion


def scale_drift(
    spectra: xr.DataArray, regions: tuple[LineRegion, ...], check: EnergyCheck | None = None
) -> xr.Dataset:
    """Scale and offset of the energy axis of each exposure, from the lines in its summed spectrum.

    spectra   (exposure, energy) counts of all pixels on one scale (`energy_spectrum`), even bins, keV

    True energy is (1 + `scale`) E + `offset`. Errors are widened by the root of chi2 where the regions disagree by more
    than their errors (a background that is not straight moves a line by some eV). Returns over exposure `scale`,
    `offset` (keV), each with `_err`, `peak_err` (error of the energy at 94 keV), `chi2`, `flag`. Raises
    `InputError` when no exposure has its lines.
    """
    exposure = spectra.dims[0]
    fitted = fit_scale(find_lines(spectra.values, spectra["energy"].values, regions, check), check)
    if not (fitted["flag"] == 0).any():
        raise InputError(
            "the calibration lines are missing in every exposure", where="scale_drift",
            fix="Check the nominal energies, name other lines, or analyse without the drift of the scale.",
        )  # fmt: skip
    reference = fitted.attrs["reference_keV"]
    d0, d1 = -fitted["offset"].values, -fitted["slope"].values
    birge = np.sqrt(np.fmax(fitted["chi2"].values, 1.0))
    e0, e1 = birge * fitted["offset_err"].values, birge * fitted["slope_err"].values
    cov = birge**2 * fitted["covariance"].values

    def error(at: float) -> np.ndarray:
        return np.sqrt(np.maximum(e0**2 + at**2 * e1**2 + 2 * at * cov, 0))

    data = {
        "scale": (exposure, d1, {"units": "1"}), "scale_err": (exposure, e1, {"units": "1"}),
        "offset": (exposure, d0 - d1 * reference, {"units": "keV"}),
        "offset_err": (exposure, error(-reference), {"units": "keV"}),
        "peak_err": (exposure, error(94.0 - reference), {"units": "keV"}),
        "chi2": (exposure, fitted["chi2"].values, {"units": "1"}),
        "flag": flag_variable(fitted["flag"].values, (str(exposure),)),
    }  # fmt: skip
    return xr.Dataset(data, spectra.coords).drop_vars("energy")


def peak_centre(
    counts: np.ndarray, momentum: np.ndarray, reach: float = 3.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middle of symmetric peaks (a.u.), its error and the reduced chi2: (n, p_z) counts against p_z.

    Two Gaussians that share their middle, on a straight background, within `reach` of zero; least squares with
    weights from the counts; the error is widened by the root of chi2 where that is over one. Real profiles are
    symmetric; what is not (absorption, background) shifts all exposures of a cell alike, so differences between
    exposures are better than the value itself.
    """
    window = np.abs(momentum) < reach
    p = momentum[window]
    found = np.full((3, len(counts)), np.nan)
    for i, row in enumerate(counts):
        n = np.asarray(row, float)[window]
        if np.isfinite(n).all() and n.sum() >= 200:
            found[:, i] = _centre(p, n)
    return found[0], found[1], found[2]


def _centre(p: np.ndarray, n: np.ndarray) -> tuple[float, float, float]:
    from scipy.optimize import least_squares

    scale = n.max()
    weight = 1 / np.sqrt(np.maximum(np.convolve(np.pad(n, 2, "edge"), np.ones(5) / 5, "valid"), 1.0))

    def model(q: np.ndarray) -> np.ndarray:
        t2 = (p - q[0]) ** 2
        peak = q[1] * np.exp(-0.5 * t2 / q[2] ** 2) + q[3] * np.exp(-0.5 * t2 / q[4] ** 2)
        return scale * (peak + q[5] + q[6] * p)

    start = np.array([np.average(p, weights=np.maximum(n - n.min(), 0) ** 2), 0.6, 0.8, 0.3, 1.8, 0.05, 0.0])
    bounds = [-3.0, 0, 0.2, 0, 0.4, -1, -1], [3.0, 2, 3.0, 2, 6.0, 2, 1]
    start = np.clip(start, np.array(bounds[0]) + 1e-6, np.array(bounds[1]) - 1e-6)
    best = least_squares(lambda q: (n - model(q)) * weight, start, bounds=bounds, x_scale="jac")
    if not best.success:
        return np.nan, np.nan, np.nan
    cov = np.linalg.pinv(best.jac.T @ best.jac)
    chi2 = 2 * best.cost / max(len(p) - 7, 1)
    return float(best.x[0]), float(np.sqrt(cov[0, 0] * max(chi2, 1.0))), float(chi2)


def angle_drift(
    counts: xr.DataArray, pinhole: Pinhole, *, reference: int | None = 0, scale_err_keV: np.ndarray | float = 0.0,
    reach: float = 3.0,
) -> xr.Dataset:  # fmt: skip
    """Change of the scattering angle of each exposure, from where its Compton peak is in p_z.

    counts         (exposure, p_z), summed over pixels that were each given their nominal angle
    reference      exposure whose angle is the camera's; None: the peak at p_z = 0 is
    scale_err_keV  error of the energy scale at the peak, which adds to that of the angle

    drift = - p_0 / (dp_z/dE dE/dtheta) to second order. Returns over exposure `angle`, `angle_err`, `angle_err_fit`
    (degrees), `centre`, `centre_err` (a.u.), `chi2`, `flag`.
    """
    exposure = str(counts.dims[0])
    centre, error, chi2 = peak_centre(counts.values, counts["p_z"].values, reach)
    zero, zero_err = (0.0, 0.0) if reference is None else (centre[reference], error[reference])
    angle = _angle_of(centre - (0.0 if reference is None else zero), pinhole)
    slope = _momentum_per_degree(pinhole, pinhole.angle_deg)
    own = np.hypot(error, 0.0 if reference is None else zero_err) / abs(slope)
    by_scale = np.broadcast_to(scale_err_keV, centre.shape) / abs(
        energy_per_degree(pinhole.energy_keV, pinhole.angle_deg)
    )
    if reference is not None:
        own = np.where(np.arange(len(centre)) == reference, 0.0, own)
        by_scale = np.where(np.arange(len(centre)) == reference, 0.0, np.hypot(by_scale, by_scale[reference]))
    flag = np.where(np.isfinite(centre), 0, int(Flag.TOO_FEW_COUNTS))
    data = {
        "angle": (exposure, angle, {"units": "degree", "long_name": "change of the scattering angle"}),
        "angle_err": (exposure, np.hypot(own, by_scale), {"units": "degree"}),
        "angle_err_fit": (exposure, own, {"units": "degree"}),
        "centre": (exposure, centre, {"units": "a.u."}), "centre_err": (exposure, error, {"units": "a.u."}),
        "chi2": (exposure, chi2, {"units": "1"}), "flag": flag_variable(flag, (exposure,)),
    }  # fmt: skip
    return xr.Dataset(data, counts.coords).drop_vars("p_z")


def _momentum_per_degree(pinhole: Pinhole, angle_deg: float) -> float:
    """dp_z / dtheta at a fixed peak energy: how far p_z = 0 moves for the angle that is assumed."""
    peak = compton_energy(pinhole.energy_keV, angle_deg)
    slope = momentum_slope(pinhole.energy_keV, peak, angle_deg)
    return float(slope * energy_per_degree(pinhole.energy_keV, angle_deg))


def _angle_of(centre: np.ndarray, pinhole: Pinhole) -> np.ndarray:
    """Angle change (degrees) that moves the peak from p_z = 0 to `centre` when the old angle is assumed.

    The energy at `centre` is what the old angle says; the new angle is that whose peak has this energy.
    """
    safe = np.where(np.isfinite(centre), centre, 0.0)
    energy = scattered_energy(pinhole.energy_keV, safe, pinhole.angle_deg)
    angle, _ = scattering_angle(pinhole.energy_keV, energy)
    return np.where(np.isfinite(centre), angle - pinhole.angle_deg, np.nan)


def peak_energies(
    counts: xr.DataArray, pinhole: Pinhole, block: int = 4, *, reach: float = 4.0
) -> tuple[Pinhole, np.ndarray, np.ndarray]:
    """Energy of the Compton peak in blocks of pixels, for `refine_pinhole`: (camera of the blocks, keV, 1-sigma error).

    counts  (y, x, p_z) made with the nominal angles of `pinhole`; NaN where a pixel is bad

    The camera of the blocks has `block` times the pitch and the same axis; NaN where a block has too few counts.
    """
    rows, columns = (n // block for n in pinhole.shape)
    part = counts.values[: rows * block, : columns * block]
    summed = np.nansum(part.reshape(rows, block, columns, block, -1), axis=(1, 3)).reshape(rows * columns, -1)
    centre, error, _ = peak_centre(summed, counts["p_z"].values, reach)
    middle = pinhole.centre_px or ((pinhole.shape[0] - 1) / 2, (pinhole.shape[1] - 1) / 2)
    coarse = replace(
        pinhole, shape=(rows, columns), pitch_mm=pinhole.pitch_mm * block,
        centre_px=((middle[0] + 0.5) / block - 0.5, (middle[1] + 0.5) / block - 0.5),
    )  # fmt: skip
    angles = coarse.angles().ravel()
    energy = scattered_energy(pinhole.energy_keV, np.nan_to_num(centre), angles)
    slope = momentum_slope(pinhole.energy_keV, energy, angles)
    found = np.where(np.isfinite(centre), energy, np.nan)
    return coarse, found.reshape(rows, columns), (error / slope).reshape(rows, columns)
