"""Orientations and the symmetry of crystals.

An orientation is the rotation O that takes crystal directions into the sample: O = Rz(phi1) Rx(Phi) Rz(phi2) of Bunge's
angles. Crystal frame: x along a, z along c*. Quaternions are (w, x, y, z).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.spatial.transform import Rotation

from operando.core.errors import InputError

_Z, _X, _Y, _D = (0, 0, 1), (1, 0, 0), (0, 1, 0), (1, 1, 1)
#: axis and fold of rotations that make the proper rotations of each Laue group
GENERATORS: dict[str, tuple[tuple[tuple[int, int, int], int], ...]] = {
    "-1": (), "2/m": ((_Y, 2),), "mmm": ((_Z, 2), (_X, 2)), "4/m": ((_Z, 4),), "4/mmm": ((_Z, 4), (_X, 2)),
    "-3": ((_Z, 3),), "-3m": ((_Z, 3), (_X, 2)), "6/m": ((_Z, 6),), "6/mmm": ((_Z, 6), (_X, 2)),
    "m-3": ((_D, 3), (_Z, 2)), "m-3m": ((_Z, 4), (_D, 3)),
}  # fmt: skip


@lru_cache(maxsize=16)
def symmetry(laue: str) -> np.ndarray:
    """Proper rotations of a Laue group as matrices (n, 3, 3): 24 for m-3m, 12 for 6/mmm. Raises `InputError`."""
    if laue not in GENERATORS:
        raise InputError(
            f"unknown Laue group {laue!r}", where="symmetry", fix=f"Known are {', '.join(GENERATORS)}."
        )
    steps = [
        Rotation.from_rotvec(2 * np.pi / fold * np.array(axis) / np.linalg.norm(axis)).as_matrix()
        for axis, fold in GENERATORS[laue]
    ]
    found = [np.eye(3)]
    for one in found:  # grows while it is walked
        for step in steps:
            new = step @ one
            if all(np.abs(new - known).max() > 1e-6 for known in found):
                found.append(new)
    group = np.array(found)
    group.flags.writeable = False
    return group


def orientations(euler: np.ndarray) -> Rotation:
    """Bunge angles (n, 3) in radians as rotations from crystal to sample."""
    return Rotation.from_euler("ZXZ", np.asarray(euler, float).reshape(-1, 3))


def quaternions(rotation: Rotation) -> np.ndarray:
    """(n, 4) as (w, x, y, z)."""
    return rotation.as_quat(scalar_first=True)


def disorientation(first: np.ndarray, second: np.ndarray, laue: str) -> np.ndarray:
    """Smallest angle (degrees) of a rotation from one crystal to an equivalent of the other.

    first, second  quaternions (n, 4) of orientations of the same phase; broadcast against each other
    """
    one, two = np.atleast_2d(first), np.atleast_2d(second)
    between = (
        Rotation.from_quat(one, scalar_first=True).inv() * Rotation.from_quat(two, scalar_first=True)
    ).as_quat(scalar_first=True)
    turns = quaternions(Rotation.from_matrix(symmetry(laue)))
    # scalar part of turn * between: its size is the cosine of half the angle
    cosine = np.abs(between @ (turns * [1, -1, -1, -1]).T).max(1)
    return np.degrees(2 * np.arccos(np.clip(cosine, 0, 1)))


def mean_orientation(quaternion: np.ndarray, laue: str) -> np.ndarray:
    """Mean (4,) of quaternions (n, 4) of one grain: each replaced by the equivalent nearest to the others' mean."""
    turns = quaternions(Rotation.from_matrix(symmetry(laue)))
    mean = quaternion[len(quaternion) // 2]
    for _ in range(3):
        best, closest = quaternion, np.abs(quaternion @ mean)
        for turn in turns[1:]:
            turned = Rotation.from_quat(quaternion, scalar_first=True) * Rotation.from_quat(
                turn, scalar_first=True
            )
            other = turned.as_quat(scalar_first=True)
            nearness = np.abs(other @ mean)
            nearer = nearness > closest
            best = np.where(nearer[:, None], other, best)
            closest = np.where(nearer, nearness, closest)
        mean = np.linalg.eigh(best.T @ best)[1][:, -1]
    return mean if mean[0] >= 0 else -mean


def crystal_directions(
    quaternion: np.ndarray, direction: tuple[float, float, float] = (0, 0, 1)
) -> np.ndarray:
    """The crystal direction (n, 3) that points along `direction` of the sample (z is the film's normal)."""
    along = np.asarray(direction, float)
    return (
        Rotation.from_quat(np.atleast_2d(quaternion), scalar_first=True)
        .inv()
        .apply(along / np.linalg.norm(along))
    )


def equivalent_directions(hkl: tuple[int, int, int], laue: str, cell: np.ndarray | None = None) -> np.ndarray:
    """Unit normals (n, 3) of all planes equivalent to hkl, both senses.

    cell  (6,) angstrom and degrees; left out: cubic. Raises `InputError` for (0, 0, 0).
    """
    if not any(hkl):
        raise InputError("(0, 0, 0) is no plane", where="pole")
    normal = np.array(hkl, float)
    if cell is not None:
        a, b, c = cell[:3]
        ca, cb, cg = np.cos(np.radians(cell[3:]))
        sg = np.sqrt(1 - cg**2)
        y = (ca - cb * cg) / sg
        basis = np.array([[a, b * cg, c * cb], [0, b * sg, c * y], [0, 0, c * np.sqrt(1 - cb**2 - y**2)]])
        normal = np.linalg.inv(basis).T @ normal
    normal /= np.linalg.norm(normal)
    images = symmetry(laue) @ normal
    return np.unique(np.round(np.concatenate([images, -images]), 9) + 0.0, axis=0)
