"""Coin cell under Compton imaging: profiles, momentum ratio, lithium content by state and by place, from the twin.

    python examples/coin_cell_compton.py OUT [--small]

The table has the form of the paper's: state, momentum ratio, lithium content; the figures show spectra with their
lines, profiles, maps with errors. Last line: the two ratios by which rates can be compared, named for what they are.
"""

import argparse
from pathlib import Path

from operando import compton, flow, show
from operando.twin.coin_cell import CoinCell, simulate_coin_cell

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("out", type=Path)
parser.add_argument("--small", action="store_true", help="20 x 20 pixels")
given = parser.parse_args()

cell = CoinCell.demo(pixels=20, pitch_mm=1.0, tomogram_um=(250.0, 5.0)) if given.small else CoinCell.demo()
simulate_coin_cell(cell, given.out / "data")
folder, results = flow.run(given.out / "data" / "experiment.toml", given.out / "run")
show.write_report(results, folder / "report.html")
show.write_figures(results, given.out / "figures")

states = results.groups["compton/states"]
for state, told in zip(states["state"].values, cell.states, strict=True):
    one = states.sel(state=state)
    print(f"{state:25} x = {float(one['x_li']):.3f} ± {float(one['x_li_err']):.3f}   truth {told.x:.3f}")
rates = compton.compare_rates((1.01, 0.02), (0.26, 0.02), (1.01, 0.02), (0.66, 0.02))
print(
    ", ".join(
        f"{name} {rates[name][0]:.2f} ± {rates[name][1]:.2f}"
        for name in ("residual_reduction", "extraction_ratio")
    )
)
print(folder / "report.html")
