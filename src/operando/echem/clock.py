"""One time for two clocks: the cycler's state at any moment of the detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from operando.core.errors import InputError
from operando.core.flags import Flag, flag_variable

NAMES = {"voltage": "V", "current": "A", "capacity": "mAh"}


@dataclass(frozen=True)
class Clock:
    """Cycler clock minus detector clock: offset_s + drift (t - reference_utc), t on the detector clock.

    offset_s, drift         in s and s/s, with 1-sigma errors; both zero for clocks that agree
    reference_utc           detector time (s since 1970) at which offset_s holds and is uncorrelated with drift
    source                  where it comes from: "user", or the events it was found from
    """

    offset_s: float = 0.0
    offset_err_s: float = 0.0
    drift: float = 0.0
    drift_err: float = 0.0
    reference_utc: float = 0.0
    source: str = "user"

    def offset(self, utc: np.ndarray) -> np.ndarray:
        """Cycler minus detector clock (s) at detector times."""
        return self.offset_s + self.drift * (np.asarray(utc, float) - self.reference_utc)

    def error(self, utc: np.ndarray) -> np.ndarray:
        """1-sigma error of `offset` (s)."""
        return np.hypot(self.offset_err_s, self.drift_err * (np.asarray(utc, float) - self.reference_utc))

    def to_cycler(self, utc: np.ndarray) -> np.ndarray:
        """Cycler time of moments on the detector clock (s since 1970)."""
        return np.asarray(utc, float) + self.offset(utc)

    def to_detector(self, utc: np.ndarray) -> np.ndarray:
        """Detector time of moments on the cycler clock (s since 1970)."""
        since = np.asarray(utc, float) - self.reference_utc
        return self.reference_utc + (since - self.offset_s) / (1 + self.drift)


def at(
    table: xr.Dataset,
    utc: xr.DataArray | np.ndarray,
    clock: Clock | None = None,
    *,
    max_gap_s: float | None = None,
) -> xr.Dataset:
    """Voltage, current and net charge at moments of the detector clock.

    table      of `read.cycler`, with known `utc`
    utc        any shape, s since 1970 on the detector clock: middle of frames, rows or maps; a plain
               one-dimensional array gets the dim `time`
    clock      cycler minus detector clock, none where they agree
    max_gap_s  records further apart than this are not interpolated (flag no_data)

    Returns voltage (V), current (A), capacity (mAh), each with `_err` (what the error of the clock
    makes of the slope) and `_flag`, and `utc`. Before the first record and after the last the values
    are NaN, flagged before_record or after_record: never clipped.

    Rule: linear between records, except where the cycler switches between two records (another step or
    cycle, another sign of the current, on or off): there voltage and current of the earlier record hold
    until the later one, so a switch is never smeared. Charge is always linear.

    Raises `InputError` when the table has no absolute times or they run backwards.
    """
    clock = clock or Clock()
    stamps = _stamps(table)
    moments = utc if isinstance(utc, xr.DataArray) else _as_array(utc)
    wanted = np.asarray(moments.values, float)
    cycler_time = clock.to_cycler(wanted)
    error = clock.error(wanted)
    flag = np.where(cycler_time < stamps[0], int(Flag.BEFORE_RECORD), 0)
    flag = np.where(cycler_time > stamps[-1], int(Flag.AFTER_RECORD), flag)
    flag = np.where(np.isfinite(cycler_time), flag, int(Flag.NO_DATA))
    if max_gap_s is not None:
        flag |= np.where((flag == 0) & (_gap(stamps, cycler_time) > max_gap_s), int(Flag.NO_DATA), 0)
    held = switches(table)
    result: dict[str, xr.DataArray] = {"utc": moments.assign_attrs(units="s", long_name="detector time, UTC")}
    for name, unit in NAMES.items():
        hold = np.zeros_like(held) if name == "capacity" else held
        values = table[name].values.astype(float)

        def value(moment: np.ndarray, values=values, hold=hold) -> np.ndarray:
            return _interpolate(stamps, values, hold, moment)

        good = flag == 0
        spread = 0.5 * np.abs(value(cycler_time + error) - value(cycler_time - error))
        attrs = {"units": unit, "long_name": f"{name} at the moment of the frame"}
        result[name] = moments.copy(data=np.where(good, value(cycler_time), np.nan)).assign_attrs(attrs)
        result[f"{name}_err"] = moments.copy(data=np.where(good, spread, np.nan)).assign_attrs(units=unit)
        result[f"{name}_flag"] = flag_variable(flag, tuple(map(str, moments.dims)))
    facts = {f"clock_{k}": v for k, v in vars(clock).items()}
    return xr.Dataset(result, attrs=facts)


def switches(table: xr.Dataset) -> np.ndarray:
    """(records - 1,) True where the cycler switched between a record and the next.

    A switch is another step or cycle index, or another state of the current (charge, rest, discharge;
    rest is below 1e-3 of the largest current).
    """
    current = table["current"].values
    state = current_state(current)
    changed = np.diff(state) != 0
    for name in ("step", "cycle"):
        changed |= np.diff(table[name].values) != 0
    return changed


def current_state(current: np.ndarray) -> np.ndarray:
    """1 charge, 0 rest, -1 discharge, by 1e-3 of the largest current."""
    current = np.nan_to_num(current)  # a record without a current counts as rest
    limit = 1e-3 * float(np.max(np.abs(current), initial=0.0))
    return np.where(np.abs(current) > limit, np.sign(current), 0).astype(np.int8)


def _stamps(table: xr.Dataset) -> np.ndarray:
    stamps = table["utc"].values
    where = str(table.attrs.get("source", "cycler table"))
    if not np.isfinite(stamps).all():
        local = table.attrs.get("start_local", "")
        raise InputError(
            f"the start {local} is a local time without a zone" if local else "no absolute start time", where=where,
            fix='Give the zone of the cycler\'s clock (zone = "Europe/Paris")' + ("." if local else "")
            + ("" if local else ' and its start (start = "2025-03-04T22:17:03+01:00").'),
        )  # fmt: skip
    backwards = np.flatnonzero(np.diff(stamps) < 0)
    if len(backwards):
        raise InputError(
            f"absolute times run backwards at record {int(backwards[0]) + 1}", where=where,
            fix="Was the clock of the cycler set during the test? Give the start by hand (start = ...).",
        )  # fmt: skip
    return stamps


def _as_array(utc) -> xr.DataArray:
    values = np.atleast_1d(np.asarray(utc, float))
    return xr.DataArray(values, dims=("time",) if values.ndim == 1 else None)


def _gap(stamps: np.ndarray, moment: np.ndarray) -> np.ndarray:
    after = np.clip(np.searchsorted(stamps, moment, side="right"), 1, len(stamps) - 1)
    return stamps[after] - stamps[after - 1]


def _interpolate(stamps: np.ndarray, values: np.ndarray, hold: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """Linear interpolation; `hold` (records - 1,) marks intervals in which the earlier value holds."""
    if len(stamps) == 1:
        return np.full(np.shape(moment), values[0])
    before = np.clip(np.searchsorted(stamps, moment, side="right") - 1, 0, len(stamps) - 2)
    width = stamps[before + 1] - stamps[before]
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(width > 0, (moment - stamps[before]) / width, 0.0)
    part = np.clip(part, 0.0, 1.0)
    part = np.where(hold[before] & (part < 1), 0.0, part)
    return values[before] + part * (values[before + 1] - values[before])
