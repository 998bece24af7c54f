"""Current and net charge of a cycler file, whichever of its counters it keeps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Values = Mapping[str, np.ndarray]
#: V from one row to the next that no cell does and undoes at once
SPIKE_V = 0.3


def current_of(values: Values, time: np.ndarray, warnings: list[str]) -> np.ndarray:
    """Current of each record, A: as recorded, else from the charge that passed between records."""
    if "current" in values:
        return values["current"]
    if "dq" in values:  # EC-Lab computes its average current in the same way
        seconds = np.diff(time, prepend=np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            amperes = values["dq"] * 3.6 / seconds
        return np.where((values["dq"] == 0) | ~np.isfinite(amperes), 0.0, amperes)
    if "net" in values:
        warnings.append("no current in the file: taken from the charge passed between rows")
        seconds = np.diff(time, prepend=np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            amperes = np.diff(values["net"], prepend=np.nan) * 3.6 / seconds
        return np.where(np.isfinite(amperes), amperes, 0.0)
    warnings.append("no current in the file (open circuit): zero")
    return np.zeros(len(time))


def capacity_of(values: Values, current: np.ndarray, time: np.ndarray, warnings: list[str]) -> np.ndarray:
    """Net charge in mAh: the instrument's own where it keeps one, repaired where it restarts."""
    if "net" in values:
        return _unwrap(values["net"], values.get("dq"), warnings)
    if "dq" in values:
        return np.cumsum(values["dq"])
    if "charged" in values and "discharged" in values:
        return _increments(values["charged"]) - _increments(values["discharged"])
    if "current" not in values:
        return np.zeros(len(time))
    if "capacity" in values:
        return _counter(values["capacity"], current, time)
    warnings.append("no net charge in the file: integrated from the current")
    return integrate_current(time, current)


def _unwrap(net: np.ndarray, dq: np.ndarray | None, warnings: list[str]) -> np.ndarray:
    """Net charge that continues over restarts of the instrument's own counter."""
    if dq is None or len(net) < 2:
        return net
    change = np.diff(net)
    scale = max(float(np.abs(net).max()), 1e-12)
    restarts = np.abs(change - dq[1:]) > 1e-4 * scale + 10 * np.abs(dq[1:])
    if not restarts.any():
        return net
    warnings.append(
        f"the charge counter restarts {int(restarts.sum())} times: continued with the charge of the row"
    )
    return net[0] + np.concatenate([[0.0], np.cumsum(np.where(restarts, dq[1:], change))])


def _increments(counter: np.ndarray) -> np.ndarray:
    """Total of a counter (mAh, never negative) that starts again at steps or cycles."""
    counter = np.abs(np.nan_to_num(counter))
    change = np.diff(counter, prepend=counter[:1])
    return np.cumsum(np.where(change < 0, np.where(counter < 0.5 * (counter - change), counter, 0.0), change))


def integrate_current(time: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Charge in mAh from current (A) over time (s), trapezium rule, zero at the first row."""
    steps = 0.5 * (current[1:] + current[:-1]) * np.diff(time) / 3.6
    return np.concatenate([[0.0], np.cumsum(np.nan_to_num(steps))])


def _counter(capacity: np.ndarray, current: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Net charge from a column called only "capacity": signed and continuous, or counted up within each step."""
    expected = np.diff(integrate_current(time, current))
    moved = np.diff(capacity)
    if (moved[expected < 0] < 0).sum() > (moved[expected < 0] > 0).sum():
        return capacity
    if (moved[expected > 0] < 0).sum() > (moved[expected > 0] > 0).sum():
        return capacity  # runs against the current everywhere: the sign is reported, not repaired
    steps = np.diff(_increments(capacity)) * np.sign(expected)
    return np.concatenate([[0.0], np.cumsum(steps)])


def spike_warnings(voltage: np.ndarray, current: np.ndarray) -> list[str]:
    """Say so where the voltage of one row jumps and comes back though the current does not change: a damaged number?"""
    if len(voltage) < 3:
        return []
    before, here, after = voltage[:-2], voltage[1:-1], voltage[2:]
    jump = np.minimum(np.abs(here - before), np.abs(here - after))
    held = (current[:-2] == current[1:-1]) & (current[1:-1] == current[2:])
    rows = np.flatnonzero(held & (jump > SPIKE_V) & (np.abs(after - before) < 0.1 * jump)) + 1
    if not len(rows):
        return []
    return [
        f"the voltage of {len(rows)} rows jumps and comes back at a steady current (the first is row {rows[0]})"
    ]


def sign_warnings(
    time: np.ndarray, voltage: np.ndarray, current: np.ndarray, capacity: np.ndarray, *, measured: bool = True
) -> list[str]:
    """Say so where the recorded charge or the voltage at constant current runs against the current."""
    if not measured or len(time) < 3:
        return []
    expected = np.nan_to_num(np.diff(integrate_current(time, current)))
    advice = "if the instrument counts discharge positive, read the file with current_sign = -1"
    moved = np.sign(np.diff(capacity))
    weight = float(np.abs(expected).sum())
    if weight and float((np.sign(expected) * moved * np.abs(expected)).sum()) < -0.5 * weight:
        return [f"the current has the opposite sign to the recorded charge: {advice}"]
    steady = (np.abs(np.diff(current)) < 0.01 * np.abs(current[1:])) & (np.sign(expected) != 0)
    rise = np.nan_to_num(np.diff(voltage))[steady] * np.sign(expected[steady])
    if steady.sum() > 20 and rise.sum() < -0.7 * np.abs(rise).sum() and abs(rise.sum()) > 0.1:
        return [f"the voltage falls while the current says charge, and rises on discharge: {advice}"]
    return []
