"""Anode-free thin-film cell under a scanning micro-beam: the figures of the micro-XRD paper, from the twin.

    python examples/film_micro_xrd.py OUT [--small]

Writes OUT/run/report.html, OUT/figures (SVG, PNG, csv) and OUT/c.gif: transmission and components (Fig. 1), c maps,
front and Li content (Figs. 2, 3), lifted titanium, lithium grains and their azimuths (Fig. 4).
"""

import argparse
from pathlib import Path

from operando import flow, show
from operando.show.movie import write_movie
from operando.twin.film import FilmCell, simulate

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("out", type=Path)
parser.add_argument("--small", action="store_true", help="a few maps of a few columns")
given = parser.parse_args()

cell = FilmCell.demo(maps=4, map_period_s=2000.0, columns=3) if given.small else FilmCell.demo()
truth = simulate(cell, given.out / "data")
folder, results = flow.run(given.out / "data" / "experiment.toml", given.out / "run")
show.write_report(results, folder / "report.html")
show.write_figures(results, given.out / "figures")
write_movie(results, given.out / "c.gif", "xrd/LCO003:c:perp")

speed = (
    results.groups["xrd/LCO003/front"]["speed"].sel(family="perp")
    if "xrd/LCO003/front" in results.groups
    else None
)
print(
    f"front: {float(speed.mean()):.2f} nm/s, truth -{cell.front_speed_nm_per_s:.2f}"
    if speed is not None
    else "no front"
)
print(folder / "report.html")
