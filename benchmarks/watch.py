"""How far a watch is behind a detector: 20 frames of 4 million pixels a second, written by another process.

    python benchmarks/watch.py [--seconds 90] [--rate 20] [--frames 600] [--preset paper] [--folder FOLDER]

The writer stores frames that were compressed before (a detector costs its computer nothing) in an HDF5 file a map,
open for one writer and many readers. The lag is measured from outside: the age of the oldest frame that is on disk
(by the writer's own record) and not in results.nxs. The machine's load and the memory of the watch stand beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np


def written(folder: Path) -> np.ndarray:
    """(n,) s since 1970: when each frame was on disk."""
    try:
        lines = (folder / "written.csv").read_text().splitlines()
    except OSError:
        return np.zeros(0)
    return np.array(
        [float(line.split(",")[1]) for line in lines if line.count(",") == 1 and line[-4:-3] == "."]
    )


def told(folder: Path) -> dict:
    """What the results say of themselves."""
    try:
        with h5py.File(folder / "run" / "results.nxs", "r", locking=False) as file:
            return json.loads(file["entry/live"].attrs["attributes"])
    except (OSError, KeyError):
        return {}


def memory_mb(pid: int) -> float:
    """Memory of a process that is its own, MB: the pages of files that it reads are the system's."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def used_s(pid: int) -> float:
    """Processor time of a process, s."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


HEAD = ("time", "written", "in results", "lag(s)", "told(s)", "memory(MB)", "cpu(s)", "load")
FORM = "{:7.0f} {:8.0f} {:11.0f} {:7.1f} {:8.1f} {:11.0f} {:7.1f} {:6.1f}"


def follow(folder: Path, watch: subprocess.Popen, step_s: float) -> np.ndarray:
    """A row of `HEAD` every step until the watch ends."""
    rows: list[tuple[float, ...]] = []
    begun = time.time()
    while watch.poll() is None:
        now, times, live = time.time(), written(folder), told(folder)
        done = int(live.get("frames_done", 0))
        lag = now - times[done] if len(times) > done else 0.0
        rows.append((
            now - begun, len(times), done, lag, live.get("lag_s", np.nan), memory_mb(watch.pid), used_s(watch.pid),
            os.getloadavg()[0],
        ))  # fmt: skip
        if len(rows) % 5 == 1:
            print(FORM.format(*rows[-1]), flush=True)
        time.sleep(step_s)
    return np.array(rows)


def measure(given: argparse.Namespace, folder: Path) -> None:
    rows = 20
    columns, maps = given.frames // rows, max(1, round(given.seconds * given.rate / given.frames))
    command = [
        sys.executable, "-m", "operando.twin.film.live", str(folder), "--preset", given.preset, "--maps", str(maps),
        "--rows", str(rows), "--columns", str(columns), "--rate", str(given.rate), "--different", "8",
        "--pause", "0.5",
    ]  # fmt: skip
    writer = subprocess.Popen(command)
    while not (folder / "experiment.toml").exists() and writer.poll() is None:
        time.sleep(0.2)
    watch = subprocess.Popen(
        [sys.executable, "-m", "operando", "watch", str(folder / "experiment.toml"), "--maps", str(maps),
         "--until-complete", "--interval", str(given.interval), "--no-report"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    print(f"{maps} maps of {rows} x {columns} frames at {given.rate:g} frames/s, {os.cpu_count()} cores")
    print(("{:>7} {:>8} {:>11} {:>7} {:>8} {:>11} {:>7} {:>6}").format(*HEAD))
    table = follow(folder, watch, 1.0)
    writer.wait()
    conclude(table, written(folder), told(folder), watch.returncode)


def conclude(table: np.ndarray, times: np.ndarray, live: dict, code: int) -> None:
    """Lag, frames, memory and processor time, from when results were first there to the last frame."""
    total = len(times)
    print(f"largest memory, the final run included: {np.nanmax(table[:, 5]):.0f} MB")
    print(f"frames written {total}, in results {live.get('frames_done')}, watch ended with {code}")
    table = table[table[:, 2] > 0]
    during = table[table[:, 1] < total]
    if len(during) > 2:
        late = during[len(during) // 2 :]
        lags = [
            f"median {np.median(part[:, 3]):.1f} s, largest {part[:, 3].max():.1f} s"
            for part in (during, late)
        ]
        print(f"lag while measuring: {lags[0]}; in the second half: {lags[1]}")
        memory = [np.median(part[:, 5]) for part in (during[: len(during) // 2], late)]
        print(f"memory: {memory[0]:.0f} MB in the first half, {memory[1]:.0f} MB in the second")
        used, span = during[-1, 6] - during[0, 6], during[-1, 0] - during[0, 0]
        frames = during[-1, 2] - during[0, 2]
        print(
            f"processor: {used:.1f} s in {span:.0f} s ({used / span:.0%} of a core) for {frames:.0f} frames"
        )
    shown = table[(table[:, 1] >= total) & (table[:, 2] >= total)]
    last = table[table[:, 1] < total][-1, 0] if len(during) else np.nan
    print(
        f"after the last frame: all in results {shown[0, 0] - last:.0f} s later; load {table[:, 7].mean():.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--frames", type=int, default=600, help="of a map")
    parser.add_argument("--interval", type=float, default=3.0)
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        measure(given, Path(folder))


if __name__ == "__main__":
    main()
