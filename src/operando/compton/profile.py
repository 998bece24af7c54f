"""Spectra of pixels to counts against electron momentum, and to Compton profiles J(p_z)."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core.errors import InputError
from .geometry import Pinhole
from .kinematics import momentum_slope, scattered_energy, scattering_weight
from .theory import FWHM_PER_SIGMA, atomic_profile, efficiency


@dataclass(frozen=True)
class Momenta:
    """Even bins of p_z, a.u., from -`reach` to `reach`."""

    reach: float = 8.0
    step: float = 0.1

    @property
    def bins(self) -> int:
        return round(2 * self.reach / self.step)

    @property
    def middles(self) -> np.ndarray:
        return (np.arange(self.bins) + 0.5) * self.step - self.reach


def momentum_counts(
    counts: np.ndarray, calibration: xr.Dataset, pinhole: Pinhole, momenta: Momenta | None = None, *,
    angle_drift_deg: float = 0.0, scale_drift: float = 0.0, offset_drift_keV: float = 0.0,
    mask: np.ndarray | None = None, threads: int | None = None,
) -> xr.DataArray:  # fmt: skip
    """Counts of one exposure against p_z, each pixel with its own energy scale and angle.

    counts           (y, x, channel) whole numbers, as stored
    calibration      of `calibrate_energy`, (y, x)
    angle_drift_deg  added to the angle of every pixel; scale_drift, offset_drift_keV: true energy is
                     (1 + scale) E + offset in this exposure (see `drift`)
    mask             (y, x), True for pixels to use

    Returns `counts` (y, x, p_z) float32: sums of shares of whole counts. Its variance for anything smooth is the
    number of counts itself. Pixels that are masked or have no calibration are NaN.
    """
    from ._rebin_kernels import rebin_momentum

    momenta = momenta or Momenta()
    if counts.ndim != 3 or counts.shape[:2] != tuple(pinhole.shape):
        raise InputError(
            f"spectra of {counts.shape[:2]} pixels for a camera of {pinhole.shape}", where="momentum_counts"
        )
    use = (
        np.isfinite(calibration["gain"].values)
        if mask is None
        else mask & np.isfinite(calibration["gain"].values)
    )
    gain = np.where(use, calibration["gain"].values, np.nan).ravel() * (1 + scale_drift)
    lower = calibration["lower"].values.ravel() * (1 + scale_drift) + offset_drift_keV
    angle = (pinhole.angles() + angle_drift_deg).ravel()
    flat = counts.reshape(-1, counts.shape[2])
    out = np.zeros((flat.shape[0], momenta.bins))

    def part(span: slice) -> None:
        rebin_momentum(
            flat[span], gain[span], lower[span], angle[span], pinhole.energy_keV, -momenta.reach, momenta.step,
            out[span],
        )  # fmt: skip

    over_pixels(part, flat.shape[0], threads)
    out[~use.ravel()] = np.nan
    return xr.DataArray(
        out.reshape(*counts.shape[:2], -1).astype(np.float32), dims=("y", "x", "p_z"),
        coords={"p_z": ("p_z", momenta.middles, {"units": "a.u.", "long_name": "electron momentum"})},
        attrs={"units": "counts", "long_name": "counts a bin of p_z", "step": momenta.step}, name="counts",
    )  # fmt: skip


def over_pixels(work: Callable[[slice], None], pixels: int, threads: int | None) -> None:
    """Run `work` on slices of the pixels, in threads (all cores where not said)."""
    number = max(1, min(threads or os.cpu_count() or 1, pixels))
    size = -(-pixels // (4 * number))
    spans = [slice(i, min(i + size, pixels)) for i in range(0, pixels, size)]
    if number == 1:
        for span in spans:
            work(span)
        return
    with ThreadPoolExecutor(number) as pool:
        list(pool.map(work, spans))


def energy_spectrum(
    counts: np.ndarray, calibration: xr.Dataset, energy_keV: np.ndarray, mask: np.ndarray | None = None
) -> xr.DataArray:
    """All pixels on one energy scale and summed: counts in even bins whose middles are `energy_keV`."""
    from ._rebin_kernels import rebin_energy

    step = float(energy_keV[1] - energy_keV[0])
    gain = calibration["gain"].values if mask is None else np.where(mask, calibration["gain"].values, np.nan)
    flat = counts.reshape(-1, counts.shape[-1])
    parts: dict[int, np.ndarray] = {}

    def part(span: slice) -> None:
        out = np.zeros(len(energy_keV))
        lower = calibration["lower"].values.ravel()[span]
        rebin_energy(flat[span], gain.ravel()[span], lower, float(energy_keV[0]) - step / 2, step, out)
        parts[span.start] = out

    over_pixels(part, flat.shape[0], None)
    return xr.DataArray(
        np.sum([parts[first] for first in sorted(parts)], axis=0), dims=("energy",), name="counts",
        coords={"energy": ("energy", np.asarray(energy_keV), {"units": "keV"})},
        attrs={"units": "counts", "long_name": "counts a bin of energy"},
    )  # fmt: skip


def response(
    pinhole: Pinhole, momenta: Momenta, *, angle_deg: float | None = None, sensor_mm: float | None = 2.0,
    exit_paths_um: dict[str, tuple[float, float]] | None = None, polarisation: float = 0.0,
) -> xr.DataArray:  # fmt: skip
    """What J(p_z) is multiplied by to give counts a bin, up to a constant: weight x efficiency x escape / Jacobian.

    sensor_mm      thickness of the CdZnTe sensor; None: do not correct for its efficiency
    exit_paths_um  material to (length in um, density g/cm3) between sheet and detector; None: none

    Returns over `p_z`, one at p_z = 0.
    """
    from .theory import attenuation

    angle = pinhole.angle_deg if angle_deg is None else angle_deg
    p = np.append(momenta.middles, 0.0)
    energy = scattered_energy(pinhole.energy_keV, p, angle)
    weight = scattering_weight(pinhole.energy_keV, energy, angle, polarisation)
    weight = weight / momentum_slope(pinhole.energy_keV, energy, angle)
    if sensor_mm is not None:
        weight = weight * efficiency(energy, sensor_mm)
    for formula, (length_um, density) in (exit_paths_um or {}).items():
        weight = weight * np.exp(-attenuation(formula, energy, density) * length_um * 1e-4)
    return xr.DataArray(
        weight[:-1] / weight[-1], dims=("p_z",), coords={"p_z": ("p_z", momenta.middles, {"units": "a.u."})},
        attrs={"units": "1", "long_name": "counts a bin for a flat profile, 1 at p_z = 0"},
    )  # fmt: skip


def compton_profile(
    counts: xr.DataArray,
    response: xr.DataArray,
    *,
    variance: xr.DataArray | None = None,
    electrons: float | None = None,
) -> xr.Dataset:
    """J(p_z) = counts / (response x bin), divided last; scaled to an area when `electrons` is given.

    counts     (..., p_z)
    electrons  number of electrons within the window of p_z, as from the integral of a free-atom profile

    Returns `profile`, `profile_err` (1 / a.u., or counts / a.u.). Still blurred by the detector: nothing is deconvolved
    (attr `resolution` says so).
    """
    step = counts.attrs.get("step") or float(counts["p_z"][1] - counts["p_z"][0])
    weight = response * step
    value, error = counts / weight, np.sqrt(counts if variance is None else variance) / weight
    if electrons is not None:
        area = value.sum("p_z") * step
        value, error = value * electrons / area, error * electrons / area
    units = "counts / a.u." if electrons is None else "1 / a.u."
    data = xr.Dataset({"profile": value, "profile_err": error})
    data["profile"].attrs = {"units": units, "long_name": "Compton profile J(p_z)"}
    data["profile_err"].attrs = {"units": units, "long_name": "1-sigma error of J"}
    data.attrs["resolution"] = "as measured: blurred by the detector, not deconvolved"
    return data


def momentum_resolution(pinhole: Pinhole, resolution_keV: float, angle_deg: float | None = None) -> float:
    """FWHM in p_z (a.u.) of a detector of FWHM `resolution_keV`: 0.905 for 0.8 keV at 115 keV and 90 degrees."""
    angle = pinhole.angle_deg if angle_deg is None else angle_deg
    peak = scattered_energy(pinhole.energy_keV, 0.0, angle)
    return float(momentum_slope(pinhole.energy_keV, peak, angle) * resolution_keV)


def template(formula: str, response: xr.DataArray, fwhm: float) -> np.ndarray:
    """Counts a bin that a formula unit gives: J of free atoms blurred by `fwhm` (a.u.), times the response."""
    p = response["p_z"].values
    step = float(p[1] - p[0])
    wide = float(np.hypot(fwhm, step * FWHM_PER_SIGMA / np.sqrt(12)))  # bins blur too
    return atomic_profile(formula, p, wide) * response.values * step
