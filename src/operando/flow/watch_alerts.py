"""What a person at the beamline must know at once: beam, detector and cell, each with its time and place."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import xarray as xr

from operando.core import Sums

from .fit_maps import MONITOR_LOST_BELOW

log = logging.getLogger("operando.flow")

#: silence of so many usual intervals between frames, and of at least so many seconds, is told
SILENT_INTERVALS, SILENT_S = 20.0, 10.0


@dataclass
class Alert:
    """Something to look at now. `utc` is when it happened, `ended` when it was over (NaN: it is not)."""

    kind: str
    utc: float
    where: str
    text: str
    ended: float = np.nan


@dataclass
class Alerts:
    """All alerts of a watch, in order; one goes on as long as its cause, and is told once."""

    say: Callable[[str, str], None]
    now: Callable[[], float] = time.time
    told: list[Alert] = field(default_factory=list)

    def begin(self, kind: str, where: str, text: str, utc: float | None = None) -> None:
        """Tell something, unless it goes on already at the same place."""
        if any(a.kind == kind and a.where == where and np.isnan(a.ended) for a in self.told):
            return
        self.once(kind, where, text, utc, ended=np.nan)

    def once(
        self, kind: str, where: str, text: str, utc: float | None = None, ended: float | None = None
    ) -> None:
        """Tell something that has no length; `ended` makes it go on."""
        known = utc is not None and np.isfinite(utc)
        at = float(utc) if known and utc is not None else self.now()
        self.told.append(Alert(kind, at, where, text, at if ended is None else ended))
        clock = datetime.fromtimestamp(at, UTC).astimezone().strftime("%H:%M:%S")
        log.warning("%s, %s, %s: %s", kind, clock, where, text)
        self.say("alert", f"{clock} {where}: {text}")

    def end(self, kind: str, where: str | None = None, utc: float | None = None) -> None:
        """What was told is over."""
        for alert in self.told:
            if alert.kind == kind and np.isnan(alert.ended) and where in (None, alert.where):
                alert.ended = self.now() if utc is None else float(utc)
                log.warning("%s, %s: over", kind, alert.where)

    def group(self) -> xr.Dataset:
        """The alerts over `alert`: `utc` and `ended` (s since 1970), `kind`, `where`, `text`."""
        seconds = {"units": "s", "long_name": "since 1970-01-01 UTC"}
        columns = {
            "utc": ("alert", np.array([a.utc for a in self.told], float), seconds),
            "ended": ("alert", np.array([a.ended for a in self.told], float), seconds),
        }
        words = {n: ("alert", [getattr(a, n) for a in self.told]) for n in ("kind", "where", "text")}
        return xr.Dataset(columns | {n: (d, np.array(v, object)) for n, (d, v) in words.items()})


def look_at_frames(
    alerts: Alerts, name: str, counts: Sums, monitor: np.ndarray | None, times: np.ndarray | None,
    reference: float | None,
) -> None:  # fmt: skip
    """Look at frames that were just reduced: beam lost, and pixels at the limit of their counter.

    counts     the sums `total_counts` of the frames, with the number of live pixels of each in their weight where it
               differs: a pixel that is not in the mask and holds the largest number of its type has counted too much
    monitor    (frames,) reading of each frame, NaN where none is recorded yet
    reference  reading with beam, None where none is used
    """
    index = counts.signal["frame"].values

    def at(i: int) -> float | None:
        return None if times is None else float(times[i])

    if reference is not None and monitor is not None and np.isfinite(monitor).any():
        told = np.flatnonzero(np.isfinite(monitor))
        lost = told[monitor[told] < MONITOR_LOST_BELOW * reference]
        if len(lost):
            text = f"monitor lost: {monitor[lost[0]]:.4g} counts, {reference:.4g} with beam"
            alerts.begin("monitor lost", name, f"{text} (from frame {index[lost[0]]})", at(lost[0]))
        back = told[told > (lost[-1] if len(lost) else -1)]
        if len(back):
            alerts.end("monitor lost", name, at(back[0]))
    if "frame" not in counts.weight.dims:
        alerts.end("saturated", name)
        return
    alive = counts.weight.values
    dead = alive.max() - alive
    full = np.flatnonzero((dead > 0) & (alive > 0))
    if len(full):
        text = f"{int(dead[full[0]])} pixels at the largest number the detector writes"
        alerts.begin("saturated", name, f"saturated: {text} (from frame {index[full[0]]})", at(full[0]))
    else:
        alerts.end("saturated", name)


def look_at_brightest(alerts: Alerts, name: str, frame: int, image: np.ndarray, limit: float | None) -> None:
    """Look at one whole image: pixels at the detector's own limit, counts, below the largest number of its type."""
    if limit is None:
        return
    full = image.max()
    top = np.iinfo(image.dtype).max if image.dtype.kind in "iu" else np.inf
    number = int(((image >= limit) & (image < top)).sum()) if full >= limit else 0
    kind = "above the detector's limit"
    if number:
        alerts.begin(kind, name, f"saturated: {number} pixels at or above {limit:.6g} counts (frame {frame})")
    else:
        alerts.end(kind, name)


@dataclass
class Arrivals:
    """When frames were first seen on disk: how long the detector is silent, and how far behind the analysis is.

    Frames that came between two looks are spread evenly over the time between them.
    """

    now: Callable[[], float] = time.monotonic
    times: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    longest_s: float = 0.0

    def saw(self, total: int) -> None:
        """Note that `total` frames are on disk."""
        now = self.now()
        total = max(total, self.counts[-1]) if self.counts else total
        if self.counts and total > self.counts[-1]:
            grown = next(
                (t for t, c in zip(self.times, self.counts, strict=True) if c == self.counts[-1]), now
            )
            if len(set(self.counts)) > 1:
                self.longest_s = max(self.longest_s, now - grown)
        self.times.append(now)
        self.counts.append(total)
        if len(self.counts) > 4000:
            self.times, self.counts = self.times[1000:], self.counts[1000:]

    def forget(self) -> None:
        """Begin anew: frames that were there are not any more."""
        self.times, self.counts = [], []

    def since(self, done: int) -> float:
        """How long ago the first frame after `done` came, s; 0 where none did."""
        if not self.counts or self.counts[-1] <= done:
            return 0.0
        counts = np.array(self.counts)
        k = int(np.searchsorted(counts, done, side="right"))
        if k == 0:
            return self.now() - self.times[0]
        share = 1 / (counts[k] - counts[k - 1])
        return self.now() - (self.times[k - 1] + share * (self.times[k] - self.times[k - 1]))

    def silent_s(self) -> float:
        """How long no frame has come, s."""
        if not self.counts:
            return 0.0
        first = int(np.searchsorted(self.counts, self.counts[-1]))
        return self.now() - self.times[first]

    def usual_s(self) -> float:
        """Usual time from one frame to the next, s, while they come; infinite while nobody knows."""
        counts, times = np.array(self.counts[-400:]), np.array(self.times[-400:])
        steps, length = np.diff(counts), np.diff(times)
        came = steps > 0
        return float(np.median(length[came] / steps[came])) if came.sum() > 2 else np.inf

    def too_silent(self) -> bool:
        """Silence of many usual intervals, and longer than any pause before (of a row, or between maps)."""
        usual = self.usual_s()
        return np.isfinite(usual) and self.silent_s() > max(
            SILENT_S, SILENT_INTERVALS * usual, 2.0 * self.longest_s
        )
