"""The column-wise segmentation of paper 004 (Lewis et al. 2021, Methods): lithium, interface voids and contact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from ..core.errors import InputError
from .volume import check_volume, coordinates, quantity, voxel_sizes

Electrode = Literal["bottom", "top"]
SLAB_VOXELS = 1 << 27


@dataclass(frozen=True)
class ColumnRule:
    """Grey values (in units of the volume) and lengths (voxels) of the column-wise rule.

    steel        the collector is brighter (or equal)
    lithium      lithium and voids are darker
    void         voids are darker
    interphase   lithium ends where the mean of the next `ahead` voxels is brighter
    ahead        3 to 5 in the paper
    depth        contact needs no void in the last so many voxels of lithium; 5 in the paper
    """

    steel: float
    lithium: float
    void: float
    interphase: float
    ahead: int = 4
    depth: int = 5

    def __post_init__(self) -> None:
        if not self.void < self.lithium < self.steel or not self.lithium <= self.interphase:
            raise InputError(
                f"grey values void {self.void}, lithium {self.lithium}, interphase {self.interphase}, "
                f"steel {self.steel}",
                where="ColumnRule", fix="They must rise: void < lithium <= interphase, lithium < steel.",
            )  # fmt: skip
        if self.ahead < 1 or self.depth < 1:
            raise InputError("ahead and depth are at least 1 voxel", where="ColumnRule")


def column_segmentation(
    volume: xr.DataArray, rule: ColumnRule, electrode: Electrode = "bottom"
) -> xr.Dataset:
    """Lithium, interface voids and contact of one electrode, column by column from its collector.

    Lithium: after the steel, every voxel under `lithium`, until the mean of the next `ahead` exceeds `interphase`.
    Contact: a column with lithium and no voxel under `void` in its last `depth` voxels of lithium.
    Void: from the electrolyte's end, a run under `void` whose continuation (mean of the next `ahead`) is between
    `void` and `lithium`; otherwise it is a pore of the bulk.

    volume   (z, y, x); give one electrode and half the electrolyte: the other end is taken as the electrolyte's bulk.
             May be backed by a file: it is worked through in slabs of rows

    Returns `label` (z, y, x; bits 1 lithium, 2 void, 4 steel: a void within the lithium has bits 1 and 2), `contact`
    (y, x; 1 yes, 0 no, for columns without lithium also 0), `lithium` (y, x; columns that have any), `first` and `last`
    lithium voxel (index along z, -1 none). Biased by blur (contact too high, voids too small): see `fit_void_layer`.
    Raises InputError when no column has lithium.
    """
    volume = check_volume(volume.squeeze(), where="column_segmentation")
    nz, ny, nx = volume.shape
    label = np.zeros((nz, ny, nx), np.uint8)
    first, last = np.empty((2, ny, nx), np.int32)
    contact = np.empty((ny, nx), np.uint8)
    for rows in _slabs(volume):
        grey = _numbers(volume.values if rows is None else volume.isel(y=rows).values)
        here = slice(None) if rows is None else rows
        mine = label if rows is None else np.zeros(grey.shape, np.uint8)
        _march(grey, electrode == "bottom", rule, mine, first[here], last[here], contact[here])
        if rows is not None:
            label[:, rows] = mine
    if (contact == 2).all():
        raise InputError(
            "no column holds lithium", where=f"column_segmentation, {electrode}",
            fix="Check the thresholds, the crop and which electrode it is.",
        )  # fmt: skip
    return _dataset(volume, rule, electrode, label, first, last, contact)


def _slabs(volume: xr.DataArray) -> list[slice | None]:
    """Rows y to be worked on together; [None] for a volume that is in memory as a whole."""
    if isinstance(volume.variable._data, np.ndarray):
        return [None]
    nz, ny, nx = volume.shape
    step = max(SLAB_VOXELS // (nz * nx), 1)
    return [slice(start, min(start + step, ny)) for start in range(0, ny, step)]


def _numbers(grey: np.ndarray) -> np.ndarray:
    kind = grey.dtype if grey.dtype in (np.uint8, np.uint16, np.float32) else np.float32
    return np.ascontiguousarray(grey, kind)


def _march(grey, up: bool, rule: ColumnRule, label, first, last, contact) -> None:
    from ._column_kernels import march

    limits = [np.float32(v) for v in (rule.steel, rule.lithium, rule.void, rule.interphase)]
    below = grey.dtype.type(np.ceil(rule.void) if grey.dtype.kind == "u" else rule.void)
    march(grey, up, *limits, below, rule.ahead, rule.depth, label, first, last, contact)  # type: ignore[call-arg]


def _dataset(volume, rule, electrode, label, first, last, contact) -> xr.Dataset:
    if electrode == "top":
        end = len(label) - 1
        first, last = (np.where(v < 0, -1, end - v) for v in (first, last))
    result = xr.Dataset(
        {
            "label": quantity(label, ("z", "y", "x"), "1", "lithium, void, steel", flag_masks=[1, 2, 4],
                              flag_meanings="lithium void steel"),
            "contact": quantity((contact == 1).astype(np.uint8), ("y", "x"), "1", "lithium in contact"),
            "lithium": quantity((contact != 2).astype(np.uint8), ("y", "x"), "1", "column with lithium"),
            "first": quantity(first, ("y", "x"), "voxel", "lithium next to the collector"),
            "last": quantity(last, ("y", "x"), "voxel", "lithium next to the electrolyte"),
        },
        coords=coordinates(volume, "z", "y", "x"),
        attrs={"electrode": electrode, "rule": repr(rule), "source": "paper 004, Methods"},
    )  # fmt: skip
    sizes = voxel_sizes(volume)
    if len(set(sizes.values())) == 1:
        result.attrs["voxel_um"] = sizes["z"]
    return result
