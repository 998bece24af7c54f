"""Random kills of the main process, of workers and of the scheduler: does every rerun complete with the same bits?

    python benchmarks/kills.py [--kills 10] [--seed 1] [--local] [--folder FOLDER]

A small twin is run on a Dask scheduler with two workers, each a process of its own (`--local`: on two workers of
`--workers 2`, without a scheduler). At random moments a random one of these processes gets SIGKILL; who was killed is
started again, and the same command is given again when the run ended. At the end all variables are compared with a run
without kills and workers, and processes left over are counted. Linux only (looks at /proc).
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

PYTHON = [sys.executable, "-m"]
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Local:
    """Workers that the run starts itself."""

    options = ("--workers", "2")

    def targets(self, main: subprocess.Popen) -> dict[int, str]:
        found = {main.pid: "main"}
        for path in Path(f"/proc/{main.pid}/task").glob("*/children"):
            for child in path.read_text().split():
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found[int(child)] = "worker"
        return found

    def mend(self) -> None:
        """Workers come with the run."""

    def close(self) -> None:
        """Workers go with the run."""


@dataclass
class Cluster:
    """A scheduler and two workers of Dask, started again when they are gone."""

    port: int = 0
    scheduler: subprocess.Popen | None = None
    workers: list[subprocess.Popen] = field(default_factory=list)

    def __post_init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.mend()

    @property
    def options(self) -> tuple[str, str]:
        return "--scheduler", f"tcp://127.0.0.1:{self.port}"

    def targets(self, main: subprocess.Popen) -> dict[int, str]:
        found = {main.pid: "main"} | {
            worker.pid: "worker" for worker in self.workers if worker.poll() is None
        }
        assert self.scheduler is not None
        return found | ({self.scheduler.pid: "scheduler"} if self.scheduler.poll() is None else {})

    def mend(self) -> None:
        """Start what is not alive. Workers of a scheduler that died have nothing to do with the next one."""
        if self.scheduler is None or self.scheduler.poll() is not None:
            self._end(self.workers)
            place = ["--host", "127.0.0.1", "--port", str(self.port)]
            command = ["distributed.cli.dask_scheduler", *place, "--no-dashboard"]
            self.scheduler = subprocess.Popen([*PYTHON, *command], **QUIET)
            self._wait()
        alive = [worker for worker in self.workers if worker.poll() is None]
        command = ["distributed.cli.dask_worker", self.options[1], "--nthreads", "1", "--no-dashboard"]
        command.append("--no-nanny")
        self.workers = alive + [subprocess.Popen([*PYTHON, *command], **QUIET) for _ in range(2 - len(alive))]

    def _wait(self) -> None:
        """Until the scheduler answers: a loaded machine takes its time."""
        from distributed import Client

        while True:
            try:
                Client(self.options[1], timeout=60, set_as_default=False).close()
                return
            except OSError:
                time.sleep(0.5)

    def close(self) -> None:
        self._end([*self.workers, self.scheduler])

    @staticmethod
    def _end(processes) -> None:
        for process in processes:
            process.kill()
            process.wait()


def start(experiment: Path, folder: Path, options) -> subprocess.Popen:
    command = [*PYTHON, "operando", "run", str(experiment), "-o", str(folder), "--no-report", *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _into_the_work(process: subprocess.Popen, folder: Path, chance: random.Random) -> None:
    """Wait until a stage more is finished (one time in four: not even that), and then a random moment."""
    before = len(list(folder.glob("stages/*.h5")))
    waits = chance.random() > 0.25
    while waits and process.poll() is None and len(list(folder.glob("stages/*.h5"))) <= before:
        time.sleep(0.05)
    time.sleep(chance.uniform(0.0, 2.0))


def kill_some(
    experiment: Path, folder: Path, crew, kills: int, chance: random.Random
) -> tuple[Counter, set[int]]:
    """Run until complete; returns how often each kind was killed, how the runs ended, and all processes seen.

    A run that completes before enough were killed is thrown away and begun anew, so that kills meet work.
    """
    told, seen, process = Counter(), set(), None
    while True:
        killed = sum(told[kind] for kind in ("main", "worker", "scheduler"))
        if process is None or process.poll() is not None:
            if process is not None:
                _ended(process, told)
                if process.returncode == 0 and killed >= kills:
                    return told, seen
                if process.returncode == 0:
                    shutil.rmtree(folder)
            crew.mend()
            process = start(experiment, folder, crew.options)
            told["runs"] += 1
        if killed >= kills:
            crew.mend()
            time.sleep(0.2)
            continue
        _into_the_work(process, folder, chance)
        if process.poll() is None:
            targets = crew.targets(process)
            seen.update(targets)
            kind = chance.choice(sorted(set(targets.values())))
            os.kill(chance.choice([pid for pid, one in targets.items() if one == kind]), signal.SIGKILL)
            told[kind] += 1
            print(f"{dict(told)}, {len(list(folder.glob('stages/*.h5')))} stages", flush=True)
            if kind != "worker":  # the one is gone, without the other it cannot go on: both end the run
                process.wait()
            crew.mend()


def _ended(process: subprocess.Popen, told: Counter) -> None:
    """Count how a run ended: complete, killed, or with the one error that tells of a lost scheduler."""
    words = process.stderr.read().decode() if process.stderr else ""
    told_so = (
        "scheduler does not answer" in words or "no Dask scheduler answers" in words
    )  # later, or at the start
    lost = process.returncode in (1, 2) and told_so and "Traceback" not in words
    if process.returncode > 0 and not lost:
        raise SystemExit(f"failed: {words}")
    told["completed" if process.returncode == 0 else "told of the lost scheduler" if lost else "cut"] += 1


def main() -> None:
    from operando.flow import compare_results, read_results, run
    from operando.twin.film import FilmCell, simulate

    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--maps", type=int, default=8)
    parser.add_argument("--local", action="store_true")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="operando-kills-"))
    simulate(FilmCell.tiny(maps=given.maps), folder)
    experiment = folder / "experiment.toml"
    run(experiment, folder / "straight")
    crew = Local() if given.local else Cluster()
    try:
        told, seen = kill_some(experiment, folder / "killed", crew, given.kills, random.Random(given.seed))
    finally:
        crew.close()
    time.sleep(3)
    left = sum(Path(f"/proc/{pid}").exists() for pid in seen)
    results = [read_results(folder / name / "results.nxs") for name in ("straight", "killed")]
    number, differences, _ = compare_results(*results)
    print(f"{dict(told)}; {left} processes left; {number} variables compared, {len(differences)} differ")
    for difference in differences[:10]:
        print("  ", difference)
    if given.folder is None:
        shutil.rmtree(folder)
    sys.exit(bool(differences or left))


if __name__ == "__main__":
    main()
