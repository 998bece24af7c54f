"""Where grains start: random nuclei, or any map of grains that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from operando.core.errors import InputError

POLES = {"001": (0, 0, 1), "101": (1, 0, 1), "111": (1, 1, 1)}


@dataclass(frozen=True)
class Seeds:
    """Grains at the start: `labels` (z, y, x) hold the grain of each cell of the first layers, -1 for none;
    `orientation` names that of each grain."""

    labels: np.ndarray
    orientation: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.labels.ndim != 3 or self.labels.max(initial=-1) >= len(self.orientation):
            raise InputError("labels must be (z, y, x) and every label needs an orientation", where="seeds")
        if (self.labels < 0).all():
            raise InputError("no grain at all", where="seeds", fix="Give labels of 0 and more.")


def random_nuclei(
    shape: tuple[int, ...], number: int, orientations: Sequence[str], *, rng: np.random.Generator,
    shares: Sequence[float] | None = None, spread: str = "filled",
) -> Seeds:  # fmt: skip
    """`number` nuclei at random places of the lowest layer, each with a random orientation.

    shape    of the growth, (z, x) or (z, y, x);  shares  of the orientations, equal where not given
    spread   "filled": every cell of the layer goes to its nearest nucleus; "points": one cell each, the rest is empty
    """
    nx, ny = shape[-1], shape[-2] if len(shape) == 3 else 1
    if not 1 <= number <= nx * ny or not orientations:
        raise InputError(f"{number} nuclei do not fit {nx * ny} cells", where="random_nuclei")
    if spread not in ("filled", "points"):
        raise InputError(f"spread = {spread!r}", where="random_nuclei", fix='Choose "filled" or "points".')
    names = [str(n) for n in rng.choice(list(orientations), number, p=shares)]
    if spread == "points":
        labels = np.full(ny * nx, -1, np.int64)
        labels[rng.permutation(ny * nx)[:number]] = np.arange(number)
        return Seeds(labels.reshape(1, ny, nx), tuple(names))
    x, y = rng.uniform(0, nx, number), rng.uniform(0, ny, number) if ny > 1 else np.full(number, 0.5)
    return Seeds(_nearest(x, y, nx, ny)[None], tuple(names))


def _nearest(x: np.ndarray, y: np.ndarray, nx: int, ny: int) -> np.ndarray:
    """Nearest of the periodic points for every cell, (ny, nx)."""
    from scipy.spatial import cKDTree

    tree = cKDTree(np.column_stack([x % nx, y % ny]), boxsize=(nx, ny))
    cx, cy = np.meshgrid(np.arange(nx) + 0.5, np.arange(ny) + 0.5)
    return tree.query(np.column_stack([cx.ravel(), cy.ravel()]))[1].reshape(ny, nx).astype(np.int64)


def seeds_from_map(
    labels: np.ndarray, orientation: Sequence[str] | dict[int, str], *, spacing_um: float,
    shape: tuple[int, ...], to_spacing_um: float, plane: str = "section",
) -> Seeds:  # fmt: skip
    """A measured grain map (EBSD, micro-XRD) as the start: nearest measured point for every cell of the model.

    labels   2D integers, rows upwards: "section" (z, x) fills the first layers, "plan" (y, x) the lowest layer (3D)
    orientation  of each label, as a mapping, or a sequence indexed by label; labels below 0 are no grain
    spacing_um   of the map; cells of the model outside the map repeat it periodically along x and y
    Raises `InputError` for a label without orientation.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or plane not in ("section", "plan") or not spacing_um > 0:
        raise InputError(
            "a grain map is 2D, its plane 'section' or 'plan', its spacing positive", where="seeds_from_map"
        )
    known = dict(enumerate(orientation)) if not isinstance(orientation, dict) else orientation
    found = [int(v) for v in np.unique(labels) if v >= 0]
    missing = [v for v in found if v not in known]
    if missing:
        raise InputError(
            f"{len(missing)} grains of the map have no orientation (first: {missing[0]})",
            where="seeds_from_map",
        )
    ny = shape[1] if len(shape) == 3 else 1
    rows = (
        ny if plane == "plan" else min(shape[0], int(np.ceil(labels.shape[0] * spacing_um / to_spacing_um)))
    )
    at_row = ((np.arange(rows) + 0.5) * to_spacing_um / spacing_um).astype(int)
    at_x = ((np.arange(shape[-1]) + 0.5) * to_spacing_um / spacing_um).astype(int) % labels.shape[1]
    at_row = at_row % labels.shape[0] if plane == "plan" else np.minimum(at_row, labels.shape[0] - 1)
    new = labels[np.ix_(at_row, at_x)].astype(np.int64)
    dense = np.searchsorted(found, new) if found else new
    dense = np.where(new >= 0, dense, -1)
    filled = dense[None] if plane == "plan" else np.repeat(dense[:, None, :], ny, axis=1)
    return Seeds(np.ascontiguousarray(filled), tuple(known[v] for v in found))


def nearest_pole(directions: np.ndarray, *, within_deg: float = 180.0) -> tuple[list[str], np.ndarray]:
    """Nearest of (001), (101), (111) to growth directions in the crystal frame of a cubic metal.

    directions (grain, 3), any length. Returns names ("other" beyond `within_deg`) and angles in degrees.
    """
    d = np.sort(np.abs(np.asarray(directions, float)), axis=-1)
    norm = np.linalg.norm(d, axis=-1, keepdims=True)
    if not (norm > 0).all():
        raise InputError("a growth direction has no length", where="nearest_pole")
    poles = np.array([np.sort(np.abs(p)) / np.linalg.norm(p) for p in POLES.values()])
    angle = np.degrees(np.arccos(np.clip(d / norm @ poles.T, -1, 1)))
    best, least = angle.argmin(axis=-1), angle.min(axis=-1)
    names = np.array(list(POLES))
    return [str(names[b]) if a <= within_deg else "other" for b, a in zip(best, least, strict=True)], least
