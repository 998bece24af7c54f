"""Compton imaging: 80 x 80 pixels of 4096 channels, ten states, from stored counts to maps of Li content; and
fit against EMR.

    python benchmarks/compton.py [states] [regions]

Also rebins the same spectra with a loop of numpy (what a script at the beamline does) in the same process, a
part of the pixels scaled up. Three different states are made and used in turn: the time does not depend on what
is in the counts.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import replace

import numpy as np

from operando import compton
from operando.twin.coin_cell import CoinCell, coin_cell_cube
from operando.twin.coin_cell.structure import LABELS, tomogram, tomogram_z_um


def numpy_rebin(counts, gain, lower, angles, edges) -> np.ndarray:
    """Pixel by pixel: momentum of each channel, cumulative counts interpolated at the edges of the bins."""
    out = np.empty((len(counts), len(edges) - 1))
    for i, row in enumerate(counts):
        at = compton.electron_momentum(115.0, lower[i] + gain[i] * np.arange(len(row) + 1), angles[i])
        out[i] = np.diff(np.interp(edges, at, np.concatenate([[0], np.cumsum(row)])))
    return out


def main(states: int = 10, regions: int = 3) -> None:
    cell = CoinCell.paper()
    made = [[coin_cell_cube(cell, s, r) for r in range(3)] for s in (0, 3, 6)]
    energy = made[0][0]["energy"].values
    stored = [[c["counts"].values.astype(np.uint16) for c in row] for row in made]
    cubes = [
        [stored[0 if s == 0 else 2 if s == states - 1 else 1][r] for r in range(regions)]
        for s in range(states)
    ]
    pinhole = compton.Pinhole(115.0, (80, 80), 0.25, 90.0, cell.distance_mm)
    imaging = compton.Imaging(pinhole, compton.detector_regions(), threads=2)
    materials = {
        "cathode": compton.Material(LABELS["cathode"], "LiNi0.6Mn0.2Co0.2O2", 2.97),
        "separator": compton.Material(LABELS["separator"], "C32H60O19LiF6NS2", 1.25),
        "anode": compton.Material(LABELS["anode"], "Li", 0.534),
        "steel": compton.Material(LABELS["steel"], "Fe70Cr19Ni11", 7.9),
    }
    volume = compton.Tomogram(tomogram(cell), tomogram_z_um(cell), cell.tomogram_um[0], materials)
    used = [0 if s == 0 else 2 if s == states - 1 else 1 for s in range(states)]
    monitor = np.array([[c.attrs["monitor"] for c in made[i][:regions]] for i in used])
    names = [f"state {i}" for i in range(states)]
    warm = [[c[:, :, :] for c in row] for row in cubes[:2]]
    compton.momenta_of_states(warm, energy, imaging)  # compile

    clock = {}
    begin, spent = time.perf_counter(), time.process_time()
    start = begin
    momenta = compton.momenta_of_states(cubes, energy, imaging, names=names)
    clock["bad pixels, energy scale, drift, angle, momenta"] = time.perf_counter() - start
    if regions == 3:
        start = time.perf_counter()
        image = cubes[0][0].sum(-1, dtype=float)
        image[~momenta["good"].values] = np.nan
        fine = compton.sheet_shares(volume, cell.regions_um, cell.sheet_um, pinhole=pinhole)
        place = compton.register_image(image, fine[0, :3], volume.lateral_um, pinhole)
        there = replace(volume, labels=place.align(volume.labels, volume.lateral_um))
        seen, share = (
            compton.through_pinhole(
                compton.sheet_shares(there, cell.regions_um, cell.sheet_um, pinhole=pinhole, absorption=a),
                there.lateral_um, pinhole,
            )
            for a in (True, False)
        )  # fmt: skip
        clock["registration, absorption, volume fractions"] = time.perf_counter() - start
        start = time.perf_counter()
        result = compton.lithium_of_states(
            momenta, compton.fractions_from_shares(seen[:, :3]), share[0, 0] > 0.5 * share[0, 0].max(),
            {names[0]: 1.01, names[-1]: 0.26}, imaging, transmission=compton.cathode_transmission(seen, share),
            monitor=monitor,
        )  # fmt: skip
        clock["separation, EMR, fit, Li content, maps"] = time.perf_counter() - start
    whole, spent = time.perf_counter() - begin, time.process_time() - spent
    print(f"{states} states, {regions} regions, {states * regions} cubes of 80 x 80 x 4096, 2 threads\n")
    for name, seconds in clock.items():
        print(f"  {name:50s} {seconds:6.2f} s")
    print(f"  {'whole analysis':50s} {whole:6.2f} s (asked: under 20 s for 10 states), {spent:.2f} s of CPU")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  {'peak memory, the cubes included':50s} {peak:6.2f} GiB")
    if regions == 3:
        first = result.states.isel(state=1)
        by_fit, by_emr = (
            f"{float(first[n]):.2f} +- {float(first[f'{n}_err']):.2f}" for n in ("x_li", "x_li_emr")
        )
        print(f"\n  x at the end of charge (true 0.26): {by_fit} (fit), {by_emr} (EMR); 1800 s a region")
    beside_numpy(cubes[0][0], momenta, pinhole, imaging)


def beside_numpy(cube: np.ndarray, momenta, pinhole, imaging) -> None:
    """Ours and the numpy loop in turn; the loop on every 16th pixel."""
    good = momenta["good"].values.ravel()
    chosen = np.flatnonzero(good)[::16]
    flat, gain, lower = (
        cube.reshape(-1, cube.shape[2]),
        momenta["gain"].values.ravel(),
        momenta["lower"].values.ravel(),
    )
    edges = np.append(imaging.momenta.middles - 0.05, 6.0)
    ours, theirs = [], []
    for _ in range(3):
        start = time.perf_counter()
        found = compton.momentum_counts(
            cube, momenta, pinhole, imaging.momenta, mask=momenta["good"].values, threads=2
        )
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        loop = numpy_rebin(flat[chosen], gain[chosen], lower[chosen], pinhole.angles().ravel()[chosen], edges)
        theirs.append((time.perf_counter() - start) * good.sum() / len(chosen))
    apart = np.abs(found.values.reshape(-1, len(edges) - 1)[chosen] - loop).max()
    ratio = min(theirs) / min(ours)
    print(f"\n  one cube to momenta: ours {min(ours):.3f} s, numpy loop {min(theirs):.2f} s: {ratio:.0f} x")
    print(f"  largest difference {apart:.1e} counts")


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:3]))
