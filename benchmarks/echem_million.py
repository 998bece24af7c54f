"""One million cycler rows: read, aligned to 240 000 frames, and reduced to what a plot shows. Target: 5 s, 1 GB.

Run: python benchmarks/echem_million.py [--rows N]. The peer is the bare pandas.read_csv of the same file.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np


def make(path: Path, rows: int) -> None:
    """A plain csv of `rows` records: twenty cycles at constant current, 1 s apart."""
    import pandas as pd

    t = np.arange(rows, dtype=float)
    current = np.where((t // (rows / 40)) % 2 == 0, 0.1, -0.1)
    charge = np.cumsum(current) / 3600
    columns = {
        "Test Time / s": t, "Unix Time / s": 1.74e9 + t, "Voltage / V": 3.9 + 0.5 * charge,
        "Current / A": current / 1e3,
        "Net Capacity / mAh": charge, "Step Count / 1": (t // (rows / 40)).astype(int),
        "Cycle Count / 1": (t // (rows / 20)).astype(int),
    }  # fmt: skip
    pd.DataFrame(columns).to_csv(path, index=False, float_format="%.9g")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    import pandas as pd

    from operando.echem import Clock, at, cycles, thin
    from operando.read.cycler import cycler

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.csv"
        make(path, rows)
        begin = time.perf_counter()
        pd.read_csv(path)
        peer = time.perf_counter() - begin
        begin = time.perf_counter()
        table = cycler(path)
        read = time.perf_counter() - begin
        frames = 1.74e9 + np.linspace(-100, rows + 100, 240_000)
        state = at(table, frames, Clock(12.0, 0.5, 1e-5, 1e-6, 1.74e9))
        aligned = time.perf_counter() - begin
        shown = thin(table, points=4000)
        every = cycles(table)
        total = time.perf_counter() - begin
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{rows} rows, {state.sizes['time']} frames, {shown.sizes['record']} points, {every.sizes['cycle']} cycles"
    )
    print(
        f"read {read:.2f} s (pandas alone {peer:.2f} s), aligned {aligned:.2f} s, all {total:.2f} s, {memory:.2f} GB"
    )


if __name__ == "__main__":
    main()
