"""A run folder made from formulas, with every group that the dashboard draws: a test knows what it must show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from operando.core.flags import Flag, flag_variable
from operando.flow.results import Results
from operando.flow.store import write_results

Q = np.linspace(1.20, 1.50, 61)


def told(dims, values, units, long_name=""):
    return xr.DataArray(np.asarray(values), dims=dims, attrs={"units": units, "long_name": long_name})


def build(
    maps: int = 8, rows: int = 10, columns: int = 7, shift: float = 0.0, points: bool = True
) -> Results:
    """c rises in time from the top down; one point is missing, one row is doubtful. `shift` moves c everywhere."""
    rng = np.random.default_rng(4)
    time, z, x = 150.0 + 300.0 * np.arange(maps), 2.0 * np.arange(rows), 30.0 * np.arange(columns)
    axes = {"time": told("time", time, "s"), "z": told("z", z, "um"), "x": told("x", x, "um")}
    t, depth, across = np.meshgrid(np.arange(maps) / maps, z, x, indexing="ij")
    c = 14.0 + 0.2 * t + 1e-3 * depth + 1e-5 * across + shift
    error = 0.001 * (1 + depth / 10 + across / 100)
    flag = np.zeros(c.shape, np.uint16)
    flag[:, 2, 3], flag[:, 4] = Flag.TOO_FEW_COUNTS, Flag.POOR_FIT
    c[:, 2, 3] = np.nan
    q = 6 * np.pi / c
    ring = {
        "c": (c, "angstrom"), "c_err": (error, "angstrom"), "q": (q, "1/angstrom"),
        "q_err": (q * error / c, "1/angstrom"),
        "width": (0.01 + 0 * q, "1/angstrom"),
        "area": (2.0 + 0 * q, "counts/angstrom"), "background": (5.0 + 0 * q, "counts"),
        "slope": (0 * q, "counts*angstrom"),
    }  # fmt: skip
    maps_dims = ("time", "z", "x")
    data = {n: told(("family", *maps_dims), v[None], units, n) for n, (v, units) in ring.items()}
    data["flag"] = flag_variable(flag[None], ("family", *maps_dims))
    data["intensity"] = told(maps_dims, rng.poisson(50, c.shape).astype(float), "counts")
    groups = {
        "xrd/LCO003": xr.Dataset(data).assign_coords(family=["perp"], **axes),
        "echem": _record(time), "clock": _clock(time), "xrd/pattern": _pattern(axes, c),
        "xrd/LCO003/image": _image(axes, maps), "grains/table": _grains(time), "grains/tracks": _tracks(time),
        "xrd/reflections": xr.Dataset({"phase": ("reflection", ["LiCoO2"]), "hkl": ("reflection", ["0 0 3"]),
                                       "q": ("reflection", [1.346]), "ring": ("reflection", ["LCO003"])}),
    }  # fmt: skip
    if points:
        curve = 5 + 2 / (0.01 * np.sqrt(2 * np.pi)) * np.exp(-0.5 * ((Q - q[..., None]) / 0.01) ** 2)
        groups["points"] = xr.Dataset(
            {"intensity": told((*maps_dims, "q"), curve.astype("f4"), "counts"),
             "intensity_err": told((*maps_dims, "q"), np.sqrt(curve / 9).astype("f4"), "counts")}
        ).assign_coords(q=told("q", Q, "1/angstrom"), **axes)  # fmt: skip
    return Results("A made-up charge", {}, groups)


def _record(time):
    t = np.arange(-100.0, time[-1] + 200, 10.0)
    return xr.Dataset({
        "time": told("record", t, "s"), "utc": told("record", 1.7e9 + t, "s"),
        "voltage": told("record", 3.4 + 0.8 * t / t[-1], "V"), "current": told("record", np.where(t > 0, 2e-6, 0), "A"),
        "capacity": told("record", np.clip(t, 0, None) * 2e-6 / 3.6, "mAh"),
    })  # fmt: skip


def _clock(time):
    values = {"voltage": (3.4 + 0 * time, "V"), "current": (2e-6 + 0 * time, "A"), "utc": (1.7e9 + time, "s")}
    return xr.Dataset({n: told("time", v, u) for n, (v, u) in values.items()}).assign_coords(
        time=told("time", time, "s")
    )


def _pattern(axes, c):
    centre = np.nanmean(6 * np.pi / c, axis=(1, 2))
    mean = 5 + 60 * np.exp(-0.5 * ((Q - centre[:, None]) / 0.012) ** 2)
    data = {"intensity": told(("time", "q"), mean.astype("f4"), "counts")}
    return xr.Dataset(data).assign_coords(time=axes["time"], q=told("q", Q, "1/angstrom"))


def _image(axes, maps):
    azimuth, q = np.arange(0.5, 360, 1.0), np.linspace(1.28, 1.41, 18)
    ring = 3 + 20 * np.exp(-0.5 * ((q - 1.345) / 0.012) ** 2) * (1 + np.cos(np.radians(azimuth))[:, None])
    image = np.repeat(ring[None], maps, 0).astype("f4")
    image[:, 100:106] = np.nan
    data = {"intensity": told(("time", "azimuth", "q"), image, "counts")}
    return xr.Dataset(data).assign_coords(
        time=axes["time"], azimuth=told("azimuth", azimuth, "deg"), q=told("q", q, "1/angstrom")
    )


def _grains(time):
    """Two tracks: one at 90 degrees in all maps, one at 200 degrees in the first three."""
    rows = [(m, 90.0, 6.0, 60.0, 0) for m in range(len(time))] + [
        (m, 200.0, 10.0, 120.0, 1) for m in range(3)
    ]
    index, azimuth, z, x, track = (np.array(column) for column in zip(*rows, strict=True))
    data = {"map_index": (index, "1"), "azimuth": (azimuth, "deg"), "z": (z, "um"), "x": (x, "um"),
            "track": (track, "1"),
            "grain_time": (time[index], "s"), "intensity": (50.0 + 0 * azimuth, "counts")}  # fmt: skip
    return xr.Dataset(
        {n: told("grain", v, u) for n, (v, u) in data.items()}, attrs={"ring": "Li110"}
    ).assign_coords(time=told("time", time, "s"))


def _tracks(time):
    data = {"first_time": ([time[0]] * 2, "s"), "last_time": ([time[-1], time[2]], "s"), "maps": ([len(time), 3], "1"),
            "kind": ([2, 1], "1"), "azimuth": ([90.0, 200.0], "deg")}  # fmt: skip
    return xr.Dataset({n: told("track", v, u) for n, (v, u) in data.items()})


def folder(place: Path, **kinds) -> tuple[Path, Results]:
    place.mkdir(parents=True, exist_ok=True)
    results = build(**kinds)
    write_results(results, place / "results.nxs")
    return place, results


def weighted(results: Results, rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray]:
    """Mean of c weighted by 1 / error^2 over a rectangle at each time, and its error: numpy, for the page to match."""
    part = results.groups["xrd/LCO003"].isel(family=0, z=rows, x=columns)
    c, error = (part[name].values.reshape(part.sizes["time"], -1) for name in ("c", "c_err"))
    weight = np.where(np.isfinite(c), 1 / error**2, 0.0)
    return (weight * np.nan_to_num(c)).sum(1) / weight.sum(1), 1 / np.sqrt(weight.sum(1))
