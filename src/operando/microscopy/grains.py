"""Grains of an orientation map: neighbours of one phase whose crystals differ by less than a threshold."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.core.errors import InputError
from operando.core.flags import Flag, flag_variable

from .rotations import disorientation, mean_orientation, orientations, quaternions

EDGE = int(Flag.WINDOW_EDGE)


def find_grains(points: xr.Dataset, *, threshold_deg: float = 5.0, min_points: int = 5) -> xr.Dataset:
    """Label grains, and give each its phase, size, place, mean orientation and spread.

    points         as from `read.orientation_map`
    threshold_deg  neighbours (four, or six of a hexagonal grid) of one phase that differ by less are of one grain
    min_points     smaller ones are not grains: their points have label 0

    Returns `label` over (y, x), and over `grain` (numbers from 1 on): `phase`, `points`, `area` (um2), `diameter`
    (um, of the circle of that area), `x`, `y` (um), `quaternion` over (grain, q), `spread` (deg, mean angle to the
    mean), `flag` (WINDOW_EDGE: cut by the border of the map, so that size and share are too small). attrs keep the
    settings and the share of points not indexed. Raises `InputError` where nothing is indexed.
    """
    if not 0 < threshold_deg < 60 or min_points < 1:
        raise InputError(
            "threshold must lie between 0 and 60 degrees and min_points above 0", where="find_grains"
        )
    phase = points["phase"].values
    if not (phase > 0).any():
        raise InputError(
            "no point of the map is indexed", where="find_grains", fix="Check the file and its phases."
        )
    quaternion = np.full((phase.size, 4), np.nan)
    indexed = np.flatnonzero(phase.ravel() > 0)
    quaternion[indexed] = quaternions(orientations(points["euler"].values.reshape(-1, 3)[indexed]))
    labels = _connected(points, quaternion, threshold_deg)
    labels = _renumbered(labels, min_points).reshape(phase.shape)
    found = _table(points, labels, quaternion)
    attrs = {"threshold_deg": threshold_deg, "min_points": min_points, "source": points.attrs.get("source", ""),
             "not_indexed": float((phase == 0).mean())}  # fmt: skip
    return found.assign_attrs(attrs)


def _connected(points: xr.Dataset, quaternion: np.ndarray, threshold_deg: float) -> np.ndarray:
    """Component of each point (-1: not indexed)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    phase, laue = points["phase"].values.ravel(), [str(name) for name in points["laue"].values]
    one, two = neighbours(points["phase"].values.shape, points.attrs.get("grid") == "hexagonal")
    same = (phase[one] == phase[two]) & (phase[one] > 0)
    one, two = one[same], two[same]
    joined = np.zeros(len(one), bool)
    for number, group in enumerate(laue, 1):
        of = phase[one] == number
        if of.any():
            joined[of] = disorientation(quaternion[one[of]], quaternion[two[of]], group) < threshold_deg
    graph = coo_array((np.ones(int(joined.sum()), bool), (one[joined], two[joined])), shape=(len(phase),) * 2)
    labels = connected_components(graph, directed=False)[1]
    return np.where(phase > 0, labels, -1)


def neighbours(shape: tuple[int, ...], hexagonal: bool) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of neighbouring points as flat indices; odd rows of a hexagonal grid are shifted by half a step."""
    index = np.arange(shape[0] * shape[1]).reshape(shape)
    pairs = [(index[:, :-1], index[:, 1:]), (index[:-1], index[1:])]
    if hexagonal:
        pairs += [(index[0:-1:2, 1:], index[1::2, :-1]), (index[1:-1:2, :-1], index[2::2, 1:])]
    return np.concatenate([a.ravel() for a, _ in pairs]), np.concatenate([b.ravel() for _, b in pairs])


def _renumbered(labels: np.ndarray, min_points: int) -> np.ndarray:
    """1, 2, ... from the largest grain to the smallest; 0 for no grain."""
    sizes = np.bincount(labels[labels >= 0])
    order = np.argsort(-sizes, kind="stable")
    kept = order[sizes[order] >= min_points]
    number = np.zeros(len(sizes), np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    return np.where(labels >= 0, number[labels], 0).astype(np.int32)


def _table(points: xr.Dataset, labels: np.ndarray, quaternion: np.ndarray) -> xr.Dataset:
    count = int(labels.max(initial=0))
    flat = labels.ravel()
    sizes = np.bincount(flat, minlength=count + 1)[1:]
    y, x = (g.ravel() for g in np.meshgrid(points["y"].values, points["x"].values, indexing="ij"))
    step = [
        float(np.diff(points[axis].values).mean()) if points.sizes[axis] > 1 else 1.0 for axis in ("x", "y")
    ]
    area = sizes * step[0] * step[1]
    border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    by_grain = np.split(np.argsort(flat, kind="stable"), np.cumsum(np.bincount(flat, minlength=count + 1)))[
        1:-1
    ]
    phase, laue = points["phase"].values.ravel(), points["laue"].values
    of, mean, spread = np.zeros(count, np.int16), np.zeros((count, 4)), np.zeros(count)
    for g, members in enumerate(by_grain):
        of[g] = phase[members[0]]
        group = str(laue[of[g] - 1])
        mean[g] = mean_orientation(quaternion[members], group)
        spread[g] = disorientation(quaternion[members], mean[g], group).mean()
    cut = np.isin(np.arange(1, count + 1), border)
    place = [np.bincount(flat, v, minlength=count + 1)[1:] / np.maximum(sizes, 1) for v in (x, y)]

    def told(values, units: str, name: str):
        return ("grain", values, {"units": units, "long_name": name})

    found = xr.Dataset(
        {
            "label": (("y", "x"), labels, {"units": "1", "long_name": "number of the grain, 0 for none"}),
            "phase": told(of, "1", "number of the crystal"), "points": told(sizes, "1", "points of the map"),
            "area": told(area, "um2", "area"), "diameter": told(2 * np.sqrt(area / np.pi), "um", "equivalent diameter"),
            "centre_x": told(place[0], "um", "centre"), "centre_y": told(place[1], "um", "centre"),
            "quaternion": (("grain", "q"), mean, {"units": "1", "long_name": "mean orientation, crystal to sample"}),
            "spread": told(spread, "deg", "mean angle to the mean orientation"),
            "flag": flag_variable(np.where(cut, EDGE, 0), ("grain",)),
        },
        coords={"y": points["y"], "x": points["x"], "grain": np.arange(1, count + 1), "q": ["w", "x", "y", "z"]},
    )  # fmt: skip
    return found.assign(name=points["name"], laue=points["laue"], cell=points["cell"])


def grain_sizes(grains: xr.Dataset, *, phase: int = 1, whole: bool = True) -> xr.Dataset:
    """Mean equivalent diameter (um) of a phase by number and by area, each with its 1-sigma error from the scatter.

    whole  leave out grains that the border cuts (they are too small; large grains are cut more often, so the mean of
           the others is low by about the ratio of grain size to map size)

    Raises `InputError` for fewer than three grains.
    """
    used = (grains["phase"].values == phase) & ((grains["flag"].values == 0) | (not whole))
    d, a = grains["diameter"].values[used], grains["area"].values[used]
    if len(d) < 3:
        raise InputError(f"{len(d)} grains of phase {phase}", where="grain_sizes", fix="Map a larger area.")
    weighted = (a * d).sum() / a.sum()
    values = {
        "mean": (d.mean(), d.std(ddof=1) / np.sqrt(len(d))),
        "area_mean": (weighted, np.sqrt((a**2 * (d - weighted) ** 2).sum()) / a.sum()),
    }
    found = xr.Dataset(attrs={"phase": phase, "grains": len(d), "whole": int(whole)})
    for name, (value, error) in values.items():
        found[name] = (
            (),
            value,
            {"units": "um", "long_name": f"{name.replace('_', ' ')} equivalent diameter"},
        )
        found[f"{name}_err"] = ((), error, {"units": "um", "long_name": f"1-sigma error of {name}"})
    return found
