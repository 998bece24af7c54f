"""Kernels against scipy and ten-line references."""

import numpy as np
import pytest
from scipy import ndimage, special

from operando.core.flags import Flag
from operando.diffraction import _grain_kernels as kernels
from operando.diffraction import _grain_label as labels_of
from operando.diffraction import _grain_spots as spots


def test_flag_bits_are_those_of_core():
    assert int(Flag.CUT_BY_GAP) == spots.CUT_BY_GAP
    assert int(Flag.WINDOW_EDGE) == spots.WINDOW_EDGE


def test_tails_are_exact():
    rng = np.random.default_rng(0)
    for _ in range(500):
        mu = 10 ** rng.uniform(-3, 4)
        n = float(np.ceil(mu + rng.uniform(0.1, 9) * np.sqrt(mu) + rng.integers(0, 4)))
        exact = np.log(special.gammainc(n, mu))
        assert kernels.log_upper_tail(n, mu, 0.0) == pytest.approx(exact, rel=1e-9, abs=1e-9)
        alpha = 10 ** rng.uniform(-3, 1)
        exact = np.log(special.betainc(n, mu / alpha + 1, alpha / (1 + alpha)))
        if exact > -600:
            assert kernels.log_upper_tail(n, mu, alpha) == pytest.approx(exact, rel=1e-8, abs=1e-8)


def test_the_cheap_bound_never_rejects_what_is_significant():
    rng = np.random.default_rng(1)
    for _ in range(20000):
        mu, alpha = 10 ** rng.uniform(-3, 4), 10 ** rng.uniform(-4, 1) * (rng.random() > 0.2)
        n = float(np.round(mu + rng.uniform(0, 14) * np.sqrt(mu * (1 + alpha)) + rng.integers(0, 12)))
        log_p = -(10 ** rng.uniform(0.8, 1.6))
        if n > mu and kernels.log_upper_tail(n, mu, alpha) <= log_p:
            assert kernels.exceeds(n, mu, alpha, log_p)


def label_by_scipy(mask, diagonal):
    """Reference: scipy labels, then the seam joined by renaming."""
    labels, _ = ndimage.label(mask, np.ones((3, 3)) if diagonal else None)
    for j in np.flatnonzero(mask[0]):
        for k in range(max(j - diagonal, 0), min(j + diagonal + 1, mask.shape[1])):
            if mask[-1, k]:
                labels[labels == labels[-1, k]] = labels[0, j]
    return labels, len(np.unique(labels[mask]))


@pytest.mark.parametrize("diagonal", [0, 1])
def test_labels_agree_with_scipy_and_the_seam_joined(diagonal):
    rng = np.random.default_rng(2)
    for density in (0.05, 0.3, 0.5, 0.7, 1.0):
        for _ in range(20):
            mask = rng.random((60, 10)) < density
            labels, parent = np.zeros(mask.shape, np.int32), np.zeros(mask.size + 1, np.int64)
            count = labels_of.label_ring(mask, diagonal, labels, parent)
            expected, number = label_by_scipy(mask, diagonal)
            assert count == number == labels.max()
            assert ((labels > 0) == mask).all()
            pairs = np.unique(np.stack([labels[mask], expected[mask]]), axis=1)
            assert pairs.shape[1] == number  # one to one


def test_azimuth_background_is_the_mean_of_its_window():
    rng = np.random.default_rng(3)
    n, w = rng.poisson(5, (72, 3)).astype(float), rng.uniform(0.5, 1, (72, 3))
    w[10:14] = 0
    labels = np.zeros((72, 3), np.int32)
    labels[40:43] = 1
    mu, alpha, valid = np.empty((72, 3)), np.empty((72, 3)), np.empty((72, 3), bool)
    kernels.azimuth_background(n, w, labels, 9, 2, mu, alpha, valid)
    offset = (np.arange(72)[:, None] - np.arange(72) + 36) % 72 - 36
    window = (np.abs(offset) > 2) & (np.abs(offset) <= 9)
    use = (w > 0) & (labels == 0)
    expected = w * (window @ np.where(use, n, 0)) / (window @ np.where(use, w, 0))
    np.testing.assert_allclose(mu[valid], expected[valid])
    assert (valid == (w > 0)).all()


def test_reference_background_scaled_to_the_image_ignores_its_spots():
    rng = np.random.default_rng(4)
    ref = np.full((360, 10), 50.0)
    n = rng.poisson(0.7 * ref).astype(float)
    n[100:103, 4:6] += 500
    w = np.ones_like(n)
    mu, alpha, valid = np.empty_like(n), np.empty_like(n), np.empty(n.shape, bool)
    kernels.reference_background(n, w, ref, w, 1.0, 1.0, True, mu, alpha, valid)
    assert mu.mean() == pytest.approx(35, rel=0.01)
    kernels.reference_background(n, 2 * w, ref, w, 1.0, 1.0, False, mu, alpha, valid)
    assert (mu == 100).all()
    assert (alpha == 2).all()
