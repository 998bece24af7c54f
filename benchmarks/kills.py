"""Random kills of the main process and of workers: does every rerun complete with the same bits?

    python benchmarks/kills.py [--kills 10] [--seed 1] [--folder FOLDER]

A small twin is run with two workers. At random moments a random process (the main one or a worker) gets SIGKILL; when
the main one was hit the same command is started again. At the end all variables are compared with a run without kills
and workers, and processes left over are counted. Linux only (looks at /proc).
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def workers_of(pid: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


def start(experiment: Path, folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "operando", "run", str(experiment), "-o", str(folder), "--no-report"]
    return subprocess.Popen([*command, "--workers", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _into_the_work(process: subprocess.Popen, folder: Path, chance: random.Random) -> None:
    """Wait until a stage more is finished (one time in four: not even that), and then a random moment."""
    before = len(list(folder.glob("stages/*.h5")))
    waits = chance.random() > 0.25
    while waits and process.poll() is None and len(list(folder.glob("stages/*.h5"))) <= before:
        time.sleep(0.01)
    time.sleep(chance.uniform(0.0, 2.0))


def kill_some(experiment: Path, folder: Path, kills: int, chance: random.Random) -> dict[str, int]:
    """Run until complete; returns how often each kind of process was killed, and how many runs it took.

    A run that completes before enough were killed is thrown away and begun anew, so that kills meet work.
    """
    told = {"main": 0, "worker": 0, "runs": 0, "completed": 0}
    process, seen = None, set()
    while True:
        if process is None or process.poll() is not None:
            if process is not None and process.returncode == 0:
                told["completed"] += 1
                if told["main"] + told["worker"] >= kills:
                    break
                shutil.rmtree(folder)
            elif process is not None and process.returncode > 0:
                raise SystemExit(f"failed: {process.stderr.read().decode()}")
            process = start(experiment, folder)
            told["runs"] += 1
        if told["main"] + told["worker"] >= kills:
            process.wait()
            continue
        _into_the_work(process, folder, chance)
        if process.poll() is None:
            pids = workers_of(process.pid)
            seen.update(pids)
            target = chance.choice([process.pid, *pids])
            os.kill(target, signal.SIGKILL)
            told["main" if target == process.pid else "worker"] += 1
            print(told, len(list(folder.glob("stages/*.h5"))), "stages", flush=True)
            if target == process.pid:
                process.wait()
    time.sleep(3)
    told["left"] = sum(Path(f"/proc/{pid}").exists() for pid in seen)
    return told


def main() -> None:
    from operando.flow import compare_results, read_results, run
    from operando.twin.film import FilmCell, simulate

    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--maps", type=int, default=8)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="operando-kills-"))
    simulate(FilmCell.tiny(maps=given.maps), folder)
    experiment = folder / "experiment.toml"
    run(experiment, folder / "straight")
    told = kill_some(experiment, folder / "killed", given.kills, random.Random(given.seed))
    results = [read_results(folder / name / "results.nxs") for name in ("straight", "killed")]
    number, differences, _ = compare_results(*results)
    print(f"{told}; {number} variables compared, {len(differences)} differ")
    for difference in differences[:10]:
        print("  ", difference)
    if given.folder is None:
        shutil.rmtree(folder)
    sys.exit(bool(differences or told["left"]))


if __name__ == "__main__":
    main()
