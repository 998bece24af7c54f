"""watch: the analysis of an experiment while its scans are still being written."""

from __future__ import annotations

import logging
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from operando.core import FrameRange, Scan
from operando.core.errors import ExperimentError, InputError
from operando.read.growing import GrowingScans, first_limit, present, shortened

from .experiment import Experiment, load_experiment
from .job import run
from .microxrd import _counted
from .plan import Plan, open_beam, plan_for
from .results import Results
from .run_folder import keep_experiment, logged, own_folder, placed, spare_the_experiment
from .running import Listener, Run
from .stage import Stages, locked
from .store import write_results
from .watch_alerts import Alerts, Arrivals, look_at_brightest, look_at_frames
from .watch_cell import Cell
from .watch_maps import LiveMap, live_maps
from .watch_show import LiveResults

log = logging.getLogger("operando.flow")

#: files that do not change for so long are taken as finished, s
SETTLED_S = 2.0
#: frames of one pass while a part grows: a compromise of lag and overhead
PASS = 128
#: fitting and writing take at most one part in so many of the time: frames come first
BUSY = 1.2
#: between two looks at the disk when there is nothing to do, s
NAP_S = 0.25


@dataclass(frozen=True)
class Watching:
    """How to watch.

    interval_s      results are written no more often than this, s
    maps            how many maps there will be; None where the person ends the watch
    until_complete  end when all expected frames are there
    at_map_end      called with the results when a map is complete, after they are written
    stop            asked between two steps whether to end now
    """

    interval_s: float = 5.0
    maps: int | None = None
    until_complete: bool = False
    at_map_end: Callable[[Results, Path], None] | None = None
    stop: Callable[[], bool] = lambda: False
    now: Callable[[], float] = time.monotonic


@dataclass
class Watch:
    """A watch in progress."""

    job: Run
    how: Watching
    scans: GrowingScans
    alerts: Alerts
    cell: Cell
    shown: LiveResults
    live: Stages
    arrivals: Arrivals = field(default_factory=Arrivals)
    maps: dict[str, LiveMap] = field(default_factory=dict)
    plan: Plan | None = None
    due: float = 0.0
    ended: int = 0
    said: set[str] = field(default_factory=set)

    @property
    def seen(self) -> int:
        return sum(one.seen for one in self.maps.values())

    def on_disk(self) -> int:
        """Frames on disk at this moment, whatever was looked at before."""
        counts = {scan.name: int(present(scan.frames, False).sum()) for scan in found_scans(self)}
        return max(self.seen, sum(counts.values()))

    @property
    def done(self) -> int:
        return sum(one.done for one in self.maps.values())

    @property
    def complete(self) -> bool:
        """Whether all maps that are expected are there, whole, reduced, and their files at rest."""
        maps = list(self.maps.values())
        if not maps or (self.how.maps is not None and len(maps) < self.how.maps):
            return False
        return all(m.complete and m.settled and m.done == len(m.scan.frames) for m in maps)


def watch_experiment(
    path: str | Path, output: str | Path | None = None, *, overrides: dict[str, Any] | None = None,
    listener: Listener | None = None, how: Watching | None = None, command: str | None = None,
) -> tuple[Path, Results]:  # fmt: skip
    """Analyse the maps of an experiment while they are measured; returns the run folder and the results at the end.

    Frames are reduced in the parts of a run: when all is measured, a run finds every stage, and the watch ends with
    one. Results are written all along, with the groups `live` (how far, how far behind) and `alerts`. A watch that
    was killed goes on from its finished parts, and a writer that begins anew is followed from that map on. Raises
    `ExperimentError` where there is no [xrd], and what a run raises for facts that cannot be.
    """
    path, how, listener = Path(path), how or Watching(), listener or Listener()
    experiment = _loaded(path, overrides, listener, how)
    if experiment.xrd is None:
        raise ExperimentError(
            "nothing to watch: no [xrd]", where=str(path), fix="Use operando run for the rest."
        )
    folder = Path(output) if output is not None else path.resolve().parent / "run"
    spare_the_experiment(path, folder)
    with placed(path), locked(folder), logged(folder / "run.log"), _quietly():
        own_folder(path, folder, experiment)
        keep_experiment(path, folder, experiment)
        watched = _begin(folder, experiment, listener, how)
        watched.scans.paths = patterns_of(path, overrides)
        watched.job.stages.sweep()
        results = _follow(watched, command)
    if not watched.complete:
        return folder, results
    _, final = run(path, output, overrides=overrides, listener=listener, command=command)
    final.groups |= watched.shown.told(watched)
    write_results(final, folder / "results.nxs")
    for stage in (folder / "stages").glob("live-*.h5"):
        stage.unlink(missing_ok=True)
    return folder, final


def _loaded(path: Path, overrides: dict[str, Any] | None, listener: Listener, how: Watching) -> Experiment:
    """The experiment, as soon as a file of frames is there. Raises `ExperimentError` for all else that is wrong."""
    said = False
    while True:
        try:
            return load_experiment(path, overrides)
        except ExperimentError as error:
            if "xrd.scans: no file matches" not in error.what or how.stop():
                raise
        if not said:
            listener.say("watch", f"no file matches {', '.join(patterns_of(path, overrides))} yet: waiting")
            said = True
        time.sleep(NAP_S)


def patterns_of(path: Path, overrides: dict[str, Any] | None) -> list[str]:
    """What xrd.scans says, with absolute paths and its patterns kept: files that match may come later."""
    given = (overrides or {}).get("xrd.scans")
    if given is None:
        given = tomllib.loads(path.read_text(encoding="utf-8-sig"))["xrd"]["scans"]
    folder = path.resolve().parent
    return [str(folder / Path(one).expanduser()) for one in ([given] if isinstance(given, str) else given)]


def _begin(folder: Path, experiment: Experiment, listener: Listener, how: Watching) -> Watch:
    xrd = experiment.xrd
    assert xrd is not None
    counter = None if xrd.monitor in ("recorded", "none") else xrd.monitor
    alerts = Alerts(listener.say)
    job = Run(folder, experiment, Stages(folder / "stages"), listener)
    scans = GrowingScans(xrd.scans, xrd.dataset, xrd.motors, counter)
    return Watch(
        job, how, scans, alerts, Cell(experiment, alerts), LiveResults(), Stages(folder / "stages"),
        arrivals=Arrivals(how.now),
    )  # fmt: skip


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what the readers say of every file each time it is opened, and the engine of every pass."""
    loud = [logging.getLogger(name) for name in ("operando.read", "operando.stream")]
    before = [one.level for one in loud]
    for one in loud:
        one.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for one, level in zip(loud, before, strict=True):
            one.setLevel(level)


def _follow(watched: Watch, command: str | None) -> Results:
    """Look, reduce, tell, again and again, until all is there or the person has had enough."""
    how = watched.how
    watched.job.listener.say("watch", f"{', '.join(map(str, _patterns(watched)))}; Ctrl-C ends")
    while True:
        look(watched)
        reduced = reduce_new(watched)
        over = how.stop() or (how.until_complete and watched.complete)
        caught_up = not reduced or how.now() > watched.due + how.interval_s
        if over or (caught_up and how.now() >= watched.due and watched.shown.changed(watched)):
            results = show(watched, command)
        if over:
            return results
        if not reduced:
            time.sleep(NAP_S)


def _patterns(watched: Watch) -> list[Any]:
    paths = watched.scans.paths
    return [paths] if isinstance(paths, (str, Path)) else list(paths)  # type: ignore[arg-type]


def found_scans(watched: Watch) -> list[Scan]:
    """The maps that can be opened now."""
    xrd = watched.job.experiment.xrd
    assert xrd is not None
    return live_maps([_counted(scan, xrd) for scan in watched.scans.look()], xrd)


def look(watched: Watch) -> None:
    """See what is on disk now, and tell what is wrong with it."""
    how = watched.how
    found = found_scans(watched)
    expected = _expected(watched)
    for scan in found:
        one = watched.maps.get(scan.name)
        if one is None:
            one = watched.maps[scan.name] = LiveMap(scan, expected)
        quiet = watched.scans.quiet_s(scan)
        one.expected = expected
        if not one.update(scan, quiet > SETTLED_S, how.now()):
            watched.shown.forget(scan.name)
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
    watched.shown.forget(name)
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


def show(watched: Watch, command: str | None) -> Results:
    """Write the results as they are now."""
    begun = watched.how.now()
    results = watched.shown.results(watched, command)
    write_results(results, watched.job.folder / "results.nxs")
    watched.shown.wrote(watched)
    ended = sum(one.complete and one.done == len(one.scan.frames) for one in watched.maps.values())
    if ended > watched.ended and watched.how.at_map_end is not None:
        watched.how.at_map_end(results, watched.job.folder)
    watched.ended = ended
    took = watched.how.now() - begun
    watched.due = begun + max(watched.how.interval_s, BUSY * took)
    live = results.groups["live"].attrs
    log.info(
        "shown in %.1f s: %d of %d frames, %.1f s behind",
        took,
        live["frames_done"],
        live["frames_seen"],
        live["lag_s"],
    )
    return results
