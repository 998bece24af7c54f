"""Counts of Li grains of the film twin against what is there, over many films: bias, and whether the errors are honest.

    python benchmarks/grain_counts.py [films [first seed]]

Ring images as the main job makes them, without a Li-free reference. A grain counts as there when more than 40 counts
are expected at its brightest point. The pull is (counted - there) / error, map by map. Precision: share of found grains
that lie within 2 degrees in azimuth and a column in x of a true one; recall: share of true ones with over 50 counts
that are found so; switches: links of a track from one true grain to another; kept: share of the true grains that are
found in a map and in the next whose track goes on; expected: switches that `link_chance` tells without knowing the
truth. Grains live for 0.5 to 2, 3 to 10 or 15 to 60 times 300 s: maps that take three times as long are the hard case.
"""

from __future__ import annotations

import sys

import numpy as np
import xarray as xr

from operando import diffraction
from operando.core import Sums
from operando.flow.grain_images import HALF_WINDOW
from operando.twin.film import FilmCell, Truth, film_rings
from operando.twin.film.texture import LI_A, cubic_q

THERE, BRIGHT, LEAST = 40, 50, 10
#: (cell, bins in q no narrower than a pixel)
FILMS = {
    "demo, 280 s a map": ({"maps": 20, "columns": 10}, FilmCell.demo, 6),
    "paper, 300 s a map": ({"maps": 24, "columns": 16}, FilmCell.paper, 10),
    "demo, 800 s a map": (
        {"maps": 8, "map_period_s": 800.0, "columns": 10, "grain_births_per_mm_map": (24.0, 10.0)}, FilmCell.demo, 6),
    "paper, 900 s a map": ({"maps": 8, "map_period_s": 900.0, "columns": 16}, FilmCell.paper, 10),
}  # fmt: skip


def counted(cell: FilmCell, q_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """(maps - 1, 4): counted, its error, there, and grains found before merged ones are added; and `judged`."""
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
    numbers = np.stack([counts["total"].values, counts["total_err"].values, there, found], 1)[1:]
    return numbers, judged(grains, truth.grains, cell)


def judged(grains: xr.Dataset, truth: xr.Dataset, cell: FilmCell) -> np.ndarray:
    """(9,): found, of them real; bright, of them found; links, of them from one grain to another, those expected;
    grains seen in a map and in the next, of them in one track.

    A found grain belongs to a true one within 2 degrees whose columns it touches; one that could be two is nobody's.
    """
    owner, real, bright, recalled = np.full(grains.sizes["grain"], -1), 0, 0, 0
    half, step = 0.5 * truth["width_um"].values, 0.5 * cell.step_x_um
    place, low, high = truth["x_um"].values, grains["x_min"].values - step, grains["x_max"].values + step
    for number in range(cell.maps):
        rows = np.flatnonzero(grains["map_index"].values == number)
        counts, azimuth = (truth[name].values[number] for name in ("counts_best", "azimuth"))
        off = np.abs((grains["azimuth"].values[rows, None] - azimuth + 180) % 360 - 180)
        same = (off < 2) & (place - half < high[rows, None]) & (place + half > low[rows, None])
        real += (same & (counts > 1)).any(1).sum()
        bright += (counts > BRIGHT).sum()
        recalled += same.any(0)[counts > BRIGHT].sum()
        seen = same & (counts > LEAST)
        owner[rows] = np.where(seen.sum(1) == 1, seen.argmax(1), -1)
    links = switches = 0
    for track in np.unique(grains["track"].values):
        chain = owner[grains["track"].values == track]
        chain = chain[chain >= 0]
        links, switches = links + max(len(chain) - 1, 0), switches + (np.diff(chain) != 0).sum()
    known = np.flatnonzero(owner >= 0)
    order = known[np.lexsort((grains["map_index"].values[known], owner[known]))]
    index, track = grains["map_index"].values[order], grains["track"].values[order]
    again = (np.diff(owner[order]) == 0) & (np.diff(index) == 1)
    kept = again & (np.diff(track) == 0)
    expected = np.nansum(grains["link_chance"].values)
    return np.array([len(owner), real, bright, recalled, links, switches, expected, again.sum(), kept.sum()])


def main(films: int = 8, first: int = 100) -> None:
    print("| film twin | maps | there | found | counted | rms off | median error | pull mean | pull rms |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, (changes, make, q_bins) in FILMS.items():
        done = [counted(make(seed=seed, **changes), q_bins) for seed in range(first, first + films)]
        total, error, there, found = np.concatenate([numbers for numbers, _ in done]).T
        each = np.array([of_film for _, of_film in done])
        whole = each.sum(0)
        least = (each[:, [1, 3]] / each[:, [0, 2]]).min(0)
        off, pull = total - there, (total - there) / error
        print(
            f"| {name}, {films} films | {len(total)} | {there.sum():.0f} | {found.sum():.0f} | {total.sum():.0f} | "
            f"{np.sqrt((off**2).mean()):.2f} | {np.median(error):.2f} | {pull.mean():+.2f} | "
            f"{np.sqrt((pull**2).mean()):.2f} |"
        )
        print(
            f"  {name}: precision {whole[1] / whole[0]:.3f} (least of a film {least[0]:.3f}), recall "
            f"{whole[3] / whole[2]:.3f} of {whole[2]:.0f} ({least[1]:.3f}), switches {whole[5]:.0f} of {whole[4]:.0f} "
            f"links ({whole[5] / whole[4]:.1%}; {whole[6]:.1f} expected), kept {whole[8] / whole[7]:.1%} of "
            f"{whole[7]:.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
