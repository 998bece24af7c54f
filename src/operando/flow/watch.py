"""watch: the analysis of an experiment while its scans are still being written."""

from __future__ import annotations

import logging
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from operando.core.errors import ExperimentError
from operando.read.growing import GrowingScans

from .experiment import Experiment, load_experiment
from .job import run
from .results import Results
from .run_folder import keep_experiment, logged, own_folder, placed, spare_the_experiment
from .run_lock import locked
from .running import Listener, Run
from .stage import Stages
from .store import write_results
from .watch_alerts import Alerts, Arrivals
from .watch_cell import Cell
from .watch_look import look, reduce_new
from .watch_show import LiveResults
from .watch_state import Watch, Watching

log = logging.getLogger("operando.flow")

#: fitting and writing take at most one part in so many of the time: frames come first
BUSY = 1.2
#: between two looks at the disk when there is nothing to do, s
NAP_S = 0.25


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
        shown = Shown(watched, command)
        results = _follow(shown)
    if not watched.complete:
        return folder, results
    told = shown.live.told(watched)
    del watched, shown, results  # the maps and the plan of the watch: the run has its own
    _, final = run(path, output, overrides=overrides, listener=listener, command=command)
    final.groups |= told
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
        job, how, scans, alerts, Cell(experiment, alerts), Stages(folder / "stages"),
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


@dataclass
class Shown:
    """What a watch has written, and when it may write again."""

    watched: Watch
    command: str | None
    live: LiveResults = field(default_factory=LiveResults)
    due: float = 0.0
    ended: int = 0

    def write(self) -> Results:
        """Write the results as they are now."""
        watched, how = self.watched, self.watched.how
        begun = how.now()
        results = self.live.results(watched, self.command)
        write_results(results, watched.job.folder / "results.nxs")
        self.live.wrote(watched)
        ended = sum(one.complete and one.done == len(one.scan.frames) for one in watched.maps.values())
        if ended > self.ended and how.at_map_end is not None:
            how.at_map_end(results, watched.job.folder)
        self.ended = ended
        took = how.now() - begun
        self.due = begun + max(how.interval_s, BUSY * took)
        live = results.groups["live"].attrs
        counts = live["frames_done"], live["frames_seen"], live["lag_s"]
        log.info("shown in %.1f s: %d of %d frames, %.1f s behind", took, *counts)
        return results


def _follow(shown: Shown) -> Results:
    """Look, reduce, tell, again and again, until all is there or the person has had enough."""
    watched, how = shown.watched, shown.watched.how
    watched.job.listener.say("watch", f"{', '.join(map(str, _patterns(watched)))}; Ctrl-C ends")
    while True:
        look(watched)
        reduced = reduce_new(watched)
        over = how.stop() or (how.until_complete and watched.complete)
        caught_up = not reduced or how.now() > shown.due + how.interval_s
        if over or (caught_up and how.now() >= shown.due and shown.live.changed(watched)):
            results = shown.write()
        if over:
            return results
        if not reduced:
            time.sleep(NAP_S)


def _patterns(watched: Watch) -> list[Any]:
    paths = watched.scans.paths
    return [paths] if isinstance(paths, (str, Path)) else list(paths)  # type: ignore[arg-type]
