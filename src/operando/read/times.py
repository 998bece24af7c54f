"""Clock times: stitched where they restart, absolute where the file or the user says how."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

import numpy as np

from operando.core.errors import InputError, ReadError


def parse_zone(zone: str, where: str = "") -> tzinfo:
    """A time zone from a name ("Europe/Paris", "UTC") or an offset ("+01:00")."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if zone.strip().upper() in ("UTC", "Z", "GMT"):
        return UTC
    offset = re.fullmatch(r"([+-])(\d{1,2}):?(\d{2})?", zone.strip())
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        return timezone(timedelta(minutes=minutes if offset[1] == "+" else -minutes))
    try:
        return ZoneInfo(zone.strip())
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f"unknown time zone {zone!r}", where=where, fix="Write it as Europe/Paris or as +01:00."
        ) from error


def absolute_start(
    recorded: datetime | None, given: str | datetime | None, zone: str | None, path: str
) -> tuple[datetime | None, str]:
    """Start of the acquisition and its zone (""). What the user gives beats what the file says."""
    moment = recorded
    if given is not None:
        try:
            moment = datetime.fromisoformat(given) if isinstance(given, str) else given
        except ValueError as error:
            raise InputError(
                f"not a date: {given!r}", where=path, fix="Write it as 2025-03-04T22:17:03+01:00."
            ) from error
    if moment is None:
        return None, zone or ""
    if moment.tzinfo is None and zone is not None:
        moment = moment.replace(tzinfo=parse_zone(zone, path))
        return moment, zone
    return moment, "" if moment.tzinfo is None else str(moment.tzinfo)


def stamp_seconds(stamps: np.ndarray, zone: str | None, path: str) -> tuple[np.ndarray, bool]:
    """Seconds since the epoch of a column of dates, and whether they are absolute (a zone is known).

    Dates are text (ISO 8601 and the usual orders), days since 1899-12-30 as
    spreadsheets have them, or seconds since 1970.
    """
    import pandas as pd

    if np.issubdtype(stamps.dtype, np.number):
        days = stamps.astype(float)
        if np.all((days > 5e8) & (days < 5e9)):
            return days, True
        if not np.all((days > 20_000) & (days < 80_000)):
            return np.full(len(days), np.nan), False
        moments = pd.Series(
            pd.Timestamp("1899-12-30") + pd.to_timedelta(np.round(days * 86_400_000), unit="ms")
        )
    else:
        try:
            moments = pd.to_datetime(pd.Series(stamps.astype(str)), format="ISO8601")
        except ValueError:
            moments = pd.to_datetime(pd.Series(stamps.astype(str)), errors="coerce")
        if moments.isna().all():
            raise ReadError(
                f"the dates of the file are not readable: {stamps[0]!r}",
                where=path,
                fix="Write them as ISO 8601.",
            )
    known = moments.dt.tz is not None
    if not known and zone is not None:
        moments, known = (
            moments.dt.tz_localize(parse_zone(zone, path), ambiguous="NaT", nonexistent="NaT"),
            True,
        )
    naive = moments.dt.tz_convert("UTC").dt.tz_localize(None) if moments.dt.tz is not None else moments
    return (naive - pd.Timestamp("1970-01-01")).dt.total_seconds().to_numpy(), known


def local_moment(text: str, formats: tuple[str, ...]) -> datetime | None:
    """A date in one of `formats`, or None."""
    for pattern in formats:
        try:
            return datetime.strptime(text.strip(), pattern)
        except ValueError:
            continue
    return None


def ole_moment(days: float) -> datetime:
    """Date from days since 1899-12-30, as spreadsheets and EC-Lab count, to the microsecond."""
    return datetime(1899, 12, 30) + timedelta(milliseconds=round(days * 86_400_000))


def _usual_step(time: np.ndarray) -> float:
    """Median step between times that follow each other, in whatever order the rows are; 0 where all are one."""
    step = np.diff(np.unique(time))
    return float(np.median(step)) if len(step) else 0.0


def strays(time: np.ndarray) -> np.ndarray:
    """Rows, as a mask, whose time lies far outside those before and after, which follow each other without them."""
    found = np.zeros(len(time), bool)
    if len(time) < 4 or not (np.diff(time) < 0).any():
        return found
    typical = _usual_step(time)
    before, here, after = time[:-2], time[1:-1], time[2:]
    follow = (after >= before) & (after - before <= 10 * typical)
    found[1:-1] = follow & ((here > after + 10 * typical) | (here < before - 10 * typical))
    found[0] = time[0] > time[1] + 10 * typical and bool(time[2] >= time[1])
    return found


def check_order(time: np.ndarray, path: str) -> None:
    """Raise `ReadError` for rows in no order: a clock that restarts begins again near its zero, these do not."""
    row = np.flatnonzero(np.diff(time) < 0) + 1
    if not len(row):
        return
    typical = _usual_step(time)
    lost = row[(time[row - 1] - time[row] > 10 * typical) & (time[row] > time.min() + 10 * typical)]
    if len(lost) > max(5, 0.02 * len(time)):
        raise ReadError(
            f"the rows are not in the order of their times ({len(lost)} of {len(time)} lie far before the row above)",
            where=path, fix="Sort the rows by time, or export the file again: what was measured when is lost here.",
        )  # fmt: skip


def stitch(time: np.ndarray, stamps: np.ndarray | None, warnings: list[str]) -> np.ndarray:
    """Make time run forward: later parts of a clock that restarted are put behind the earlier ones.

    The gap between parts comes from `stamps` (absolute times) where there are any, else it is one
    typical interval. A row that is late by a few intervals only is said and put level with the one before.
    """
    step = np.diff(time)
    back = np.flatnonzero(step < 0)
    if not len(back):
        return time
    stored, time = time, time.copy()
    typical = float(np.median(step[step > 0])) if (step > 0).any() else 0.0
    for row in back + 1:
        drop = time[row - 1] - time[row]
        if drop <= 0:
            continue
        if drop <= 10 * typical and stored[row] > stored[0] + 10 * typical:  # it does not begin again
            ahead = slice(row, row + int(np.argmax(time[row:] >= time[row - 1])) or None)
            time[ahead] = np.maximum(time[ahead], time[row - 1])
            warnings.append(
                f"time runs backwards by {drop:.6g} s at row {row}: rows put level with the one before"
            )
            continue
        gap = typical
        if (
            stamps is not None
            and np.isfinite(stamps[row] - stamps[row - 1])
            and stamps[row] >= stamps[row - 1]
        ):
            gap = float(stamps[row] - stamps[row - 1])
        time[row:] += drop + gap
        warnings.append(f"time restarts at row {row}: stitched {gap:.6g} s behind the row before")
    return time


@dataclass(frozen=True)
class Clocks:
    """Both clocks of a record: time (s since the start) and utc (s since 1970, NaN where unknown)."""

    time: np.ndarray
    utc: np.ndarray
    facts: dict[str, str]

    @classmethod
    def of(cls, values: Mapping[str, np.ndarray], stamps, recorded, *, zone, start, warnings) -> Clocks:
        """From a column of seconds, of unix times, of dates, and a start: what the user gives goes first."""
        moment, zone_name = absolute_start(recorded.start, start, zone, recorded.path)
        dated, known = (None, False) if stamps is None else stamp_seconds(stamps, zone, recorded.path)
        utc = values.get("utc")
        reference = utc if utc is not None else dated
        if "time" in values:
            time = values["time"]
        elif reference is not None:
            time = reference - reference[0]
        else:
            raise ReadError("neither times nor dates", where=recorded.path)
        check_order(time, recorded.path)
        time = stitch(time, reference, warnings)
        zoned = moment is not None and moment.tzinfo is not None
        if zoned and (start is not None or (utc is None and not known)):
            absolute = moment.timestamp() + time  # type: ignore[union-attr]
        elif utc is not None:
            absolute = utc
        elif known and dated is not None:
            absolute = _smooth(dated, time)
        else:
            absolute = np.full(len(time), np.nan)
            local = moment is not None or (dated is not None and np.isfinite(dated[0]))
            warnings.append(
                "the start is a local time without a zone: utc is unknown until a zone is given"
                if local
                else "no absolute start time in the file: utc is unknown until a start is given"
            )
        return cls(time, absolute, _start_facts(absolute, time, moment, dated, known, zone_name))


def _smooth(stamps: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Dates of coarse resolution follow the finer seconds column, where both run together."""
    offset = stamps - time
    return time + np.nanmedian(offset) if np.nanmax(offset) - np.nanmin(offset) < 2.0 else stamps


def _start_facts(absolute, time, moment, dated, known, zone_name: str) -> dict[str, str]:
    local = moment.replace(tzinfo=None).isoformat() if moment is not None else ""
    if not local and dated is not None and np.isfinite(dated[0]) and not known:
        local = datetime.fromtimestamp(float(dated[0]), UTC).replace(tzinfo=None).isoformat()
    if moment is not None and moment.tzinfo is not None:
        text = moment.isoformat()
    elif np.isfinite(absolute[0]):
        text = datetime.fromtimestamp(float(absolute[0] - time[0]), UTC).isoformat()
        zone_name = zone_name or "UTC"
    else:
        text = ""
    return {"start": text, "start_local": local, "zone": zone_name}
