"""The ordering transition of LiCoO2: a fixed point of lithium content on the voltage curve."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.core.errors import InputError
from operando.core.flags import Flag

from .differential import differential_capacity, voltage_noise

WINDOW_V = (4.07, 4.19)


def ordering_point(
    part: xr.Dataset, *, window_V: tuple[float, float] = WINDOW_V, sigma_V: float = 0.004,
    voltage_err: float | None = None, repeats: int = 40, rng: np.random.Generator | None = None,
) -> xr.Dataset:  # fmt: skip
    """Voltage and charge at which LixCoO2 orders (x = 0.5): the local minimum of dQ/dV between two peaks.

    part      one charge or discharge at low rate (`branch`)
    window_V  where the minimum is looked for; polarisation shifts it by the overpotential of the branch
    repeats   the error is the scatter over this many copies to which the noise of the voltage is added once more

    Returns scalars voltage (V), capacity (mAh, on the scale of the table), with errors; depth (mAh/V below the
    lower of both maxima, in the window), flag (window_edge: no minimum inside the window that
    is 4 sigma below both sides).
    Reimers and Dahn, J. Electrochem. Soc. 139 (1992) 2091. Invalid at rates that smear the two peaks.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    noise = voltage_noise(part["voltage"].values) if voltage_err is None else voltage_err
    found = _minimum(part, window_V, sigma_V, noise)
    copies = []
    for _ in range(repeats if noise > 0 else 0):
        shaken = part["voltage"].values + rng.normal(0, noise, part.sizes["record"])
        copy = _minimum(part.assign(voltage=("record", shaken)), window_V, sigma_V, noise)
        if copy is not None:
            copies.append(copy[:2])
    spread = np.std(copies, axis=0, ddof=1) if len(copies) > 5 else np.array([np.nan, np.nan])
    flag = Flag.OK if found is not None else Flag.WINDOW_EDGE
    voltage, capacity, depth = found if found is not None else (np.nan, np.nan, np.nan)
    if noise == 0:
        spread = np.zeros(2)
    return xr.Dataset(
        {
            "voltage": ((), voltage, {"units": "V"}), "voltage_err": ((), float(spread[0]), {"units": "V"}),
            "capacity": ((), capacity, {"units": "mAh"}), "capacity_err": ((), float(spread[1]), {"units": "mAh"}),
            "depth": ((), depth, {"units": "mAh/V"}), "flag": ((), int(flag)),
        },
        attrs={"rule": f"local minimum of dQ/dV within {window_V[0]:g}-{window_V[1]:g} V, sigma {sigma_V * 1e3:g} mV"},
    )  # fmt: skip


def _minimum(part: xr.Dataset, window_V, sigma_V: float, noise: float) -> tuple[float, float, float] | None:
    curve = differential_capacity(part, sigma_V=sigma_V, voltage_err=noise)
    volts, slope = curve.voltage.values, curve.dqdv.values
    inside = np.flatnonzero((volts >= window_V[0]) & (volts <= window_V[1]))
    if len(inside) < 5:
        return None
    lowest = int(inside[slope[inside].argmin()])
    left, right = slope[inside[0] : lowest + 1].max(), slope[lowest : inside[-1] + 1].max()
    depth = min(left, right) - slope[lowest]
    if lowest in (inside[0], inside[-1]) or depth <= 4 * curve.dqdv_err.values[lowest]:
        return None
    near = np.abs(volts - volts[lowest]) <= sigma_V
    a, b, _ = np.polyfit(volts[near] - volts[lowest], slope[near], 2)
    place = float(volts[lowest] - b / (2 * a)) if a > 0 else float(volts[lowest])
    return place, _charge_at(part, place), float(depth)


def _charge_at(part: xr.Dataset, voltage: float) -> float:
    """Net charge at a voltage: a straight line through the records within 5 mV (or the 20 nearest)."""
    volts, charge = part["voltage"].values, part["capacity"].values
    near = np.abs(volts - voltage) < 0.005
    if near.sum() < 20:
        near = np.argsort(np.argsort(np.abs(volts - voltage))) < 20
    q, v = charge[near], volts[near]
    centre = q.mean()
    slope, level = np.polyfit(q - centre, v, 1)
    return float(centre + (voltage - level) / slope) if slope else float(centre)


def lithium_content(
    capacity: xr.DataArray, *, ordering_mAh: float, full_mAh: float, ordering_err_mAh: float = 0.0,
    full_err_mAh: float = 0.0, ordering_x: float = 0.5,
) -> xr.Dataset:  # fmt: skip
    """x in LixCoO2 from net charge, tied to the ordering point: x = x0 - (Q - Q0) / Q_full.

    full_mAh  charge for one Li per formula unit (273.8 mAh/g x mass, or 137 x mass / 0.5)
    Returns x and x_err. Raises `InputError` when full_mAh is not positive.
    """
    if full_mAh <= 0:
        raise InputError("full_mAh must be positive", where="lithium_content")
    moved = (capacity - ordering_mAh) / full_mAh
    error = (
        (xr.zeros_like(moved) + ordering_err_mAh / full_mAh) ** 2 + (moved * full_err_mAh / full_mAh) ** 2
    ) ** 0.5
    return xr.Dataset(
        {
            "x": (ordering_x - moved).rename(None).assign_attrs(units="1", long_name="x in LixCoO2"),
            "x_err": error.rename(None).assign_attrs(units="1"),
        }
    )
