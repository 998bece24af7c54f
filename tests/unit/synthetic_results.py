"""A made-up `Results` with the size and the defects of the demo, for tests of `show`. Not physics: only plausible."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import xarray as xr

from operando.core.flags import Flag, flag_variable

PHASES = {
    "LiCoO2": {"a": 2.8035, "c": 14.00, "spacegroup": "R-3m"},
    "Ti": {"a": 2.951, "c": 4.684, "spacegroup": "P63/mmc"},
    "Au": {"a": 4.0782, "spacegroup": "Fm-3m"},
}
RINGS = (
    {"name": "LCO003", "phase": "LiCoO2", "hkl": [0, 0, 3],
     "families": {"perp": [25, 160, 205, 345], "par": [90, 275]}, "half_width_deg": 10},
    {"name": "LCO110", "phase": "LiCoO2", "hkl": [1, 1, 0], "families": {}, "half_width_deg": 10},
    {"name": "Ti100", "phase": "Ti", "hkl": [1, 0, 0], "families": {}, "half_width_deg": 10},
    {"name": "Au111", "phase": "Au", "hkl": [1, 1, 1], "families": {}, "half_width_deg": 10},
)  # fmt: skip
LAYERS = (
    {"name": "Au", "phase": "Au", "thickness_um": 1.0},
    {"name": "LCO", "phase": "LiCoO2", "thickness_um": 12.0},
    {"name": "LiPON", "phase": None, "thickness_um": 3.0},
    {"name": "Li", "phase": None, "thickness_um": 0.0},
    {"name": "Ti", "phase": "Ti", "thickness_um": 1.0},
    {"name": "parylene", "phase": None, "thickness_um": 5.0},
)


@dataclass
class Process:
    name: str
    version: str
    seconds: float
    settings: dict
    inputs: dict[str, str]
    detail: str = ""


@dataclass
class Results:
    title: str
    experiment: dict
    groups: dict[str, xr.Dataset]
    processes: list[Process] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    machine: dict = field(default_factory=dict)
    command: str = "operando demo"


def build(maps: int = 12, rows: int = 24, columns: int = 6, seed: int = 1) -> Results:
    """Results of a charge: the film expands from the electrolyte side down, Ti moves up, Au stays."""
    rng = np.random.default_rng(seed)
    grid = SimpleNamespace(
        time=150.0 + 300.0 * np.arange(maps), z=np.arange(rows, dtype=float), x=33.0 * np.arange(columns)
    )
    clock = _clock(grid.time)
    groups = {"xrd": _xrd(grid, rng), "echem": _echem(grid.time), "clock": clock}
    groups["xrd/pattern"], groups["xrd/reflections"] = _pattern(grid, rng)
    for ring in RINGS:
        groups[f"xrd/{ring['name']}"] = _ring(ring, grid, rng)
        groups[f"xrd/{ring['name']}/azimuth"] = _azimuth(ring, grid, rng)
    return Results(
        "LCO, LiPON, Ti: first charge", _experiment(rows, columns), groups, _processes(maps),
        ["2 frames missing in map 4 (NaN)", "monitor fell to 0 in map 7, row 3 (flagged)"],
        {"cpu": "AMD EPYC 7763", "cores": 2, "memory_gb": 24.0, "python": "3.11.9", "operando": "0.1.0.dev0",
         "packages": {"numpy": "2.4.6", "numba": "0.61.0", "pyFAI": "2025.3.0", "h5py": "3.13.0"}},
    )  # fmt: skip


def variable(dims, values, units, long_name):
    return xr.DataArray(np.asarray(values), dims=dims, attrs={"units": units, "long_name": long_name})


def _coords(grid):
    return {
        "time": variable("time", grid.time, "s", "time since the start of the first map").assign_attrs(
            epoch="2025-03-04T22:17:03+01:00"
        ),
        "z": variable("z", grid.z, "um", "z, substrate to surface"),
        "x": variable("x", grid.x, "um", "x, along the film"),
    }


def _bounds(name):
    z = 0.0
    for layer in LAYERS:
        if layer["name"] == name:
            return z, z + layer["thickness_um"]
        z += layer["thickness_um"]
    raise KeyError(name)


def _inside(grid, name, shift=None):
    """Share of each row that lies in a layer, (time, z, x)."""
    low, high = _bounds(name)
    shift = np.zeros(len(grid.time)) if shift is None else shift
    bottom, top = grid.z - 0.5, grid.z + 0.5
    share = np.clip(
        np.minimum(top, (high + shift)[:, None]) - np.maximum(bottom, (low + shift)[:, None]), 0, 1
    )
    return share[:, :, None] * np.ones(len(grid.x))


def _lift(grid):
    return 3.0 * (grid.time - grid.time[0]) / max(np.ptp(grid.time), 1.0)


def _xrd(grid, rng):
    shape = (len(grid.time), len(grid.z), len(grid.x))
    optical = 0.05 + 0.9 * _inside(grid, "LCO") + 0.5 * _inside(grid, "Au") + 0.2 * _inside(grid, "LiPON")
    optical = optical + 0.004 * rng.standard_normal(shape)
    counts = rng.poisson(4e5 * (0.4 + _inside(grid, "LCO"))).astype(float)
    frames, flag = np.ones(shape, np.int32), np.zeros(shape, np.uint16)
    if shape[0] > 3 and shape[1] > 5:
        frames[3, 5, 2:4] = 0
    if shape[0] > 6 and shape[1] > 3:
        flag[6, 3] = np.uint16(Flag.MONITOR_LOST)
    flag[frames == 0] |= np.uint16(Flag.NO_DATA)
    optical[flag > 0] = np.nan
    counts[frames == 0] = np.nan
    dims = ("time", "z", "x")
    return xr.Dataset(
        {
            "total_counts": variable(dims, counts, "counts", "total counts"),
            "total_counts_err": variable(dims, np.sqrt(counts), "counts", "error of total counts"),
            "transmission": variable(dims, optical, "1", "-ln(I/I0)"),
            "transmission_err": variable(dims, np.full(shape, 0.004), "1", "error of -ln(I/I0)"),
            "frames": variable(dims, frames, "1", "frames at a point"),
            "flag": flag_variable(flag, dims),
            "row_time": variable(
                ("time", "z"), grid.time[:, None] + 12.0 * (grid.z - grid.z.mean()), "s", "time"
            ),
        },
        coords=_coords(grid),
    )


def _lattice(ring, family, grid):
    """Lattice parameter (time, z, 1) and the name of its axis."""
    start = {"LCO003": 14.00, "LCO110": 2.8035, "Ti100": 2.951, "Au111": 4.0782}[ring["name"]]
    axis = "c" if ring["name"] == "LCO003" else "a"
    low, high = _bounds("LCO")
    front = high - (high - low) * (grid.time - 600.0) / 2400.0
    step = 1 / (1 + np.exp(-(grid.z[None] - front[:, None]) / 1.2))
    change = {"perp": 0.13, "par": 0.04}.get(family, -0.005 if ring["name"] == "LCO110" else 0.0)
    return axis, (start + change * step)[..., None]


def _ring(ring, grid, rng):
    families = list(ring["families"]) or ["all"]
    layer = {"LiCoO2": "LCO", "Ti": "Ti", "Au": "Au"}[ring["phase"]]
    inside = _inside(grid, layer, _lift(grid) if layer == "Ti" else None)
    factor = {
        "c": 3.0,
        "a": {"LCO110": 0.5, "Ti100": np.sqrt(3) / 2, "Au111": 1 / np.sqrt(3)}.get(ring["name"]),
    }
    parts = []
    for family in families:
        axis, lattice = _lattice(ring, family, grid)
        area = 2000.0 * inside * rng.uniform(0.6, 1.4, (1, 1, len(grid.x))) + 20.0
        error = lattice * 8e-4 / np.sqrt(area)
        lattice = lattice + error * rng.standard_normal(area.shape)
        d = lattice / 3.0 if axis == "c" else lattice * factor["a"]
        flag = np.where(area < 300, Flag.TOO_FEW_COUNTS, 0).astype(np.uint16)
        flag[rng.random(flag.shape) < 0.01] |= np.uint16(Flag.POOR_FIT)
        flag[(rng.random(flag.shape) < 0.01) & (flag == 0)] |= np.uint16(Flag.NOT_CONVERGED)
        if family == "par" and flag.shape[1] > 8 and flag.shape[2] > 4:
            flag[:, 8, 4] |= np.uint16(Flag.CUT_BY_GAP)
        absent = (flag & ~np.uint16(Flag.POOR_FIT)) > 0
        goodness = rng.chisquare(40, flag.shape) / 40 + 0.6 * ((flag & Flag.POOR_FIT) > 0)
        q = 2 * np.pi / d
        values = {
            axis: (lattice, error, "angstrom"), "d": (d, d * error / lattice, "angstrom"),
            "q": (q, q * error / lattice, "1/angstrom"), "width": (0.006 + 0 * q, 0.0004 + 0 * q, "1/angstrom"),
            "area": (area, np.sqrt(area), "counts"), "background": (30 + 0 * q, 1 + 0 * q, "counts"),
        }  # fmt: skip
        data = {}
        for name, (value, err, units) in values.items():
            data[name] = variable(("time", "z", "x"), np.where(absent, np.nan, value), units, name)
            data[f"{name}_err"] = variable(
                ("time", "z", "x"), np.where(absent, np.nan, err), units, f"error of {name}"
            )
        data["goodness"] = variable(
            ("time", "z", "x"), np.where(absent, np.nan, goodness), "1", "reduced deviance"
        )
        data["flag"] = flag_variable(flag, ("time", "z", "x"))
        parts.append(xr.Dataset(data))
    ds = xr.concat(parts, "family", combine_attrs="override").assign_coords(family=families, **_coords(grid))
    noise = 6.0 * rng.standard_normal(inside.shape)
    intensity = 400.0 * inside * (0.6 if ring["name"] == "LCO110" else 1.0) + noise
    iflag = np.zeros(inside.shape, np.uint16)
    if len(grid.time) > 3 and len(grid.z) > 5:
        iflag[3, 5, 2:4] = Flag.NO_DATA
    ds["intensity"] = variable(
        ("time", "z", "x"), np.where(iflag, np.nan, intensity), "counts", "ring intensity"
    )
    ds["intensity_err"] = variable(("time", "z", "x"), np.full(inside.shape, 6.0), "counts", "error")
    ds["intensity_flag"] = flag_variable(iflag, ("time", "z", "x"))
    return ds


def _azimuth(ring, grid, rng):
    azimuth = np.arange(0.5, 360.0)
    profile = np.full(360, 20.0)
    centres = {"LCO003": [25, 160, 205, 345, 90, 275], "Ti100": [30, 90, 150, 210, 330]}.get(ring["name"], [])
    for centre in centres:
        away = (azimuth - centre + 180) % 360 - 180
        profile = profile + 200 * np.exp(-0.5 * (away / 5) ** 2)
    profile = profile * np.where((azimuth > 215) & (azimuth < 330), 0.55, 1.0)
    values = rng.poisson(np.broadcast_to(profile, (len(grid.time), 360)) * 10) / 10.0
    values[:, 108:114] = np.nan
    ds = xr.Dataset(
        {
            "intensity": variable(("time", "azimuth"), values, "counts", "intensity along the ring"),
            "intensity_err": variable(("time", "azimuth"), np.sqrt(values / 10), "counts", "error"),
        }
    )
    return ds.assign_coords(
        time=_coords(grid)["time"], azimuth=variable("azimuth", azimuth, "degree", "azimuth")
    )


def _pattern(grid, rng):
    q = np.linspace(0.96, 6.09, 1500)
    lines = [("LiCoO2", (0, 0, 3), 1.3464, 90, "LCO003"), ("LiCoO2", (1, 0, 1), 2.617, 60, ""),
             ("LiCoO2", (1, 0, 4), 3.137, 70, ""), ("LiCoO2", (1, 1, 0), 4.482, 45, "LCO110"),
             ("LiCoO2", (0, 0, 6), 2.693, 8, ""), ("Ti", (1, 0, 0), 2.4586, 15, "Ti100"),
             ("Ti", (0, 0, 2), 2.683, 12, ""), ("Ti", (1, 0, 1), 2.800, 20, ""), ("Ti", (1, 1, 0), 4.258, 7, ""),
             ("Au", (1, 1, 1), 2.669, 30, "Au111"), ("Au", (2, 0, 0), 3.081, 14, ""),
             ("Au", (2, 2, 0), 4.358, 9, ""), ("Au", (3, 1, 1), 5.110, 9, "")]  # fmt: skip
    total = 6 + 8 * np.exp(-0.5 * ((q - 1.37) / 0.2) ** 2) + 20 / q**2
    pattern = np.repeat(total[None], len(grid.time), 0)
    for phase, _, centre, height, _ in lines:
        for i, moved in enumerate(np.linspace(0, 0.012 if phase == "LiCoO2" else 0, len(grid.time))):
            pattern[i] += height * np.exp(-0.5 * ((q - centre * (1 - moved)) / 0.008) ** 2)
    error = np.sqrt(pattern / 3000)
    pattern = pattern + error * rng.standard_normal(pattern.shape)
    ds = xr.Dataset(
        {
            "intensity": variable(("time", "q"), pattern, "counts", "mean intensity"),
            "intensity_err": variable(("time", "q"), error, "counts", "error of the mean intensity"),
        }
    ).assign_coords(time=_coords(grid)["time"], q=variable("q", q, "1/angstrom", "momentum transfer"))
    reflections = xr.Dataset(
        {
            "phase": ("reflection", [line[0] for line in lines]),
            "hkl": ("reflection", [" ".join(map(str, line[1])) for line in lines]),
            "q": variable("reflection", [line[2] for line in lines], "1/angstrom", "momentum transfer"),
            "ring": ("reflection", [line[4] for line in lines]),
        }
    )
    return ds, reflections


def _echem(time):
    t = np.arange(-60.0, time[-1] + 150.0, 10.0)
    on = t > 0
    current = np.where(on, 2e-6, 0.0)
    capacity = np.clip(t, 0, None) * 2e-6 / 3.6
    share = np.clip(t, 0, None) / max(t[-1], 1.0)
    voltage = np.where(
        on, 3.72 + 0.28 * share + 0.18 * share**4 + 0.05 * (1 - np.exp(-np.clip(t, 0, None) / 60)), 3.42
    )
    return xr.Dataset(
        {
            "time": variable("record", t, "s", "time"),
            "utc": variable("record", 1741123023.0 + t, "s", "seconds since 1970, UTC"),
            "voltage": variable("record", voltage, "V", "cell voltage"),
            "current": variable("record", current, "A", "current, positive on charge"),
            "capacity": variable("record", capacity, "mAh", "capacity"),
        }
    )


def _clock(time):
    echem = _echem(time)
    data = {}
    for name in ("voltage", "current", "capacity"):
        values = np.interp(time, echem["time"].values, echem[name].values)
        data[name] = variable("time", values, echem[name].attrs["units"], name)
        data[f"{name}_flag"] = flag_variable(np.zeros(len(time), int), ("time",))
    data["utc"] = variable("time", 1741123023.0 + time, "s", "seconds since 1970, UTC")
    return xr.Dataset(data).assign_coords(time=variable("time", time, "s", "time"))


def _experiment(rows, columns):
    return {
        "title": "LCO, LiPON, Ti: first charge",
        "cell": {"area_cm2": 0.007, "layers": [dict(layer) for layer in LAYERS]},
        "phases": {name: dict(phase) for name, phase in PHASES.items()},
        "cycler": {"file": "echem/cell4.mpt", "clock_offset_s": 0.0},
        "xrd": {
            "scans": "raw/scan_*.h5", "geometry": "calib/al2o3.poni", "mask": "detector",
            "grid": {"rows": rows, "columns": columns, "step_z_um": 1.0, "step_x_um": 33.0, "order": "same"},
            "rings": [dict(ring) for ring in RINGS],
        },
    }  # fmt: skip


def _processes(maps):
    digest = "sha256:5f1c6a0de8d14a9b" + "0" * 48
    return [
        Process("stream", "1", 6.31, {"azimuth_bins": 360, "q_bins": 500}, {"raw/scan_0001.h5": digest},
                f"fused engine, 2 threads, {144 * maps} frames at 274 frames/s"),
        Process("rings", "1", 0.82, {"profile": "gaussian"}, {"stream": digest}, "6 912 fits, 112 000 fits/s"),
        Process("clock", "1", 0.01, {"clock_offset_s": 0.0}, {"echem/cell4.mpt": digest}, ""),
    ]  # fmt: skip
