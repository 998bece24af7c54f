"""Line integrals by the non-uniform FFT, and phase retrieval of two materials, against what is known."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("finufft")

from operando.flow.tomography_retrieval import filtered, slopes_product
from operando.tomography import Backprojector, Beams, Projector


def soft_disc(n, radius, y, x, width=1.5):
    from scipy.special import ndtr

    yy, xx = np.mgrid[:n, :n] - (n - 1) / 2
    return ndtr((radius - np.hypot(yy - y, xx - x)) / width).astype(np.float32)


def test_a_bell_gives_its_line_integrals_wherever_the_axis_is():
    angles = np.linspace(0, 180, 40)
    y, x, wide = 7.0, -12.0, 6.0
    yy, xx = np.mgrid[:96, :96] - 47.5
    bell = np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / (2 * wide**2)).astype(np.float32)
    lines = Projector(Beams(angles, 96, 50.3))(bell[None])[0]
    turn = np.deg2rad(angles)[:, None]
    off = np.arange(96) - 50.3 - (x * np.cos(turn) + y * np.sin(turn))
    exact = wide * np.sqrt(2 * np.pi) * np.exp(-(off**2) / (2 * wide**2))
    np.testing.assert_allclose(lines, exact, atol=0.02)


def test_back_projection_undoes_it_in_units_of_attenuation():
    beams = Beams(np.linspace(0, 180, 181)[:-1], 96, 47.1)
    slices = np.stack([soft_disc(96, 20, 5, 3), 2 * soft_disc(96, 9, -14, 10), soft_disc(96, 12, 0, 0)])
    lines = Projector(beams, pixel_um=1.7)(slices)
    back = Backprojector(beams, pixel_um=1.7)(lines)
    np.testing.assert_allclose(back, slices, atol=0.03)
    assert lines.max() < 1.7e-4 * 60  # 1/cm times cm


def spread(field, square):
    return np.fft.ifft2(np.fft.fft2(field) * square).real


def test_retrieval_of_two_materials_is_exact_beyond_weak_contrast():
    """Intensities by the transport equation, derivatives by Fourier: no finite differences as in the twin."""
    z, x = np.mgrid[:96, :128] * 1.0
    ratio = 600.0
    m = 0.4 * np.exp(-((x - 64) ** 2 + (z - 50) ** 2) / (2 * 9.0**2))
    hidden = 0.3 * np.exp(-((x - 60) ** 2 + (z - 44) ** 2) / (2 * 5.0**2))  # N: phase without attenuation
    u = [2j * np.pi * np.fft.fftfreq(n).reshape(s) for n, s in ((96, (-1, 1)), (128, (1, -1)))]
    total, light = m + hidden, np.exp(-m)
    seen = light + ratio / (4 * np.pi**2) * sum(spread(light * spread(total, v), v) for v in u)
    assert seen.min() < 0.5  # far from weak

    def one(values):
        return filtered(values[:, None].astype(np.float32), ratio)[:, 0]

    def error(whole):
        return abs(-np.log(whole) - total).max()

    alone = one(seen * np.exp(-hidden))
    product = slopes_product(hidden[:, None], -np.log(alone)[:, None])[:, 0]
    whole = alone - one(ratio / (4 * np.pi**2) * alone * product)
    assert error(whole) < 1e-3
    assert error(alone) > 0.01  # products of gradients left out
    assert error(one(seen)) > 0.1  # one material for all


def test_an_image_that_moved_is_laid_back_with_its_outline():
    """Motion of 1.5, -2, 3.25 voxels along z, y, x: heights fall by the first, maps go back by the others."""
    from operando.flow.tomography_density import Outline
    from operando.flow.tomography_retrieval import Retrieved, laid_back

    z, y, x = np.mgrid[:40, :30, :32] * 1.0

    def scene(dz=0.0, dy=0.0, dx=0.0):
        slope = 0.05 * (x[0] - dx) - 0.03 * (y[0] - dy)
        image = 1.65 + 2 * np.exp(-((z - 20 - dz) ** 2 + (y - 15 - dy) ** 2 + (x - 16 - dx) ** 2) / 18)
        inside = np.hypot(y[0] - 15 - dy, x[0] - 16 - dx) < 9
        levels = [h + dz + slope for h in (4.0, 36.0, 12.0, 28.0)]
        return image.astype(np.float32), Outline(*levels, sample=inside)

    image, outline = scene(1.5, -2.0, 3.25)
    moved = Retrieved(image[8:34], 8, 34, np.full(2, 1.65), outline, np.zeros(0), 40)
    back = laid_back(moved, [1.5, -2.0, 3.25], 1.65)
    true, lines = scene()
    inner = np.s_[2:-2, 6:-6, 6:-6]
    np.testing.assert_allclose(back.image[inner], true[back.first : back.last][inner], atol=0.02)
    for name in ("lower", "upper", "bottom", "top"):
        off = getattr(back.outline, name) - getattr(lines, name)
        assert abs(off[6:-6, 6:-6]).max() < 1e-6
    assert (back.outline.sample != lines.sample).mean() < 0.03
    assert laid_back(moved, [], 1.65) is moved
