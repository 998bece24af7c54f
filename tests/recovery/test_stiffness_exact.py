"""Elastic constants against exact answers: laminates, dilute voids, a sphere's uniform strain, bounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from operando import transport
from operando.transport import _elastic, _elastic_kernels


def sphere(n, share):
    x = np.arange(n) + 0.5 - n / 2
    square = x[:, None, None] ** 2 + x[None, :, None] ** 2 + x**2
    return (square < n**2 * (3 * share / (4 * np.pi)) ** (2 / 3)).astype(int)


@pytest.mark.parametrize("n", [8, 9])
def test_laminate_of_backus(n):
    """Layers normal to z, on odd and even grids: all nine constants."""
    f, young, poisson = np.array([0.7, 0.3]), np.array([10, 1.0]), np.array([0.2, 0.3])
    labels = np.zeros((10, n, n + 3), int)
    labels[:3] = 1
    c = transport.effective_stiffness(labels, dict(enumerate(zip(young, poisson, strict=True))))[
        "stiffness"
    ].values
    g = young / (2 * (1 + poisson))
    lame = young * poisson / ((1 + poisson) * (1 - 2 * poisson))
    m = lame + 2 * g
    c33 = 1 / (f @ (1 / m))
    mixed = f @ (lame / m)
    c11 = f @ (m - lame**2 / m) + mixed**2 * c33
    c12 = f @ (lame - lame**2 / m) + mixed**2 * c33
    expected = np.zeros((6, 6))
    expected[:3, :3] = [[c11, c12, mixed * c33], [c12, c11, mixed * c33], [mixed * c33, mixed * c33, c33]]
    expected[3:, 3:] = np.diag([1 / (f @ (1 / g)), 1 / (f @ (1 / g)), f @ g])
    np.testing.assert_allclose(c, expected, atol=1e-5 * c.max())


@pytest.mark.parametrize("n", [47, 48])
def test_dilute_voids(n):
    """E / E0 = 1 - 2 f at Poisson 0.2, to 0.1 % of E, the slope to 3 %; odd and even grids alike."""
    void = sphere(n, 0.01)
    f = void.mean()
    found = transport.effective_stiffness(void, {0: (1.0, 0.2), 1: (0.0, 0.0)})["young_modulus"].values
    np.testing.assert_allclose(found, 1 - 2 * f, atol=1e-3)
    np.testing.assert_allclose((1 - found) / f, 2, rtol=0.03)


def trace_in_a_sphere(n, share):
    """Trace of the strain in the inner part of a sphere five times as stiff; mean strain one along each axis."""
    inside = sphere(n, share)
    table = np.stack([transport.isotropic_stiffness(1, 0.2), transport.isotropic_stiffness(5, 0.2)])
    grid = _elastic.make_grid(inside.astype(np.uint16), table, (1, 1, 1), np.float64, 2)
    u = _elastic.respond(grid, np.array([1, 1, 1, 0, 0, 0.0]), 1e-8, 200).displacement
    gradient, trace = np.empty((3, 3, n)), np.empty((n, n, n))
    for z, y in np.ndindex(n, n):
        for i in range(3):
            _elastic_kernels.row_gradients(u, i, z, y, grid.step, gradient[i])
        trace[z, y] = 3 + gradient[0, 0] + gradient[1, 1] + gradient[2, 2]
    return trace[sphere(n, share * 0.6**3) > 0], inside.mean()


def test_strain_in_a_sphere_is_uniform():
    """Eshelby: strain inside = (3 K0 + 4 G0) / (3 K1 + 4 G0) of that around, to 0.5 % without the voxels' error."""
    k0, g0, k1 = 1 / 1.8, 1 / 2.4, 5 / 1.8
    ratio = (3 * k0 + 4 * g0) / (3 * k1 + 4 * g0)
    errors = []
    for n in (32, 64):
        trace, f = trace_in_a_sphere(n, 0.05)
        errors.append(trace.mean() / (3 * ratio / (1 - f + f * ratio)) - 1)
    assert trace.std() < 0.02 * trace.mean()
    assert abs(2 * errors[1] - errors[0]) < 5e-3


@pytest.mark.parametrize("soft", [0.0, 1e-3, 0.2])
def test_bounds_are_kept(soft):
    grey = gaussian_filter(np.random.default_rng(2).standard_normal((24, 25, 26)), 2, mode="wrap")
    labels = (grey > np.quantile(grey, 0.2)).astype(int)
    shares = np.bincount(labels.ravel()) / labels.size
    c = transport.effective_stiffness(labels, {0: (soft, 0.25), 1: (1.0, 0.25)})["stiffness"].values
    bulk = c[:3, :3].sum() / 9
    shear = (1.5 * np.trace(c[:3, :3]) - c[:3, :3].sum() / 2 + 3 * np.trace(c[3:, 3:])) / 15
    young = np.array([soft, 1.0])
    bounds = transport.modulus_bounds(shares, young / 1.5, young / 2.5)["hashin_shtrikman"]
    assert bounds["bulk"][0] < bulk < bounds["bulk"][1]
    assert bounds["shear"][0] < shear < bounds["shear"][1]


def test_error_precision_and_anisotropy():
    grey = gaussian_filter(np.random.default_rng(1).standard_normal((20, 21, 22)), (1, 1, 3), mode="wrap")
    labels = (grey > np.quantile(grey, 0.3)).astype(int)
    moduli = {0: (0.0, 0.0), 1: (150.0, 0.26)}
    true = transport.effective_stiffness(labels, moduli, precision="float64", tolerance=1e-8)
    found = transport.effective_stiffness(labels, moduli)
    off = np.abs(found["young_modulus"] - true["young_modulus"])
    assert (off < 5 * found["young_modulus_err"]).all()
    assert (found["young_modulus_err"] < 2e-3 * found["young_modulus"]).all()
    assert int(found["young_modulus"].argmax("direction")) == 0  # pores are drawn out along x
    assert (found["flag"] == 0).all()


def test_general_stiffness_turns_with_the_axes():
    """A cubic crystal alone gives its own constants back."""
    cubic = np.diag([10.0, 10, 10, 3, 3, 3])
    cubic[:3, :3] += 4 * (1 - np.eye(3))
    found = transport.effective_stiffness(np.zeros((4, 5, 6), int), {0: cubic})
    np.testing.assert_allclose(found["stiffness"], cubic, rtol=1e-5, atol=1e-5)
