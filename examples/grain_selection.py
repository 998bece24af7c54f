"""Which grain of lithium wins: energy balance, phase map, phase field at two temperatures, interlayers.

    python examples/grain_selection.py OUT [--small]

Figures in the form of the grain-selection paper's Figs. 2, 3A, 4, 5A and S4-S6, with the sensitivity that it lacks.
"""

import argparse
from pathlib import Path

from operando import show
from operando.flow import model_runs
from operando.show.growth_movie import write_growth

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("out", type=Path)
parser.add_argument("--small", action="store_true", help="a small film")
given = parser.parse_args()
shape, nuclei, duration = ((20, 60), 12, 60.0) if given.small else ((70, 200), 75, 400.0)


def kept(name, make):
    results = model_runs.write_model(name, {"example": name}, make, given.out / name)
    show.write_report(results, given.out / name / "report.html")
    show.write_figures(results, given.out / name / "figures")
    return results


kept(
    "balance",
    lambda: model_runs.grain_selection("Li", anisotropy=0.105, low_C=0, high_C=120, errors=0.05, seed=1),
)
kept(
    "interlayer",
    lambda: model_runs.interlayer(temperature_C=25, limit_GPa=30, seed_nm=500, seed_mAh_cm2=0.25),
)
for temperature in (25.0, 80.0):
    results = kept(
        f"film-{temperature:.0f}C",
        lambda t=temperature: model_runs.phase_field(
            metal="Li", form="consistent", temperature_C=t, anisotropy=0.105, barrier_111_eV=0.2, shape=shape,
            nuclei=nuclei, duration_s=duration, rate_um_per_s=0.5 * shape[0] / duration, frames=21, seed=1,
        ),
    )  # fmt: skip
    write_growth(results, given.out / f"film-{temperature:.0f}C" / "growth.gif")
    share = results.groups["model/phase_field/shares"]["share"].isel(time=-1)
    told = ", ".join(
        f"({n}) {100 * float(share.sel(orientation=n)):.0f} %" for n in share["orientation"].values
    )
    print(f"{temperature:.0f} °C: {told} (one draw of the nuclei)")
