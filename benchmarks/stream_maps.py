"""File to normalised azimuth x q maps: ours and pyFAI in turn, in one run, on the same cores.

    python benchmarks/stream_maps.py [--frames 256] [--rounds 5] [--folder FOLDER] [--quick]

Simulated Eiger 4M frames (2167 x 2070, module gaps dead, bitshuffle-LZ4) of 0.5, 0.86 and 2 counts in the mean.
Prints a Markdown table and writes benchmarks/out/stream_maps.json. Ratios are medians over rounds in which every
way is timed once; files are in the page cache, so this measures software and not disks.
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"  # pyFAI gets its cores as processes, which serves it better than OpenMP

import h5py  # noqa: E402
import hdf5plugin  # noqa: E402
import numpy as np  # noqa: E402

from operando.core import Geometry  # noqa: E402
from operando.read import open_scans  # noqa: E402
from operando.stream import AzimuthalMap, RingWindow, run  # noqa: E402

SHAPE, DATASET = (2167, 2070), "/entry/data/data"
Q_RANGE, Q_BINS, SECTORS, POLARISATION = (0.1, 4.4), 500, 360, 0.95
RINGS = {"LCO003": 1.345, "Ti100": 2.46, "Ti002": 2.34, "Ti101": 2.24, "LCO101": 2.61}
WAYS = {
    "h5py + pyFAI bbox/csr": "bbox csr",
    "h5py + pyFAI no-split csr": "no csr",
    "h5py + pyFAI no-split csc": "no csc",
}


def geometry() -> Geometry:
    """18 keV, 160 mm, beam in the middle."""
    return Geometry(0.16, 1083 * 75e-6, 1035 * 75e-6, 0.6888, (75e-6, 75e-6), SHAPE)


def gaps() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[:, 1030:1040] = True
    for row in (514, 1065, 1616):
        mask[row : row + 37] = True
    return mask


def simulate(path: Path, mean: float, frames: int) -> float:
    """Write Poisson frames of textured rings on a smooth background; returns MB a frame."""
    g, mask, rng = geometry(), gaps(), np.random.default_rng(0)
    q, azimuth = g.q(), g.azimuth()
    rate = 0.4 + 1.2 * np.exp(-q / 1.5)
    for centre, height in zip((*RINGS.values(), 3.6), (3.0, 1.0, 1.2, 1.5, 2.0, 1.0), strict=True):
        texture = 0.3 + np.cos(np.deg2rad(azimuth)) ** 4
        rate += height * texture * np.exp(-((q - centre) ** 2) / (2 * 0.02**2))
    rate *= g.solid_angle() * mean / (rate * g.solid_angle())[~mask].mean()
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            DATASET, (frames, *SHAPE), np.uint32, chunks=(1, *SHAPE), **hdf5plugin.Bitshuffle(cname="lz4")
        )
        different = min(frames, 24)
        for i in range(different):
            image = rng.poisson(rate).astype(np.uint32)
            image[mask] = 2**32 - 1
            data[i] = image
        for i in range(different, frames):
            data.id.write_direct_chunk((i, 0, 0), data.id.read_direct_chunk((i % different, 0, 0))[1])
        return data.id.get_storage_size() / frames / 1e6


def pyfai(path: str, method: str, first: int, stop: int, corrected: bool = False) -> np.ndarray:
    """What most users write: frame by frame, h5py and integrate2d_ng."""
    integrator = _INTEGRATORS.setdefault("one", geometry().integrator)
    more = {"polarization_factor": POLARISATION} if corrected else {}
    mask = gaps().astype(np.int8)
    out = np.empty((stop - first, SECTORS, Q_BINS), np.float32)
    with h5py.File(path) as file:
        for i in range(first, stop):
            out[i - first] = integrator.integrate2d_ng(
                file[DATASET][i], Q_BINS, SECTORS, unit="q_A^-1", radial_range=Q_RANGE, azimuth_range=(-180, 180),
                mask=mask, method=(*method.split(), "cython"), correctSolidAngle=True, **more,
            ).intensity  # fmt: skip
    return out


_INTEGRATORS: dict = {}


def full_map(splitting: str = "none", **more) -> list:
    return [
        AzimuthalMap(
            geometry(),
            gaps(),
            q_range=Q_RANGE,
            q_bins=Q_BINS,
            azimuth_bins=SECTORS,
            splitting=splitting,
            **more,
        )
    ]


def rings() -> list:
    g, mask = geometry(), gaps()
    return [
        RingWindow(g, mask, q_range=(q - 0.05, q + 0.05), azimuth_bins=SECTORS, name=n)
        for n, q in RINGS.items()
    ]


def ours(path: str, reductions: list, threads: int) -> list[np.ndarray]:
    """File to normalised float32."""
    frames = open_scans([path], dataset=DATASET)[0].frames
    return [normalised(sums, threads) for sums in run(reductions, frames, threads=threads).values()]


def normalised(sums, threads: int) -> np.ndarray:
    weight, signal = sums.weight.values, sums.signal.values
    factor = np.where(weight > 0, 1 / np.where(weight > 0, weight, 1), np.nan).astype(np.float32)
    out = np.empty(signal.shape, np.float32)

    def part(k: int) -> None:
        np.multiply(signal[k::threads], factor, out=out[k::threads], dtype=np.float32, casting="unsafe")

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(part, range(threads)))
    return out


def lz4_limit(path: str, frames: int, cores: int) -> float | None:
    """Frames a second of liblz4 alone, block by block into cache; None where no liblz4 is installed."""
    name = ctypes.util.find_library("lz4")
    if name is None:
        return None
    from numba import njit

    from operando.core._lz4 import big32

    decompress = ctypes.CDLL(name).LZ4_decompress_safe
    decompress.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
    decompress.restype = ctypes.c_int

    @njit(nogil=True)
    def walk(chunk, work, blocks):
        source, total = chunk + 12, 0
        for _ in range(blocks):
            size = big32(source)
            total += decompress(source + 4, work, size, 8192)
            source += 4 + size
        return total

    with h5py.File(path) as file:
        chunks = [file[DATASET].id.read_direct_chunk((i, 0, 0))[1] for i in range(frames)]
    addresses = [np.frombuffer(chunk, np.uint8).ctypes.data for chunk in chunks]
    works = [np.empty(8192 + 64, np.uint8) for _ in range(cores)]

    def share(k: int) -> None:
        for address in addresses[k::cores]:
            walk(address, works[k].ctypes.data, SHAPE[0] * SHAPE[1] // 2048)

    walk(addresses[0], works[0].ctypes.data, 1)
    best = np.inf
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(3):
            begin = time.perf_counter()
            list(pool.map(share, range(cores)))
            best = min(best, time.perf_counter() - begin)
    return frames / best


def rates(path: str, frames: int, cores: int, rounds: int) -> dict[str, list[float]]:
    """Frames a second of every way, once a round, each on `cores` cores."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:cores]))
    few = max(2, min(8, frames // 8)) * cores
    pool = ProcessPoolExecutor(cores, mp_context=get_context("spawn"))

    def peer(method: str, corrected: bool = False) -> float:
        edges = np.linspace(0, few, cores + 1).astype(int)
        begin = time.perf_counter()
        jobs = [pool.submit(pyfai, path, method, a, b, corrected) for a, b in pairwise(edges)]
        for job in jobs:
            job.result()
        return few / (time.perf_counter() - begin)

    def mine(reductions: list) -> float:
        begin = time.perf_counter()
        ours(path, reductions, cores)
        return frames / (time.perf_counter() - begin)

    one, five, shared = full_map(), rings(), full_map("bbox", polarisation=POLARISATION)
    ways = {label: (lambda method=method: peer(method)) for label, method in WAYS.items()}
    ways["h5py + pyFAI bbox/csr, polarisation"] = lambda: peer("bbox csr", True)
    ways["operando full map"] = lambda: mine(one)
    ways["operando five rings"] = lambda: mine(five)
    ways["operando bbox, polarisation"] = lambda: mine(shared)
    found: dict[str, list[float]] = {label: [] for label in ways}
    for turn in range(rounds + 1):  # the first warms up: tables, compiled code, page cache
        for label, way in ways.items():
            rate = way()
            if turn:
                found[label].append(rate)
    pool.shutdown()
    return found


@dataclass(frozen=True)
class Repeated:
    """A short file handed out again and again, as a long scan."""

    frames: object
    count: int

    def __getattr__(self, name):
        return getattr(object.__getattribute__(self, "frames"), name)

    def __len__(self) -> int:
        return self.count

    def blocks(self, start=0, stop=None, size=32):
        stop, n = self.count if stop is None else stop, len(self.frames)
        while start < stop:
            first = start % n
            for block in self.frames.blocks(first, min(n, first + stop - start), size):
                yield replace(block, index=np.arange(start, start + len(block)))
                start += len(block)


def peak_memory(path: str, count: int) -> None:
    """Run in a process of its own: the full map of `count` frames, kept in files; prints the peak in MB."""
    frames = Repeated(open_scans([path], dataset=DATASET)[0].frames, count)
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
        begin = time.perf_counter()
        sums = run(full_map(), frames, checkpoint=folder)["map"]
        seconds = time.perf_counter() - begin
        total = int(sums.signal[-1].sum())
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(
        int(line.split()[1]) for line in lines if line.startswith("VmHWM")
    )  # ru_maxrss keeps the parent's
    print(json.dumps({"MB": peak / 1024, "fps": count / seconds, "sum": total}))


def memory(path: str, count: int) -> dict:
    out = subprocess.run(
        [sys.executable, __file__, "--memory", path, str(count)], capture_output=True, text=True, check=True
    )
    return json.loads(out.stdout.strip().splitlines()[-1])


def against(found: dict[str, list[float]], way: str, base: str) -> float:
    """Median over rounds of the ratio of two ways."""
    return statistics.median(a / b for a, b in zip(found[way], found[base], strict=True))


def table(results: dict) -> str:
    """Markdown: rates, and ratios to the peers."""
    lines = []
    for key, found in results["rates"].items():
        lines += [
            f"\n**{key}**\n",
            "| way | frames/s (median) | x bbox/csr | x fastest no-split |",
            "| --- | --- | --- | --- |",
        ]
        plain = [label for label in WAYS if "no-split" in label]
        fastest = max(plain, key=lambda label: statistics.median(found[label]))
        for label, values in found.items():
            ratios = [f"{against(found, label, base):.1f}" for base in ("h5py + pyFAI bbox/csr", fastest)]
            lines.append(f"| {label} | {statistics.median(values):.0f} | {ratios[0]} | {ratios[1]} |")
        shared = against(found, "operando bbox, polarisation", "h5py + pyFAI bbox/csr, polarisation")
        lines.append(
            f"\nrings / map {against(found, 'operando five rings', 'operando full map'):.2f}; "
            f"weighted / pyFAI {shared:.1f}"
        )
        limit = results["lz4"].get(key)
        if limit:
            share = statistics.median(found["operando full map"]) / limit
            lines.append(
                f"liblz4 alone {limit:.0f} frames/s; the full map, file to float32, reaches {share:.0%} of it"
            )
    for count, peak in results["memory"].items():
        lines.append(f"\n{count} frames to files: peak {peak['MB']:.0f} MB, {peak['fps']:.0f} frames/s")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--quick", action="store_true", help="one mean, few rounds, no 4096 frames")
    parser.add_argument("--memory", nargs=2, metavar=("FILE", "FRAMES"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory:
        return peak_memory(args.memory[0], int(args.memory[1]))
    everything = os.sched_getaffinity(0)
    results: dict = {
        "machine": platform.processor() or platform.machine(),
        "rates": {},
        "lz4": {},
        "memory": {},
        "MB": {},
    }
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for mean in (0.86,) if args.quick else (0.5, 0.86, 2.0):
            path = str(Path(folder) / f"eiger_{mean}.h5")
            results["MB"][str(mean)] = simulate(Path(path), mean, args.frames)
            for cores in (1, 2):
                key = f"mean {mean} counts, {cores} core{'s' * (cores > 1)}"
                os.sched_setaffinity(0, everything)
                results["rates"][key] = rates(path, args.frames, cores, 2 if args.quick else args.rounds)
                results["lz4"][key] = lz4_limit(path, min(args.frames, 32), cores)
            os.sched_setaffinity(0, everything)
            if mean == 0.86:
                for count in (64,) if args.quick else (64, 4096):
                    results["memory"][str(count)] = memory(path, count)
            Path(path).unlink()
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "stream_maps.json").write_text(json.dumps(results, indent=1))
    print(table(results))
    return None


if __name__ == "__main__":
    main()
