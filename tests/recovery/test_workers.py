"""Workers give the bits of one process, whoever is killed in the middle."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from same_bits import same

from operando.core.errors import InputError
from operando.flow import read_results, run
from operando.twin.film import FilmCell, simulate

MAPS = 4


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twin")
    simulate(FilmCell.tiny(maps=MAPS), folder)
    return folder


@pytest.fixture(scope="module")
def straight(twin):
    return run(twin / "experiment.toml", twin / "straight")[1].groups


def start(twin, folder, *options):
    command = [sys.executable, "-m", "operando", "run", str(twin / "experiment.toml"), "-o", str(folder)]
    return subprocess.Popen(
        [*command, "--no-report", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def children(pid):
    """Worker processes of a process, by what the kernel says."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"spawn_main" in words:
                found.append(int(child))
    return found


def after_stages(process, folder, wanted, seconds=90):
    """Wait until a run has finished so many stages; false when it ended before."""
    until = time.monotonic() + seconds
    while len(list(folder.glob("stages/*.h5"))) < wanted:
        if process.poll() is not None or time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def gone(pids, seconds=10):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(_alive(pid) for pid in pids):
            return True
        time.sleep(0.1)
    return False


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc")


@linux
def test_a_worker_killed_in_the_middle_is_replaced_and_bits_are_the_same(twin, straight):
    folder = twin / "worker"
    process = start(twin, folder, "--workers", "2")
    assert after_stages(process, folder, 2)
    workers = children(process.pid)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert b"2 processes" in out
    assert gone(workers)
    results = read_results(folder / "results.nxs")
    same(results.groups, read_results(twin / "straight" / "results.nxs").groups)
    made = [p.detail for p in results.processes if p.name in ("reduce", "map", "around")]
    assert len(made) == 3 * MAPS
    assert all("by worker" in detail for detail in made)
    left = {path.suffix for path in (folder / "stages").iterdir()}
    assert left == {".h5"}
    assert {p.name for p in (folder / "stages").iterdir()} == {
        p.name for p in (twin / "straight" / "stages").iterdir()
    }


@linux
def test_the_main_process_killed_takes_its_workers_along_and_a_rerun_completes(twin, straight):
    folder = twin / "main"
    process = start(twin, folder, "--workers", "2")
    assert after_stages(process, folder, 2)
    workers = children(process.pid)
    assert len(workers) == 2
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert gone(workers)
    finished = {path.name for path in folder.glob("stages/*.h5")}
    assert 2 <= len(finished) < 3 * MAPS
    _, results = run(twin / "experiment.toml", folder)
    same(results.groups, straight)
    assert sum("found" in process.detail for process in results.processes) >= 2


@linux
def test_ctrl_c_stops_workers_without_a_traceback(twin):
    folder = twin / "stopped"
    process = start(twin, folder, "--workers", "2")
    assert after_stages(process, folder, 1)
    workers = children(process.pid)
    for pid in (*workers, process.pid):  # as a terminal does: to all of them
        os.kill(pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert b"again to continue" in err
    assert gone(workers)


def test_a_script_without_main_guard_may_use_workers(twin, straight, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from operando.flow import run\n"
        f"run({str(twin / 'experiment.toml')!r}, {str(twin / 'script')!r}, workers=1)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    same(
        read_results(twin / "script" / "results.nxs").groups,
        read_results(twin / "straight" / "results.nxs").groups,
    )


def test_wrong_options_are_said(twin):
    with pytest.raises(InputError, match="both"):
        run(twin / "experiment.toml", twin / "wrong", workers=2, scheduler="tcp://127.0.0.1:1")
    with pytest.raises(InputError, match="0 workers"):
        run(twin / "experiment.toml", twin / "wrong", workers=0)
