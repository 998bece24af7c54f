"""Eiger 4M frames of the film twin, from raw files through the whole main job: c and a against the truth.

    python benchmarks/eiger_recovery.py

Two columns and a few rows of two maps, so that writing 4M frames stays a matter of seconds.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from operando.flow import run
from operando.twin.film import FilmCell, simulate

DIMS = ("time", "z", "x")


def main() -> None:
    cell = FilmCell.paper(
        rows=12, columns=2, maps=2, step_z_um=2.0, beam_z_fwhm_um=2.0, map_period_s=9000.0, seed=5
    )
    with tempfile.TemporaryDirectory() as folder:
        clock, busy = time.perf_counter(), time.process_time()
        truth = simulate(cell, Path(folder), "eiger")
        made = time.process_time() - busy
        _, results = run(Path(folder) / "experiment.toml")
        wall, cpu = time.perf_counter() - clock, time.process_time() - busy
    print(
        f"{cell.maps * cell.points} frames: {wall:.0f} s wall, {cpu:.0f} s CPU, of which {made:.0f} s the twin"
    )
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")
    alone = truth.maps["insulating"].transpose(*DIMS).values
    inside = truth.maps["share"].sel(layer="LCO").transpose(*DIMS).values > 0.6
    print("| ring, family | points | rms off | pull mean | pull rms |\n| --- | --- | --- | --- | --- |")
    for ring, name in (("LCO003", "c"), ("LCO110", "a")):
        for family in ("perp", "par"):
            fitted = results.groups[f"xrd/{ring}"].sel(family=family).transpose(*DIMS)
            true = truth.maps[name].sel(family=family).transpose(*DIMS).values
            good = (fitted["flag"].values == 0) & inside & ((alone < 0.003) | (alone > 0.997))
            off = (fitted[name].values - true)[good]
            pull = off / fitted[f"{name}_err"].values[good]
            if good.any():
                rms = [np.sqrt((v**2).mean()) for v in (off, pull)]
                print(
                    f"| {ring} {family} {name} | {good.sum()} | {1e3 * rms[0]:.2f} mA | {pull.mean():+.2f} | "
                    f"{rms[1]:.2f} |"
                )
            else:
                print(f"| {ring} {family} {name} | 0 (cut by gaps) | | | |")


if __name__ == "__main__":
    main()
