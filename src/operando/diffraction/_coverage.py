"""Which cells of an azimuth x q map were measured whole, judged from the weight alone."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter

#: a cell is whole when the smoothed weight around it is above this share of what an unmasked detector would give
WHOLE_SHARE = 0.7
#: weight (about the number of pixels) to average over before judging: few pixels fall on bins unevenly
ENOUGH = 100.0


def complete_cells(weight: np.ndarray) -> np.ndarray:
    """True where the detector measured the whole cell; weight (azimuth over 360 degrees or an arc, q).

    The weight is smoothed (around the ring it wraps) until a box holds `ENOUGH` pixels, and compared with a smooth
    nominal weight: per q the upper quartile over azimuth, times two harmonics of azimuth (tilt, polarisation), fitted
    without the cells that fall short. Single dead pixels pass, gaps of a few pixels do not.
    """
    weight = np.where(np.isfinite(weight) & (weight > 0), weight, 0.0)
    if not weight.any():
        return np.zeros(weight.shape, bool)
    box = _box(weight)
    smooth = uniform_filter(weight, box, mode=("wrap", "reflect"))
    with np.errstate(all="ignore"):
        top = np.nanpercentile(np.where(smooth > 0, smooth, np.nan), 75, axis=0)
    top = np.where(np.isfinite(top), top, np.inf)
    return np.asarray(smooth >= WHOLE_SHARE * np.maximum(_harmonics(smooth / top), 0.5) * top)


def _box(weight: np.ndarray) -> tuple[int, int]:
    """Cells along azimuth and q to average over: three by as many as hold enough weight, at most a quarter."""
    typical = float(np.median(weight[weight > 0])) * float((weight > 0).mean())
    along_q = int(np.clip(np.ceil(ENOUGH / max(3 * typical, 1e-9)), 1, max(weight.shape[1] // 4, 1)))
    return 3 if len(weight) > 3 else 1, along_q


def _harmonics(relative: np.ndarray) -> np.ndarray:
    """Two harmonics of azimuth fitted to relative weights (azimuth, q) near one; (azimuth, 1)."""
    phi = np.linspace(0, 2 * np.pi, len(relative), endpoint=False)
    basis = np.stack([np.ones_like(phi), np.cos(phi), np.sin(phi), np.cos(2 * phi), np.sin(2 * phi)], 1)
    level = np.median(relative, axis=1)
    good = level > 0.5
    model = np.ones(len(phi))
    for _ in range(3):
        if good.sum() < len(phi) // 2:  # too short an arc to tell a slow variation from a gap
            return np.ones((len(phi), 1))
        model = basis @ np.linalg.lstsq(basis[good], level[good], rcond=None)[0]
        good = (level > 0.85 * model) & (level > 0.5)
    return np.asarray(model[:, None])
