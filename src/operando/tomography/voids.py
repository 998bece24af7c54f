"""Voids as objects: number, sizes, thickness, sphericity."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core.errors import InputError, require_extra
from ..core.flags import Flag, flag_variable
from .volume import check_volume, quantity, same_voxel

#: weights of the 13 pairs of directions of a voxel's neighbours (faces, edges, corners) in Crofton's formula
CROFTON = (0.04577789120476 * 2, 0.03698062787608 * 2, 0.03519563978232 * 2)
SMALL = 8  # voxels; below that, sphericity is a property of the grid


def void_objects(
    void: xr.DataArray, *, share: xr.DataArray | None = None, least_voxels: int = 1
) -> xr.Dataset:
    """Every connected void (26 neighbours), with its measures.

    void     (z, y, x) bool
    share    (z, y, x) how much of each voxel is void, 0 to 1 (partial volume); volumes are then sums of it
    least_voxels  smaller objects are left out and counted in attrs

    Over `void`: `volume` (um3), `diameter` (of the sphere of that volume), `thickness_mean` and
    `thickness_max` along z (um), `footprint` (um2, projected along z), `surface` (um2, Crofton's formula over
    13 directions), `sphericity` (pi^(1/3) (6 V)^(2/3) / surface), `centre_z`, `centre_y`, `centre_x`, `flag`
    (CUT_BY_GAP:
    touches the border of the volume and is larger in truth; TOO_FEW_COUNTS: under 8 voxels, no sphericity).
    `volume_err` is the half voxel of its surface: sqrt(surface voxels) x voxel / sqrt(12) for a sharp
    segmentation; bias by blur is not in it. Also `label` (z, y, x), the number of the object + 1.
    An empty mask gives an empty table. Needs the extra `tomo` (cc3d).
    """
    void = check_volume(void.squeeze().astype(np.uint8), where="void_objects")
    voxel = same_voxel(void, where="void_objects")
    cc3d = require_extra("cc3d", "tomo", "labelling voids")
    label = cc3d.connected_components(np.ascontiguousarray(void.values), connectivity=26)
    size = np.bincount(label.ravel())
    keep = np.flatnonzero(size >= least_voxels)
    keep = keep[keep > 0]
    number = np.zeros(len(size), np.uint32)
    number[keep] = np.arange(1, len(keep) + 1)
    label = number[label]
    table = _measures(
        label, len(keep), voxel, None if share is None else share.transpose("z", "y", "x").values
    )
    names = {
        "volume": "um3", "volume_err": "um3", "diameter": "um", "thickness_mean": "um", "thickness_max": "um",
        "footprint": "um2", "surface": "um2", "sphericity": "1", "centre_z": "um", "centre_y": "um", "centre_x": "um",
    }  # fmt: skip
    result = xr.Dataset({n: quantity(table[n], "void", u) for n, u in names.items()})
    result["flag"] = flag_variable(table["flag"], ("void",))
    result["label"] = (void.dims, label, {"units": "1", "long_name": "number of the void, 0 none"})
    left = int((size[1:] > 0).sum() - len(keep))
    result.attrs |= {"left_out": left, "least_voxels": least_voxels, "voxel_um": voxel}
    return result


def _measures(label: np.ndarray, count: int, voxel: float, share: np.ndarray | None) -> dict[str, np.ndarray]:
    weight = None if share is None else np.clip(share, 0, 1).ravel()
    volume = np.bincount(label.ravel(), weight, count + 1)[1:] * voxel**3
    voxels = np.bincount(label.ravel(), minlength=count + 1)[1:]
    z, y, x = np.nonzero(label)
    at = label[z, y, x].astype(np.int64)
    column = at * (label.shape[1] * label.shape[2]) + y * label.shape[2] + x
    where, depth = np.unique(column, return_counts=True)
    owner = where // (label.shape[1] * label.shape[2]) - 1
    columns = np.bincount(owner, minlength=count)
    deepest = np.zeros(count)
    np.maximum.at(deepest, owner, depth)
    area = _surface(label, count) * voxel**2
    with np.errstate(divide="ignore", invalid="ignore"):
        round_ = np.pi ** (1 / 3) * (6 * voxels * voxel**3) ** (2 / 3) / area
    border = np.zeros(count + 1, bool)
    for axis in range(3):
        for end in (0, -1):
            border[np.unique(np.take(label, end, axis))] = True
    flag = np.where(border[1:], int(Flag.CUT_BY_GAP), 0) | np.where(
        voxels < SMALL, int(Flag.TOO_FEW_COUNTS), 0
    )
    middle = [(np.bincount(at, c + 0.5, count + 1)[1:] / np.maximum(voxels, 1)) * voxel for c in (z, y, x)]
    return {
        "volume": volume, "volume_err": np.sqrt(area / voxel**2 / 12) * voxel**3,
        "diameter": (6 * volume / np.pi) ** (1 / 3), "thickness_mean": voxels * voxel / np.maximum(columns, 1),
        "thickness_max": deepest * voxel, "footprint": columns * voxel**2, "surface": area,
        "sphericity": np.where(voxels < SMALL, np.nan, round_), "centre_z": middle[0], "centre_y": middle[1],
        "centre_x": middle[2],
        "flag": flag,
    }  # fmt: skip


def _surface(label: np.ndarray, count: int) -> np.ndarray:
    """Surface of each object in voxel faces: S = 4 sum over directions of c_d x crossings x area per line."""
    padded = np.pad(label, 1)
    total = np.zeros(count + 1)
    for dz in (-1, 0, 1):
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                if (dz, dy, dx) <= (0, 0, 0):
                    continue
                kind = abs(dz) + abs(dy) + abs(dx)
                here = padded[1:-1, 1:-1, 1:-1]
                cut = tuple(slice(1 + d, padded.shape[i] - 1 + d) for i, d in enumerate((dz, dy, dx)))
                there = padded[cut]
                back = padded[
                    tuple(slice(1 - d, padded.shape[i] - 1 - d) for i, d in enumerate((dz, dy, dx)))
                ]
                ends = np.bincount(here[(here != there) & (here > 0)], minlength=count + 1)
                ends = ends + np.bincount(here[(here != back) & (here > 0)], minlength=count + 1)
                total += 2 * CROFTON[kind - 1] / np.sqrt(kind) * ends
    return total[1:]


def void_summary(voids: xr.Dataset) -> xr.Dataset:
    """Number, total volume, mean thickness (weighted by footprint), median diameter of `void_objects`; 0-d.

    An empty table gives number and volume 0 and NaN for the rest (flag NO_DATA).
    """
    n = voids.sizes["void"]
    foot = voids["footprint"]
    thick = float((voids["thickness_mean"] * foot).sum() / foot.sum()) if n else np.nan
    result = xr.Dataset(
        {
            "number": quantity(n, (), "1", "voids"),
            "volume": quantity(float(voids["volume"].sum()), (), "um3", "volume of all voids"),
            "volume_err": quantity(float(np.sqrt((voids["volume_err"] ** 2).sum())), (), "um3"),
            "thickness": quantity(thick, (), "um", "mean thickness of voids along z"),
            "diameter": quantity(
                float(voids["diameter"].median()) if n else np.nan, (), "um", "median diameter"
            ),
        }
    )
    result["flag"] = flag_variable(np.array(0 if n else int(Flag.NO_DATA)), ())
    return result


def size_distribution(
    voids: xr.Dataset, *, edges_um: np.ndarray | None = None, by: str = "diameter"
) -> xr.Dataset:
    """How many voids, and how much of their volume, in bins of `by`; over the bin centre `size` (um).

    edges_um  bin edges; ten a decade from the smallest to the largest where not given
    """
    if not voids.sizes["void"]:
        raise InputError(
            "there are no voids", where="size_distribution", fix="Check with void_summary first."
        )
    values, volume = voids[by].values, voids["volume"].values
    if edges_um is None:
        low, high = np.log10(max(values.min(), 1e-6)) - 1e-9, np.log10(values.max()) + 1e-9
        edges_um = np.logspace(low, high, max(int(np.ceil((high - low) * 10)), 1) + 1)
    number = np.histogram(values, edges_um)[0].astype(float)
    share = np.histogram(values, edges_um, weights=volume)[0] / max(volume.sum(), 1e-300)
    return xr.Dataset(
        {
            "number": quantity(number, "size", "1", "voids"),
            "number_err": quantity(np.sqrt(number), "size", "1"),
            "volume_share": quantity(share, "size", "1", "share of the volume"),
        },
        coords={"size": ("size", 0.5 * (edges_um[1:] + edges_um[:-1]), {"units": voids[by].attrs["units"]})},
        attrs={"by": by, "edges": list(map(float, edges_um))},
    )
