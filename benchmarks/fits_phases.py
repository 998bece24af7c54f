"""384 000 window fits, one peak against two by BIC, on two cores; scipy curve_fit on a sample in the same run.

Run: python benchmarks/fits_phases.py
"""

from __future__ import annotations

import json
import platform
import time
from pathlib import Path

import numpy as np
from scipy.optimize import curve_fit
from scipy.special import ndtr

from operando.diffraction import fit_peaks, fit_two_peaks

ROWS, STEP, N, SIGMA = 384_000, 0.0022, 40, 0.0055
Q = 1.29 + 0.008 + STEP * np.arange(N)
EDGES = np.append(Q - STEP / 2, Q[-1] + STEP / 2)


def profiles(rows: int) -> np.ndarray:
    """A two-phase step: pure, mixed and pure again, 100 to 3000 counts a window."""
    rng = np.random.default_rng(4)
    one, two = (np.diff(ndtr((EDGES - q) / SIGMA)) for q in (1.3340, 1.3464))
    fraction = np.clip(rng.uniform(-0.5, 1.5, rows), 0, 1)[:, None]
    counts = np.exp(rng.uniform(np.log(100), np.log(3000), rows))[:, None]
    return rng.poisson(counts * (fraction * one + (1 - fraction) * two + 0.3 / N)).astype(np.uint32)


def gaussians(q, p, s, a, r, b, c, d):
    return a * np.exp(-0.5 * ((q - p) / s) ** 2) + b * np.exp(-0.5 * ((q - r) / s) ** 2) + c + d * (q - 1.34)


def timed(work) -> tuple[float, float]:
    """Wall and CPU seconds; the second does not count what other users of the machine took."""
    start, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - busy


def main() -> None:
    data = profiles(ROWS)
    fit_two_peaks(Q, data[:100], threads=2)

    def peer(rows=300):
        for counts in data[:rows]:
            try:
                start = (1.334, SIGMA, counts.max() / 2, 1.3464, counts.max() / 2, 0.5, 0.0)
                curve_fit(gaussians, Q, counts, start, np.sqrt(np.maximum(counts, 1)), maxfev=2000)
            except RuntimeError:
                continue

    seconds = {"one peak": [], "one and two peaks, BIC": [], "scipy curve_fit, two peaks (scaled up)": []}
    for _ in range(2):
        seconds["one peak"].append(timed(lambda: fit_peaks(Q, data, threads=2)))
        seconds["one and two peaks, BIC"].append(timed(lambda: fit_two_peaks(Q, data, threads=2)))
        seconds["scipy curve_fit, two peaks (scaled up)"].append(tuple(t * ROWS / 300 for t in timed(peer)))
    best = {name: tuple(min(v) for v in zip(*values, strict=True)) for name, values in seconds.items()}
    print(f"| {ROWS:,} windows of {N} bins | wall s | CPU s | fits/s (wall) |\n| --- | --- | --- | --- |")
    for name, (wall, cpu) in best.items():
        print(f"| {name} | {wall:.1f} | {cpu:.1f} | {ROWS / wall:,.0f} |")
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    machine = f"{platform.processor() or platform.machine()}, 2 threads (curve_fit: 1)"
    (out / "fits_phases.json").write_text(
        json.dumps({"machine": machine, "rows": ROWS, "seconds_wall_cpu": best}, indent=1)
    )


if __name__ == "__main__":
    main()
