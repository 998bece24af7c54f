"""What the report says: every number comes from the Datasets, with its error, and absence is said aloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from .summary import Mean, against_time, called, error_of, families, good, lattice_name, mean, one_family
from .text import MINUS, duration, grouped, listed, number, plural, pretty, reason, scaled, with_error

if TYPE_CHECKING:
    from .chapters import Chapter


def what_was_measured(groups: dict[str, xr.Dataset], chapters: list[Chapter]) -> list[str]:
    """Maps, points, frames, duration; what other techniques measured; what the cell did meanwhile."""
    others = [sentence for chapter in chapters for sentence in chapter.measured]
    if "xrd" not in groups and others:
        return others
    first = _maps(groups["xrd"]) if "xrd" in groups else "No X-ray maps are in these results."
    return [first, *others, *_cycled(groups)]


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


def fits_believed(table, rings: dict[str, xr.Dataset]) -> list[str]:
    """How many fits are valid, and how good they are."""
    fits = table[table["series"] != "map points"]
    if not len(fits) or not fits["points"].sum():
        return ["No peak was fitted."]
    share = fits["valid"].sum() / fits["points"].sum()
    found = [
        f"{grouped(fits['valid'].sum())} of {grouped(fits['points'].sum())} fits ({100 * share:.0f} %) carry no flag."
    ]
    values = [good(ring, "goodness").values.ravel() for ring in rings.values() if "goodness" in ring]
    all_values = np.concatenate(values) if values else np.array([])
    all_values = all_values[np.isfinite(all_values)]
    if all_values.size:
        low, middle, high = np.percentile(all_values, [16, 50, 84])
        found.append(
            f"Their reduced deviance has the median {middle:.2f} (68 % lie within {low:.2f} to {high:.2f}); "
            "counting noise alone gives 1."
        )
    else:
        found.append("No fit is valid, so nothing can be said of their quality.")
    reasons = {reason(c): int(fits[c].sum()) for c in fits.columns[3:] if fits[c].sum() > 0}
    if reasons:
        counted = [f"{name} {grouped(count)}" for name, count in sorted(reasons.items(), key=lambda r: -r[1])]
        found[0] += f" Reasons of the others: {listed(counted)}."
    return found


def positions_believed(table) -> str:
    """The largest deviation of a ring from its reference position in the first map."""
    if not len(table):
        return "No ring has a reference position to compare with."
    worst = table.iloc[table["deviation"].abs().to_numpy().argmax()]
    size = with_error(worst["deviation"], worst["deviation_err"])
    return (
        f"Where each ring is first seen, it lies within {number(abs(worst['deviation']), 2)} × 10⁻⁴ of the position "
        f"calculated from the stated cells; the farthest is {worst['series']} ({size} × 10⁻⁴)."
    )


def standard_believed(groups: dict[str, xr.Dataset]) -> str:
    """The distance that the ring of a standard tells, beside that of the geometry."""
    standard = groups.get("xrd/standard")
    if standard is None:
        return ""
    seen = mean(standard["distance"].values, standard["distance_err"].values)
    if not seen.valid:
        return f"The ring {standard.attrs['ring']} of the standard is seen in no map."
    given = standard.attrs["given_mm"]
    spread = number(float(np.nanstd(standard["distance"].values)), 2)
    return (
        f"By the ring {standard.attrs['ring']} of the standard the detector is "
        f"{with_error(seen.value, seen.error, 'mm')} away (mean of maps that scatter by {spread} mm); the geometry "
        f"says {number(given, 6)} mm, a relative difference of {number(1e4 * (seen.value / given - 1), 2)} × 10⁻⁴ that "
        "all spacings share."
    )


def clock_believed(experiment: dict, groups: dict[str, xr.Dataset]) -> str:
    """How the cycler was put on the clock of the maps."""
    clock = groups.get("clock")
    if not experiment.get("cycler"):
        return "No cycler was aligned."
    if clock is None or "voltage" not in clock:
        return "Cycler and detector share no absolute time, so they were not aligned."
    text = _offset(clock, experiment["cycler"].get("clock_offset_s", 0.0))
    late = [
        n
        for n in ("voltage", "current", "capacity")
        if f"{n}_flag" in clock and (clock[f"{n}_flag"].values != 0).any()
    ]
    if late:
        verb = "is" if len(late) == 1 else "are"
        return f"{text}; {listed(late)} {verb} missing or doubtful for some maps, see the flags of the group clock."
    return text + "; every map lies inside the cycler's record."


def _offset(clock: xr.Dataset, stated: float | str) -> str:
    """Offset and where it comes from."""
    source = str(clock.attrs.get("clock_source", "user"))
    value = float(clock.attrs.get("clock_offset_s", stated if isinstance(stated, int | float) else np.nan))
    if source == "user":
        return f"Cycler clock minus detector clock: {number(value)} s, as stated in the experiment file"
    size = with_error(value, float(clock.attrs.get("clock_offset_err_s", np.nan)), "s")
    return f"Cycler clock minus detector clock: {size}, found from {source}"
