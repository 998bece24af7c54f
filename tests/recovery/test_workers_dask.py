"""A Dask cluster gives the bits of one process; a scheduler that is lost is said, and a rerun goes on."""

import os
import signal
import socket
import subprocess
import sys

import pytest
from same_bits import same
from test_workers import MAPS, after_stages, start

from operando.core.errors import InputError
from operando.flow import read_results, run
from operando.twin.film import FilmCell, simulate

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twin")
    simulate(FilmCell.tiny(maps=MAPS), folder)
    run(folder / "experiment.toml", folder / "straight")
    return folder


def straight(twin):
    return read_results(twin / "straight" / "results.nxs").groups


def test_a_local_cluster_gives_the_same_bits_though_a_worker_is_killed(twin):
    killed = []
    with (
        distributed.LocalCluster(2, processes=True, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):

        def kill_one(topic, done, total):
            if topic == "frames" and done and not killed:
                killed.append(next(iter(client.run(os.getpid).values())))
                os.kill(killed[0], signal.SIGKILL)

        from operando.flow import Listener

        folder, results = run(
            twin / "experiment.toml", twin / "dask", scheduler=client, listener=Listener(progress=kill_one)
        )
    assert killed
    same(read_results(folder / "results.nxs").groups, straight(twin))
    made = [p.detail for p in results.processes if p.name in ("reduce", "map", "around")]
    assert all("by worker" in detail for detail in made)
    assert len(made) == 3 * MAPS


@pytest.fixture
def scheduler():
    """A scheduler and one worker as processes of their own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    port = address.rpartition(":")[2]
    python = [sys.executable, "-m"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    one = subprocess.Popen(
        [
            *python,
            "distributed.cli.dask_scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            port,
            "--no-dashboard",
        ],
        **quiet,
    )
    two = subprocess.Popen(
        [
            *python,
            "distributed.cli.dask_worker",
            address,
            "--nthreads",
            "1",
            "--no-dashboard",
            "--no-nanny",
        ],
        **quiet,
    )
    yield address, one
    for process in (two, one):
        process.kill()
        process.wait()


def test_a_killed_scheduler_is_one_clear_error_and_a_rerun_completes(twin, scheduler):
    address, process = scheduler
    folder = twin / "scheduler"
    started = start(twin, folder, "--scheduler", address)
    assert after_stages(started, folder, 2)
    process.kill()
    _, err = started.communicate(timeout=90)
    assert started.returncode == 1
    text = err.decode()
    assert "scheduler does not answer" in text
    assert "same command" in text
    assert "Traceback" not in text
    finished = len(list(folder.glob("stages/*.h5")))
    assert 2 <= finished < 3 * MAPS
    run(twin / "experiment.toml", folder)
    same(read_results(folder / "results.nxs").groups, straight(twin))


def test_an_address_where_none_answers_is_said(twin, monkeypatch):
    from operando.flow import pool_dask

    monkeypatch.setattr(pool_dask, "PATIENCE_S", 1)
    with pytest.raises(InputError, match="no Dask scheduler"):
        run(twin / "experiment.toml", twin / "nobody", scheduler="tcp://127.0.0.1:1")
