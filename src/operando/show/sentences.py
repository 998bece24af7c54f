"""What the report says: every number comes from the Datasets, with its error, and absence is said aloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from .summary import Mean, against_time, called, error_of, families, good, lattice_name, mean, one_family
from .text import MINUS, duration, grouped, number, plural, pretty, scaled, with_error

if TYPE_CHECKING:
    from .chapters import Chapter


def what_was_measured(groups: dict[str, xr.Dataset], chapters: list[Chapter]) -> list[str]:
    """A paragraph a technique: maps, points, frames, duration and what the cell did meanwhile; what others measured."""
    others = [" ".join(chapter.measured) for chapter in chapters if chapter.measured]
    if "xrd" not in groups and others:
        return others
    first = _maps(groups["xrd"]) if "xrd" in groups else "No X-ray maps are in these results."
    return [" ".join([first, *_cycled(groups)]), *others]


def _maps(xrd: xr.Dataset) -> str:
    maps, rows, columns = (xrd.sizes.get(dim, 1) for dim in ("time", "z", "x"))
    span = _span(xrd["time"].values) if xrd["time"].attrs.get("units") != "map" else np.nan
    text = (
        f"{plural(maps, 'map')} of {rows} × {columns} points (z × x; steps of {_step(xrd, 'z')} and {_step(xrd, 'x')})"
        f"{f' over {duration(span)}' if maps > 1 and np.isfinite(span) else ''}"
    )
    if "frames" not in xrd:
        return text + "."
    frames = xrd["frames"].values
    empty = int((frames == 0).sum())
    missing = f"{plural(empty, 'point has', 'points have')} no frame" if empty else "no point lacks a frame"
    return f"{text}: {plural(int(np.nansum(frames)), 'frame')}; {missing}."


def _span(time: np.ndarray) -> float:
    """First to last map, with half a map at each end."""
    return float(np.ptp(time)) * len(time) / max(len(time) - 1, 1)


def _step(xrd: xr.Dataset, dim: str) -> str:
    values = xrd[dim].values if dim in xrd.coords else np.array([])
    return f"{number(float(np.median(np.diff(values))))} µm" if len(values) > 1 else "one point"


def _cycled(groups: dict[str, xr.Dataset]) -> list[str]:
    clock = groups.get("clock")
    if clock is None or "voltage" not in clock:
        return ["No cycler record belongs to these maps."]
    v = clock["voltage"].values
    known = np.flatnonzero(np.isfinite(v))
    if not known.size:
        return ["The cycler record covers none of the maps."]
    first, last = known[0], known[-1]
    text = (
        f"Between map {first + 1} and map {last + 1} the voltage went from {v[first]:.3f} to {v[last]:.3f} V"
    )
    if "capacity" in clock and np.isfinite(clock["capacity"].values[[first, last]]).all():
        q = clock["capacity"].values
        moved, unit = scaled(q[last] - q[first], clock["capacity"].attrs.get("units", "mAh"))
        text += f", and {number(float(moved))} {unit} passed".replace(MINUS + "0 ", "0 ")
    lost = len(v) - known.size
    return [text + (f"; {plural(lost, 'map lies', 'maps lie')} outside the record." if lost else ".")]


def lattice_changes(name: str, ring: xr.Dataset) -> list[str]:
    """One sentence a family."""
    axis = lattice_name(ring)
    if axis is None:
        return [f"{name} holds no lattice parameter."]
    unit = ring[axis].attrs.get("units", "angstrom")
    return [
        _lattice_change(axis, called(name, f), against_time(one_family(ring, f), axis), unit)
        for f in families(ring)
    ]


def headlines(rings: dict[str, xr.Dataset]) -> list[str]:
    """The change of every lattice parameter in one line each."""
    found = []
    for name, ring in rings.items():
        axis = lattice_name(ring)
        if axis is None:
            continue
        for family in families(ring):
            means = [m for m in against_time(one_family(ring, family), axis) if m.valid]
            if len(means) > 1:
                found.append(
                    _headline(
                        axis,
                        called(name, family),
                        means[0],
                        means[-1],
                        ring[axis].attrs.get("units", "angstrom"),
                    )
                )
    return found


def _headline(axis: str, series: str, start: Mean, end: Mean, unit: str) -> str:
    change, error = end.value - start.value, float(np.hypot(start.error, end.error))
    if abs(change) < 3 * error:
        size = with_error(change, error, unit, sign=True)
        return f"{axis} of {series} did not change beyond three times its error ({size})."
    size = f"{with_error(abs(change), error, unit)} ({percent(change / start.value)})"
    return f"{axis} of {series} {_verb(change, error)} by {size}."


def _lattice_change(axis: str, series: str, means: list[Mean], unit: str) -> str:
    valid = [i for i, m in enumerate(means) if m.valid]
    if not valid:
        return f"{axis} of {series}: no valid point in any map."
    a, b = valid[0], valid[-1]
    start, end = means[a], means[b]
    if a == b:
        points = plural(start.points, "valid point")
        return (
            f"{axis} of {series} is {with_error(start.value, start.error, unit)} in map {a + 1} ({points})."
        )
    change, error = end.value - start.value, float(np.hypot(start.error, end.error))
    verdict, size = f"{axis} of {series} {_verb(change, error)}", with_error(change, error, unit, sign=True)
    return (
        f"{verdict}: {with_error(start.value, start.error, unit)} in map {a + 1}, "
        f"{with_error(end.value, end.error, unit)} in map {b + 1}, a change of {size} "
        f"({percent(change / start.value)}; means over {start.points} and {end.points} valid points)."
    )


def _verb(change: float, error: float) -> str:
    if not np.isfinite(error) or error <= 0:
        return "changed by an amount of unknown error"
    if abs(change) < 3 * error:
        return "did not change beyond three times its error"
    return "grew" if change > 0 else "shrank"


def percent(share: float) -> str:
    """A share as per cent with sign, two significant digits."""
    value = 100 * share
    if value == 0:
        return "0 %"
    decimals = int(np.clip(1 - np.floor(np.log10(abs(value))), 0, 5))
    return f"{'+' if value > 0 else ''}{grouped(value, decimals)} %"


def intensity_change(name: str, ring: xr.Dataset) -> str:
    """Mean background-subtracted intensity of a ring in the first and last map."""
    if "intensity" not in ring:
        return f"{name}: no intensity map."
    values, errors = good(ring, "intensity", "intensity_flag"), error_of(ring, "intensity")
    unit = pretty(ring["intensity"].attrs.get("units"))
    means = [
        _plain(values.isel(time=i), None if errors is None else errors.isel(time=i))
        for i in range(values.sizes["time"])
    ]
    valid = [i for i, m in enumerate(means) if m.valid]
    if not valid:
        return f"{name}: no valid intensity in any map."
    a, b = means[valid[0]], means[valid[-1]]
    text = f"Mean intensity of {name}: {with_error(a.value, a.error, unit)}"
    if len(valid) == 1:
        return text + "."
    return f"{text} in map {valid[0] + 1}, {with_error(b.value, b.error, unit)} in map {valid[-1] + 1}."


def _plain(values: xr.DataArray, errors: xr.DataArray | None) -> Mean:
    """Unweighted mean with its propagated error: an amount must not be weighted by its own size."""
    v = values.values.ravel().astype(float)
    keep = np.isfinite(v)
    if not keep.any():
        return Mean(np.nan, np.nan, 0, np.nan)
    if errors is None:
        return mean(v)
    e = errors.values.ravel()[keep]
    return Mean(
        float(v[keep].mean()),
        float(np.sqrt(np.sum(e**2)) / keep.sum()),
        int(keep.sum()),
        float(v[keep].std()),
    )
