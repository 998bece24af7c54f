"""The moment at which a series of image values answers to a switch of the current."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: (times since the expected moment, corner) -> what the signal does beside its straight line
Shape = Callable[[np.ndarray, float], np.ndarray]


def slope_shape(exposure_s: float) -> Shape:
    """A bend at the corner: max(t, 0), averaged over the exposure."""

    def shape(time: np.ndarray, corner: float) -> np.ndarray:
        since = time - corner
        if exposure_s <= 0:
            return np.maximum(since, 0.0)
        half = 0.5 * exposure_s
        part = np.clip((since + half) / exposure_s, 0.0, 1.0)
        return np.where(np.abs(since) < half, 0.5 * exposure_s * part**2, np.maximum(since, 0.0))

    return shape


def jump_shape(exposure_s: float) -> Shape:
    """A jump at the corner, averaged over the exposure."""

    def shape(time: np.ndarray, corner: float) -> np.ndarray:
        if exposure_s <= 0:
            return (time > corner).astype(float)
        return np.clip((time - corner) / exposure_s + 0.5, 0.0, 1.0)

    return shape


def charge_shape(since: np.ndarray, charge: np.ndarray, exposure_s: float) -> Shape:
    """The recorded charge (at times `since` the switch on the cycler clock), averaged over the exposure."""
    scale = float(np.ptp(charge)) or 1.0
    level = charge / scale
    area = np.concatenate([[0.0], np.cumsum(0.5 * (level[1:] + level[:-1]) * np.diff(since))])

    def shape(time: np.ndarray, corner: float) -> np.ndarray:
        half = 0.5 * max(exposure_s, 1.0)
        place = time - corner
        return (_area(place + half, since, level, area) - _area(place - half, since, level, area)) / (
            2 * half
        )

    return shape


def _area(place: np.ndarray, since: np.ndarray, level: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Integral of the polyline (since, level) up to `place`, exact, with the end values held outside."""
    before = np.clip(np.searchsorted(since, place, side="right") - 1, 0, len(since) - 2)
    inside = np.clip(place, since[0], since[-1]) - since[before]
    width = since[before + 1] - since[before]
    slope = np.divide(level[before + 1] - level[before], width, out=np.zeros(len(place)), where=width > 0)
    outside = np.minimum(place - since[0], 0) * level[0] + np.maximum(place - since[-1], 0) * level[-1]
    return area[before] + inside * (level[before] + 0.5 * slope * inside) + outside


def event_offset(
    utc: np.ndarray, signal: np.ndarray, error: np.ndarray | None, moment: float, shape: Shape, *,
    bounds: tuple[float, float] = (-np.inf, np.inf), guess_s: float = 0.0, search_s: float = 600.0,
    window_s: float = 3600.0, sharp: bool = False,
) -> dict[str, float] | None:  # fmt: skip
    """Offset (s) of one switch at cycler time `moment`, its error, and by how many sigma the shape is there.

    bounds  cycler times of the switches before and after
    sharp   instantaneous frames that see a jump: it lies anywhere between two of them (uniform)
    None where there are fewer than 8 values around the switch.
    """
    centre = moment - guess_s
    low = max(centre - window_s, bounds[0] - guess_s + search_s * np.isfinite(bounds[0]))
    high = min(centre + window_s, bounds[1] - guess_s - search_s * np.isfinite(bounds[1]))
    inside = (utc >= low) & (utc <= high)
    if inside.sum() < 8:
        return None
    time, value = utc[inside] - centre, signal[inside]
    weight = np.ones(len(time)) if error is None else 1 / error[inside]
    spacing = float(np.median(np.diff(time)))
    first, last = max(-search_s, time[2]), min(search_s, time[-3])
    if not first < last:
        return None
    grid = np.arange(first, last, max(0.25 * spacing, (last - first) / 2000))

    def chi2(corner: float) -> float:
        return _solve(time, value, weight, shape(time, corner))[0]

    best = float(grid[int(np.argmin([chi2(c) for c in grid]))])
    if not sharp:
        from scipy.optimize import minimize_scalar

        step = grid[1] - grid[0] if len(grid) > 1 else spacing
        around = (best - step, best + step)
        best = float(minimize_scalar(chi2, bounds=around, method="bounded", options={"xatol": 1e-3}).x)
    return _judged(time, value, weight, shape, best, guess_s, scaled=error is None, sharp=sharp)


def _judged(time, value, weight, shape: Shape, corner: float, guess_s: float, *, scaled: bool, sharp: bool):
    smallest, coefficients = _solve(time, value, weight, shape(time, corner))
    spacing = float(np.median(np.diff(time)))
    parts = [np.ones_like(time), time, shape(time, corner)]
    if not sharp:
        delta = max(1e-3, 1e-3 * float(np.ptp(time)))
        slope = (shape(time, corner + delta) - shape(time, corner - delta)) / (2 * delta)
        parts.append(coefficients[2] * slope)
    design = np.column_stack(parts) * weight[:, None]
    scale = smallest / max(len(time) - 4, 1) if scaled else 1.0
    size = np.maximum(
        np.linalg.norm(design, axis=0), 1e-300
    )  # columns of one size, or the inverse loses the small ones
    covariance = np.linalg.pinv((design / size).T @ (design / size)) * scale / np.outer(size, size)
    significance = abs(coefficients[2]) / max(float(np.sqrt(covariance[2, 2])), 1e-300)
    error = spacing / np.sqrt(12) if sharp else float(np.sqrt(covariance[3, 3]))
    if sharp:
        after = int(np.clip(np.searchsorted(time, corner), 1, len(time) - 1))
        corner = 0.5 * float(time[after - 1] + time[after])
    goodness = np.nan if scaled else smallest / max(len(time) - 4, 1)
    return {
        "offset": guess_s - corner, "error": error, "significance": float(significance), "goodness": float(goodness),
    }  # fmt: skip


def _solve(time, value, weight, shape) -> tuple[float, np.ndarray]:
    design = np.column_stack([np.ones_like(time), time, shape]) * weight[:, None]
    size = np.maximum(np.linalg.norm(design, axis=0), 1e-300)
    coefficients, *_ = np.linalg.lstsq(design / size, value * weight, rcond=None)
    coefficients = coefficients / size
    return float(((design @ coefficients - value * weight) ** 2).sum()), coefficients
