"""A watch against a live twin: what is seen while it is measured, and in the end what a run would have found."""

import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

import numpy as np
import pytest
from same_bits import bits

from operando.core import Flag
from operando.flow import Listener, Watching, read_results, run, watch_experiment
from operando.twin.film import FilmCell
from operando.twin.film.live import write_live

ROWS, COLUMNS, MAPS = 12, 50, 2  # more frames a map than one part holds


def _writer(folder, *more, rate=90, layout="growing", columns=COLUMNS):
    command = [
        sys.executable, "-m", "operando.twin.film.live", str(folder), "--preset", "tiny", "--maps", str(MAPS),
        "--rows", str(ROWS), "--columns", str(columns), "--rate", str(rate), "--layout", layout, "--different", "24",
        "--pause", "0.5", *more,
    ]  # fmt: skip
    process = subprocess.Popen(command)
    while not (folder / "experiment.toml").exists():
        assert process.poll() is None
        time.sleep(0.05)
    return process


def _same(groups, others):
    """All groups of a run, to the bit."""
    assert set(groups) - {"live", "alerts"} == set(others)
    for name, dataset in others.items():
        for variable, array in dataset.variables.items():
            if variable != "scan":  # paths
                assert bits(array) == bits(groups[name][variable]), f"{name}/{variable}"


@dataclass
class Onlooker:
    """Reads the results whenever they were written anew, as a dashboard does."""

    folder: object
    seen: list = field(default_factory=list)
    last: int = 0

    def __call__(self):
        path = self.folder / "run" / "results.nxs"
        if path.exists() and path.stat().st_mtime_ns != self.last:
            self.last = path.stat().st_mtime_ns
            self.seen.append(read_results(path).groups)
        return False


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A watch of two maps from before their first frame to the end, and a run of the same files afterwards."""
    folder = tmp_path_factory.mktemp("live")
    writer = _writer(folder)
    onlooker = Onlooker(folder)
    how = Watching(interval_s=0.5, maps=MAPS, until_complete=True, stop=onlooker)
    _, results = watch_experiment(folder / "experiment.toml", how=how)
    assert writer.wait(30) == 0
    return folder, results, onlooker.seen, run(folder / "experiment.toml", folder / "plain")[1]


def test_in_the_end_there_is_what_a_run_finds_and_its_stages(watched):
    folder, results, _, plain = watched
    _same(results.groups, plain.groups)
    _, again = run(folder / "experiment.toml")
    _same(again.groups, plain.groups)
    made = [p for p in again.processes if p.name in ("reduce", "map", "around")]
    assert len(made) == 4 * MAPS
    assert all("found from an earlier run" in process.detail for process in made)
    names = [{path.name for path in (folder / run / "stages").glob("*.h5")} for run in ("run", "plain")]
    assert names[0] == names[1]


def test_half_a_map_is_shown_with_what_is_measured_and_nothing_else(watched):
    _, results, seen, _ = watched
    whole = results.groups["xrd"]["total_counts"].values
    partial = [s for s in seen if "xrd" in s and s["live"].attrs["frames_done"] % (ROWS * COLUMNS)]
    assert partial
    for groups in partial:
        done = groups["live"].attrs["frames_done"]
        shown = groups["xrd"]["total_counts"].transpose("time", "z", "x").values
        measured = np.isfinite(shown)
        assert measured.sum() == done
        last = measured[-1].reshape(-1)
        assert last[: last.sum()].all()  # rows one after the other
        np.testing.assert_array_equal(shown[measured], whole[: len(shown)][measured])
        flags = groups["xrd"]["flag"].transpose("time", "z", "x").values
        assert ((flags[~measured] & int(Flag.NO_DATA)) != 0).all()
        assert np.isfinite(groups["xrd/pattern"]["intensity"].values).any()


def test_the_lag_is_kept_and_no_frame_is_lost(watched):
    folder, results, seen, _ = watched
    live = results.groups["live"]
    assert live.attrs["complete"] == 1
    assert live.attrs["frames_done"] == live.attrs["frames_seen"] == MAPS * ROWS * COLUMNS
    assert live.attrs["lag_s"] == 0
    assert len((folder / "written.csv").read_text().splitlines()) == MAPS * ROWS * COLUMNS
    assert (np.diff(live["frames_done"]) >= 0).all()
    behind = [s["live"].attrs for s in seen if s["live"].attrs["lag_frames"] > 0]
    assert behind
    assert all(told["lag_s"] > 0 for told in behind)
    assert results.groups["alerts"].sizes["alert"] == 0


def _run_watch(folder, *more):
    command = [
        sys.executable, "-m", "operando", "watch", str(folder / "experiment.toml"), "--interval", "0.5", "--no-report",
        "--maps", str(MAPS), *more,
    ]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_killed_watch_and_killed_writer_lose_nothing(tmp_path):
    points = ROWS * 4
    writer = _writer(tmp_path, rate=30, columns=4)
    while not (tmp_path / "written.csv").exists() or _lines(tmp_path) < points + 10:
        time.sleep(0.02)
    writer.send_signal(signal.SIGSTOP)  # in the second map: time enough for all that follows
    assert _lines(tmp_path) < 2 * points
    first = _run_watch(tmp_path, "--until-complete")
    while first.poll() is None and not list(tmp_path.glob("run/stages/live-*.h5")):
        time.sleep(0.02)
    assert first.poll() is None
    first.send_signal(signal.SIGKILL)
    first.communicate()
    (kept,) = tmp_path.glob("run/stages/live-*.h5")
    changed, others = kept.stat().st_mtime_ns, []

    def kill_the_writer(topic, done, seen):
        """Once, as soon as all that it wrote is reduced; another begins the second map again."""
        if topic == "frames" and not others and done == seen > points:
            assert kept.stat().st_mtime_ns == changed  # found, not made again
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            others.append(_writer(tmp_path, "--first-map", "1", rate=30, columns=4))

    how = Watching(interval_s=0.5, maps=MAPS, until_complete=True)
    listener = Listener(progress=kill_the_writer)
    _, results = watch_experiment(tmp_path / "experiment.toml", how=how, listener=listener)
    assert others[0].wait(30) == 0
    assert results.groups["live"].attrs["frames_done"] == 2 * points
    _same(results.groups, run(tmp_path / "experiment.toml", tmp_path / "plain")[1].groups)
    alerts = results.groups["alerts"]
    told = alerts["where"].values[alerts["kind"].values == "writer"].tolist()
    assert "scan_0002.h5" in told[0]


def _lines(folder):
    return len((folder / "written.csv").read_text().splitlines())


def read_results_done(folder):
    path = folder / "run" / "results.nxs"
    return read_results(path).groups["live"].attrs["frames_done"] if path.exists() else 0


@pytest.mark.parametrize("layout", ["files", "appended"])
def test_other_ways_to_write(layout, tmp_path):
    writer = _writer(tmp_path, rate=40, layout=layout, columns=3)
    how = Watching(interval_s=0.3, maps=MAPS, until_complete=True)
    _, results = watch_experiment(tmp_path / "experiment.toml", how=how)
    assert writer.wait(30) == 0
    assert results.groups["live"].attrs["frames_done"] == MAPS * ROWS * 3
    _same(results.groups, run(tmp_path / "experiment.toml", tmp_path / "plain")[1].groups)


def test_ctrl_c_ends_cleanly_with_results(tmp_path):
    writer = _writer(tmp_path, rate=30, columns=4)
    process = _run_watch(tmp_path)
    while process.poll() is None and not read_results_done(tmp_path):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    writer.kill()
    writer.wait()
    assert process.returncode == 0, told
    assert "Traceback" not in told
    assert 0 < read_results(tmp_path / "run" / "results.nxs").groups["live"].attrs["frames_done"] <= 96


def test_unknown_layout_is_said(tmp_path):
    from operando.core.errors import InputError

    with pytest.raises(InputError, match="unknown layout"):
        write_live(FilmCell.tiny(), tmp_path, layout="tape")


def test_one_stack_of_several_maps_is_cut_by_the_grid(tmp_path):
    import h5py
    import hdf5plugin

    from operando.twin.film import simulate

    simulate(FilmCell.tiny(), tmp_path, layout="single")
    _, apart = run(tmp_path / "experiment.toml", tmp_path / "apart")
    with (
        h5py.File(tmp_path / "raw" / "maps.h5") as file,
        h5py.File(tmp_path / "raw" / "stack.h5", "w") as stack,
    ):
        frames = np.concatenate([file[f"{number}.1/measurement/eiger"][()] for number in (1, 2)])
        filters = hdf5plugin.Bitshuffle(nelems=0, cname="lz4")
        stack.create_dataset("entry/data/data", data=frames, chunks=(1, *frames.shape[1:]), **filters)
    changes = {"xrd.scans": "raw/stack.h5", "xrd.monitor": "none", "cycler.clock_offset_s": "none"}
    how = Watching(interval_s=0.3, maps=2, until_complete=True)
    _, results = watch_experiment(tmp_path / "experiment.toml", overrides=changes, how=how)
    assert bits(results.groups["xrd"]["total_counts"]) == bits(apart.groups["xrd"]["total_counts"])
