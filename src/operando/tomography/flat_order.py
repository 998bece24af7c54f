"""Flats of which the file does not say when they were taken: before and after the scan, where flats and images show it.

Data Exchange holds all flats in one array. Where they fall into two groups in the order in which they are stored, the
first may be from before the scan and the second from after it. That is believed only if the scan itself changes from
the first group to the second: the sum of all line integrals along a row is the same at every angle (as long as the
sample stays in the field of view), so what a row's mean logarithm of counts gains from the first images to the last
ones is the beam's.
"""

from __future__ import annotations

import numpy as np

from ..core.projections import ImageStack, Projections

BLOCKS = (32, 8)  # into which a flat is averaged
SIGNIFICANT = 5.0  # times the scatter within the groups
SOME = 4  # projections at each end of the scan
SLOPE = (0.5, 1.5)  # of the change in the scan by the change of the flats


def blocks(image: np.ndarray) -> np.ndarray:
    """Medians over blocks of an image (a stray photon does not count), one row for the lot."""
    rows, columns = (
        np.array_split(np.arange(n), min(b, n)) for n, b in zip(image.shape, BLOCKS, strict=True)
    )
    return np.array([np.median(image[r[0] : r[-1] + 1, c[0] : c[-1] + 1]) for r in rows for c in columns])


def taken_after(looks: np.ndarray, used: np.ndarray, projections: Projections) -> np.ndarray | None:
    """(used,) how many projections had been taken before each flat; None where that cannot be told.

    looks: (used, blocks) of each flat; used: their indices
    """
    end = _split(np.log(np.maximum(looks, 1e-6)))
    if end is None:
        return None
    assert projections.flats is not None
    change = _profile(projections.flats, used[end:]) - _profile(projections.flats, used[:end])
    n, some = len(projections), min(SOME, len(projections) // 4)
    if some < 1:
        return None
    seen = _profile(projections.images, np.arange(n - some, n)) - _profile(
        projections.images, np.arange(some)
    )
    change, seen = change - change.mean(), seen - seen.mean()
    if not (change**2).sum() > 0:
        return None
    slope = float((seen * change).sum() / (change**2).sum())
    return np.where(np.arange(len(used)) < end, 0, n) if SLOPE[0] < slope < SLOPE[1] else None


def _split(values: np.ndarray) -> int | None:
    """Where a series of flats (flats, blocks) falls into two groups of at least two each, told well from noise."""
    n = len(values)
    if n < 4:
        return None
    best, at = 0.0, None
    for k in range(2, n - 1):
        low, high = values[:k], values[k:]
        gap = float(((low.mean(0) - high.mean(0)) ** 2).mean())
        within = float((low.var(0, ddof=1) / k + high.var(0, ddof=1) / (n - k)).mean())
        if gap > SIGNIFICANT**2 * within and gap / within > best:
            best, at = gap / within, k
    return at


def _profile(stack: ImageStack, which: np.ndarray) -> np.ndarray:
    """(rows,) mean logarithm of counts over some images and all columns."""
    total = [np.log(np.maximum(stack.read([int(i)])[0].astype(np.float32), 1)).mean(1) for i in which]
    return np.mean(total, axis=0)
