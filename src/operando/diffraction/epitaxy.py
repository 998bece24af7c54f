"""Orientation relations of a deposit on its substrate: edge-to-edge misfits, named relations, predicted azimuths."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Literal

import numpy as np
import xarray as xr

from ..core.crystal import Phase
from ..core.errors import InputError

Structure = Literal["hcp", "bcc", "fcc"]
Indices = tuple[int, int, int]

#: rows: direction [uvw] of the cell (hcp: three-index) and atoms along it per lattice translation
ROWS: dict[str, dict[str, tuple[Indices, float]]] = {
    "hcp": {"<11-20>": ((1, 0, 0), 1), "<10-10>": ((2, 1, 0), 1), "<11-23>": ((1, 1, 1), 1)},
    "bcc": {
        "<111>": ((1, 1, 1), 2),
        "<100>": ((1, 0, 0), 1),
        "<110>": ((1, 1, 0), 1),
        "<113>": ((1, 1, 3), 2),
    },
    "fcc": {"<110>": ((1, 1, 0), 2), "<100>": ((1, 0, 0), 1), "<112>": ((1, 1, 2), 2)},
}
#: close-packed and near close-packed planes that diffract
PLANES: dict[str, dict[str, Indices]] = {
    "hcp": {"{0002}": (0, 0, 2), "{10-11}": (1, 0, 1), "{10-10}": (1, 0, 0)},
    "bcc": {"{110}": (1, 1, 0), "{200}": (2, 0, 0), "{111}": (2, 2, 2)},
    "fcc": {"{111}": (1, 1, 1), "{200}": (2, 0, 0), "{220}": (2, 2, 0)},
}


@dataclass(frozen=True)
class Relation:
    """Plane (hkl) and direction [uvw] in it of one crystal parallel to those of another; hcp in three indices."""

    name: str
    structures: tuple[Structure, Structure]
    planes: tuple[Indices, Indices]
    directions: tuple[Indices, Indices]


#: by name; first the hcp or fcc crystal. [2-1-10] is [100], (01-11) is (011) in three indices
RELATIONS = {
    r.name: r
    for r in (
        Relation("Burgers", ("hcp", "bcc"), ((0, 0, 1), (0, 1, 1)), ((1, 0, 0), (1, -1, 1))),
        Relation("Potter", ("hcp", "bcc"), ((0, 1, 1), (1, 1, 0)), ((1, 0, 0), (1, -1, 1))),
        Relation("Pitsch-Schrader", ("hcp", "bcc"), ((0, 0, 1), (0, 1, 1)), ((1, 0, 0), (1, 0, 0))),
        Relation("Rong-Dunlop", ("hcp", "bcc"), ((0, 0, 1), (0, 2, 1)), ((1, 0, 0), (1, 0, 0))),
        Relation("Kurdjumov-Sachs", ("fcc", "bcc"), ((1, 1, 1), (0, 1, 1)), ((-1, 0, 1), (-1, -1, 1))),
        Relation("Nishiyama-Wassermann", ("fcc", "bcc"), ((1, 1, 1), (0, 1, 1)), ((-1, 1, 0), (1, 0, 0))),
        Relation("Pitsch", ("fcc", "bcc"), ((0, 1, 0), (1, 0, 1)), ((1, 0, 1), (-1, 1, 1))),
        Relation("Shoji-Nishiyama", ("hcp", "fcc"), ((0, 0, 1), (1, 1, 1)), ((1, 0, 0), (1, -1, 0))),
    )
}


def misfits(
    substrate: Phase, substrate_structure: Structure, deposit: Phase, deposit_structure: Structure, *,
    row_limit: float = 0.06, plane_limit: float = 0.10,
) -> xr.Dataset:  # fmt: skip
    """Edge-to-edge misfits of all pairs of close-packed rows and planes of two crystals.

    Rows: |r_s - r_d| / r_s with r the distance of atoms along the row; planes: |d_s - d_d| / d_d with d the distance
    of the planes (Zhang and Kelly, Acta Mater. 53, 2005, 1073; s substrate, d deposit). Returns `row_misfit`
    over (substrate_row, deposit_row), `plane_misfit` over (substrate_plane, deposit_plane), as fractions, and
    `row_match`, `plane_match`: within the limits. A relation needs both. Raises `InputError` for an unknown structure.
    """
    for structure in (substrate_structure, deposit_structure):
        if structure not in ROWS:
            raise InputError(f"unknown structure {structure!r}", where="misfits", fix="Use hcp, bcc or fcc.")
    row_s, row_d = _row_spacings(substrate, substrate_structure), _row_spacings(deposit, deposit_structure)
    d_s, d_d = _plane_spacings(substrate, substrate_structure), _plane_spacings(deposit, deposit_structure)
    rows = np.abs(row_s[:, None] - row_d) / row_s[:, None]
    planes = np.abs(d_s[:, None] - d_d) / d_d
    attrs = {"units": "1"}
    result = xr.Dataset(
        {"row_misfit": (("substrate_row", "deposit_row"), rows, attrs),
         "plane_misfit": (("substrate_plane", "deposit_plane"), planes, attrs)},
        coords={"substrate_row": list(ROWS[substrate_structure]), "deposit_row": list(ROWS[deposit_structure]),
                "substrate_plane": list(PLANES[substrate_structure]), "deposit_plane": list(PLANES[deposit_structure])},
    )  # fmt: skip
    result["row_match"], result["plane_match"] = (
        result.row_misfit < row_limit,
        result.plane_misfit < plane_limit,
    )
    result.attrs = {"row_limit": row_limit, "plane_limit": plane_limit}
    return result


def relation_matrix(relation: Relation | str, first: Phase, second: Phase) -> np.ndarray:
    """Rotation (3, 3) that takes directions of the second crystal into the frame of the first, under a relation.

    Frames: a along x, c* along z. Raises `InputError` for an unknown name or a direction that lies off its plane.
    """
    if isinstance(relation, str):
        if relation not in RELATIONS:
            raise InputError(
                f"unknown relation {relation!r}", where="epitaxy", fix=f"Known are {', '.join(RELATIONS)}."
            )
        relation = RELATIONS[relation]
    frames = [_frame(p, relation.planes[i], relation.directions[i]) for i, p in enumerate((first, second))]
    return frames[0] @ frames[1].T


def substrate_orientation(
    substrate: Phase, plane: Indices, azimuth_deg: float, second_plane: Indices, second_azimuth_deg: float
) -> np.ndarray:
    """Rotation (3, 3) from crystal to sample (x along the film, y beam, z up) of a texture component.

    The normal of `plane` lies at its azimuth, the normal of `second_plane` as near as it can to its own. Both are
    taken in the plane of the detector (Bragg angles of some degrees are neglected).
    """
    one, two = (_normal(substrate, p) for p in (plane, second_plane))
    angles = np.radians([azimuth_deg, second_azimuth_deg])
    at = np.stack([np.cos(angles), np.zeros(2), np.sin(angles)], 1)
    if np.linalg.norm(np.cross(one, two)) < 1e-6 or np.linalg.norm(np.cross(at[0], at[1])) < 1e-6:
        raise InputError("two different directions are needed to orient a crystal", where="substrate texture")
    return _orthonormal(at[0], at[1]) @ _orthonormal(one, two).T


def predicted_azimuths(
    orientation: np.ndarray, substrate: Phase, relation: Relation | str, deposit: Phase, reflection: Indices, *,
    tolerance_deg: float = 3.0,
) -> xr.Dataset:  # fmt: skip
    """Azimuths at which a deposit on an oriented substrate diffracts into the ring `reflection`.

    All variants of the relation (both crystals' symmetry) are taken; a plane counts when its normal is within
    `tolerance_deg` of the detector's plane. Returns over `spot`: `azimuth` (deg, 0 to 360), `tilt` (deg out of the
    plane), `variants` (in how many of the distinct variants it occurs). One spot cannot tell variants apart.
    """
    turn = relation_matrix(relation, substrate, deposit)
    normals = np.array([_normal(deposit, hkl) for hkl in _equivalent(deposit, reflection)])
    found: dict[tuple[float, float], set[int]] = {}
    for number, variant in enumerate(_symmetry(substrate)):
        directions = normals @ (orientation @ variant @ turn).T
        for d in directions:
            tilt = np.degrees(np.arcsin(np.clip(abs(d[1]), 0, 1)))
            if tilt <= tolerance_deg:
                azimuth = round(float(np.degrees(np.arctan2(d[2], d[0]))) % 360, 3) % 360
                found.setdefault((azimuth, round(float(tilt), 3)), set()).add(number)
    keys = sorted(found)
    return xr.Dataset(
        {"tilt": ("spot", [k[1] for k in keys], {"units": "deg"}),
         "variants": ("spot", [len(found[k]) for k in keys], {"units": "1"})},
        coords={"azimuth": ("spot", [k[0] for k in keys], {"units": "deg"})},
        attrs={"tolerance_deg": tolerance_deg, "relation": relation if isinstance(relation, str) else relation.name},
    )  # fmt: skip


def _basis(phase: Phase) -> np.ndarray:
    """Cell vectors as columns, a along x, c* along z."""
    cell = phase.cell()
    return np.array(cell.orth.mat.tolist())


def _normal(phase: Phase, hkl: Indices) -> np.ndarray:
    normal = np.linalg.inv(_basis(phase)).T @ np.array(hkl, float)
    return normal / np.linalg.norm(normal)


def _orthonormal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Right-handed axes as columns: along `first`, then `second` made normal to it."""
    one = first / np.linalg.norm(first)
    two = second - one * (second @ one)
    two /= np.linalg.norm(two)
    return np.stack([one, two, np.cross(one, two)], 1)


def _frame(phase: Phase, plane: Indices, direction: Indices) -> np.ndarray:
    if np.dot(plane, direction):
        raise InputError(f"direction {direction} does not lie in plane {plane}", where=f"phase {phase.name}")
    return _orthonormal(_normal(phase, plane), _basis(phase) @ np.array(direction, float))


def _row_spacings(phase: Phase, structure: str) -> np.ndarray:
    basis = _basis(phase)
    return np.array(
        [np.linalg.norm(basis @ np.array(uvw, float)) / atoms for uvw, atoms in ROWS[structure].values()]
    )


def _plane_spacings(phase: Phase, structure: str) -> np.ndarray:
    return np.array([phase.d_spacing(hkl) for hkl in PLANES[structure].values()])


@lru_cache(maxsize=64)
def _symmetry(phase: Phase) -> np.ndarray:
    """Proper rotations (n, 3, 3) of the lattice that keep the metric: 24 for cubic, 12 for hexagonal cells."""
    basis = _basis(phase)
    metric = basis.T @ basis
    m = np.array(list(product((-1, 0, 1), repeat=9)), float).reshape(-1, 3, 3)
    m = m[np.round(np.linalg.det(m)) == 1]
    kept = np.abs(np.swapaxes(m, 1, 2) @ metric @ m - metric).max((1, 2)) < 1e-4 * metric.max()
    return basis @ m[kept] @ np.linalg.inv(basis)


def _equivalent(phase: Phase, hkl: Indices) -> list[Indices]:
    """All planes (and their opposites) equivalent by the lattice's symmetry."""
    basis = _basis(phase)
    reciprocal = np.linalg.inv(basis).T
    images = np.rint(np.linalg.inv(reciprocal) @ _symmetry(phase) @ reciprocal @ np.array(hkl, float)).astype(
        int
    )
    return sorted({(int(h), int(k), int(m)) for h, k, m in np.concatenate([images, -images])})
