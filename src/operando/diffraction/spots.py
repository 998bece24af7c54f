"""Spots of a ring along azimuth: found by matched filters, fitted, and flagged where a gap cuts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import xarray as xr

from ..core import Flag
from ..core.errors import InputError
from ..core.flags import flag_variable
from ._least_squares import least_squares

#: a spot counts as found when its area is this many times its error
MIN_SIGNIFICANCE = 5.0


def find_ring_spots(
    profile: xr.Dataset,
    *,
    sigma_deg: Sequence[float] = (1.0, 2.0, 4.0, 8.0),
    min_significance: float = MIN_SIGNIFICANCE,
    noise: Literal["counted", "measured"] = "counted",
) -> xr.Dataset:
    """Spots of a ring: Gaussians in azimuth on a smooth ring, found by matched filters and then fitted.

    The ring itself is the median within +-45 degrees, and a constant around each candidate. A candidate is the maximum
    of the matched-filter significance over widths and azimuths; it is fitted within three widths, and subtracted
    before the next is sought.

    profile    Dataset over `azimuth` (degrees, evenly spaced around 360) with `intensity`, `intensity_err`; NaN in gaps
    sigma_deg  widths to look for
    noise      "counted": the errors as given; "measured": scaled up to the robust scatter of the ring from bin to bin,
               which for a powder holds the number of its grains too

    Returns over `spot`, by azimuth: `azimuth`, `width` (sigma) (degrees), `area` (intensity times degrees), each with
    `_err`, `significance` and `flag`: CUT_BY_GAP where a gap lies within two widths (azimuth, width and area are then
    NaN, `near` still tells where), NOT_CONVERGED.
    False spots: fewer than 0.05 a smooth ring of 360 bins at the default limit.
    Raises `InputError` for azimuths that do not go around evenly.
    """
    azimuth = profile["azimuth"].values.astype(float)
    step = 360.0 / len(azimuth)
    if len(azimuth) < 24 or not np.allclose(np.diff(azimuth), step, rtol=1e-3):
        raise InputError(
            "azimuth bins must go around 360 degrees evenly, 24 or more", where="find_ring_spots"
        )
    y, err = profile["intensity"].values.astype(float), profile["intensity_err"].values.astype(float)
    good = np.isfinite(y) & np.isfinite(err) & (err > 0)
    rest = np.where(good, y - _smooth_ring(azimuth, np.where(good, y, np.nan)), np.nan)
    if noise == "measured":
        err = err * _excess_scatter(rest, err, good)
    # counting errors follow the signal: candidates are judged by the error that the ring alone would have
    floor = _smooth_ring(azimuth, np.where(good, err, np.nan))
    found: list[dict[str, float]] = []
    for _ in range(len(azimuth) // 4):
        place, width, significance = _best_candidate(
            azimuth, rest, np.maximum(floor, 1e-300), good, sigma_deg
        )
        if significance < min_significance:
            break
        spot = _fit_spot(azimuth, rest, np.where(good, err, np.nan), place, width, step)
        away = np.mod(azimuth - spot["place"] + 180, 360) - 180
        near_gap = (~good & (np.abs(away) <= 2 * spot["sigma"] + step / 2)).any()
        if spot["area"] >= min_significance * spot["area_err"] or near_gap:
            flag = (Flag.CUT_BY_GAP if near_gap else Flag.OK) | (
                Flag.OK if spot["converged"] else Flag.NOT_CONVERGED
            )
            found.append({**spot, "significance": significance, "flag": float(flag)})
            rest = rest - spot["height"] * np.exp(-0.5 * (away / spot["sigma"]) ** 2)
        # a place is judged once: what is left of it, good or bad, is not a second spot
        tried = np.abs(np.mod(azimuth - place + 180, 360) - 180) <= max(width, step)
        rest = np.where(tried | (np.abs(away) <= spot["sigma"]), np.minimum(rest, 0.0), rest)
    return _spots(sorted(found, key=lambda s: s["place"]))


def _excess_scatter(rest: np.ndarray, err: np.ndarray, good: np.ndarray) -> float:
    """Robust scatter between neighbouring bins in units of the errors, at least one."""
    both = good[1:] & good[:-1]
    if not both.any():
        return 1.0
    pull = np.diff(np.where(good, rest, 0.0))[both] / np.hypot(err[1:], err[:-1])[both]
    return max(float(1.4826 * np.median(np.abs(pull))), 1.0)


def _smooth_ring(azimuth: np.ndarray, y: np.ndarray) -> np.ndarray:
    half = max(round(45 * len(y) / 360), 2)
    around = np.lib.stride_tricks.sliding_window_view(np.concatenate([y[-half:], y, y[:half]]), 2 * half + 1)
    known = np.isfinite(around).any(1)
    level = np.full(len(y), np.nan)
    level[known] = np.nanpercentile(around[known], 50, axis=1)
    return np.where(np.isfinite(level), level, np.nanmedian(y) if np.isfinite(y).any() else 0.0)


def _best_candidate(
    azimuth: np.ndarray, rest: np.ndarray, err: np.ndarray, good: np.ndarray, widths: Sequence[float]
) -> tuple[float, float, float]:
    """Azimuth, width and significance of the strongest Gaussian above a constant within four widths."""
    best = (0.0, 1.0, 0.0)
    weight = np.where(good, err**-2, 0.0)
    value = np.where(good, np.nan_to_num(rest), 0.0)
    away = np.mod(azimuth - azimuth[0] + 180, 360) - 180
    spectra = [np.fft.rfft(weight), np.fft.rfft(weight * value)]
    for width in widths:
        local = np.abs(away) <= max(4 * width, 5 * abs(away[1]))
        shape = np.exp(-0.5 * (away / width) ** 2)
        of_one, of_shape, of_square = (np.conj(np.fft.rfft(local * k)) for k in (1.0, shape, shape**2))

        def around(spectrum: np.ndarray, kernel: np.ndarray) -> np.ndarray:
            return np.fft.irfft(spectrum * kernel, len(azimuth))

        total = around(spectra[0], of_one)
        total = np.where(total > 1e-9 * total.max(), total, np.inf)  # nothing but rounding within gaps
        first = around(spectra[0], of_shape)
        norm = around(spectra[0], of_square) - first**2 / total
        top = around(spectra[1], of_shape) - first * around(spectra[1], of_one) / total
        enough = norm > 0.3 * np.median(norm[good]) if good.any() else np.zeros(len(norm), bool)
        score = np.where(enough, top / np.sqrt(np.where(enough, norm, 1.0)), 0.0)
        at = int(score.argmax())
        if score[at] > best[2]:
            best = (float(azimuth[at]), float(width), float(score[at]))
    return best


def _fit_spot(
    azimuth: np.ndarray, rest: np.ndarray, err: np.ndarray, place: float, width: float, step: float
) -> dict[str, float]:
    """Gaussian plus constant within three widths (at least six bins each way) of a candidate."""
    away = np.mod(azimuth - place + 180, 360) - 180
    near = np.abs(away) <= max(3 * width, 6 * step)
    x = away[near]

    def model(par: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        t = (x - par[:, 0:1]) / par[:, 1:2]
        g = np.exp(-0.5 * t * t)
        h = par[:, 2:3]
        return h * g + par[:, 3:4], np.stack(
            [h * g * t / par[:, 1:2], h * g * t * t / par[:, 1:2], g, np.ones_like(g)], -1
        )

    start = np.array([[0.0, width, np.nanmax(rest[near]), 0.0]])
    low, high = (
        np.array([-2 * width, 0.4 * step, 0.0, -np.inf]),
        np.array([2 * width, 3 * width, np.inf, np.inf]),
    )
    fit = least_squares(model, start, rest[near][None], err[near][None], low, high)
    offset, sigma, height, _ = fit.par[0]
    cov = fit.cov[0]
    root = np.sqrt(2 * np.pi)
    area_var = root**2 * (sigma**2 * cov[2, 2] + height**2 * cov[1, 1] + 2 * sigma * height * cov[1, 2])
    limits = sigma <= 1.001 * low[1] or sigma >= 0.999 * high[1]
    return {
        "place": float(np.mod(place + offset, 360)), "azimuth_err": float(np.sqrt(cov[0, 0])), "sigma": float(sigma),
        "width_err": float(np.sqrt(cov[1, 1])), "height": float(height), "area": float(root * sigma * height),
        "area_err": float(np.sqrt(max(area_var, 0))) if np.isfinite(area_var) else np.inf,
        "converged": bool(fit.converged[0] and np.isfinite(cov[0, 0]) and not limits),
    }  # fmt: skip


def _spots(found: list[dict[str, float]]) -> xr.Dataset:
    flag = np.array([s["flag"] for s in found], np.uint16)
    spots = xr.Dataset(coords={"spot": np.arange(len(found))})
    spots["near"] = (
        "spot",
        np.array([s["place"] for s in found]),
        {"units": "deg", "long_name": "about where the spot is"},
    )
    for name, key, units in (
        ("azimuth", "place", "deg"), ("azimuth_err", "azimuth_err", "deg"), ("width", "sigma", "deg"),
        ("width_err", "width_err", "deg"), ("area", "area", "counts/angstrom*deg"),
        ("area_err", "area_err", "counts/angstrom*deg"),
    ):  # fmt: skip
        values = np.array([s[key] for s in found], float)
        spots[name] = (
            "spot",
            np.where(flag == 0, values, np.nan),
            {"units": units, "long_name": name.replace("_err", ", 1-sigma error")},
        )
    spots["significance"] = (
        "spot",
        np.array([s["significance"] for s in found], float),
        {"units": "1", "long_name": "signal over noise"},
    )
    spots["flag"] = flag_variable(flag, ("spot",))
    return spots
