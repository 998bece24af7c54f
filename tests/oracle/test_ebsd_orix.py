"""Grains and shares of a measured map beside another library."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from operando import microscopy as ms
from operando.read import orientation_map

orix = pytest.importorskip("orix", reason="orix (GPL) is an oracle only: pip install orix")
FILE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "ebsd" / "sdss_ferrite_austenite.ang"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FILE.exists(), reason="needs ../shared/data/ebsd"),
]


@pytest.fixture(scope="module")
def ours():
    points = orientation_map(FILE)
    return points, ms.find_grains(points, min_points=1)


@pytest.fixture(scope="module")
def theirs():
    from orix import io

    return io.load(str(FILE))


def test_phases_and_symmetry(ours, theirs):
    points, _ = ours
    phase = np.where(theirs.phase_id == theirs.phases.id_from_name("austenite/austenite"), 1, 2)
    np.testing.assert_array_equal(points["phase"].values.ravel(), phase)
    assert set(points["laue"].values) == {"m-3m"}


def test_grains_are_the_same(ours, theirs):
    from orix.quaternion import Misorientation, Orientation, symmetry

    points, grains = ours
    phase, index = points["phase"].values, np.arange(points["phase"].size).reshape(points["phase"].shape)
    one = np.concatenate([index[:, :-1].ravel(), index[:-1].ravel()])
    two = np.concatenate([index[:, 1:].ravel(), index[1:].ravel()])
    same = phase.ravel()[one] == phase.ravel()[two]
    one, two = one[same], two[same]
    turn = Orientation(theirs.rotations.data.reshape(-1, 4), symmetry=symmetry.Oh)
    between = Misorientation((turn[two] * ~turn[one]).data, symmetry=(symmetry.Oh, symmetry.Oh))
    angle = np.degrees(between.map_into_symmetry_reduced_zone().angle)
    joined = angle < 5
    graph = coo_array((np.ones(joined.sum()), (one[joined], two[joined])), shape=(phase.size, phase.size))
    count, label = connected_components(graph, directed=False)
    assert grains.sizes["grain"] == count
    pairs = np.unique(np.stack([label, grains["label"].values.ravel()], 1), axis=0)
    assert len(pairs) == count  # the same points in each


@pytest.mark.parametrize("phase", [1, 2])
def test_shares_of_points_near_poles_are_the_same(ours, theirs, phase):
    from orix.quaternion import Orientation, symmetry
    from orix.vector import Miller, Vector3d

    points, _ = ours
    used = points["phase"].values.ravel() == phase
    turn = Orientation(theirs.rotations.data.reshape(-1, 4)[used], symmetry=symmetry.Oh)
    along = turn * Vector3d.zvector()
    crystal = theirs.phases[theirs.phases.names[0]]
    for hkl in ((0, 0, 1), (1, 0, 1), (1, 1, 1)):
        pole = Miller(uvw=[hkl], phase=crystal).symmetrise(unique=True).unit
        nearest = np.degrees(np.arccos(np.clip(np.abs(along.unit.data @ pole.data.T).max(1), -1, 1)))
        share = (nearest < 15).mean()
        mine = ms.crystal_directions(np.array(turns(points, used)))
        off = np.degrees(np.arccos(np.clip((mine @ ms.equivalent_directions(hkl, "m-3m").T).max(1), -1, 1)))
        assert (off < 15).mean() == pytest.approx(share, abs=1e-3)
        np.testing.assert_allclose(off, nearest, atol=1e-3)


def turns(points, used):
    from operando.microscopy.rotations import orientations, quaternions

    return quaternions(orientations(points["euler"].values.reshape(-1, 3)[used]))
