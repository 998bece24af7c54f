"""Kill, crowd and starve a run: nothing finished is lost, and the result is the same to the bit."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from same_bits import same

from operando.core.errors import Busy, OperandoError
from operando.flow import Listener, run
from operando.flow.run_lock import locked
from operando.twin.film import FilmCell, simulate


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twin")
    simulate(FilmCell.tiny(maps=4), folder)
    return folder


@pytest.fixture(scope="module")
def straight(twin):
    return run(twin / "experiment.toml", twin / "straight")[1].groups


def test_killed_at_any_moment_a_rerun_gives_the_samebits(twin, straight):
    folder = twin / "killed"
    command = [sys.executable, "-m", "operando", "run", str(twin / "experiment.toml"), "-o", str(folder)]
    finished: set[str] = set()
    kills = 0
    for wanted in (1, 3, 6):  # so many finished stages before the kill
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(folder.glob("stages/*.h5"))) < wanted:
            time.sleep(0.005)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        now = {path.name for path in folder.glob("stages/*.h5")}
        assert finished <= now
        finished = now
    assert kills >= 2
    _, results = run(twin / "experiment.toml", folder)
    same(results.groups, straight)
    assert sum("found" in process.detail for process in results.processes) >= 3
    assert not list(folder.glob("stages/*.partial"))


def test_a_full_disk_in_the_middle_is_said_and_the_rerun_continues(twin, straight, monkeypatch):
    from operando.flow import stage

    folder, written = twin / "full", []
    real = stage.write_stage

    def disk_of_three_stages(result, key, path):
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(path)
        real(result, key, path)

    with monkeypatch.context() as patch:
        patch.setattr(stage, "write_stage", disk_of_three_stages)
        with pytest.raises(OperandoError, match="disk is full") as caught:
            run(twin / "experiment.toml", folder)
    assert "continues" in caught.value.fix
    assert len(list(folder.glob("stages/*.h5"))) == 3
    _, results = run(twin / "experiment.toml", folder)
    same(results.groups, straight)


def test_a_second_process_in_the_same_folder_is_kept_out(twin):
    with locked(twin / "busy"), pytest.raises(Busy):
        run(twin / "experiment.toml", twin / "busy")


def test_progress_counts_every_frame(twin):
    told = []
    run(twin / "experiment.toml", twin / "told", listener=Listener(progress=lambda *step: told.append(step)))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1][1:] == (144, 144)


def test_changing_a_setting_redoes_only_what_depends_on_it(twin, straight):
    folder = twin / "changed"
    run(twin / "experiment.toml", folder)
    _, results = run(twin / "experiment.toml", folder, overrides={"xrd.monitor": "none"})
    again = {process.name: process.detail for process in results.processes}
    assert "found" in again["reduce"]
    assert "found" not in again["map"]
    assert not np.array_equal(
        results.groups["xrd/LCO003"]["intensity"], straight["xrd/LCO003"]["intensity"], equal_nan=True
    )
