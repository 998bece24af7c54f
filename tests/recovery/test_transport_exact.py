"""Effective conductivity, tortuosity and fields against exact answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from operando import transport


def blobs(shape, radius, porosity, seed):
    grey = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), radius, mode="wrap")
    return grey > np.quantile(grey, porosity)


def conductivity(volume, k=None, **options):
    return transport.effective_conductivity(volume, k, **options)["conductivity"].values


@pytest.mark.parametrize("axis", range(3))
def test_laminates(axis):
    """1 and 0.1 at equal shares: 0.181818 across, 0.55 along, whatever the axis, odd or even."""
    labels = np.zeros((20, 21, 22), int) + (np.arange(20) // 5 % 2)[:, None, None]
    found = conductivity(np.moveaxis(labels[:, :, :20], 0, axis), {0: 1.0, 1: 0.1}, tolerance=1e-4)
    expected = [0.55, 0.55, 0.55]
    expected[axis] = 2 / 11
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_oblong_voxels():
    """Layers of voxels 2 x 1 x 0.5 conduct as layers of cubes do, also when the layers are normal to a short edge."""
    layered = np.where(np.arange(8)[:, None, None] % 2, 0.1, 1.0) * np.ones((8, 6, 5))
    found = conductivity(layered, voxel=(2, 1, 0.5), tolerance=1e-4)
    np.testing.assert_allclose(found, [2 / 11, 0.55, 0.55], rtol=1e-6)
    turned = conductivity(np.moveaxis(layered, 0, 2), voxel=(2, 1, 0.5), tolerance=1e-4)
    np.testing.assert_allclose(turned, [0.55, 0.55, 2 / 11], rtol=1e-6)


@pytest.mark.parametrize("contrast", [0.0, 10.0])
def test_cubic_array_of_spheres(contrast):
    """Rayleigh's series for spheres on a cubic lattice, f = 0.2; an eighth of the cell holds all of it.

    The error of the voxels is extrapolated to none from two sizes (it goes as the edge of a voxel), to 0.1 %.
    """
    beta, beta3 = (contrast - 1) / (contrast + 2), (contrast - 1) / (contrast + 4 / 3)
    errors = []
    for n in (32, 64):
        half = np.arange(n) + 0.5
        square = half[:, None, None] ** 2 + half[None, :, None] ** 2 + half**2
        sphere = square < (2 * n) ** 2 * (3 * 0.2 / (4 * np.pi)) ** (2 / 3)
        f = sphere.mean()
        rayleigh = 1 + 3 * f * beta / (1 - f * beta - 1.3045 * beta * beta3 * f ** (10 / 3))
        errors.append(conductivity(np.where(sphere, contrast, 1.0), directions="z")[0] / rayleigh - 1)
    assert abs(errors[1]) < 0.02
    assert abs(2 * errors[1] - errors[0]) < 1e-3


def test_dilute_spheres_follow_maxwell():
    """f = 0.02, to 0.1 %, the error of the voxels extrapolated to none as above."""
    k, errors = 0.01, []
    for n in (24, 48):
        half = np.arange(n) + 0.5
        square = half[:, None, None] ** 2 + half[None, :, None] ** 2 + half**2
        sphere = square < (2 * n) ** 2 * (3 * 0.02 / (4 * np.pi)) ** (2 / 3)
        f, beta = sphere.mean(), (k - 1) / (k + 2)
        found = conductivity(np.where(sphere, k, 1.0), directions="x")[0]
        errors.append(found / ((1 + 2 * beta * f) / (1 - beta * f)) - 1)
    assert abs(2 * errors[1] - errors[0]) < 1e-3


@pytest.mark.parametrize("contrast", [0.0, 1e-4, 0.1])
def test_bounds_are_kept(contrast):
    labels = blobs((40, 40, 40), 2.0, 0.35, 4).astype(int)
    shares = np.bincount(labels.ravel()) / labels.size
    bounds = transport.conductivity_bounds(shares, [contrast, 1.0])
    found = conductivity(labels, {0: contrast, 1: 1.0})
    low, high = bounds["hashin_shtrikman"]
    assert ((found > low) & (found < high)).all()
    assert bounds["wiener"][0] <= low < high <= bounds["wiener"][1]


def test_the_error_given_is_that_of_the_solver():
    """Stopped early, the value is off by about what `conductivity_err` says (a factor of ten either way)."""
    volume = blobs((60, 30, 30), 2.0, 0.5, 1).astype(float)
    true = conductivity(volume, directions="z", tolerance=1e-8)[0]
    for tolerance in (0.3, 0.1, 0.03):
        found = transport.effective_conductivity(volume, directions="z", tolerance=tolerance)
        off = abs(float(found["conductivity"][0]) - true)
        assert off < 10 * float(found["conductivity_err"][0])
        assert off > 0.1 * float(found["conductivity_err"][0])
        assert float(found["flux_spread"][0]) < tolerance
    found = transport.effective_conductivity(volume, directions="z")
    assert float(found["conductivity"][0]) == pytest.approx(true, rel=1e-4)


def test_electrodes_lie_half_a_voxel_out():
    """A straight channel of any length has D_eff = eps: electrodes at the voxel centres would give n / (n - 1)."""
    volume = np.zeros((5, 4, 4), int)
    volume[:, 1, 2] = 1
    found = transport.tortuosity_factor(volume, directions="z")
    assert float(found["tau_factor"][0]) == pytest.approx(1, rel=1e-6)


def test_map_holds_the_factors_of_its_domains():
    volume = blobs((40, 24, 36), 2.0, 0.4, 7)
    found = transport.tortuosity_map(volume, (12, 12, 40), voxel=1.5)
    assert found["tau_factor"].dims == ("y", "x")
    assert found["x"].values.tolist() == [9, 27, 45]
    for j in range(2):
        for i in range(3):
            part = volume[:, 12 * j : 12 * j + 12, 12 * i : 12 * i + 12]
            alone = transport.tortuosity_factor(part, directions="z")["tau_factor"][0]
            assert float(found["tau_factor"][j, i]) == float(alone)
    layers = transport.tortuosity_map(volume, (12, 12, 20))
    assert layers["tau_factor"].shape == (2, 2, 3)


def test_domains_do_not_depend_on_threads():
    domains = [blobs((30, 12, 12), 2.0, p, s) for s, p in enumerate((0.1, 0.3, 0.5, 0.6))]
    one = transport.effective_conductivities([d.astype(float) for d in domains], workers=1)
    two = transport.effective_conductivities([d.astype(float) for d in domains], workers=2)
    assert one.identical(two)


def test_flux_and_potential_fields():
    volume = blobs((30, 20, 20), 2.0, 0.3, 2).astype(float)
    found = transport.potential_field(volume, direction="y", tolerance=1e-6)
    assert found["flux"].dims == ("z", "y", "x")
    np.testing.assert_allclose(found["flux_y"].mean(["z", "x"]), 1, rtol=1e-4)
    assert np.isnan(found["potential"].values[volume == 0]).all()
    assert float(found["potential"].max()) < 1
    straight = transport.potential_field(np.ones((10, 4, 4)))
    np.testing.assert_allclose(straight["potential"][:, 0, 0], 1 - (np.arange(10) + 0.5) / 10, atol=1e-6)
    np.testing.assert_allclose(straight["flux"], 1, rtol=1e-5)


def test_hot_spot_spreads_as_a_cosine_wave_does():
    """j = 1 + a cos(pi x / L) on a slab of thickness d: the wave decays as cosh of the height (exact)."""
    length, depth = 40, 20
    x = np.arange(length) + 0.5
    current = np.broadcast_to(1 + 0.8 * np.cos(np.pi * x / length), (4, length))
    found = transport.hot_spot_field(np.full((depth, 4, length), 2.0), current, tolerance=1e-6)
    q = np.pi / length
    z = np.arange(depth) + 0.5
    wave = 0.8 * np.cos(q * x) * np.cosh(q * (depth - z))[:, None] / np.cosh(q * depth)
    np.testing.assert_allclose(found["flux_z"][:, 0], 1 + wave, atol=2e-3)
    potential = (depth - z)[:, None] / 2 + 0.8 * np.cos(q * x) * np.sinh(q * (depth - z))[:, None] / (
        2 * q * np.cosh(q * depth)
    )
    np.testing.assert_allclose(found["potential"][:, 0], potential, atol=0.01)
    ratio = transport.flux_ratio(found, current > 1.5)
    assert float(ratio["through_profile"][0]) > float(ratio["through_profile"][-1]) > 1


def test_current_on_dead_ends_is_lost_and_said_so():
    volume = np.ones((6, 4, 4))
    volume[3, :, 2:] = 0
    volume[:, :, 2] = 0
    found = transport.hot_spot_field(volume, np.ones((4, 4)))
    assert found.attrs["lost_share"] == pytest.approx(0.5)
    np.testing.assert_allclose(found["flux_z"].mean(["y", "x"]), 1, rtol=1e-3)


@pytest.mark.parametrize(("direction", "order"), [("x", (2, 1, 0)), ("y", (1, 0, 2)), ("z", (0, 1, 2))])
def test_a_map_along_another_axis_is_that_of_the_turned_volume(direction, order):
    grey = gaussian_filter(np.random.default_rng(3).standard_normal((24, 30, 20)), 2)
    solid, size, voxel = grey > np.quantile(grey, 0.2), (10, 15, 12), (1.0, 2.0, 3.0)  # x y z; z y x
    found = transport.tortuosity_map(solid, size, direction=direction, voxel=voxel)
    turned = transport.tortuosity_map(
        solid.transpose(order), tuple(size[::-1][a] for a in order)[::-1], voxel=[voxel[a] for a in order]
    )
    assert found.attrs["direction"] == direction
    expected = turned["tau_factor"].values.transpose(np.argsort(order))
    np.testing.assert_allclose(found["tau_factor"].values, expected, rtol=1e-6)
    np.testing.assert_allclose(found["z"], [6.0, 18.0])
    whole = transport.tortuosity_map(solid, solid.shape[::-1], direction=direction, voxel=voxel)
    assert direction not in whole["tau_factor"].dims
    known = transport.tortuosity_factor(solid, directions=direction, voxel=voxel)["tau_factor"]
    assert whole["tau_factor"].item() == pytest.approx(known.item(), rel=1e-12)
