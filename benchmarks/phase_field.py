"""Phase field: grains in boxes beside the same equation in every cell, compiled and in plain numpy.

    python benchmarks/phase_field.py [speed] [sweep] [volume]

speed   200 x 70 cells, 75 grains, 40 000 steps, one core; numpy is timed on 3 steps at 8 heights and scaled
sweep   100 films on one process and on all cores
volume  128^3 cells, 200 grains: memory and time of a step
"""

from __future__ import annotations

import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from operando.models.phase_field import (
    Case,
    Growth,
    Seeds,
    consistent,
    grow,
    random_nuclei,
    step_limit,
    sweep,
)
from operando.models.phase_field._engines import Coefficients, Dense, Sparse

MODEL = consistent({"001": 0.0, "101": 722.0, "111": 8000.0})
SHAPE, STEPS = (70, 200), 40_000


def numpy_step(eta: np.ndarray, c: Coefficients) -> np.ndarray:
    """One step of all grains (grains, z, x), whole arrays, as one writes it without a compiler."""
    square = eta**2
    total = square.sum(axis=0)
    closed = np.pad(eta, ((0, 0), (1, 1), (0, 0)), mode="edge")
    lap = closed[:, 2:] + closed[:, :-2] + np.roll(eta, 1, 2) + np.roll(eta, -1, 2) - 4 * eta
    kappa, rate, drive = (a[:, None, None] for a in (c.kappas, c.rates, c.drives))
    force = eta * (square - 1) + 2 * c.gamma * eta * (total - square) - kappa * lap + drive * eta * (1 - eta)
    return eta - rate * force


def speed() -> None:
    duration = 35_000.0
    growth = Growth(SHAPE, duration, duration / STEPS, scheme="explicit")
    seeds = random_nuclei(SHAPE, 75, MODEL.orientations, rng=np.random.default_rng(0))
    warm = Growth(SHAPE, 10 * growth.time_step_s, growth.time_step_s, scheme="explicit")
    for engine in ("boxes", "dense"):
        grow(MODEL, warm, seeds, frames=2, engine=engine)
    took, films = {"boxes": [], "dense": [], "numpy": []}, {}
    for engine in ("boxes", "dense", "boxes"):
        start = time.perf_counter()
        films[engine] = grow(MODEL, growth, seeds, frames=5, engine=engine)
        took[engine].append(time.perf_counter() - start)
    c = Coefficients.of(MODEL, growth, seeds, growth.time_step_s)
    per_step = []
    for layers in np.linspace(1, SHAPE[0], 8).astype(int):
        eta = np.random.default_rng(1).random((75, layers, SHAPE[1]))
        start = time.perf_counter()
        for _ in range(3):
            eta = numpy_step(eta, c)
        per_step.append((time.perf_counter() - start) / 3)
    whole = float(np.mean(per_step)) * STEPS
    ours, dense = float(np.median(took["boxes"])), took["dense"][0]
    print(f"boxes {ours:.2f} s, dense compiled {dense:.1f} s, numpy {whole:.0f} s (24 steps, scaled)")
    print(f"dense / boxes {dense / ours:.1f}, numpy / boxes {whole / ours:.0f}")
    print(f"largest difference of the order parameters at the end: {difference(growth, seeds):.1e}")
    same = (films["boxes"].grain.values != films["dense"].grain.values).sum()
    print(f"cells whose grain differs in 5 frames: {same}")


def difference(growth: Growth, seeds: Seeds) -> float:
    """Largest difference of any order parameter over a whole growth, compared at every tenth layer."""
    c = Coefficients.of(MODEL, growth, seeds, growth.time_step_s)
    one, two = Sparse.start(c, growth, seeds, 1), Dense.start(c, growth, seeds, 1)
    per = round(growth.spacing_um / growth.deposition_um_per_s / growth.time_step_s)
    worst = 0.0
    for layer in range(SHAPE[0]):
        for state in (one, two):
            state.advance(per)
        if layer % 10 == 9:
            worst = max(worst, float(np.abs(one.dense() - two.dense()).max()))
        if layer < SHAPE[0] - 1:
            one.deposit(True)
            two.deposit(True)
    return worst


def many() -> None:
    growth = Growth((16, 200), 8_000.0, 1.0, scheme="explicit")
    cases = [Case(MODEL, growth, 75, seed) for seed in range(100)]
    sweep(cases[:1])
    took = {}
    for processes in (1, os.cpu_count() or 1):
        with ProcessPoolExecutor(processes) as pool:
            list(pool.map(abs, range(processes)))
            start = time.perf_counter()
            sweep(cases, map=pool.map)
            took[processes] = time.perf_counter() - start
        print(f"100 films of 200 x 16 cells, 8 000 steps: {processes} processes {took[processes]:.1f} s")
    print(
        f"speed-up {took[1] / min(took[n] for n in took if n > 1):.2f}" if len(took) > 1 else "one core only"
    )


def volume(steps: int = 200) -> None:
    shape, grains = (128, 128, 128), 200
    rng = np.random.default_rng(0)
    plan = random_nuclei(shape, grains, MODEL.orientations, rng=rng)
    seeds = Seeds(np.repeat(plan.labels, shape[0], axis=0), plan.orientation)
    growth = Growth(shape, 1.0, 1.0, first_layers=shape[0], deposition_um_per_s=0)
    c = Coefficients.of(MODEL, growth, seeds, 0.5 * step_limit(MODEL, growth))
    state = Sparse.start(c, growth, seeds, shape[0])
    state.advance(1)
    start = time.perf_counter()
    state.advance(steps)
    per = (time.perf_counter() - start) / steps
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"128^3, 200 grains: {per * 1e3:.0f} ms a step, state at most {state.nbytes() / 2**30:.2f} GiB, "
        f"process {peak:.2f} GiB; dense would hold {2 * grains * np.prod(shape) * 8 / 2**30:.1f} GiB"
    )


if __name__ == "__main__":
    for name, run in {"speed": speed, "sweep": many, "volume": volume}.items():
        if name in (sys.argv[1:] or ["speed", "sweep", "volume"]):
            run()
