"""ScanGrid: which frame belongs to which point of the map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from .errors import GridError
from .sums import FRAME, Sums

Order = Literal["same", "snake"]


@dataclass(frozen=True)
class ScanGrid:
    """A regular map: rows along z, columns along x, and the point that each recorded frame belongs to.

    z_um   (rows,) and x_um (columns,): ascending positions of pixel centres in um
    point  (frames,) int64: row * columns + column of every frame, -1 for a frame outside the map
    """

    z_um: np.ndarray
    x_um: np.ndarray
    point: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.z_um), len(self.x_um)

    @property
    def missing(self) -> np.ndarray:
        """Flat indices of points that no frame was recorded for."""
        return np.setdiff1d(np.arange(len(self.z_um) * len(self.x_um)), self.point)

    @property
    def repeated(self) -> int:
        """Number of frames beyond the first at the same point; they are added to it."""
        used = self.point[self.point >= 0]
        return len(used) - len(np.unique(used))

    @classmethod
    def regular(
        cls, rows: int, columns: int, *, step_z_um: float, step_x_um: float, order: Order = "same",
        frames: int | None = None, incomplete: bool = False, name: str = "scan",
    ) -> ScanGrid:  # fmt: skip
        """Rows one after the other, each along x: all in one direction ("same") or back and forth ("snake").

        A negative step means that the motor ran down. Raises `GridError` when `frames` is not rows x
        columns, unless `incomplete`: then the missing points are NaN and frames beyond the grid are dropped.
        """
        needed = rows * columns
        frames = needed if frames is None else frames
        if frames != needed and not incomplete:
            mapped = f"{frames // columns} complete rows can be mapped, the rest as NaN"
            if frames > needed:
                mapped = f"the first {needed} frames can be mapped, the other {frames - needed} left out"
            raise GridError(
                f"{frames} frames do not fill a grid of {rows} rows x {columns} columns = {needed}",
                where=name,
                fix=f"{mapped[0].upper()}{mapped[1:]}: set incomplete = true in [xrd] to do so, or correct the grid.",
            )
        row, column = np.divmod(np.arange(needed), columns)
        if order == "snake":
            column = np.where(row % 2, columns - 1 - column, column)
        if step_z_um < 0:
            row = rows - 1 - row
        if step_x_um < 0:
            column = columns - 1 - column
        point = np.full(frames, -1)
        kept = min(frames, needed)
        point[:kept] = (row * columns + column)[:kept]
        return cls(abs(step_z_um) * np.arange(rows), abs(step_x_um) * np.arange(columns), point)

    @classmethod
    def from_positions(cls, x_um: np.ndarray, z_um: np.ndarray, *, name: str = "scan") -> ScanGrid:
        """Find the grid behind recorded motor positions (um); any order, missing and repeated points allowed.

        Steps are the typical distance between neighbouring distinct positions; a position must lie within
        0.3 steps of a grid line. Raises `GridError` when the positions form no regular grid.
        """
        x_um, z_um = np.asarray(x_um, float), np.asarray(z_um, float)
        if x_um.shape != z_um.shape or x_um.ndim != 1 or not len(x_um):
            raise GridError(
                f"motor arrays of different length: x has {x_um.size}, z has {z_um.size} values", where=name
            )
        column, x_line = _lines(x_um, f"{name}, x")
        row, z_line = _lines(z_um, f"{name}, z")
        point = np.where((row < 0) | (column < 0), -1, row * len(x_line) + column)
        return cls(z_line, x_line, point)

    def to_map(self, values: xr.DataArray, *, add: bool = False) -> xr.DataArray:
        """Lay values along `frame` out as (z, x, ...).

        Repeated frames are averaged, or added with `add`; points without a frame are NaN, or zero with `add`.
        The coordinate `frame` tells which entry of `point` a value belongs to.
        """
        values = values.transpose(FRAME, ...)
        point = self.point[values[FRAME].values]
        inside = point >= 0
        size = len(self.z_um) * len(self.x_um)
        data = values.values[inside]
        flat = np.zeros(
            (size, *values.shape[1:]), np.result_type(data.dtype, np.float32) if not add else data.dtype
        )
        used = point[inside]
        if len(np.unique(used)) == len(used):
            flat[used] = data
        else:
            np.add.at(flat, used, data)
        if not add:
            count = np.bincount(used, minlength=size).reshape(-1, *[1] * (values.ndim - 1))
            with np.errstate(invalid="ignore"):
                flat = np.where(count > 0, flat / np.maximum(count, 1), np.nan).astype(flat.dtype)
        coords = {name: c for name, c in values.coords.items() if FRAME not in c.dims and name != FRAME}
        return xr.DataArray(
            flat.reshape(*self.shape, *values.shape[1:]), dims=("z", "x", *values.dims[1:]),
            coords={**coords, **self.coords()}, attrs=values.attrs, name=values.name,
        )  # fmt: skip

    def sums_to_map(self, sums: Sums) -> Sums:
        """Sums along `frame` as Sums over (z, x): repeated frames add, points without a frame have weight zero."""
        weight = sums.weight
        if FRAME not in weight.dims:
            weight = weight.expand_dims({FRAME: sums.signal[FRAME].values})
        return Sums(
            self.to_map(sums.signal, add=True),
            self.to_map(sums.variance, add=True),
            self.to_map(weight, add=True),
        )

    def coords(self) -> dict[str, xr.DataArray]:
        """z and x with units, as coordinates of maps."""
        return {
            "z": xr.DataArray(
                self.z_um, dims="z", attrs={"units": "um", "long_name": "z, substrate to surface"}
            ),
            "x": xr.DataArray(self.x_um, dims="x", attrs={"units": "um", "long_name": "x, along the film"}),
        }


def _lines(position: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Index of each position on a regular ladder, and the ladder; -1 where a position is not finite."""
    finite = np.isfinite(position)
    if not finite.any():
        raise GridError("no finite motor position", where=name)
    span = float(np.ptp(position[finite]))
    ordered = np.sort(position[finite])
    gaps = np.diff(ordered)
    scale = span / max(len(ordered) - 1, 1)
    # jitter of the motor makes small gaps, steps make large ones: split them where the ratio is widest
    large = gaps[gaps > max(1e-9 * max(span, 1e-30), 0.05 * gaps.max(initial=0.0))]
    if span == 0 or not len(large) or scale == 0:
        return np.where(finite, 0, -1), np.array([ordered[0]])
    step = float(np.median(large))
    lowest = float(ordered[ordered < ordered[0] + 0.5 * step].mean())
    index = np.full(len(position), -1)
    index[finite] = np.round((position[finite] - lowest) / step).astype(int)
    step = float(np.polyfit(index[finite], position[finite], 1)[0])
    ladder = lowest + step * np.arange(index.max() + 1)
    off = np.abs(position[finite] - ladder[index[finite]])
    if off.max() > 0.3 * step:
        worst = int(np.flatnonzero(finite)[off.argmax()])
        raise GridError(
            f"positions do not lie on a regular grid: frame {worst} is {off.max():.4g} um off a step of {step:.4g} um",
            where=name, fix="Give rows, columns and steps under [xrd] grid instead.",
        )  # fmt: skip
    return index, ladder
