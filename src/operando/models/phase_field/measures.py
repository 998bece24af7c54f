"""What is read off a grown film: orientation shares, grain counts and widths by height, survivors."""

from __future__ import annotations

import numpy as np
import xarray as xr


def orientation_shares(film: xr.Dataset) -> xr.Dataset:
    """Area fraction of each orientation of a film by `grow`: over height and time, and of the whole film.

    Returns `share_at_height` (time, orientation, z), NaN above the film, and `share` (time, orientation): of the
    filled cells. In 3D the fractions are of area at a height, of volume in all.
    """
    names = list(film.attrs["orientations"])
    of_grain = np.array([names.index(str(n)) for n in film.orientation.values])
    cells = film.grain.values
    code = np.where(cells >= 0, of_grain[cells], -1)
    flat = code.reshape(*code.shape[:2], -1)
    counts = np.stack([(flat == i).sum(axis=2) for i in range(len(names))], axis=1).astype(float)
    with np.errstate(invalid="ignore"):
        height = counts / counts.sum(axis=1, keepdims=True)
        whole = counts.sum(axis=2) / counts.sum(axis=(1, 2))[:, None]
    unit = {"units": "1", "long_name": "area fraction"}
    return xr.Dataset(
        {
            "share_at_height": (("time", "orientation", "z"), height, unit),
            "share": (("time", "orientation"), whole, unit),
        },
        coords={"time": film.time, "z": film.z, "orientation": names},
    )


def grain_widths(film: xr.Dataset) -> xr.Dataset:
    """Number of grains and their mean width at each height and time.

    `grains` (time, z): grains met at that height; `width` (um): in 2D the length over the number of boundaries met
    along x (periodic), in 3D the root of the mean area. `width_err`: standard error of the mean over the grains.
    NaN above the film.
    """
    cells = film.grain.values
    dx = float(film.attrs["spacing_um"])
    three = cells.ndim == 4
    flat = cells.reshape(*cells.shape[:2], -1)
    shape = flat.shape[:2]
    count, width, error = (np.full(shape, np.nan) for _ in range(3))
    for i in np.ndindex(shape):
        row = flat[i]
        if (row < 0).all():
            continue
        ids, pixels = np.unique(row[row >= 0], return_counts=True)
        count[i] = ids.size
        lengths = np.sqrt(pixels) if three else _runs(row)
        width[i] = np.sqrt(pixels.mean()) * dx if three else lengths.mean() * dx
        error[i] = lengths.std(ddof=1) * dx / np.sqrt(lengths.size) if lengths.size > 1 else np.nan
    return xr.Dataset(
        {
            "grains": (("time", "z"), count, {"units": "1", "long_name": "grains at a height"}),
            "width": (("time", "z"), width, {"units": "um", "long_name": "mean grain width"}),
            "width_err": (("time", "z"), error, {"units": "um"}),
        },
        coords={"time": film.time, "z": film.z},
    )


def _runs(row: np.ndarray) -> np.ndarray:
    """Lengths of equal stretches around a ring, empty cells left out."""
    change = np.flatnonzero(row != np.roll(row, 1))
    if change.size == 0:
        return np.array([row.size])
    lengths = np.diff(np.append(change, change[0] + row.size))
    return lengths[row[change] >= 0]


def survivors(film: xr.Dataset, *, where: str = "top") -> xr.Dataset:
    """Which grains are left at the end: at the `top` of the film, or anywhere in it ("film").

    Over grain_id: `survived` (bool), `final_size` (um2 or um3, whole grain), `top_share` (area fraction of the top
    layer), `last_seen` (s, time of the last frame that holds it).
    """
    last = film.grain.isel(time=-1)
    filled = (last >= 0).any([d for d in last.dims if d != "z"]).values
    top = last.isel(z=int(np.flatnonzero(filled)[-1])).values
    number = film.sizes["grain_id"]
    share = np.bincount(top[top >= 0].ravel(), minlength=number) / top.size
    size = film["size"].values
    alive = share > 0 if where == "top" else size[-1] > 0
    seen = size > 0
    when = np.where(seen.any(axis=0), film.time.values[size.shape[0] - 1 - seen[::-1].argmax(axis=0)], np.nan)
    return xr.Dataset(
        {
            "survived": ("grain_id", alive, {"units": "1"}),
            "final_size": ("grain_id", size[-1], film["size"].attrs),
            "top_share": ("grain_id", share, {"units": "1", "long_name": "area fraction of the top layer"}),
            "last_seen": ("grain_id", when, {"units": "s"}),
            "orientation": film.orientation,
        },
        coords={"grain_id": film.grain_id},
    )
