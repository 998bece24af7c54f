"""Kernels that turn labelled images into a table of spots."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ._grain_kernels import (
    azimuth_background,
    log_upper_tail,
    over_mean,
    reference_background,
    significant,
)
from ._grain_label import keep_seeded, label_ring
from ._grain_split import split_touching

#: columns of the table that `segment` fills, one row a spot; azimuth and q in bins, from the centre of bin 0
COLUMNS = (
    "point", "bins", "counts", "counts_var", "intensity", "intensity_var", "azimuth", "azimuth_var",
    "azimuth_width", "q", "q_var", "q_width", "log_p", "flag",
)  # fmt: skip
WINDOW_EDGE, CUT_BY_GAP = 4, 8  # bits of core.Flag; a test keeps them equal
REFERENCE, SCALED_REFERENCE, AZIMUTH = 0, 1, 2
SIGNIFICANCE, MEAN = 0, 1


@njit(cache=True, nogil=True, error_model="numpy")
def footprints(labels, valid, margin, count, member, owner, flags):
    """Every component's bins and those within `margin` of it that are nearest to it, as lists.

    Sets in `flags` which components reach a bin without data (CUT_BY_GAP) or the first or last bin in q
    (WINDOW_EDGE). Returns the number of listed bins; `labels` then holds the footprints.
    """
    rows, cols = labels.shape
    size = 0
    for k in range(count + 1):
        flags[k] = 0
    for i in range(rows):
        for j in range(cols):
            if labels[i, j]:
                member[size], owner[size] = i * cols + j, labels[i, j]
                size += 1
                if j in (0, cols - 1):
                    flags[labels[i, j]] |= WINDOW_EDGE
    start = 0
    for _ in range(margin):
        end = size
        for s in range(start, end):
            i, j = divmod(member[s], cols)
            for di in range(-1, 2):
                k = (i + di) % rows
                for m in range(max(j - 1, 0), min(j + 2, cols)):
                    if not valid[k, m]:
                        flags[owner[s]] |= CUT_BY_GAP
                    elif labels[k, m] == 0:
                        labels[k, m] = owner[s]
                        member[size], owner[size] = k * cols + m, owner[s]
                        size += 1
        start = end
    return size


@njit(cache=True, nogil=True, error_model="numpy")
def measure(n, w, mu, alpha, shared, size, member, owner, count, peak, moments):
    """Sums over each footprint: moments[k] = counts, var, intensity, var, first and second moments, variances.

    Azimuths are offsets from the peak bin of the spot, so that the seam at 360 degrees does not matter. The
    error of the background is shared by `shared` bins.
    """
    rows, cols = n.shape
    best = np.full(count + 1, -np.inf)
    for s in range(size):
        i, j = divmod(member[s], cols)
        r = (n[i, j] - mu[i, j]) / w[i, j]
        if r > best[owner[s]]:
            best[owner[s]], peak[owner[s]] = r, member[s]
    moments[: count + 1] = 0.0
    for turn in range(2):
        for s in range(size):
            k = owner[s]
            i, j = divmod(member[s], cols)
            pi, pj = divmod(peak[k], cols)
            a = (i - pi + rows // 2) % rows - rows // 2
            b = float(j - pj)
            noise = n[i, j] + shared * alpha[i, j] * mu[i, j]
            r, v = (n[i, j] - mu[i, j]) / w[i, j], noise / w[i, j] ** 2
            m = moments[k]
            if turn == 0:
                m[0] += n[i, j] - mu[i, j]
                m[1] += noise
                m[2] += r
                m[3] += v
                m[4] += r * a
                m[5] += r * b
                m[6] += n[i, j]
                m[7] += mu[i, j]
            elif m[2] > 0.0:
                da, db = a - m[4] / m[2], b - m[5] / m[2]
                m[8] += r * da * da
                m[9] += r * db * db
                m[10] += v * da * da
                m[11] += v * db * db


@njit(cache=True, nogil=True, error_model="numpy")
def _position(first, second, variance, total):
    """Centroid, its variance and the rms width in bins, from moments over bins of width one.

    The variance is that of the counts, and what binning hides from a spot narrower than a bin: 1/12 bin^2 for
    a point, exp(-4 pi^2 width^2) of that for a Gaussian.
    """
    width2 = max(second / total - 1.0 / 12.0, 0.0)
    return first / total, variance / total**2 + math.exp(-39.478 * width2) / 12.0, math.sqrt(width2)


@njit(cache=True, nogil=True, error_model="numpy")
def write_spots(point, count, flags, bins, moments, peak, cols, log_p, scale, out, filled):
    """Append the spots of one image to the table; rows beyond its end are only counted."""
    for k in range(1, count + 1):
        m = moments[k]
        if m[2] <= 0.0:
            continue
        if filled < len(out):
            row = out[filled]
            row[0], row[1] = point, bins[k]
            row[2], row[4] = m[0] * scale, m[2] * scale
            row[3], row[5] = m[1] * scale**2, m[3] * scale**2
            pi, pj = divmod(peak[k], cols)
            da, row[7], row[8] = _position(m[4], m[8], m[10], m[2])
            db, row[10], row[11] = _position(m[5], m[9], m[11], m[2])
            row[6], row[9] = pi + da, pj + db
            row[12], row[13] = log_p[k], flags[k]
        filled += 1
    return filled


@njit(cache=True, nogil=True, error_model="numpy")
def segment(
    counts, weight, ref, ref_weight, first, background, rule, dispersion, ref_dispersion, log_p, log_grow, factor,
    half, guard, shared, diagonal, split, margin, out, seen,
):  # fmt: skip
    """Spots of a run of images (point, azimuth, q), appended to `out`; see COLUMNS.

    Without a reference (AZIMUTH) `ref` is how the background lies along azimuth, relative to its level nearby, and
    `ref_weight` the relative variance of that. `weight`, `ref` and `ref_weight` may have a single image that serves
    all. `seen` (azimuth,) counts, for the coverage, in how many images most bins at an azimuth are valid. Returns the
    number of spots, also when that exceeds the rows of `out`.
    """
    points, rows, cols = counts.shape
    size_max = rows * cols
    n, w, lit, mu, alpha = np.zeros((5, rows, cols))
    valid, mask, seed = np.zeros((3, rows, cols), np.bool_)
    labels, nothing = np.zeros((2, rows, cols), np.int32)
    parent, flags, peak, bins = np.zeros((4, size_max + 1), np.int64)
    member, owner = np.zeros((2, size_max), np.int64)
    moments, tail = np.zeros((size_max + 1, 12)), np.zeros(size_max + 1)
    filled, per_count = 0, 1.0 / dispersion
    for p in range(points):
        wp, rp, rwp = p if len(weight) > 1 else 0, p if len(ref) > 1 else 0, p if len(ref_weight) > 1 else 0
        for i in range(rows):
            for j in range(cols):
                n[i, j] = counts[p, i, j] * per_count
                w[i, j] = weight[wp, i, j]
                lit[i, j] = w[i, j] * ref[rp, i, j] if background == AZIMUTH else 0.0
        if background == AZIMUTH:
            azimuth_background(n, lit, nothing, half, guard, mu, alpha, valid)
            doubt(mu, alpha, ref_weight[rwp])
        else:
            scaled = background == SCALED_REFERENCE
            reference_background(
                n, w, ref[rp], ref_weight[rwp], per_count, ref_dispersion, scaled, mu, alpha, valid
            )
        count_valid(valid, seen)
        count = 0
        for turn in range(2 if background == AZIMUTH else 1):  # its spots, once known, leave the background
            if turn:
                azimuth_background(n, lit, labels, half, guard, mu, alpha, valid)
                doubt(mu, alpha, ref_weight[rwp])
            if rule == MEAN:
                seeds = over_mean(n, w, mu, valid, factor, mask, seed)
            else:
                seeds = significant(n, mu, alpha, valid, log_p, log_grow, shared, mask, seed)
            if not seeds:
                count = 0
                break
            count = keep_seeded(labels, seed, label_ring(mask, diagonal, labels, parent), parent)
            if split > 0.0 and (turn or background != AZIMUTH):
                count = split_touching(n, mu, valid, labels, seed, count, split, diagonal, parent)
        if not count:
            continue
        size = footprints(labels, valid, margin, count, member, owner, flags)
        measure(n, w, mu, alpha, shared, size, member, owner, count, peak, moments)
        describe(alpha, shared, size, member, owner, count, moments, bins, tail)
        filled = write_spots(
            p + first, count, flags, bins, moments, peak, cols, tail, dispersion, out, filled
        )
    return filled


@njit(cache=True, nogil=True, error_model="numpy")
def doubt(mu, alpha, variance):
    """Add a relative variance to what mu is known to: mu / alpha counts have alpha / mu of it."""
    rows, cols = mu.shape
    for i in range(rows):
        for j in range(cols):
            alpha[i, j] += variance[i, j] * mu[i, j]


@njit(cache=True, nogil=True, error_model="numpy")
def count_valid(valid, seen):
    """Add one to every azimuth at which at least half of the bins in q have a background."""
    rows, cols = valid.shape
    for i in range(rows):
        good = 0
        for j in range(cols):
            good += valid[i, j]
        seen[i] += 2 * good >= cols


@njit(cache=True, nogil=True, error_model="numpy")
def describe(alpha, shared, size, member, owner, count, moments, bins, tail):
    """Number of bins of each footprint and ln P of its summed counts."""
    cols = alpha.shape[1]
    bins[: count + 1] = 0
    tail[: count + 1] = 0.0
    for s in range(size):
        bins[owner[s]] += 1
        tail[owner[s]] += alpha[member[s] // cols, member[s] % cols]
    for k in range(1, count + 1):
        mean_alpha = shared * tail[k] / max(bins[k], 1)
        tail[k] = log_upper_tail(moments[k, 6], moments[k, 7], mean_alpha) if moments[k, 0] > 0 else 0.0
