"""Maps of single scans, joined along time into the groups of the results."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from operando.core import Reflection, Scan, ScanGrid
from operando.core.errors import GridError
from operando.core.moments import moment

from .facts import Ring


def join_maps(
    maps: Sequence[dict[str, xr.Dataset]], scans: Sequence[Scan], grids: Sequence[ScanGrid]
) -> dict[str, xr.Dataset]:
    """Groups of single maps as groups over `time`, in order of the middle of each map.

    Positions are those of the first map; the others may be off by motor jitter. Raises `GridError` beyond half a step.
    """
    _same_place(scans, grids)
    time, rows, epoch = map_times(scans, grids)
    order = np.argsort(time.values, kind="stable")
    groups = {
        name: xr.concat([maps[i][name] for i in order], "time", join="override", combine_attrs="override")
        .assign_coords(time=time[order])
        .assign_attrs(epoch=epoch)
        for name in maps[0]
    }
    groups["xrd"]["row_time"] = rows[order]
    groups["xrd"]["scan"] = xr.DataArray([scans[i].name for i in order], dims="time")
    return groups


def _same_place(scans: Sequence[Scan], grids: Sequence[ScanGrid]) -> None:
    """Raise `GridError` for a map whose points lie more than half a step from those of the first map."""
    for axis in ("z_um", "x_um"):
        first = getattr(grids[0], axis)
        step = float(np.diff(first).min()) if len(first) > 1 else np.inf
        for scan, grid in zip(scans, grids, strict=True):
            off = float(np.abs(getattr(grid, axis) - first).max())
            if off > 0.5 * step:
                raise GridError(
                    f"positions along {axis[0]} are up to {off:.4g} um off those of the first map, more than half a "
                    f"step of {step:.4g} um", where=scan.name,
                    fix="Give grid = { ... } under [xrd] to lay maps over each other by rows and columns, or leave "
                    "this one out.",
                )  # fmt: skip


def map_times(scans: Sequence[Scan], grids: Sequence[ScanGrid]) -> tuple[xr.DataArray, xr.DataArray, str]:
    """Middle of each map and of each of its rows, s since the first frame of all, and that moment (ISO 8601).

    Where no times were recorded, maps are counted: units are then "map", and the moment is "".
    """
    stamps = [scan.frames.time_s for scan in scans]
    known = [stamp for stamp in stamps if stamp is not None and np.isfinite(stamp).any()]
    if len(known) < len(scans):
        time = xr.DataArray(np.arange(float(len(scans))), dims="time", attrs={"units": "map"})
        nothing = np.full((len(scans), len(grids[0].z_um)), np.nan)
        return time, xr.DataArray(nothing, dims=("time", "z"), attrs={"units": "s"}), ""
    start = min(float(np.nanmin(stamp)) for stamp in known)
    middle = [float(np.nanmean(stamp)) - start for stamp in known]
    rows = np.array([_row_times(s, grid) for s, grid in zip(known, grids, strict=True)]) - start
    epoch = moment(start)
    attrs = {"units": "s", "long_name": "time since the first frame"}
    return (
        xr.DataArray(middle, dims="time", attrs=attrs),
        xr.DataArray(
            rows,
            dims=("time", "z"),
            attrs={**attrs, "long_name": "middle of each row, since the first frame"},
        ),
        epoch,
    )


def _row_times(stamps: np.ndarray, grid: ScanGrid) -> np.ndarray:
    """Mean time of the frames of each row, s since the epoch; NaN for a row without frames."""
    inside = grid.point >= 0
    row = grid.point[inside] // len(grid.x_um)
    time = stamps[: len(grid.point)][inside]
    count = np.bincount(row, minlength=len(grid.z_um))
    total = np.bincount(row, time - time[0], minlength=len(grid.z_um))
    return np.where(count > 0, time[0] + total / np.maximum(count, 1), np.nan)


def reflections(rings: Sequence[Ring], phases: dict, q_range: tuple[float, float]) -> xr.Dataset:
    """Every reflection of the known phases in reach of the detector, with the ring that follows it."""
    found = [r for phase in phases.values() for r in phase.reflections(q_range[1], q_range[0])]
    found.sort(key=lambda r: r.q)
    return xr.Dataset(
        {
            "phase": ("reflection", [r.phase for r in found]),
            "hkl": ("reflection", [" ".join(map(str, r.hkl)) for r in found]),
            "q": (
                "reflection",
                [r.q for r in found],
                {"units": "1/angstrom", "long_name": "from the cell of the phase"},
            ),
            "ring": ("reflection", [_followed_by(r, rings) for r in found]),
        }
    )


def _followed_by(reflection: Reflection, rings: Sequence[Ring]) -> str:
    """The ring with this phase and spacing (equivalent planes have other indices); "" for none."""
    same = (
        r
        for r in rings
        if r.phase.name == reflection.phase and abs(r.reflection.d_A / reflection.d_A - 1) < 1e-6
    )
    return next((ring.name for ring in same), "")
