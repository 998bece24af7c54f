"""Contact of an electrode with the solid, column by column, from a label volume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from ..core.errors import InputError
from .volume import AXES, coordinates

ELECTRODES = ("bottom", "top")


def label_contact(
    labels: xr.DataArray, of: str, void: Sequence[str], *, voxels: int = 5, least: int = 1, middle: int | None = None
) -> xr.DataArray:  # fmt: skip
    """Where lithium touches the solid: (electrode, y, x) 1 for contact, 0 for a void between, NaN without lithium.

    A column of the lower (upper) half: the longest run of `of` or `void`, gaps of one voxel closed, is the electrode;
    it is in contact if its last `voxels` before the solid hold `of` and fewer than `least` of `void`.

    labels   (z, y, x) as of `most_likely`; attrs["phases"] names them
    of       the phase of the electrode; void: phases that part it from the solid
    least    voxels of `void` that part them: 1 is the rule of the paper; more where rims of one voxel are no void
    middle   first slice of the upper half; half the height where not given

    Source: Lewis et al., Nat. Mater. 20, 503 (2021), rule of contact. Not for volumes whose electrodes do not
    lie in one half each. Raises InputError for a phase that the labels do not have.
    """
    names = [str(n) for n in labels.attrs.get("phases", [])]
    unknown = [n for n in (of, *void) if n not in names]
    if unknown:
        raise InputError(f"no phase {unknown}", where="label_contact", fix=f"The labels have {names}.")
    values = labels.transpose(*AXES).values
    cut = values.shape[0] // 2 if middle is None else middle
    here = names.index(of), [names.index(n) for n in void]
    found = np.stack([_side(half, *here, voxels, least) for half in (values[:cut][::-1], values[cut:])])
    return xr.DataArray(
        found, dims=("electrode", "y", "x"), coords={"electrode": list(ELECTRODES), **coordinates(labels, "y", "x")},
        attrs={"units": "1", "long_name": "contact of lithium and solid"},
    )  # fmt: skip


def _side(values: np.ndarray, of: int, void: list[int], voxels: int, least: int) -> np.ndarray:
    """Of one half, its first slice in the solid."""
    empty = np.isin(values, void)
    metal = empty | (values == of)
    metal[1:-1] |= metal[:-2] & metal[2:]
    start, length = _longest(metal)
    end = np.minimum(start + voxels, start + length)

    def inside(mask: np.ndarray) -> np.ndarray:
        summed = np.concatenate(
            [np.zeros((1, *mask.shape[1:]), np.int32), np.cumsum(mask, 0, dtype=np.int32)]
        )
        return (np.take_along_axis(summed, end[None], 0) - np.take_along_axis(summed, start[None], 0))[0]

    lithium = inside(values == of) > 0
    result = np.where(lithium & (inside(empty) < least), 1.0, 0.0)
    return np.where(length > 0, result, np.nan)


def _longest(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First slice and length of the longest run along the first axis; the first of equals."""
    run = np.zeros(mask.shape[1:], np.int64)
    best, end = run.copy(), run.copy()
    for k, plane in enumerate(mask):
        run = np.where(plane, run + 1, 0)
        longer = run > best
        best, end = np.where(longer, run, best), np.where(longer, k, end)
    return np.where(best > 0, end - best + 1, 0), best
