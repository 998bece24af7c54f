"""The offset of the cycler's clock, found from the maps: switches of the current against what the images show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from operando.core.errors import ExperimentError

from .clock_signals import Signal

#: a switch counts as seen when the signal answers to it with this many sigma
SEEN = 5.0
#: reduced chi-square up to which line and charge describe a series, and how often the window is halved to get there
GOOD, HALVED = 2.0, 4
#: an offset whose error is more than this share of the range that was searched tells nothing
WORST = 0.1
#: series that lie this many robust sigma from the others are left out
OUTLIER = 5.0


def find_offset(
    found: Sequence[Signal], table: xr.Dataset, *, exposure_s: float, guess_s: float = 0.0, search_s: float = 600.0,
    window_s: float = 3600.0, events: Sequence[int] | None = None, drift: bool = False,
) -> tuple[Any, xr.Dataset]:  # fmt: skip
    """Cycler minus detector clock (`echem.Clock`) from every signal and switch in which it shows, and what each said.

    exposure_s  how long a value averages (the time of a row)
    events      numbers of the switches to use (from 1, in order of time); all where not given, but for signals that may
                answer late the switches at which current begins to flow after a rest: a front has to arrive first
    drift       also find a drift; needs two switches

    Of the series of one signal (rows of the map) each gives an offset; series that disagree by more than their errors
    widen the error. The second result holds, over `seen`: signal, event, utc, offset, offset_err, series.
    Raises `ExperimentError` where no switch shows, or where signals contradict each other.
    """
    from operando import echem

    switches = echem.current_events(table)
    options = {"exposure_s": exposure_s, "guess_s": guess_s, "search_s": search_s, "window_s": window_s}
    rows = []
    for signal in found:
        wanted = _usable(switches, signal, events)
        offsets = _of_series(signal, table, wanted, options)
        rows += [(signal.name, *row) for row in offsets]
    if not rows:
        raise ExperimentError(
            f"the clock offset cannot be found: none of {switches.sizes['event']} switches of the current shows in "
            f"{_listed(found)}", where="cycler.clock_offset_s",
            fix="Give it in seconds (cycler clock minus detector clock), or help with clock_guess_s, clock_search_s, "
            "clock_signal or clock_events.",
        )  # fmt: skip
    told = xr.Dataset(
        {
            "signal": ("seen", np.array([r[0] for r in rows])), "event": ("seen", np.array([r[1] + 1 for r in rows])),
            "utc": ("seen", np.array([r[2] for r in rows]), {"units": "s"}),
            "offset": ("seen", np.array([r[3] for r in rows]), {"units": "s"}),
            "offset_err": ("seen", np.array([r[4] for r in rows]), {"units": "s"}),
            "series": ("seen", np.array([r[5] for r in rows]), {"units": "1"}),
        }
    )  # fmt: skip
    table_of = np.array([[r[2] - r[3], r[3], r[4]] for r in rows])
    clock = echem.combine_offsets(table_of, drift and len({r[1] for r in rows}) > 1)
    _check(told, clock)
    return _sourced(clock, told), told


def _usable(switches: xr.Dataset, signal: Signal, events: Sequence[int] | None) -> list[int]:
    if events is not None:
        return [e - 1 for e in events if e <= switches.sizes["event"]]
    before = switches["before"].values
    flowing = np.abs(before) > 1e-3 * np.abs(np.concatenate([before, switches["after"].values])).max()
    return [int(i) for i in np.arange(len(before)) if flowing[i] or not signal.late]


def _of_series(signal: Signal, table: xr.Dataset, wanted: list[int], options: dict) -> list[tuple]:
    """(event, utc, offset, error, series) of one signal, its series joined robustly."""
    from operando import echem

    switches = echem.current_events(table)["utc"].values
    found = []
    for event in wanted:
        parts = [_of_one(signal, i, table, event, options) for i in range(signal.value.shape[1])]
        offset, error, significance = np.array([p for p in parts if p is not None]).reshape(-1, 3).T
        if len(offset) > 3:
            spread = 1.4826 * np.median(np.abs(offset - np.median(offset)))
            near = np.abs(offset - np.median(offset)) <= OUTLIER * np.hypot(spread, error)
            offset, error, significance = offset[near], error[near], significance[near]
        if not len(offset) or np.hypot.reduce(significance) < SEEN:
            continue  # not seen
        weight = error**-2
        mean = float(np.average(offset, weights=weight))
        chi2 = float((weight * (offset - mean) ** 2).sum()) / max(len(offset) - 1, 1)
        sigma = float(weight.sum() ** -0.5 * max(1.0, np.sqrt(chi2)))
        if sigma > WORST * options["search_s"]:
            continue
        found.append((event, float(switches[event]), mean, sigma, len(offset)))
    return found


def _of_one(
    signal: Signal, number: int, table: xr.Dataset, event: int, options: dict
) -> tuple[float, float, float] | None:
    """(offset, error, significance) of one series at one switch, None where it does not show.

    Further from the switch a signal need be no straight line of the charge any more: the window is halved, around the
    offset found so far, until line and charge describe the series.
    """
    from operando import echem

    now = dict(options)
    series = signal.utc[:, number], signal.value[:, number], table
    for _ in range(HALVED + 1):
        one = echem.event_offsets(*series, signal_err=signal.error[:, number], **now).isel(event=event)
        offset, error = float(one["offset"]), float(one["offset_err"])
        if float(one["significance"]) < 3.0 or not (np.isfinite(offset) and error > 0):
            return None
        if float(one["goodness"]) <= GOOD:
            return offset, error, float(one["significance"])
        now |= {"guess_s": offset, "window_s": 0.5 * now["window_s"]}
        now["search_s"] = min(now["search_s"], 0.5 * now["window_s"])
    return None


def _check(told: xr.Dataset, clock: Any) -> None:
    """Signals that disagree by far more than their errors have no common clock."""
    utc = told["utc"].values - told["offset"].values
    pull = (told["offset"].values - clock.offset(utc)) / told["offset_err"].values
    many = len(pull) - (2 if clock.drift else 1)
    if many > 0 and (pull**2).sum() / many > 25:
        each = [
            f"{o:.0f} ± {e:.1g} s from {s} at switch {n}"
            for o, e, s, n in zip(
                *(told[k].values for k in ("offset", "offset_err", "signal", "event")), strict=True
            )
        ]
        raise ExperimentError(
            f"the offset of the clocks cannot be told: {'; '.join(each[:4])}", where="cycler.clock_offset_s",
            fix="The images may answer late to some switches: choose with clock_signal and clock_events, or give the "
            "offset in seconds.",
        )  # fmt: skip


def _sourced(clock: Any, told: xr.Dataset) -> Any:
    from dataclasses import replace

    utc = told["utc"].values - told["offset"].values
    pull = (told["offset"].values - clock.offset(utc)) / told["offset_err"].values
    many = len(pull) - (2 if clock.drift else 1)
    scale = max(1.0, float(np.sqrt((pull**2).sum() / many))) if many > 0 and not clock.drift else 1.0
    names = ", ".join(dict.fromkeys(str(s) for s in told["signal"].values))
    events = len(set(told["event"].values.tolist()))
    source = f"{names} at {events} switch{'es' if events > 1 else ''} of the current"
    return replace(clock, offset_err_s=clock.offset_err_s * scale, source=source)


def _listed(found: Sequence[Signal]) -> str:
    return ", ".join(signal.name for signal in found) or "the maps (no signal has 8 values)"
