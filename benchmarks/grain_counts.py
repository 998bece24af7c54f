"""Counts of Li grains of the film twin against what is there, over many films: bias, and whether the errors are honest.

    python benchmarks/grain_counts.py [films]

Ring images as the main job makes them, without a Li-free reference. A grain counts as there when more than 40 counts
are expected at its brightest point. The pull is (counted - there) / error, map by map.
"""

from __future__ import annotations

import sys

import numpy as np

from operando import diffraction
from operando.core import Sums
from operando.flow.grain_images import HALF_WINDOW
from operando.twin.film import FilmCell, Truth, film_rings
from operando.twin.film.texture import LI_A, cubic_q

THERE = 40
#: (cell, bins in q no narrower than a pixel)
FILMS = {
    "demo size, 10 columns": (
        {"maps": 8, "map_period_s": 800.0, "columns": 10, "grain_births_per_mm_map": (24.0, 10.0)}, FilmCell.demo, 6),
    "paper size, 16 columns": ({"maps": 8, "map_period_s": 900.0, "columns": 16}, FilmCell.paper, 10),
}  # fmt: skip


def counted(cell: FilmCell, q_bins: int) -> np.ndarray:
    """(maps - 1, 4): counted, its error, there, and grains found before merged ones are added."""
    q = cubic_q((1, 1, 0), LI_A)
    window = (q * (1 - HALF_WINDOW), q * (1 + HALF_WINDOW))

    def maps():
        for number in range(cell.maps):
            ring = film_rings(cell, number, "Li110", q_range=window, q_bins=q_bins)
            counts = ring["counts"].astype(float)
            yield Sums(counts, counts, ring["weight"])

    truth = Truth.of(cell)
    grains = diffraction.link_grains(diffraction.find_grains(maps(), time=truth.maps["time"].values))
    counts = diffraction.count_grains(grains)
    there = (truth.grains["counts_best"].values > THERE).sum(1)
    found = np.bincount(grains["map_index"].values, minlength=cell.maps)
    return np.stack([counts["total"].values, counts["total_err"].values, there, found], 1)[1:]


def main(films: int = 12) -> None:
    print("| film twin | maps | there | found | counted | rms off | median error | pull mean | pull rms |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, (changes, make, q_bins) in FILMS.items():
        rows = np.concatenate([counted(make(seed=seed, **changes), q_bins) for seed in range(films)])
        total, error, there, found = rows.T
        off, pull = total - there, (total - there) / error
        print(
            f"| {name}, {films} films | {len(rows)} | {there.sum():.0f} | {found.sum():.0f} | {total.sum():.0f} | "
            f"{np.sqrt((off**2).mean()):.2f} | {np.median(error):.2f} | {pull.mean():+.2f} | "
            f"{np.sqrt((pull**2).mean()):.2f} |"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
