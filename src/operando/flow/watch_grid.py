"""Which maps a scan that grows holds, and the grid of one of which only the first frames are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from operando.core import Scan, ScanGrid
from operando.core.frames import FrameCut

from .facts import grid_of
from .sections import XrdSection


def live_maps(scans: Sequence[Scan], xrd: XrdSection) -> list[Scan]:
    """A stack that grows beyond one stated grid holds several maps: cut it by the size of the grid, as a run does."""
    if len(scans) != 1 or xrd.grid is None:
        return list(scans)
    (scan,) = scans
    size, count = xrd.grid.rows * xrd.grid.columns, len(scan.frames)
    if count <= size:
        return [scan]

    def cut(values: np.ndarray | None, first: int) -> np.ndarray | None:
        return None if values is None else values[first : first + size]

    return [
        replace(
            scan, name=f"{scan.name}, map {number}", frames=FrameCut(scan.frames, first, min(first + size, count)),
            x_um=cut(scan.x_um, first), z_um=cut(scan.z_um, first), started_s=None,
        )
        for number, first in enumerate(range(0, count, size), 1)
    ]  # fmt: skip


def live_grid(xrd: XrdSection, scan: Scan, like: ScanGrid | None) -> ScanGrid:
    """The grid of a map of which only the first frames are there; that of an earlier whole map, where it has one."""
    part = grid_of(xrd.model_copy(update={"incomplete": True}), scan)
    if like is None or xrd.grid is not None or part.shape == like.shape:
        return part
    inside = part.point >= 0
    row, column = np.divmod(part.point[inside], len(part.x_um))
    rows = np.abs(part.z_um[row][:, None] - like.z_um).argmin(1)
    columns = np.abs(part.x_um[column][:, None] - like.x_um).argmin(1)
    point = np.full(len(part.point), -1)
    point[inside] = rows * len(like.x_um) + columns
    return ScanGrid(like.z_um, like.x_um, point)
