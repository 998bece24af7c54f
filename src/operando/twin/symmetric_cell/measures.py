"""The numbers of the truth, from the surfaces of each scan on the fine section."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from . import protocol
from .cell import SymmetricCell
from .fields import axis_um, current_pattern, roughness_um
from .rays import actual_theta_deg, axis_shift_px
from .state import ELECTRODES, NODES, SURFACES, State, on_voxels, state
from .voids import void_rows

MOST_NODES = 2_000_000  # of the kept displacement of one scan


def _with_units(dims: tuple[str, ...], values, units: str, long_name: str) -> tuple:
    return dims, np.asarray(values), {"units": units, "long_name": long_name}


def _time(cell: SymmetricCell) -> dict:
    middle = protocol.scan_middle_s(cell)
    return {
        "time": _with_units(("time",), middle, "s", "since the start of the first scan, middle of each scan")
    }


#: variables of `Truth.scans`: dims after time, units, meaning
SCANS = {
    "charge": ((), "mAh/cm2", "net charge, positive from top to bottom"),
    "current": ((), "mA/cm2", "nominal current density; positive strips the top"),
    "voltage": ((), "V", "cell voltage"),
    "stack_thickness": ((), "um", "mean distance of the collectors"),
    "collector_rise": ((), "um", "rise of the upper collector since the first scan"),
    "section_area": ((), "um2", "area of the section"),
    "contact_area_fraction": (("electrode",), "1", "share of the section in contact"),
    "contact_area": (("electrode",), "um2", "projected area in contact"),
    "effective_current_density": (("electrode",), "mA/cm2", "current over the area in contact"),
    "void_volume": (("electrode",), "um3", "volume of interface voids"),
    "void_count": (("electrode",), "1", "interface voids"),
    "lithium_volume": (("electrode",), "um3", "volume of lithium"),
    "lithium_thickness": (("electrode",), "um", "mean thickness of lithium"),
    "interphase_volume": (("electrode",), "um3", "volume of interphase"),
    "interphase_thickness": (("electrode",), "um", "mean thickness of interphase"),
    "R_a": (("surface",), "um", "mean distance from the mean plane"),
    "R_q": (("surface",), "um", "root mean square distance from the mean plane"),
    "drift": (("axis",), "um", "drift of the whole sample"),
    "exposed": (("edge",), "s", "first and last moment of a scan"),
    "theta": (("projection",), "degree", "angle of each projection as it was, with jitter"),
    "axis_shift": (("projection",), "pixel", "rotation axis in each projection, right of `centre`"),
}
#: and those that do not change: setting, units, meaning
STEADY = {
    "nominal_current_density": ("current_mA_cm2", "mA/cm2", "nominal current density"),
    "stripping_fraction": (
        "stripping_fraction",
        "1",
        "share of the charge from Li metal, stripped electrode",
    ),
    "plating_fraction": ("plating_fraction", "1", "share of the charge into Li metal, plated electrode"),
    "interphase_li_molar_volume": (
        "interphase_li_cm3_mol",
        "cm3/mol",
        "partial molar volume of Li in the interphase",
    ),
    "centre": ("centre_px", "pixel", "rotation axis on the detector; 0 is the middle of the first column"),
}


def scan_variables(cell: SymmetricCell) -> xr.Dataset:
    """One number a scan, or a scan and electrode or surface; see `Truth`."""
    rows = [_scan(cell, scan) for scan in range(cell.scans)]
    data = {
        name: _with_units(("time", *dims), np.array([row[name] for row in rows]), units, meaning)
        for name, (dims, units, meaning) in SCANS.items()
    }
    for name, (setting, units, meaning) in STEADY.items():
        data[name] = _with_units((), getattr(cell, setting), units, meaning)
    coords = {
        **_time(cell),
        "electrode": list(ELECTRODES),
        "surface": list(SURFACES),
        "axis": ["x", "y", "z"],
    }
    return xr.Dataset(data, coords)


def _scan(cell: SymmetricCell, scan: int) -> dict:
    now = state(cell, scan)
    where = now.where
    t = float(protocol.scan_middle_s(cell)[scan])
    start = float(protocol.scan_start_s(cell)[scan])
    stacks = [where.mean(one.surfaces[7] - one.surfaces[0]) for one in (now, state(cell, 0))]
    roughness = np.array([roughness_um(surface, where) for surface in now.surfaces])
    objects = [row["electrode"] for row in void_rows(cell, now)]
    contact = now.contact.sum((1, 2)) / where.inside.sum()
    current = float(protocol.current_mA_cm2(cell, np.asarray(t)))
    lithium, interphase, void = (
        np.array([where.mean(one) for one in layer]) for layer in (now.lithium, now.interphase, now.voids)
    )
    area = where.area_um2
    return {
        "charge": float(protocol.charge_mAh_cm2(cell, np.asarray(t))), "current": current,
        "voltage": protocol.voltage_V(cell, t), "stack_thickness": stacks[0], "collector_rise": stacks[0] - stacks[1],
        "section_area": area, "contact_area_fraction": contact, "contact_area": contact * area,
        "effective_current_density": abs(current) / contact, "void_volume": void * area,
        "void_count": [objects.count(name) for name in ELECTRODES], "lithium_volume": lithium * area,
        "lithium_thickness": lithium, "interphase_volume": interphase * area, "interphase_thickness": interphase,
        "theta": actual_theta_deg(cell, scan), "axis_shift": axis_shift_px(cell, scan),
        "R_a": roughness[:, 0], "R_q": roughness[:, 1], "drift": now.shift_um, "exposed": [start, start + cell.scan_s],
    }  # fmt: skip


def map_variables(cell: SymmetricCell) -> xr.Dataset:
    """Maps on the voxels of the section; see `Truth`."""
    names = ("surface_height", "contact", "void_thickness", "lithium_thickness", "interphase_thickness")
    maps: dict[str, list] = {name: [] for name in names}
    for scan in range(cell.scans):
        now = state(cell, scan)
        fields = (now.surfaces, now.contact.astype(float), now.voids, now.lithium, now.interphase)
        for values, kept in zip(fields, maps.values(), strict=True):
            kept.append(inside_mean(values, now, cell).astype(np.float32))
    units = {"surface_height": ("surface", "um"), "contact": ("electrode", "1")}
    data = {}
    for name, kept in maps.items():
        dim, unit = units.get(name, ("electrode", "um"))
        data[name] = _with_units(("time", dim, "y", "x"), np.stack(kept), unit, name.replace("_", " "))
    data |= _currents(cell)
    inside = on_voxels(state(cell, 0).where.inside.astype(float), cell)
    data["inside"] = _with_units(("y", "x"), inside, "1", "share of the pixel in the pellet, first scan")
    axis = axis_um(cell)
    coords = {
        **_time(cell),
        "electrode": list(ELECTRODES),
        "surface": list(SURFACES),
        "y": _with_units(("y",), axis, "um", "from the rotation axis, along the beam at theta = 0"),
        "x": _with_units(("x",), axis, "um", "from the rotation axis"),
    }
    return xr.Dataset(data, coords)


def inside_mean(values: np.ndarray, now: State, cell: SymmetricCell) -> np.ndarray:
    """Mean over those sub-columns of each voxel that are in the pellet, NaN where none is."""
    inside = now.where.inside
    with np.errstate(invalid="ignore", divide="ignore"):
        return on_voxels(values * inside, cell) / on_voxels(inside.astype(float), cell)


def _currents(cell: SymmetricCell) -> dict:
    """Local current density of Li metal between scans, on the undrifted sample."""
    still = replace(cell, drift_um_per_h=(0.0, 0.0, 0.0))
    middle = protocol.scan_middle_s(cell)
    hours = np.diff(middle) / 3600
    size = (len(hours), 2, cell.width, cell.width)
    seen, told = np.empty(size, np.float32), np.empty(size, np.float32)
    before = state(still, 0)
    pattern = inside_mean(current_pattern(cell, before.where), before, still)
    for k, dt in enumerate(hours):
        after = state(still, k + 1)
        scale = 1 / (protocol.LITHIUM_UM * dt)
        seen[k] = inside_mean(after.lithium - before.lithium, after, still) * scale
        for e in (0, 1):
            change = protocol.lithium_change_um(cell, middle[k + 1], e) - protocol.lithium_change_um(
                cell, middle[k], e
            )
            told[k, e] = change * scale * pattern
        before = after
    dims = ("interval", "electrode", "y", "x")
    return {
        "current_density": _with_units(
            dims, seen, "mA/cm2", "of Li metal between two scans; positive: it grows"
        ),
        "current_density_prescribed": _with_units(dims, told, "mA/cm2", "the same without voids"),
    }


def void_table(cell: SymmetricCell) -> xr.Dataset:
    """One row a void and scan; see `Truth`."""
    middle = protocol.scan_middle_s(cell)
    rows = [
        {"scan": scan, "time": middle[scan], **row}
        for scan in range(cell.scans) for row in void_rows(cell, state(cell, scan))
    ]  # fmt: skip
    units = {"scan": "1", "time": "s", "electrode": "1", "volume": "um3", "area": "um2"}
    names = ("scan", "time", "electrode", "volume", "area", "thickness", "thickest", "x", "y", "z")
    data = {}
    for name in names:
        kind = {"scan": "i8", "electrode": "U6"}.get(name, "f8")
        values = np.array([row[name] for row in rows], dtype=kind)
        data[name] = _with_units(("void",), values, units.get(name, "um"), name)
    return xr.Dataset(data)


def displacement(cell: SymmetricCell, stride: int | None = None) -> xr.Dataset:
    """Rise (um; time z y x) of the electrolyte against its position at the start, on every `stride`-th voxel.

    The default stride keeps no more than two million nodes a scan. NaN where there is no electrolyte.
    """
    size = cell.height * cell.width**2
    step = stride or int(np.ceil((size / MOST_NODES) ** (1 / 3)))
    z = (np.arange(0, cell.height, step) + 0.5) * cell.voxel_um
    still = replace(cell, drift_um_per_h=(0.0, 0.0, 0.0))
    rise = np.stack([rise_um(still, scan, z, step) for scan in range(cell.scans)])
    axis = axis_um(cell)[::step]
    coords = {
        **_time(cell),
        "z": _with_units(("z",), z, "um", "above the floor of the volume, at the start"),
        "y": _with_units(("y",), axis, "um", "from the rotation axis"),
        "x": _with_units(("x",), axis, "um", "from the rotation axis"),
    }
    return xr.Dataset(
        {"rise": _with_units(("time", "z", "y", "x"), rise, "um", "rise of the electrolyte")}, coords
    )


def rise_um(cell: SymmetricCell, scan: int, z: np.ndarray, step: int = 1) -> np.ndarray:
    """(z, y, x) rise of the electrolyte that was at heights z (um) at the start, float32, NaN where there is none."""
    now = state(cell, scan)
    low, high = on_voxels(now.front, cell)[:, ::step, ::step]
    inside = on_voxels(now.where.inside.astype(float), cell)[::step, ::step] > 0
    levels = now.displacement[:, ::step, ::step]
    out = np.full((len(z), *low.shape), np.nan, np.float32)
    for k, height in enumerate(z):
        part = (height - low) / (high - low) * (NODES - 1)
        here = inside & (part >= 0) & (part <= NODES - 1)
        base = np.clip(part.astype(int), 0, NODES - 2)
        below = np.take_along_axis(levels, base[None], 0)[0]
        above = np.take_along_axis(levels, base[None] + 1, 0)[0]
        out[k][here] = (below + (part - base) * (above - below))[here]
    return out
