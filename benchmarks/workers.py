"""A run with one and two workers of one thread each: processor time, wall time, and what the main process keeps.

    python benchmarks/workers.py [--maps 4] [--frames 256] [--rounds 2] [--folder FOLDER]

Simulated Eiger 4M frames (see stream_maps.py). The two ways take turns. On a machine that others load, wall times say
little: the ratio of processor times says what a second worker costs, and the main process's own share says where the
way ends at which more workers help. `before_s` is what passes before the first part is done (imports, mask,
orientation, bin tables: once a run and once a worker), `steady_frames_per_s` the rate from then on.

To see two workers pay, give them work for minutes: `--maps 16 --frames 512 --rounds 1`, about 10 GB in the folder,
which the page cache holds where memory allows, so that storage does not bind. Writes benchmarks/out/workers.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

OUT = Path(__file__).parent / "out" / "workers.json"

EXPERIMENT = """
title = "Workers"
[phases]
LiCoO2 = {{ a = 2.8035, c = 14.0, spacegroup = "R-3m" }}
Ti = {{ a = 2.951, c = 4.684, spacegroup = "P63/mmc" }}
[xrd]
scans = "scan_*.h5"
geometry = "detector.poni"
mask = "detector"
monitor = "none"
grid = {{ rows = {rows}, columns = 16, step_z_um = 1.0, step_x_um = 10.0, order = "same" }}
rings = [
  {{ name = "LCO003", phase = "LiCoO2", hkl = [0, 0, 3], families = {{ perp = [25, 205], par = [90, 275] }} }},
  {{ name = "Ti100", phase = "Ti", hkl = [1, 0, 0] }},
  {{ name = "Ti101", phase = "Ti", hkl = [1, 0, 1] }},
]
"""

PONI = """poni_version: 2.1
Detector: Detector
Detector_config: {{"pixel1": 7.5e-05, "pixel2": 7.5e-05, "max_shape": [{0}, {1}], "orientation": 3}}
Distance: 0.16
Poni1: 0.081225
Poni2: 0.077625
Rot1: 0.0
Rot2: 0.0
Rot3: 0.0
Wavelength: 6.888e-11
"""

#: one run in a process of its own, which tells its own processor time and that of its workers
ONE = """
import json, resource, sys, time
from operando.flow import run
begun = time.time()
told = {}
def progress(topic, done, total):
    told.setdefault((total, topic), []).append((time.time(), done))
from operando.flow import Listener
folder, results = run(sys.argv[1], sys.argv[2], workers=int(sys.argv[3]), listener=Listener(progress=progress))
own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
stages = [p.seconds for p in results.processes if p.name in ("reduce", "map", "around")]
events = [e for e in sorted(told.items())[-1][1] if e[1]]
(began, none), (ended, whole) = events[0], events[-1]
print(json.dumps({"wall_s": time.time() - begun, "before_s": began - begun,
    "steady_frames_per_s": (whole - none) / max(ended - began, 1e-9), "own_cpu_s": own.ru_utime + own.ru_stime,
    "workers_cpu_s": others.ru_utime + others.ru_stime, "stages_s": sum(stages),
    "worker_peak_mb": others.ru_maxrss / 1e3, "own_peak_mb": own.ru_maxrss / 1e3}))
"""


def prepare(folder: Path, maps: int, frames: int) -> float:
    """Files and experiment; returns MB a frame."""
    from stream_maps import SHAPE, simulate

    (folder / "detector.poni").write_text(PONI.format(*SHAPE))
    (folder / "experiment.toml").write_text(EXPERIMENT.format(rows=frames // 16))
    simulate(folder / "scan_0000.h5", 0.5, frames)
    for number in range(1, maps):
        shutil.copy(folder / "scan_0000.h5", folder / f"scan_{number:04d}.h5")
    return (folder / "scan_0000.h5").stat().st_size / frames / 1e6


def one(folder: Path, workers: int) -> dict[str, float]:
    """A fresh run; its measures."""
    run = folder / f"run{workers}"
    shutil.rmtree(run, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-c", ONE, str(folder / "experiment.toml"), str(run), str(workers)], check=True,
        capture_output=True, text=True, env={**os.environ, "OPERANDO_THREADS": str(workers)},
    )  # fmt: skip
    stages = sum(path.stat().st_size for path in (run / "stages").glob("*.h5"))
    return {**json.loads(done.stdout.splitlines()[-1]), "stage_mb": stages / 1e6}


def same_stages(folder: Path) -> bool:
    """Whether both ways wrote the same stages."""
    names = [{path.name for path in (folder / f"run{n}" / "stages").iterdir()} for n in (1, 2)]
    return names[0] == names[1]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--maps", type=int, default=4)
    parser.add_argument("--frames", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="operando-workers-"))
    folder.mkdir(parents=True, exist_ok=True)
    mb = prepare(folder, given.maps, given.frames)
    rounds = [{n: one(folder, n) for n in (1, 2)} for _ in range(given.rounds)]
    best = {n: {key: (max if "per_s" in key else min)(r[n][key] for r in rounds) for key in rounds[0][n]}
            for n in (1, 2)}  # fmt: skip
    total = given.maps * given.frames
    told = {
        "frames": total, "mb_per_frame": mb, "best": best, "same_stages": same_stages(folder),
        "cpu_ratio_2_to_1": best[2]["workers_cpu_s"] / best[1]["workers_cpu_s"],
        "wall_ratio_1_to_2": best[1]["wall_s"] / best[2]["wall_s"],
        "steady_ratio_2_to_1": best[2]["steady_frames_per_s"] / best[1]["steady_frames_per_s"],
        "load": os.getloadavg()[0],
    }  # fmt: skip
    print(json.dumps(told, indent=2))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(told, indent=2))
    if given.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
