"""Grains and shares of orientation maps of which the truth is known."""

import numpy as np
import pytest
import xarray as xr
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from operando import microscopy as ms
from operando.core.errors import InputError

CUBIC = np.array([[3.51, 3.51, 3.51, 90, 90, 90]])


def crystal_map(rotation, label, *, noise_deg=0.3, laue="m-3m", rng, step=1.0):
    """An orientation map with Bunge angles, written independently of the room: each point a random equivalent."""
    turns = Rotation.from_matrix(ms.symmetry(laue))
    wobble = Rotation.from_rotvec(np.radians(noise_deg) * rng.standard_normal((label.size, 3)) / np.sqrt(3))
    points = wobble * rotation[label.ravel()] * turns[rng.integers(0, len(turns), label.size)]
    euler = points.as_euler("ZXZ").reshape(*label.shape, 3)
    return xr.Dataset(
        {"phase": (("y", "x"), np.ones(label.shape, np.int16)), "euler": (("y", "x", "angle"), euler),
         "name": ("crystal", ["Li"]), "laue": ("crystal", [laue]), "cell": (("crystal", "parameter"), CUBIC)},
        coords={"y": np.arange(label.shape[0]) * step, "x": np.arange(label.shape[1]) * step},
        attrs={"grid": "square"},
    )  # fmt: skip


def voronoi(shape, count, rng):
    y, x = np.indices(shape)
    seeds = rng.uniform(0, 1, (count, 2)) * shape
    return cKDTree(seeds).query(np.stack([y.ravel(), x.ravel()], 1))[1].reshape(shape)


def lone_grains(rotation, area=None):
    """A table of grains without a map."""
    quaternion = rotation.as_quat(scalar_first=True)
    n = len(quaternion)
    return xr.Dataset(
        {"phase": ("grain", np.ones(n, int)), "area": ("grain", np.ones(n) if area is None else area),
         "quaternion": (("grain", "q"), quaternion), "flag": ("grain", np.zeros(n, int)),
         "laue": ("crystal", ["m-3m"]), "cell": (("crystal", "parameter"), CUBIC)}
    )  # fmt: skip


def test_grains_of_a_known_map_are_found_with_their_orientations():
    rng = np.random.default_rng(1)
    label = voronoi((120, 150), 40, rng)
    truth = Rotation.random(40, random_state=2)
    grains = ms.find_grains(crystal_map(truth, label, rng=rng, step=0.5), min_points=1)
    assert grains.sizes["grain"] == 40
    of = np.array([label[grains["label"].values == g][0] for g in grains["grain"].values])
    np.testing.assert_array_equal(grains["points"].values, np.bincount(label.ravel())[of])
    np.testing.assert_allclose(grains["area"].values, 0.25 * grains["points"].values)
    off = ms.disorientation(grains["quaternion"].values, truth[of].as_quat(scalar_first=True), "m-3m")
    assert off.max() < 0.1
    assert grains["spread"].values.mean() == pytest.approx(
        0.3 * np.sqrt(8 / np.pi / 3), rel=0.1
    )  # mean of Maxwell
    inside = ~np.isin(of, np.unique(np.r_[label[0], label[-1], label[:, 0], label[:, -1]]))
    np.testing.assert_array_equal(grains["flag"].values == 0, inside)


@pytest.mark.parametrize(
    ("laue", "largest"), [("m-3m", 62.80), ("6/mmm", 93.84), ("mmm", 120.0), ("m-3", 90.0)]
)
def test_largest_disorientation_of_each_group_is_the_known_one(laue, largest):
    one, two = (Rotation.random(60_000, random_state=seed).as_quat(scalar_first=True) for seed in (1, 2))
    angle = ms.disorientation(one, two, laue)
    assert largest - 4 < angle.max() <= largest + 1e-2


def test_mackenzie_mean_of_random_cubes():
    one, two = (Rotation.random(40_000, random_state=seed).as_quat(scalar_first=True) for seed in (3, 4))
    assert ms.disorientation(one, two, "m-3m").mean() == pytest.approx(40.74, abs=0.2)


def test_random_shares_are_those_of_caps():
    cap = (1 - np.cos(np.radians(15))) / 2
    np.testing.assert_allclose(
        ms.random_share(((0, 0, 1), (1, 0, 1), (1, 1, 1)), "m-3m", 15),
        [6 * cap, 12 * cap, 8 * cap],
        rtol=2e-3,
    )


@pytest.mark.parametrize("by", ["grains", "area"])
def test_random_texture_has_no_preference_more_often_than_stated(by):
    rng, trials = np.random.default_rng(7), 500
    found, covered = 0, 0
    expected = ms.random_share(((0, 0, 1), (1, 0, 1), (1, 1, 1)), "m-3m", 15)
    for _ in range(trials):
        grains = lone_grains(Rotation.random(60, random_state=rng), rng.lognormal(0, 0.7, 60))
        shares = ms.pole_shares(grains, by=by, rng=rng)
        found += bool((shares["p_adjusted"].values < 0.05).any())
        covered += ((shares["low"].values <= expected) & (shares["high"].values >= expected)).sum()
    assert found <= 0.05 * trials + 3 * np.sqrt(0.05 * 0.95 * trials)
    assert found >= 0.01 * trials  # a test that finds nothing is no test
    assert (0.92 if by == "grains" else 0.88) < covered / (3 * trials) < 0.99


def test_a_texture_is_found_and_conditions_are_told_apart():
    rng = np.random.default_rng(3)
    spin = Rotation.from_euler("z", rng.uniform(0, 360, (40, 1)), degrees=True)
    tilt = Rotation.from_rotvec(np.radians(6) * rng.standard_normal((40, 3)))
    fibre = Rotation.concatenate([tilt * spin, Rotation.random(20, random_state=4)])
    cold = ms.pole_shares(lone_grains(fibre), rng=rng)
    assert cold["share"].values[0] == pytest.approx(2 / 3, abs=0.12)
    assert cold["p_adjusted"].values[0] < 1e-6
    assert cold["low"].values[0] < 40 / 60 < cold["high"].values[0]
    hot = lone_grains(Rotation.random(60, random_state=5))
    differ = ms.compare_shares(lone_grains(fibre), hot, rng=rng)
    assert differ["p_adjusted"].values[0] < 1e-3
    assert float(differ["p_any"]) < 1e-3
    assert differ["difference"].values[0] < -0.3


def test_shares_of_equal_conditions_differ_no_more_often_than_stated():
    rng = np.random.default_rng(9)
    small = [
        float(
            ms.compare_shares(
                *(lone_grains(Rotation.random(40, random_state=rng)) for _ in range(2)), rng=rng
            )["p_any"]
        )
        for _ in range(60)
    ]
    assert np.mean(np.array(small) < 0.05) < 0.15
    assert 0.35 < np.mean(small) < 0.65


def test_densities_are_one_without_texture_and_peak_where_it_is():
    random = Rotation.random(4000, random_state=1).as_quat(scalar_first=True)
    flat = ms.inverse_pole_figure(random, "m-3m")["density"].values
    assert np.abs(flat - 1).max() < 0.15
    rng = np.random.default_rng(2)
    fibre = Rotation.from_euler("z", rng.uniform(0, 360, (300, 1)), degrees=True).as_quat(scalar_first=True)
    peaked = ms.inverse_pole_figure(fibre, "m-3m")
    best = peaked["direction"].values[peaked["density"].values.argmax()]
    np.testing.assert_allclose(best, [0, 0, 1], atol=1e-6)
    poles = ms.pole_figure(fibre, (0, 0, 1), "m-3m", resolution=25)
    best = poles["direction"].values[poles["density"].values.argmax()]
    assert best[2] > 0.99
    assert poles["density"].mean() == pytest.approx(
        1, abs=0.05
    )  # equal-area grid: the mean over the half sphere


def test_sector_holds_every_direction_and_colours_its_corners():
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((500, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    inside = np.abs(ms.into_sector(directions, "m-3m"))
    np.testing.assert_allclose(np.sort(inside, 1), np.sort(np.abs(directions), 1), atol=1e-9)
    assert (inside[:, 2] + 1e-9 >= inside[:, 0]).all()
    assert (inside[:, 0] + 1e-9 >= inside[:, 1]).all()
    np.testing.assert_allclose(ms.direction_colours(ms.sector("m-3m"), "m-3m"), np.eye(3), atol=1e-6)
    with pytest.raises(InputError, match="no triangle"):
        ms.sector("-1")


def test_too_few_grains_have_no_interval_and_bad_input_is_refused():
    rng = np.random.default_rng(0)
    shares = ms.pole_shares(lone_grains(Rotation.random(4, random_state=1)), rng=rng)
    assert np.isnan(shares["p"].values).all()
    assert (shares["flag"].values > 0).all()
    grains = lone_grains(Rotation.random(9, random_state=1))
    with pytest.raises(InputError, match="no grain of phase 2"):
        ms.pole_shares(grains, phase=2, rng=rng)
    with pytest.raises(InputError, match="no plane"):
        ms.pole_shares(grains, poles=[(0, 0, 0)], rng=rng)
    with pytest.raises(InputError, match="grains in one condition"):
        ms.compare_shares(grains, lone_grains(Rotation.random(3, random_state=1)), rng=rng)
    empty = crystal_map(Rotation.random(1), np.zeros((4, 4), int), rng=rng)
    empty["phase"][:] = 0
    with pytest.raises(InputError, match="no point of the map is indexed"):
        ms.find_grains(empty)
