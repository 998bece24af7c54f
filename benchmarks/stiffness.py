"""Stiffness of porous and two-phase volumes: time, steps, peak memory. Run: python benchmarks/stiffness.py [voxels]"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
from scipy.ndimage import gaussian_filter

from operando.transport import effective_stiffness


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    grey = gaussian_filter(np.random.default_rng(0).standard_normal((n, n, n)), n / 20, mode="wrap")
    effective_stiffness(np.zeros((4, 4, 4), int), {0: (1.0, 0.3)})  # compile
    print("| volume | CPU s | wall s | steps | E x y z |\n| --- | --- | --- | --- | --- |")
    for porosity, soft in ((0.05, 0.0), (0.3, 0.0), (0.3, 1.5)):
        labels = (grey > np.quantile(grey, porosity)).astype(int)
        wall, cpu = time.perf_counter(), time.process_time()
        found = effective_stiffness(labels, {0: (soft, 0.25), 1: (150.0, 0.25)})
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        young = " ".join(f"{e:.2f}" for e in found["young_modulus"].values)
        print(f"| {n}^3, {porosity:.0%} of {soft:g} in 150 GPa |", end=" ")
        print(f"{cpu:.1f} | {wall:.1f} | {found['steps'].values.max()} | {young} |")
    print(f"\npeak of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
