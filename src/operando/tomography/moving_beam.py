"""A beam that moves up or down during a scan: what flats before and after, and a line between them, leave out.

The beam's bands B move past the fixed response G of the pixels: F(t) = G B(z - d t), t from 0 (flats before) to 1
(flats after). Between the two a line in t is wrong by

    F(t) - line = t (1 - t) / 2 * -F'' ,    F'' = d^2 G B'' = F (-d dr/dz + r^2 - mean(r)^2),    r = ln F(1) / F(0)

to second order in d. A row that is wrong by a part in a thousand at all angles changes the grey value of the whole
slice. d is found from r = -d dB/dz / B, in means over some columns, where G hardly counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import correlate1d, gaussian_filter1d

MOST_PX = 3.0  # a beam that moved further is not described by two terms
LEAST_EXPLAINED = 0.5  # of the change of the beam by its motion; under it nothing is done
ALONG_ROWS = 0.08  # of the width: smoothing of the change, whose noise would else make rings
LEAST_ROWS = 16


@dataclass(frozen=True)
class BeamMotion:
    """What moved from the first to the last flats.

    moved_px    rows by which the bands of the beam moved
    explained   share of its change (variance of the running mean along rows) that this explains
    bend        (rows, columns) float32, what F(t) has beyond a line, in units of F, to be multiplied by t (1 - t)
    """

    moved_px: float
    explained: float
    bend: np.ndarray


def beam_motion(first: np.ndarray, last: np.ndarray) -> BeamMotion | None:
    """Motion of the beam between two mean flats (rows, columns; dark taken off).

    None where it explains less than half of how the beam changed, or is larger than 3 pixels: a line between the flats
    is then the best guess.
    """
    good = (first > 0) & (last > 0) & np.isfinite(first) & np.isfinite(last)
    rows = good.mean(1) > 0.5
    if rows.sum() < LEAST_ROWS or not rows.all():
        return None
    a, b = (np.log(np.where(good, f, 1)) for f in (first, last))
    change = np.where(good, b - a, np.nan)
    change = np.where(good, change, np.nanmedian(change, axis=1, keepdims=True))
    wide = max(ALONG_ROWS * change.shape[1], 1.0)
    smooth = gaussian_filter1d(change, wide, axis=1, mode="nearest")
    level = gaussian_filter1d(np.where(good, 0.5 * (a + b), 0), wide, axis=1, mode="nearest")
    slope, gain = _slope(level), smooth - smooth.mean()
    if not (slope**2).sum() > 0 or not (gain**2).sum() > 0:
        return None
    slope -= slope.mean()
    moved = -float((gain * slope).sum() / (slope**2).sum())
    explained = 1 - float(((gain + moved * slope) ** 2).sum() / (gain**2).sum())
    if explained < LEAST_EXPLAINED or abs(moved) > MOST_PX:
        return None
    bend = 0.5 * (moved * _slope(smooth) - smooth**2 + smooth.mean() ** 2)
    return BeamMotion(moved, explained, bend.astype(np.float32))


def _slope(values: np.ndarray) -> np.ndarray:
    """Per row, right to fourth order: bands are but some rows wide."""
    return correlate1d(values, np.array([1, -8, 0, 8, -1]) / 12, axis=0, mode="nearest")
