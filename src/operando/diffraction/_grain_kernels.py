"""Kernels of the grain search: exact tails, background, what stands out.

Everything takes plain arrays of one image, (azimuth, q), azimuth periodic. `n` are counts, `w` their weight,
`mu` the background expected in each bin in counts, and `alpha` = mu / (background counts it was estimated
from): the reference counts are then mu / alpha, and alpha = 0 is a background known exactly.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_TINY = 1e-300


@njit(cache=True, nogil=True, error_model="numpy")
def log_upper_tail(n, mu, alpha):
    """ln P(N >= n) of counts n over a background mu known through mu / alpha reference counts.

    Given the sum of both counts, n is binomial under the null with probability alpha / (1 + alpha), so that
    P = I_x(n, m + 1), x = alpha / (1 + alpha), m = mu / alpha: exact whatever the true background is. For
    alpha = 0, P = P_gamma(n, mu), the Poisson tail. Meant for n > mu, where both series converge fast.
    """
    if n <= 0.0:
        return 0.0
    if alpha <= 0.0:
        mu = max(mu, 1e-9)
        term, total, k = 1.0, 1.0, 1
        while term > 1e-12 * total and k < 100000:
            term *= mu / (n + k)
            total += term
            k += 1
        return min(0.0, n * math.log(mu) - mu - math.lgamma(n + 1.0) + math.log(total))
    a, b = n, mu / alpha + 1.0
    x = alpha / (1.0 + alpha)
    front = (
        a * math.log(x) - b * math.log1p(alpha) + math.lgamma(a + b) - math.lgamma(a + 1.0) - math.lgamma(b)
    )
    # continued fraction of the incomplete beta function (modified Lentz)
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    h = d
    for i in range(1, 2000):
        even = i * (b - i) * x / ((a + 2 * i - 1.0) * (a + 2 * i))
        d = 1.0 + even * d
        c = 1.0 + even / c
        d = 1.0 / (d if abs(d) > _TINY else _TINY)
        c = c if abs(c) > _TINY else _TINY
        h *= d * c
        odd = -(a + i) * (a + b + i) * x / ((a + 2 * i) * (a + 2 * i + 1.0))
        d = 1.0 + odd * d
        c = 1.0 + odd / c
        d = 1.0 / (d if abs(d) > _TINY else _TINY)
        c = c if abs(c) > _TINY else _TINY
        step = d * c
        h *= step
        if abs(step - 1.0) < 1e-12:
            break
    return min(0.0, front + math.log(max(h, _TINY)))


@njit(cache=True, nogil=True, error_model="numpy")
def exceeds(n, mu, alpha, log_p):
    """Whether P(N >= n) <= exp(log_p); a cheap bound spares most bins the series."""
    excess = n - mu
    if excess <= 0.0:
        return False
    # -ln P <= z^2 + O(1) for these tails, so a small z cannot reach log_p (checked by a unit test)
    if excess * excess < -0.5 * log_p * (mu + alpha * n):
        return False
    # for alpha <= 1 the tail is heavier than a normal one: a fifth off its z^2 at log_p is safe
    if alpha <= 1.0 and excess * excess < 0.8 * (-2 * log_p - math.log(-2 * log_p) - 1.84) * (mu + alpha * n):
        return False
    return log_upper_tail(n, mu, alpha) <= log_p


@njit(cache=True, nogil=True, error_model="numpy")
def reference_background(n, w, ref, ref_w, per_count, dispersion, scale_to_image, mu, alpha, valid):
    """Background from reference counts: mu = ref * w / ref_w, by weight or scaled to the image's own total.

    `n` is the signal x `per_count`; `dispersion` is the variance per count of the reference. The scale of the image
    is found without its spots: bins far above the scaled reference are left out, three times.
    """
    rows, cols = n.shape
    for i in range(rows):
        for j in range(cols):
            good = w[i, j] > 0.0 and ref_w[i, j] > 0.0 and math.isfinite(n[i, j]) and math.isfinite(ref[i, j])
            valid[i, j] = good
            if not good:
                n[i, j] = 0.0
            ratio = w[i, j] / ref_w[i, j] if good else 0.0
            mu[i, j] = ref[i, j] * ratio * per_count if good else 0.0
            alpha[i, j] = ratio * dispersion * per_count
    if not scale_to_image:
        return
    scale = 1.0
    for _ in range(3):
        seen, expected = 0.0, 0.0
        for i in range(rows):
            for j in range(cols):
                level = scale * mu[i, j]
                if valid[i, j] and n[i, j] <= level + 3.0 * math.sqrt(level * (1.0 + alpha[i, j])) + 1.0:
                    seen += n[i, j]
                    expected += mu[i, j]
        if expected > 0.0:
            scale = seen / expected
    for i in range(rows):
        for j in range(cols):
            mu[i, j] *= scale
            alpha[i, j] *= scale


@njit(cache=True, nogil=True, error_model="numpy")
def azimuth_background(n, w, labels, half, guard, mu, alpha, valid):
    """Background from the neighbourhood in azimuth at the same q, a guard zone and labelled bins left out.

    mu_i = w_i * sum(n) / sum(w) over guard < |i - k| <= half. Bins with under a fifth of a full window are not valid.
    """
    rows, cols = n.shape
    span = rows + 2 * half + 1
    sum_n, sum_w = np.empty((2, span + 1, cols))
    used_n, used_w = np.empty((2, rows, cols))
    full = np.zeros(cols)
    for i in range(rows):
        for j in range(cols):
            good = w[i, j] > 0.0 and math.isfinite(n[i, j])
            valid[i, j] = good
            if not good:
                n[i, j] = 0.0
            use = good and labels[i, j] == 0
            used_n[i, j] = n[i, j] if use else 0.0
            used_w[i, j] = w[i, j] if use else 0.0
            full[j] += w[i, j] if good else 0.0
    sum_n[0], sum_w[0] = 0.0, 0.0
    i = (-half) % rows
    for k in range(span):
        for j in range(cols):
            sum_n[k + 1, j] = sum_n[k, j] + used_n[i, j]
            sum_w[k + 1, j] = sum_w[k, j] + used_w[i, j]
        i = i + 1 if i + 1 < rows else 0
    share = 0.2 * 2 * (half - guard) / rows
    for i in range(rows):
        right, near, left, far = i + 2 * half + 1, i + half + guard + 1, i + half - guard, i
        for j in range(cols):
            m = sum_n[right, j] - sum_n[near, j] + sum_n[left, j] - sum_n[far, j]
            weight = sum_w[right, j] - sum_w[near, j] + sum_w[left, j] - sum_w[far, j]
            good = valid[i, j] and weight > share * full[j] and weight > 0.0
            valid[i, j] = good
            alpha[i, j] = w[i, j] / weight if good else 0.0
            mu[i, j] = alpha[i, j] * m


@njit(cache=True, nogil=True, error_model="numpy")
def significant(n, mu, alpha, valid, log_p, log_grow, box_correlation, mask, seed):
    """Seeds: bins whose own count, or whose 3 x 3 sum, exceeds `log_p`; mask: seeds and bins over `log_grow`.

    `box_correlation`: how many bins of the box share one background estimate. Returns the number of seeds; the
    mask is only filled when there is one.
    """
    rows, cols = n.shape
    tall_n, tall_mu, tall_spread = np.zeros(
        (3, cols + 2)
    )  # sums over three rows, with an empty column at each end
    seeds = 0
    bound = -0.5 * log_p
    for i in range(rows):
        up, down = i - 1 if i else rows - 1, i + 1 if i + 1 < rows else 0
        for j in range(cols):  # invalid bins hold zeros
            tall_n[j + 1] = n[up, j] + n[i, j] + n[down, j]
            tall_mu[j + 1] = mu[up, j] + mu[i, j] + mu[down, j]
            tall_spread[j + 1] = (
                mu[up, j] * alpha[up, j] + mu[i, j] * alpha[i, j] + mu[down, j] * alpha[down, j]
            )
        for j in range(cols):
            seed[i, j] = False
            if not valid[i, j]:
                continue
            hit = exceeds(n[i, j], mu[i, j], alpha[i, j], log_p)
            if not hit:
                box_n = tall_n[j] + tall_n[j + 1] + tall_n[j + 2]
                box_mu = tall_mu[j] + tall_mu[j + 1] + tall_mu[j + 2]
                over = box_n - box_mu
                # the bound of `exceeds`, times box_mu
                if over > 0.0 and over * over >= bound * box_mu:
                    spread = box_correlation * (tall_spread[j] + tall_spread[j + 1] + tall_spread[j + 2])
                    if over * over * box_mu >= bound * (box_mu * box_mu + spread * box_n):
                        box_alpha = spread / box_mu if box_mu > 0.0 else box_correlation * alpha[i, j]
                        hit = exceeds(box_n, box_mu, box_alpha, log_p)
            seed[i, j] = hit
            seeds += hit
    if seeds:
        for i in range(rows):
            for j in range(cols):
                mask[i, j] = valid[i, j] and (seed[i, j] or exceeds(n[i, j], mu[i, j], alpha[i, j], log_grow))
    return seeds


@njit(cache=True, nogil=True, error_model="numpy")
def over_mean(n, w, mu, valid, factor, mask, seed):
    """The threshold rule: intensity above `factor` times the mean positive residual of the image."""
    rows, cols = n.shape
    total, bins = 0.0, 0
    for i in range(rows):
        for j in range(cols):
            if valid[i, j]:
                total += max((n[i, j] - mu[i, j]) / w[i, j], 0.0)
                bins += 1
    limit = factor * total / max(bins, 1)
    seeds = 0
    for i in range(rows):
        for j in range(cols):
            mask[i, j] = valid[i, j] and (n[i, j] - mu[i, j]) / w[i, j] > limit
            seed[i, j] = mask[i, j]
            seeds += mask[i, j]
    return seeds
