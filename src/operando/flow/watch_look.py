"""See what is on disk now, reduce what is new of it, and tell what is wrong with it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from operando.core import FrameRange
from operando.core.errors import InputError
from operando.read.stored import first_limit, shortened

from .plan import Plan, open_beam, plan_for
from .watch_alerts import look_at_brightest, look_at_frames
from .watch_maps import LiveMap
from .watch_state import Watch

log = logging.getLogger("operando.flow")

#: files that do not change for so long are taken as finished, s
SETTLED_S = 2.0
#: frames of one pass while a part grows: a compromise of lag and overhead
PASS = 128


def look(watched: Watch) -> None:
    """See what is on disk now, and tell what is wrong with it."""
    how = watched.how
    found = watched.found()
    expected = _expected(watched)
    for scan in found:
        one = watched.maps.get(scan.name)
        if one is None:
            one = watched.maps[scan.name] = LiveMap(scan, expected)
        quiet = watched.scans.quiet_s(scan)
        one.expected = expected
        if not one.update(scan, quiet > SETTLED_S, how.now()):
            watched.arrivals.forget()
            watched.alerts.once("writer", _short(scan.name), "file replaced or cut: this map is read anew")
    names = {scan.name for scan in found}
    for name in [name for name in watched.maps if name not in names]:
        _gone(watched, name)
    order = {scan.name: i for i, scan in enumerate(found)}
    watched.maps = dict(sorted(watched.maps.items(), key=lambda item: order.get(item[0], len(order))))
    for path, why in watched.scans.waiting.items():
        log.debug("%s: %s", path, why)
    watched.arrivals.saw(watched.seen)
    _tell_silence(watched)
    watched.cell.look()


def _gone(watched: Watch, name: str) -> None:
    """A map that can be opened no more: wait a little, its writer may have begun anew."""
    one = watched.maps.pop(name)
    watched.arrivals.forget()
    why = "; ".join(watched.scans.waiting.values()) or "not there any more"
    if one.seen:
        watched.alerts.once(
            "writer",
            _short(name),
            f"file cut, replaced or gone ({why}): its map is dropped until it can be read again",
        )


def _expected(watched: Watch) -> int | None:
    """Frames of a whole map: of the stated grid, or those of the first map that is finished."""
    xrd = watched.job.experiment.xrd
    assert xrd is not None
    if xrd.grid is not None:
        return xrd.grid.rows * xrd.grid.columns
    return None


def _tell_silence(watched: Watch) -> None:
    at_work = any(not one.complete for one in watched.maps.values())
    where = _short(next(reversed(watched.maps), ""))
    if watched.arrivals.too_silent() and (at_work or not watched.complete):
        silent, usual = watched.arrivals.silent_s(), watched.arrivals.usual_s()
        watched.alerts.begin(
            "no new frame", where, f"no new frame for {silent:.0f} s, usual is one in {usual:.2g} s"
        )
    elif watched.arrivals.silent_s() < 1.0:
        watched.alerts.end("no new frame")


def _short(name: str) -> str:
    """The file of a scan without its folder."""
    return (
        Path(name).name if "::" not in name else f"{Path(name.split('::')[0]).name}::{name.split('::', 1)[1]}"
    )


def reduce_new(watched: Watch) -> int:
    """Reduce one pass or part of frames that are new; returns how many."""
    plan = _plan(watched)
    if plan is None:
        return 0
    for one in watched.maps.values():
        before = one.done
        count = one.advance(plan, watched.live, PASS)
        if count:
            _look_at(watched, one, plan, before)
            watched.job.listener.progress("frames", watched.done, watched.seen)
            return count
    return 0


def _look_at(watched: Watch, one: LiveMap, plan: Plan, before: int) -> None:
    """Alerts of the frames that were just reduced."""
    frames = FrameRange(one.scan.frames, before, one.done)
    (newest,) = one.scan.frames.blocks(one.done - 1, one.done)
    if not one.open and not one.parts:  # found from an earlier run
        return
    total = one.counts(before)
    name = _short(one.scan.name)
    look_at_frames(watched.alerts, name, total, frames.monitor, frames.time_s, plan.reference)
    limit = first_limit(one.scan.frames)
    if limit is not None:
        look_at_brightest(watched.alerts, name, one.done - 1, newest.load()[0], limit)


def _plan(watched: Watch) -> Plan | None:
    """Facts of the experiment, from the first map as soon as they can be had; its reference follows that map."""
    if not watched.maps:
        return None
    first = next(iter(watched.maps.values()))
    if not first.seen:
        return None
    try:
        if watched.plan is None:
            watched.plan = plan_for(watched.job.experiment, shortened(first.scan, first.seen))
        elif watched.plan.reference is not None:
            reference = open_beam(first.scan)
            if reference != watched.plan.reference:
                watched.plan = replace(watched.plan, reference=reference)
    except InputError as error:
        if watched.plan is None and not (first.complete and first.settled) and "monitor" in error.what:
            _say_once(watched, f"waiting for the beam monitor: {error.what}")
            return None
        raise
    return watched.plan


def _say_once(watched: Watch, sentence: str) -> None:
    if sentence not in watched.said:
        watched.said.add(sentence)
        watched.job.listener.say("watch", sentence)
