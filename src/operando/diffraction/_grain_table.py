"""Spots of one map joined to grains, and the labelled table of all grains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core.flags import Flag, flag_variable
from ._grain_link import link_points
from ._grain_spots import COLUMNS

#: name: (units, long name) of what a grain has; each variable over `grain`
GRAIN_VARIABLES = {
    "time": ("s", "middle of the map"),
    "map_index": ("1", "index of the map"),
    "z": ("um", "position, weighted by intensity"),
    "x": ("um", "position, weighted by intensity"),
    "z_min": ("um", "lowest point"),
    "z_max": ("um", "highest point"),
    "x_min": ("um", "first point"),
    "x_max": ("um", "last point"),
    "points": ("1", "map points at which it is seen"),
    "azimuth": ("deg", "azimuth of its scattering vector"),
    "azimuth_err": ("deg", "1-sigma error, widened where its points disagree"),
    "azimuth_spread": ("deg", "rms spread in azimuth over and within points"),
    "q": ("1/angstrom", "momentum transfer"),
    "q_err": ("1/angstrom", "1-sigma error"),
    "counts": ("counts", "counts above background"),
    "counts_err": ("counts", "1-sigma error"),
    "intensity": ("counts per weight", "sum of counts / weight above background"),
    "intensity_err": ("counts per weight", "1-sigma error"),
    "peak_counts": ("counts", "counts above background at its brightest point"),
    "log10_p": ("1", "log10 of the chance that background gives its most significant spot"),
}


@dataclass(frozen=True)
class MapSpots:
    """Spots of one map: `table` (spots, COLUMNS), `coverage` (azimuth,), and the axes of the map."""

    table: np.ndarray
    coverage: np.ndarray
    z: np.ndarray
    x: np.ndarray
    azimuth: np.ndarray
    q: np.ndarray

    def column(self, name: str) -> np.ndarray:
        return self.table[:, COLUMNS.index(name)]

    @property
    def step(self) -> float:
        return 360.0 / len(self.azimuth)

    @property
    def q_step(self) -> float:
        return float(np.diff(self.q).mean()) if len(self.q) > 1 else 1.0


def group(spots: MapSpots, search) -> np.ndarray:
    """Number of the grain that each spot belongs to, from 0, spots of neighbouring points linked."""
    size = len(spots.table)
    parent = np.empty(size, np.int64)
    point = spots.column("point").astype(np.int64)
    link_q = 1.0 if search.link_q is None else search.link_q / spots.q_step
    rows, columns = search.reach
    link_points(
        point, spots.column("azimuth"), np.sqrt(spots.column("azimuth_var")), spots.column("q"),
        np.sqrt(spots.column("q_var")), len(spots.z), len(spots.x), rows, columns,
        search.link_deg / spots.step, link_q, float(len(spots.azimuth)), parent,
    )  # fmt: skip
    return np.unique(parent, return_inverse=True)[1] if size else parent


def grain_rows(spots: MapSpots, grain: np.ndarray) -> dict[str, np.ndarray]:
    """Sums and means over the spots of each grain, by the names of GRAIN_VARIABLES, and `flag`."""
    count = int(grain.max()) + 1 if len(grain) else 0
    z = spots.z[(spots.column("point") // len(spots.x)).astype(int)]
    x = spots.x[(spots.column("point") % len(spots.x)).astype(int)]
    light = spots.column("intensity")

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(grain, values, count)

    def extreme(values: np.ndarray, ufunc: np.ufunc) -> np.ndarray:
        out = np.full(count, -np.inf if ufunc is np.maximum else np.inf)
        ufunc.at(out, grain, values)
        return out

    rows = {"z": total(light * z) / total(light), "x": total(light * x) / total(light)}
    rows |= {"z_min": extreme(z, np.minimum), "z_max": extreme(z, np.maximum)}
    rows |= {
        "x_min": extreme(x, np.minimum),
        "x_max": extreme(x, np.maximum),
        "points": total(np.ones_like(z)),
    }
    for name in ("counts", "intensity"):
        rows |= {name: total(spots.column(name)), f"{name}_err": np.sqrt(total(spots.column(f"{name}_var")))}
    rows |= {"peak_counts": extreme(spots.column("counts"), np.maximum)}
    rows |= {"log10_p": extreme(spots.column("log_p"), np.minimum) / np.log(10)}
    first = np.zeros(count, int)
    first[grain[::-1]] = np.arange(len(grain))[::-1]
    period = len(spots.azimuth)
    turn = (
        spots.column("azimuth") - spots.column("azimuth")[first][grain]
    )  # circular, from the grain's first spot
    turn = (turn + 0.5 * period) % period - 0.5 * period
    offset, error, spread = _weighted(
        turn, spots.column("azimuth_var"), spots.column("azimuth_width"), light, grain, total
    )
    azimuth = spots.azimuth[0] + (spots.column("azimuth")[first] + offset) * spots.step
    rows |= {
        "azimuth": azimuth % 360.0,
        "azimuth_err": error * spots.step,
        "azimuth_spread": spread * spots.step,
    }
    mean_q, error_q, _ = _weighted(
        spots.column("q"), spots.column("q_var"), spots.column("q_width"), light, grain, total
    )
    rows |= {"q": spots.q[0] + mean_q * spots.q_step, "q_err": error_q * spots.q_step}
    flag = np.zeros(count, np.int64)
    np.bitwise_or.at(flag, grain, spots.column("flag").astype(np.int64))
    return rows | {"flag": flag}


def _weighted(value, variance, width, light, grain, total) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inverse-variance mean of each grain, its error (x sqrt of reduced chi2 where that exceeds 1), rms spread."""
    weight = 1.0 / variance
    mean = total(weight * value) / total(weight)
    chi2 = total(weight * (value - mean[grain]) ** 2) / np.maximum(total(np.ones_like(value)) - 1, 1)
    spread2 = total(light * (width**2 + (value - mean[grain]) ** 2)) / total(light)
    return mean, np.sqrt(np.maximum(chi2, 1.0) / total(weight)), np.sqrt(spread2)


def grain_dataset(found: Sequence[MapSpots | None], time, search, background: str) -> xr.Dataset:
    """All grains of a series over `grain`, what was searched over `time`, the coverage over (time, azimuth).

    `flag` marks grains that a gap, the shadow or the window's edge may cut: their azimuth and q are not to be
    trusted. `map_flag` is NO_DATA for a missing map.
    """
    times = np.arange(len(found), dtype=float) if time is None else np.asarray(time, float)
    known = next((f for f in found if f is not None), None)
    azimuth = known.azimuth if known is not None else np.arange(360) + 0.5
    rows: dict[str, list[np.ndarray]] = {name: [] for name in (*GRAIN_VARIABLES, "flag")}
    coverage = np.full((len(found), len(azimuth)), np.nan)
    images, spot_count, map_flag = (
        np.zeros(len(found)),
        np.full(len(found), np.nan),
        np.zeros(len(found), int),
    )
    for index, spots in enumerate(found):
        if spots is None:
            map_flag[index] = int(Flag.NO_DATA)
            continue
        coverage[index], images[index], spot_count[index] = (
            spots.coverage,
            len(spots.z) * len(spots.x),
            len(spots.table),
        )
        part = grain_rows(spots, group(spots, search))
        part |= {
            "time": np.full(len(part["flag"]), times[index]),
            "map_index": np.full(len(part["flag"]), index),
        }
        for name, column in rows.items():
            column.append(part[name])
    joined = {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in rows.items()}
    joined["map_index"] = joined["map_index"].astype(int)
    data = {
        name: ("grain", joined[name], {"units": unit, "long_name": words})
        for name, (unit, words) in GRAIN_VARIABLES.items()
        if name != "time"
    }
    result = xr.Dataset(
        data,
        coords={
            "time": ("time", times, {"units": "s"}),
            "azimuth_bin": ("azimuth_bin", azimuth, {"units": "deg"}),
        },
    )
    result["grain_time"] = ("grain", joined["time"], {"units": "s", "long_name": "middle of the map"})
    result["flag"] = flag_variable(joined["flag"].astype(int), ("grain",))
    result["coverage"] = (
        ("time", "azimuth_bin"),
        coverage,
        {"units": "1", "long_name": "fraction of images with data"},
    )
    result["images"] = ("time", images, {"units": "1", "long_name": "images searched"})
    result["spots"] = ("time", spot_count, {"units": "1", "long_name": "spots, before points are linked"})
    result["map_flag"] = flag_variable(map_flag, ("time",))
    result.attrs = {"background": background, "rule": search.rule, "false_rate_per_image": search.false_rate}
    if known is not None:
        if search.rule == "significance":
            bins = len(known.azimuth) * len(known.q)
            result.attrs["log10_p_limit"] = float(np.log10(search.false_rate / (2 * bins)))
        result.attrs |= {"rows": len(known.z), "columns": len(known.x)}
        result.attrs |= {"z_step_um": _step(known.z), "x_step_um": _step(known.x)}
    return result


def _step(axis: np.ndarray) -> float:
    return float(np.diff(axis).mean()) if len(axis) > 1 else 1.0
