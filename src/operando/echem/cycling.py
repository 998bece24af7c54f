"""Steps, cycles, efficiencies, rates, and the critical current density."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.core.errors import InputError

from .clock import current_state, switches

KINDS = {1: "charge", 0: "rest", -1: "discharge"}


def steps(
    table: xr.Dataset,
    *,
    area_cm2: float | None = None,
    nominal_mAh: float | None = None,
    current_err: float = 0.0,
) -> xr.Dataset:
    """One row for every stretch of the record in which the cycler does not switch.

    area_cm2     for areal current and capacity (mA/cm2, mAh/cm2)
    nominal_mAh  for the C-rate: |mean current| / nominal capacity, in 1/h
    current_err  systematic error of the current (A); gives capacity_err

    Returns over `run`: kind ("charge", "rest", "discharge"), step, cycle, first and last record, start (s),
    duration (s), current (A, mean over time), capacity (mAh, signed), energy (Wh, signed), voltage_start,
    voltage_end, voltage (mean over charge where current flows, else over time).
    """
    first = np.concatenate([[0], np.flatnonzero(switches(table)) + 1])
    last = np.append(first[1:], table.sizes["record"]) - 1
    time, voltage = table["time"].values, table["voltage"].values
    charge = table["capacity"].values
    state = current_state(table["current"].values)
    energy = np.concatenate([[0.0], np.cumsum(0.5 * (voltage[1:] + voltage[:-1]) * np.diff(charge))]) / 1e3
    volts = np.concatenate([[0.0], np.cumsum(0.5 * (voltage[1:] + voltage[:-1]) * np.diff(time))])
    # the charge between the last record of a run and the first of the next belongs to the new run
    begin = np.where(state[first] != 0, np.maximum(first - 1, 0), first)
    passed = charge[last] - charge[begin]
    duration = time[last] - time[begin]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_current = np.where(duration > 0, passed * 3.6 / duration, table["current"].values[first])
        mean_voltage = np.where(
            np.abs(passed) > 1e-12, (energy[last] - energy[begin]) * 1e3 / passed,
            np.where(duration > 0, (volts[last] - volts[begin]) / duration, voltage[first]),
        )  # fmt: skip
    columns = {
        "kind": (np.array([KINDS[int(s)] for s in state[first]]), ""),
        "step": (table["step"].values[first], "1"), "cycle": (table["cycle"].values[first], "1"),
        "first_record": (first, "1"), "last_record": (last, "1"),
        "start": (time[begin], "s"), "duration": (duration, "s"), "current": (mean_current, "A"),
        "capacity": (passed, "mAh"), "capacity_err": (current_err * duration / 3.6, "mAh"),
        "energy": (energy[last] - energy[begin], "Wh"), "voltage": (mean_voltage, "V"),
        "voltage_start": (voltage[first], "V"), "voltage_end": (voltage[last], "V"),
    }  # fmt: skip
    if area_cm2 is not None:
        columns["areal_current"] = (mean_current * 1e3 / area_cm2, "mA/cm2")
        columns["areal_capacity"] = (passed / area_cm2, "mAh/cm2")
    if nominal_mAh is not None:
        columns["c_rate"] = (np.abs(mean_current) * 1e3 / nominal_mAh, "1/h")
    return xr.Dataset({name: ("run", data, {"units": unit}) for name, (data, unit) in columns.items()})


def cycle_index(table: xr.Dataset, *, begins_with: str = "instrument") -> np.ndarray:
    """(records,) cycle of each record: the instrument's, or counted from every "charge" or "discharge" that begins.

    "instrument" falls back to counting charges where the instrument's index never changes.
    """
    index = table["cycle"].values
    if begins_with == "instrument":
        if (np.diff(index) != 0).any():
            return index
        begins_with = "charge"
    wanted = {"charge": 1, "discharge": -1}.get(begins_with)
    if wanted is None:
        raise InputError(f"begins_with = {begins_with!r}", fix="Use instrument, charge or discharge.")
    state = current_state(table["current"].values)
    flowing = np.flatnonzero(state)
    turned = np.flatnonzero(
        (state[flowing] == wanted) & (np.concatenate([[0], state[flowing][:-1]]) == -wanted)
    )
    count = np.zeros(len(state), int)
    count[flowing[turned]] = 1
    return np.cumsum(count)


def cycles(
    table: xr.Dataset, *, area_cm2: float | None = None, nominal_mAh: float | None = None,
    current_err: float = 0.0, begins_with: str = "instrument",
) -> xr.Dataset:  # fmt: skip
    """Charge, discharge and efficiencies of every cycle.

    Returns over `cycle`: charge_capacity, discharge_capacity (mAh, positive), coulombic_efficiency =
    discharge / charge, energy_efficiency, charge_voltage and discharge_voltage (V, mean over charge),
    charge_current and discharge_current (A), with `_err` from the systematic `current_err` (A) where that is
    not zero: an offset of the current enters charge and discharge with opposite sign. A cycle without one of
    the two halves has NaN there. Areal and C-rate columns as in `steps`.
    """
    index = cycle_index(table, begins_with=begins_with)
    runs = steps(table, current_err=current_err)
    owner = index[runs.last_record.values]
    numbers = np.unique(owner)
    result: dict[str, np.ndarray] = {}
    for kind, sign in (("charge", 1.0), ("discharge", -1.0)):
        chosen = runs.kind.values == kind
        total = {
            name: np.array([runs[name].values[chosen & (owner == n)].sum() for n in numbers])
            for name in ("capacity", "energy", "duration", "capacity_err")
        }
        present = np.array([(chosen & (owner == n)).any() for n in numbers])
        with np.errstate(divide="ignore", invalid="ignore"):
            result[f"{kind}_capacity"] = np.where(present, sign * total["capacity"], np.nan)
            result[f"{kind}_capacity_err"] = np.where(present, total["capacity_err"], np.nan)
            result[f"{kind}_energy"] = np.where(present, sign * total["energy"], np.nan)
            result[f"{kind}_voltage"] = np.where(present, total["energy"] * 1e3 / total["capacity"], np.nan)
            result[f"{kind}_current"] = np.where(present, total["capacity"] * 3.6 / total["duration"], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = result["discharge_capacity"] / result["charge_capacity"]
        result["coulombic_efficiency"] = ratio
        result["coulombic_efficiency_err"] = ratio * (
            result["charge_capacity_err"] / result["charge_capacity"]
            + result["discharge_capacity_err"] / result["discharge_capacity"]
        )
        result["energy_efficiency"] = result["discharge_energy"] / result["charge_energy"]
    units = {"capacity": "mAh", "energy": "Wh", "voltage": "V", "current": "A"}
    dataset = xr.Dataset(
        {
            n: ("cycle", v, {"units": units.get(n.removesuffix("_err").rsplit("_", 1)[-1], "1")})
            for n, v in result.items()
        },
        coords={"cycle": numbers},
    )
    for kind in ("charge", "discharge"):
        if area_cm2 is not None:
            dataset[f"{kind}_areal_capacity"] = (dataset[f"{kind}_capacity"] / area_cm2).assign_attrs(
                units="mAh/cm2"
            )
        if nominal_mAh is not None:
            rate = abs(dataset[f"{kind}_current"]) * 1e3 / nominal_mAh
            dataset[f"{kind}_rate"] = rate.assign_attrs(units="1/h", long_name=f"C-rate of {kind}")
    return dataset


def rate_capability(
    table: xr.Dataset, *, nominal_mAh: float, area_cm2: float | None = None, kind: str = "discharge",
    tolerance: float = 0.1, begins_with: str = "instrument",
) -> xr.Dataset:  # fmt: skip
    """Capacity against C-rate: cycles of equal rate (within `tolerance`) are averaged.

    Returns over `rate` (1/h, ascending): capacity (mAh, mean), capacity_err (standard error over the cycles of
    that rate, NaN for one cycle), retention (share of the capacity at the lowest rate), count.
    """
    every = cycles(table, area_cm2=area_cm2, nominal_mAh=nominal_mAh, begins_with=begins_with)
    rate, capacity = every[f"{kind}_rate"].values, every[f"{kind}_capacity"].values
    good = np.isfinite(rate) & np.isfinite(capacity) & (capacity > 0)
    rate, capacity = rate[good], capacity[good]
    order = np.argsort(rate)
    rate, capacity = rate[order], capacity[order]
    group = np.cumsum(np.diff(rate, prepend=rate[:1]) > tolerance * rate) if len(rate) else np.array([], int)
    members = [np.flatnonzero(group == g) for g in np.unique(group)]
    mean = np.array([capacity[m].mean() for m in members])
    spread = np.array([capacity[m].std(ddof=1) / np.sqrt(len(m)) if len(m) > 1 else np.nan for m in members])
    return xr.Dataset(
        {
            "capacity": ("rate", mean, {"units": "mAh"}), "capacity_err": ("rate", spread, {"units": "mAh"}),
            "retention": ("rate", mean / mean[0] if len(mean) else mean, {"units": "1"}),
            "count": ("rate", np.array([len(m) for m in members]), {"units": "1"}),
        },
        coords={"rate": ("rate", np.array([rate[m].mean() for m in members]), {"units": "1/h"})},
    )  # fmt: skip


def critical_current_density(
    table: xr.Dataset,
    *,
    area_cm2: float,
    drop: float = 0.5,
    limit_V: float | None = None,
    min_records: int = 5,
) -> xr.Dataset:
    """Current density at which a symmetric or half cell first shorts or polarises, from a test with rising current.

    A run fails by a short when its |voltage| falls below (1 - drop) of the largest value it had before in the run
    at steady current, or when |V/I| at its end is below (1 - drop) of that of the first run; by polarisation when
    |voltage| exceeds `limit_V`.

    Returns scalars last_good and first_bad (mA/cm2), critical (the middle, with critical_err = width / sqrt(12),
    a uniform distribution), reason ("short", "polarisation" or "none"; then critical is NaN and last_good a
    lower bound), and run (index into `steps`).
    """
    runs = steps(table, area_cm2=area_cm2)
    voltage = np.abs(table["voltage"].values)
    last_good, first_bad, reason, failed = 0.0, np.nan, "none", -1
    reference = None
    for index in np.flatnonzero(runs.kind.values != "rest"):
        a, b = int(runs.first_record[index]), int(runs.last_record[index]) + 1
        if b - a < min_records:
            continue
        inside = voltage[a:b]
        density = abs(float(runs.areal_current[index]))
        end = float(np.median(inside[-3:]))
        reference = end / density if reference is None else reference
        fell = bool((inside < (1 - drop) * np.maximum.accumulate(inside)).any())
        if limit_V is not None and inside.max() > limit_V:
            reason = "polarisation"
        elif fell or end / density < (1 - drop) * reference:
            reason = "short"
        if reason != "none":
            first_bad, failed = density, int(index)
            break
        last_good = max(last_good, density)
    low = min(last_good, first_bad) if np.isfinite(first_bad) else last_good
    attrs = {"units": "mA/cm2"}
    return xr.Dataset(
        {
            "last_good": ((), low, attrs), "first_bad": ((), first_bad, attrs),
            "critical": ((), 0.5 * (low + first_bad), attrs),
            "critical_err": ((), (first_bad - low) / np.sqrt(12), attrs),
            "reason": ((), reason), "run": ((), failed),
        },
        attrs={"rule": f"short: |V| falls by {drop:.0%}; polarisation: |V| over {limit_V} V"},
    )  # fmt: skip
