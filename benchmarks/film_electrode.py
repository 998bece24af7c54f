"""Film electrode: the figures it must reach with their inputs, speed beside an untuned SciPy BDF, convergence.

The peer integrates the same semi-discrete equations of the charge with scipy's BDF as a user would write it: dense
numerical Jacobian, current by a scalar root search. With --seeds N also the 95 % intervals of N noisy data sets.
Run: python benchmarks/film_electrode.py [--seeds 100]
"""

from __future__ import annotations

import sys
import time

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from operando.models import (
    Diffusion,
    DriftDiffusion,
    Drive,
    FilmCell,
    Hold,
    Measured,
    Parameter,
    film_predictor,
    fit_parameters,
    simulate_film,
)

CASES = {
    "default: D 1e-12, 7e-14 m2/s; i0 1.2 A/m2; 2e-6 S/cm": FilmCell(),
    "D rich 6e-14": FilmCell(diffusion=Diffusion.two_phase(1e-12, 6e-14)),
    "D rich 9e-14": FilmCell(diffusion=Diffusion.two_phase(1e-12, 9e-14)),
    "i0 0.9": FilmCell(exchange_A_per_m2=0.9),
    "D poor 1e-13": FilmCell(diffusion=Diffusion.two_phase(1e-13, 7e-14)),
    "drift-diffusion, t+ 0.99": FilmCell(drift_diffusion=DriftDiffusion()),
}


def figures(cell: FilmCell) -> str:
    film = simulate_film(cell, [Hold(4.3, 2.3), Drive(-0.4, 3.0)])
    charged = film.isel(time=np.nonzero(film.step.values == 0)[0][-1])
    moving = film.where((film.step == 0) & (film.front < 18.5) & (film.front > 1.5), drop=True)
    q = float(charged.areal_capacity)
    speed_, wide = moving.front_speed, float(moving.front_width.max())
    left, at_45 = float(film.areal_capacity[-1]), float(film.areal_capacity.interp(time=2700))
    return (
        f"{float(speed_.max()):.1f} -> {float(speed_.min()):.1f} | {wide:.1f} | {at_45:.3f} | {q:.3f} | "
        f"{float(film.insulating[-1]):.1f} | {1 - left / q:.3f} | {film.attrs['mass_balance']:.0e}"
    )


def scipy_charge(cell: FilmCell, cells: int) -> float:
    """Charge (mAh/cm2) of a 4.3 V hold of 2.3 h by scipy's BDF."""
    ocv, f = cell.ocv, 96485.33212 / (8.31446261815324 * cell.temperature_K)
    d = cell.diffusion.chemical(ocv, cell.temperature_K)
    phi = np.concatenate([[0], np.cumsum((d[1:] + d[:-1]) / 2 * np.diff(ocv.x))])
    dz, sites = cell.film_um * 1e-6 / cells, 96485.33212 * cell.sites_mol_per_m3

    def current(surface: float) -> float:
        i0 = cell.exchange_A_per_m2 * 2 * np.sqrt(max(surface * (1 - surface), 1e-4))
        u = np.interp(surface, ocv.x, ocv.voltage)
        r = cell.electrolyte_um * 1e-6 / (cell.conductivity_S_per_cm * 100)
        both = (2 * i0, 2 * cell.anode_exchange_A_per_m2)
        return brentq(lambda i: u + 2 / f * sum(np.arcsinh(i / b) for b in both) + i * r - 4.3, -1e3, 1e3)

    def slope(_, y):
        x, surface = y[:-2], y[-2]
        p, i = np.interp(x, ocv.x, phi), current(surface)
        flow = np.concatenate([[0], np.diff(p) / dz, [(np.interp(surface, ocv.x, phi) - p[-1]) / (dz / 2)]])
        return np.concatenate([np.diff(flow) / dz, [(-flow[-1] - i / sites) / 1e-9, i / 3.6e4]])

    start = np.append(np.full(cells + 1, cell.start_x), 0.0)
    return float(solve_ivp(slope, (0, 8280), start, "BDF", rtol=1e-6, atol=1e-8).y[-1, -1])


def speed() -> None:
    print("\n| charge of 2.3 h | time / s | mAh/cm2 |\n| --- | ---: | ---: |")
    for cells in (50, 100, 200):
        best, film = np.inf, None
        for _ in range(4):
            start = time.perf_counter()
            film = simulate_film(steps=[Hold(4.3, 2.3)], cells=cells)
            best = min(best, time.perf_counter() - start)
        print(f"| ours, {cells} cells | {best:.2f} | {float(film.areal_capacity[-1]):.5f} |")
        if cells == 50:
            start = time.perf_counter()
            charge = scipy_charge(FilmCell(), cells)
            print(f"| scipy BDF, {cells} cells | {time.perf_counter() - start:.2f} | {charge:.5f} |")


def convergence() -> None:
    print("\n| cells | rtol | charged / mAh/cm2 | insulating / um |\n| ---: | ---: | ---: | ---: |")
    for cells, rtol in (
        (25, 1e-6),
        (50, 1e-6),
        (100, 1e-6),
        (200, 1e-6),
        (400, 1e-6),
        (100, 1e-4),
        (100, 1e-8),
    ):
        film = simulate_film(
            steps=[Hold(4.3, 2.3), Drive(-0.4, 3.0)], cells=cells, rtol=rtol, atol=rtol / 100
        )
        print(
            f"| {cells} | {rtol:.0e} | {float(film.areal_capacity.max()):.6f} | {float(film.insulating[-1]):.4f} |"
        )


def intervals(seeds: int) -> None:
    times, maps, z = np.linspace(60, 8200, 60), np.arange(150, 8200, 300.0), np.arange(0.5, 20, 1.0)
    predict = film_predictor(
        FilmCell(), [Hold(4.3, 2.3)], times, z_um=z, map_time_s=maps, blur_um=0.7, cells=40
    )
    truth = {"diffusion_poor": 1e-12, "exchange_A_per_m2": 1.2, "conductivity_S_per_cm": 2e-6}
    parameters = [Parameter(n, 0.9 * v, v / 100, v * 100) for n, v in truth.items()]
    exact, true, inside = predict(truth), np.array(list(truth.values())), np.zeros(3)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        data = {
            n: Measured(v + rng.normal(0, 0.01, v.shape), 0.01) for n, v in exact.items() if n != "voltage"
        }
        fit = fit_parameters(predict, parameters, data, step=3e-3)
        inside += (fit.low_95.values < true) & (true < fit.high_95.values)
    held = dict(zip(truth, inside.astype(int).tolist(), strict=True))
    print(f"\n{seeds} seeds: 95 % intervals hold the truth for {held}")


def main() -> None:
    print(
        "| inputs | front, nm/s | width, um | mAh/cm2 at 45 min | at the end | insulating, um | efficiency | balance |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, cell in CASES.items():
        print(f"| {name} | {figures(cell)} |")
    speed()
    convergence()
    if "--seeds" in sys.argv:
        intervals(int(sys.argv[sys.argv.index("--seeds") + 1]))


if __name__ == "__main__":
    main()
