"""Elastic kernels against short numpy references."""

from __future__ import annotations

import numpy as np

from operando.transport import _elastic, _elastic_kernels
from operando.transport.stiffness import isotropic_stiffness

SHAPE = (4, 5, 6)
VOIGT = [(2, 2), (1, 1), (0, 0), (0, 1), (0, 2), (1, 2)]  # axes z, y, x of xx yy zz yz xz xy


def gradient(u, axis):
    """Mean of the differences along `axis` over the four edges of each voxel, periodic."""
    out = np.roll(u, -1, axis) - u
    for other in {0, 1, 2} - {axis}:
        out = (out + np.roll(out, -1, other)) / 2
    return out


def strain(u):
    g = [[gradient(u[i], a) for a in range(3)] for i in range(3)]
    return np.array([g[i][j] if i == j else g[i][j] + g[j][i] for i, j in VOIGT])


def test_forces_are_the_slope_of_the_energy():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, SHAPE).astype(np.uint16)
    table = np.stack([isotropic_stiffness(2, 0.3), isotropic_stiffness(0.5, 0.1)])
    grid = _elastic.make_grid(labels, table, (1, 1, 1), np.float64, 1)
    mean, u, v = rng.standard_normal(6), rng.standard_normal((3, *SHAPE)), rng.standard_normal((3, *SHAPE))
    force = np.empty_like(u)
    stress_mean = _elastic_kernels.forces(u, labels, table, mean, grid.step, force)
    total = mean[:, None, None, None] + strain(u)
    stress = np.einsum("zyxij,jzyx->izyx", table[labels], total)
    np.testing.assert_allclose(stress_mean, stress.mean((1, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose((v * force).sum(), (strain(v) * stress).sum(), rtol=1e-10)


def test_green_operator_inverts_the_uniform_medium():
    """Odd and even numbers of voxels; what is left over is only what strains nothing (mean, checkerboards)."""
    rng = np.random.default_rng(1)
    for shape in (SHAPE, (5, 7, 3)):
        labels, table = np.zeros(shape, np.uint16), isotropic_stiffness(2, 0.3)[None]
        grid = _elastic.make_grid(labels, table, (1, 1, 1), np.float64, 1)
        u = rng.standard_normal((3, *shape))
        force, again = np.empty_like(u), np.empty_like(u)
        _elastic_kernels.forces(u, labels, table, np.zeros(6), grid.step, force)
        back = _elastic._green(grid, force.copy())
        np.testing.assert_allclose(strain(back), strain(u), atol=1e-10)
        _elastic_kernels.forces(back, labels, table, np.zeros(6), grid.step, again)
        np.testing.assert_allclose(again, force, atol=1e-10)
