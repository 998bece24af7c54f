"""Synthetic polycrystals have the sizes asked for; an anisotropic image stands out among them, an isotropic one not."""

from __future__ import annotations

import numpy as np
import pytest

from operando import transport
from operando.core.errors import InputError


def make(seed=0, shape=(48, 48, 48), **options):
    asked = {"grain_size": 16.0, "porosity": 0.1, "pore_size": 6.0, "boundary": 2.0} | options
    return transport.polycrystal(shape, np.random.default_rng(seed), **asked)


@pytest.mark.parametrize("options", [{}, {"pores_at": "boundary"}, {"grain_spread": 0.3}, {"porosity": 0.3}])
def test_porosity_and_sizes_are_those_asked_for(options):
    found = make(**options)
    pores = found.values == 0
    assert pores.mean() == pytest.approx(options.get("porosity", 0.1), abs=2 / pores.size)
    assert transport.pore_size(pores) == pytest.approx(6, rel=0.05)
    assert found.attrs["grains"] == round(48**3 / (np.pi / 6 * 16**3))


def test_pore_size_of_spheres_is_their_diameter():
    x = np.arange(40) - 19.5
    ball = x[:, None, None] ** 2 + x[None, :, None] ** 2 + x**2 < 12**2
    assert transport.pore_size(ball, voxel=0.5) == pytest.approx(12, rel=0.03)
    assert np.isnan(transport.pore_size(np.zeros((4, 4, 4))))


def test_boundary_share_follows_its_thickness_and_voronoi_statistics():
    """Area per volume of Poisson-Voronoi cells: 2.910 N^(1/3); times the thickness, for thin boundaries."""
    shares = [
        np.mean([(make(s, porosity=0.0, boundary=t, grain_size=20.0).values == 2).mean() for s in range(3)])
        for t in (1.0, 2.0)
    ]
    density = 1 / (np.pi / 6 * 20**3)
    area = 2.910 * density ** (1 / 3)
    assert shares[0] == pytest.approx(area / 2 * 2, rel=0.12)
    assert 1.7 < shares[1] / shares[0] < 2.0


def test_periodic_and_repeatable():
    one, two = make(3), make(3)
    assert one.identical(two)
    assert not np.array_equal(one.values, make(4).values)
    v = (one.values == 0).astype(int)
    across = np.abs(v[0] - v[-1]).mean()  # as alike as any two neighbouring planes
    inside = np.abs(np.diff(v, axis=0)).mean()
    assert across < 2 * inside


def test_factors_of_images_with_and_without_anisotropy():
    k = {0: 0.0, 1: 1.0, 2: 0.3}
    rng = np.random.default_rng(5)
    flat = np.ones((32, 32, 32), int)
    for z, y, x in rng.integers(0, 32, (14, 3)):
        flat[np.ix_((z + np.arange(9)) % 32, (y + np.arange(9)) % 32, (x + np.arange(2)) % 32)] = 0
    options = {"grain_size": 12.0, "seeds": 5, "conductivity": k, "boundary": 1.0}
    found = transport.compare_with_synthetic(flat, np.random.default_rng(1), **options)
    assert float(found["conductivity_factor_z"].sel(direction="x")) < -4
    assert found.attrs["porosity"] == (flat == 0).mean()
    even = np.where(make(9, shape=(32, 32, 32), pore_size=5.0).values == 0, 0, 1)
    same = transport.compare_with_synthetic(even, np.random.default_rng(1), **options)
    assert (np.abs(same["conductivity_factor_z"]) < 4).all()


def test_factors_of_the_dense_bulk_are_one():
    found = transport.microstructure_factors(
        np.ones((6, 6, 6), int), conductivity={1: 0.4}, moduli={1: (150.0, 0.26)}
    )
    np.testing.assert_allclose(found["conductivity_factor"], 1, rtol=1e-6)
    np.testing.assert_allclose(found["young_factor"], 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"porosity": 1.0}, "share"),
        ({"pore_size": 1.0}, "do not fit"),
        ({"pore_size": 40.0}, "do not fit"),
        ({"grain_size": 1.0}, "smaller than two voxels"),
        ({"pores_at": "corner"}, "unknown place"),
    ],
)
def test_sizes_that_cannot_be_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        make(**options)


def test_images_that_cannot_be_compared_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="all pore"):
        transport.compare_with_synthetic(np.zeros((8, 8, 8), int), rng, grain_size=4.0, conductivity={1: 1.0})
    with pytest.raises(InputError, match="NaN"):
        transport.compare_with_synthetic(
            np.full((8, 8, 8), np.nan), rng, grain_size=4.0, conductivity={1: 1.0}
        )
