# ruff: noqa: E501
"""Filtered back-projection: ours against algotom's FBP on one core, same phantom, same error; then whole files.

1024 columns, 1500 projections. Times are CPU time of one process with one thread, the best of interleaved rounds.
The whole-file part writes a Data Exchange file of 64 rows and times `reconstruct` (read, correct, stripes, centre given,
back-project, write zarr, preview), and again for 2048 columns with 1.5 GB allowed, each in a fresh process.
Run: python benchmarks/reconstruct.py
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # before numpy is loaded

import numpy as np  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "recovery"))
WIDTH, ANGLES, ROUNDS = 1024, 1500, 3


def best(work) -> tuple[float, np.ndarray]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def kernels() -> dict:
    from algotom.rec.reconstruction import dfi_reconstruction, fbp_reconstruction
    from recon_phantom import cell, line_integrals, slice_truth

    from operando.tomography.fourier_backproject import Backprojector, outside_circle
    from operando.tomography.fourier_lines import Beams

    angles, centre = np.linspace(0, 180, ANGLES, endpoint=False), (WIDTH - 1) / 2 + 0.7
    shapes = cell(WIDTH)
    truth = slice_truth(shapes, WIDTH)
    sino = line_integrals(shapes, angles, WIDTH, centre).astype(np.float32)
    mask = ~outside_circle(WIDTH, (0, WIDTH, 0, WIDTH), 0.47 * WIDTH)
    four, turn = np.stack([sino] * 4), np.deg2rad(angles)
    result: dict = {}
    for window, theirs in (("ramp", None), ("hann", "hann")):
        back = Backprojector(Beams(angles, WIDTH, centre), window=window, slices=1000)

        def fbp(a=turn, n=theirs):
            return fbp_reconstruction(sino, centre, a, filter_name=n, apply_log=False, gpu=False, ncore=1)

        fbp_reconstruction(
            sino[:8], centre, turn[:8], filter_name=theirs, apply_log=False, gpu=False, ncore=1
        )
        ways = {"operando": lambda b=back: b(four), "algotom FBP": fbp}
        if theirs:
            ways["algotom DFI"] = lambda: dfi_reconstruction(
                sino, centre, turn, filter_name="hann", apply_log=False, ncore=1
            )
        seconds = dict.fromkeys(ways, np.inf)
        error = {}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                took, image = best(way)
                seconds[name] = min(seconds[name], took / (4 if name == "operando" else 1))
                image = image[0] if name == "operando" else image
                both = [np.sqrt(((i - truth)[mask] ** 2).mean()) for i in (image, image[::-1])]
                error[name] = float(min(both)) / float(np.ptp(truth))
        result[window] = {n: {"seconds_a_slice": seconds[n], "rms_error": error[n]} for n in ways}
    return result


def whole_file(width: int, rows: int, memory_gb: float, stripes: str) -> dict:
    """Run in a fresh process: its peak memory is that of the work."""
    code = (
        "import json, resource, sys, time\n"
        "from operando.read import open_projections\n"
        "from operando.flow.recon import reconstruct\n"
        "from operando.tomography import Correction, ReconSettings\n"
        "base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "path, out, width, memory, stripes = sys.argv[1:]\n"
        "s = ReconSettings(centre=float(width) / 2, memory_gb=float(memory), threads=2, correction=Correction(stripes=stripes))\n"
        "c = time.process_time()\n"
        "done = reconstruct(open_projections(path), out, s)\n"
        "c = time.process_time() - c\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(json.dumps({'seconds': done.seconds, 'cpu_s': c, 'slices_per_s': done.slices_per_s, 'planned_GB': done.memory_bytes / 1e9,"
        " 'start_GB': base * 1024 / 1e9, 'peak_GB': peak * 1024 / 1e9}))\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.h5"
        write_scan(path, width, rows)
        env = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
        args = [
            sys.executable,
            "-c",
            code,
            str(path),
            f"{folder}/v.zarr",
            str(width),
            str(memory_gb),
            stripes,
        ]
        run = subprocess.run(args, capture_output=True, text=True, env=env)
        if run.returncode:
            raise RuntimeError(run.stderr)
        return json.loads(run.stdout.splitlines()[-1])


def write_scan(path: Path, width: int, rows: int) -> None:
    import h5py

    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("/exchange/data", (ANGLES, rows, width), np.uint16)
        for start in range(0, ANGLES, 100):
            data[start : start + 100] = rng.poisson(9000, (100, rows, width))
        file["/exchange/data_white"] = rng.poisson(15000, (10, rows, width)).astype(np.uint16)
        file["/exchange/data_dark"] = rng.poisson(100, (10, rows, width)).astype(np.uint16)
        file["/exchange/theta"] = np.linspace(0, 180, ANGLES, endpoint=False)
        file["/exchange/theta"].attrs["units"] = "deg"
        file["/measurement/instrument/detector/pixel_size"] = 1.7


def main() -> None:
    result: dict = {"machine": f"{platform.processor() or platform.machine()}", "kernels": kernels()}
    for window, ways in result["kernels"].items():
        ours = ways["operando"]["seconds_a_slice"]
        print(
            f"| {WIDTH} x {WIDTH}, {ANGLES} projections, filter {window}, one core | CPU s a slice | slices/s | x operando | rms error |"
        )
        print("| --- | --- | --- | --- | --- |")
        for name, v in ways.items():
            s = v["seconds_a_slice"]
            print(f"| {name} | {s:.3f} | {1 / s:.1f} | {s / ours:.1f} | {100 * v['rms_error']:.2f} % |")
        print(flush=True)
    print(
        "| whole file, 2 threads | wall s | CPU s | slices/s a core (CPU) | memory planned, GB | process peak (before the work), GB |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    result["files"] = []
    for width, rows, memory, stripes in (
        (1024, 64, 4.0, "none"),
        (1024, 64, 4.0, "sorting"),
        (2048, 32, 1.5, "none"),
    ):
        f = whole_file(width, rows, memory, stripes)
        result["files"].append({"width": width, "rows": rows, "memory_gb": memory, "stripes": stripes, **f})
        print(
            f"| {width} x {width} x {rows}, stripes {stripes}, {memory} GB allowed | {f['seconds']:.1f} | {f['cpu_s']:.1f} | {rows / f['cpu_s']:.1f} "
            f"| {f['planned_GB']:.2f} | {f['peak_GB']:.2f} ({f['start_GB']:.2f}) |", flush=True,
        )  # fmt: skip
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "reconstruct.json").write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
