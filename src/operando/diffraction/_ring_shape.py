"""How the background of a map lies along azimuth: shadow edges and texture that all its images share."""

from __future__ import annotations

import numpy as np

#: images that tell the shape, and fewest of them; rounds in which spots are left out, this many sigma up
MOST_IMAGES, FEWEST_IMAGES, ROUNDS, CLIP = 800, 30, 4, 3.0


def ring_shape(counts: np.ndarray, weight: np.ndarray, dispersion: float) -> tuple[np.ndarray, np.ndarray]:
    """Relative background along azimuth, mean over the images of a map, and its relative variance: (azimuth,) each.

    counts_p(a) = level_p shape(a) weight_p(a) is solved by turns for the level of each image and the shape; azimuths of
    an image that lie `CLIP` sigma above it, which are spots, are left out of both. Ones and zeros for maps of fewer
    than `FEWEST_IMAGES` images, and where nothing was measured.

    counts (images, azimuth, q), weight the same or one image; dispersion: variance per count.
    """
    bins = counts.shape[1]
    if len(counts) < FEWEST_IMAGES:
        return np.ones(bins), np.zeros(bins)
    every = -(-len(counts) // MOST_IMAGES)
    some = np.nan_to_num(counts[::every]) / dispersion
    n = some.sum(2, dtype=np.float64)
    w = np.broadcast_to((weight[::every] if len(weight) > 1 else weight), some.shape)
    w = np.where(np.isfinite(counts[::every]), w, 0.0).sum(2, dtype=np.float64)
    shape, use = np.ones(bins), w > 0
    for number in range(ROUNDS):
        lit = w * shape
        level = (n * use).sum(1) / np.maximum((lit * use).sum(1), 1e-300)
        expected = level[:, None] * lit
        if number:  # the first round takes all: what every image has is no spot
            use = (w > 0) & (n <= expected + CLIP * np.sqrt(expected) + 1.0)
        seen, mean = (n * use).sum(0), (level[:, None] * w * use).sum(0)
        known = (seen > 0) & (mean > 0)
        shape = np.where(known, seen / np.where(known, mean, 1.0), 1.0)
    return shape, np.where(known, 1 / np.maximum(seen, 1.0), 0.0)
