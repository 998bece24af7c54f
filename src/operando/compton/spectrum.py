"""Whole spectra: bad pixels, peaks, and elastic and Compton scattering in a spectrum of any energy."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core import Flag
from ..core.errors import InputError
from ..core.flags import flag_variable
from .kinematics import compton_energy, scattering_angle
from .theory import FWHM_PER_SIGMA


def bad_pixels(
    counts: np.ndarray, energy_keV: np.ndarray, beam_keV: float, *, low: float = 0.2, level: float = 8.0
) -> xr.Dataset:
    """Dead and noisy pixels of a stack of spectra (y, x, channel).

    A pixel is dead with fewer than `low` of the median of its 24 neighbours (and of a third of the image's
    median, so that the dark surroundings of a sample are not called dead) in all channels. It is noisy where the
    channels above 1.04 beam energies, which hold no photons, or those below 15 keV have more than the median by
    `level` sigma and half of it. Returns over (y, x): `dead`, `noisy`, `good` (bool) and `flag` (NO_DATA for both).
    """
    from scipy.ndimage import median_filter

    total = counts.sum(-1, dtype=float)
    near = median_filter(total, size=5, mode="nearest")
    dead = total < low * np.minimum(near, np.median(near) / 3 if np.median(near) > 0 else near)
    dead |= (total == 0) & (near > 0)
    noisy = np.zeros(total.shape, bool)
    for window in (energy_keV > 1.04 * beam_keV, energy_keV < 15.0):
        if window.any():
            level_here = counts[..., window].sum(-1, dtype=float)
            usual = median_filter(level_here, size=5, mode="nearest")
            noisy |= level_here - usual > np.maximum(level * np.sqrt(usual + 1), 0.5 * usual)
    noisy &= ~dead
    data: dict = {
        name: (("y", "x"), values, {"units": "1"})
        for name, values in (("dead", dead), ("noisy", noisy), ("good", ~dead & ~noisy))
    }
    data["flag"] = flag_variable(np.where(dead | noisy, int(Flag.NO_DATA), 0), ("y", "x"))
    return xr.Dataset(data)


def find_spectrum_peaks(
    counts: np.ndarray, energy_keV: np.ndarray, *, resolution_keV: float, significance: float = 6.0
) -> xr.Dataset:
    """Peaks of a spectrum that stand out of their surroundings.

    The spectrum is filtered with minus the second derivative of a Gaussian (area zero, so that a straight
    background gives nothing); a peak is a maximum over `significance` of its own noise sqrt(sum k^2 n). Its
    energy is the middle of a parabola through the logarithm of the counts around it.

    Returns over peak: `energy`, `energy_err` (keV), `significance`, `height` (counts a channel).
    """
    from scipy.signal import find_peaks

    step = float(energy_keV[1] - energy_keV[0])
    sigma = resolution_keV / FWHM_PER_SIGMA / step
    t = np.arange(-int(4 * sigma) - 1, int(4 * sigma) + 2) / sigma
    kernel = (1 - t**2) * np.exp(-0.5 * t**2)
    kernel -= kernel.mean()
    n = np.asarray(counts, float)
    strength = np.convolve(n, kernel, "same") / np.sqrt(np.maximum(np.convolve(n, kernel**2, "same"), 1e-9))
    strength[np.convolve(n, np.ones(len(kernel)), "same") < 10] = 0
    at, _ = find_peaks(strength, height=significance, distance=max(int(sigma), 1))
    rows = [(*_vertex(n, energy_keV, int(i), max(int(sigma), 2)), strength[i], n[i]) for i in at]
    table = np.array(rows).reshape(-1, 4).T
    units = ("keV", "keV", "1", "counts")
    names = ("energy", "energy_err", "significance", "height")
    return xr.Dataset(
        {name: ("peak", values, {"units": u}) for name, values, u in zip(names, table, units, strict=True)}
    )


def _vertex(n: np.ndarray, energy: np.ndarray, at: int, half: int) -> tuple[float, float]:
    """Middle of a peak and its error from a parabola through log(n), weighted by n."""
    window = slice(max(at - half, 0), at + half + 1)
    counts, t = np.maximum(n[window], 0.5), energy[window] - energy[at]
    design = np.stack([np.ones_like(t), t, t**2]) * np.sqrt(counts)
    cov = np.linalg.pinv(design @ design.T)
    _, b, c = cov @ (design @ (np.log(counts) * np.sqrt(counts)))
    if c >= 0:
        return float(energy[at]), float(t[-1] - t[0]) / np.sqrt(12)
    slopes = np.array([0, -1 / (2 * c), b / (2 * c**2)])
    middle = float(np.clip(-b / (2 * c), t[0], t[-1]))
    return float(energy[at]) + middle, float(np.sqrt(slopes @ cov @ slopes))


def find_scattering(
    counts: np.ndarray, energy_keV: np.ndarray, beam_keV: float, *, angle_guess_deg: float = 90.0,
    beam_err_keV: float = 0.0,
) -> dict[str, float]:  # fmt: skip
    """Elastic line, Compton peak and scattering angle in a spectrum that holds both.

    beam_keV         of the monochromator; the elastic line must be within 2 % of it and pins the energy scale
    angle_guess_deg  only for where to look if no hump stands out

    The hump is two Gaussians with one middle; a third Gaussian between hump and elastic line takes what is scattered
    elsewhere (sample holder, air) at smaller angles. The error of the hump has the fit's part, widened by the root of
    chi2, and half the difference to the middle of its top 40 %: its sides are not symmetric.

    Returns energies (keV) with errors: elastic, compton, widths, angle (degrees), chi2. Raises `InputError` where no
    elastic line is found.
    """
    e, n = np.asarray(energy_keV, float), np.asarray(counts, float)
    near = np.abs(e - beam_keV) < 0.02 * beam_keV
    if near.sum() < 8 or n[near].max() < 30:
        raise InputError(
            f"no elastic line near {beam_keV:.4g} keV",
            where="find_scattering",
            fix="Check energy scale and beam energy.",
        )
    elastic = float(e[near][n[near].argmax()])
    lowest = float(compton_energy(beam_keV, 179.0)) * elastic / beam_keV
    hump = (e > lowest - 0.005 * beam_keV) & (e < elastic - 0.015 * beam_keV)
    top = float(e[hump][np.convolve(n[hump], np.ones(7) / 7, "same").argmax()]) if hump.sum() > 8 else np.nan
    if not np.isfinite(top):
        top = float(compton_energy(beam_keV, angle_guess_deg))
    return _fit_scattering(e, n, elastic, top, beam_keV, beam_err_keV)


def _fit_scattering(e, n, elastic: float, top: float, beam: float, beam_err: float) -> dict[str, float]:
    from scipy.optimize import least_squares

    gap = elastic - top
    window = (e > top - 0.6 * gap) & (e < elastic + 0.5 * gap)
    x, y = e[window], n[window]
    weight = 1 / np.sqrt(np.maximum(np.convolve(np.pad(y, 2, "edge"), np.ones(5) / 5, "valid"), 1.0))

    def bell(middle: float, width: float) -> np.ndarray:
        return np.exp(-0.5 * ((x - middle) / width) ** 2)

    def model(q: np.ndarray) -> np.ndarray:
        hump = q[2] * bell(q[3], q[4]) + q[5] * bell(q[3], q[6])
        return q[0] * bell(q[1], q[7]) + hump + q[8] * bell(q[9], q[10]) + q[11]

    high, tall = float(y[np.abs(x - elastic) < 0.1 * gap].max()), float(y[np.abs(x - top) < 0.1 * gap].max())
    start = [high, elastic, 0.7 * tall, top, 0.2 * gap, 0.3 * tall, 0.4 * gap, 0.08 * gap, 0.2 * tall,
             elastic - 0.4 * gap, 0.15 * gap, max(y[-1], 0.1)]  # fmt: skip
    low = [
        0,
        elastic - 0.2 * gap,
        0,
        top - 0.3 * gap,
        0.03 * gap,
        0,
        0.1 * gap,
        0.01 * gap,
        0,
        top + 0.3 * gap,
        0.05 * gap,
        0,
    ]
    up = [9 * high, elastic + 0.2 * gap, 9 * tall, top + 0.3 * gap, gap, 9 * tall, 2 * gap, 0.4 * gap, 2 * tall,
          elastic - 0.1 * gap, 0.4 * gap, tall]  # fmt: skip
    best = least_squares(lambda q: (y - model(q)) * weight, start, bounds=(low, up), x_scale="jac")
    chi2 = 2 * best.cost / (len(x) - len(start))
    error = np.sqrt(np.diag(np.linalg.pinv(best.jac.T @ best.jac)) * max(chi2, 1.0))
    crown = y - best.x[0] * bell(best.x[1], best.x[7]) - best.x[8] * bell(best.x[9], best.x[10])
    crown = np.where((np.abs(x - best.x[3]) < 0.4 * gap) & (crown > 0.6 * tall), crown - 0.6 * tall, 0.0)
    middle = float((x * crown).sum() / crown.sum())
    compton_err = float(np.hypot(error[3], abs(middle - best.x[3]) / 2))
    scale = beam / best.x[1]
    angle, angle_err = scattering_angle(
        beam, best.x[3] * scale, beam_err, scale * np.hypot(compton_err, best.x[3] / best.x[1] * error[1])
    )
    return {
        "elastic": float(best.x[1]), "elastic_err": float(error[1]), "elastic_fwhm": float(FWHM_PER_SIGMA * best.x[7]),
        "compton": float(best.x[3]), "compton_err": compton_err, "compton_err_fit": float(error[3]),
        "angle": float(angle), "angle_err": float(angle_err), "chi2": float(chi2), "scale": float(scale),
    }  # fmt: skip
