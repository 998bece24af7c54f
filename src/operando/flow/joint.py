"""All techniques on one time axis: a number a time from each, the relations one asks for, and how all go together."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from .correlate import Correlation, Series, correlation
from .series import series

if TYPE_CHECKING:
    from .running import Run


@dataclass(frozen=True)
class Relation:
    """A question that techniques answer together: how `of` (names of series) goes with `on`; `slope` if one is due."""

    name: str
    on: str
    of: str
    slope: float = np.nan


#: the relations that are asked for, in the order of the report; names as in `flow.series`, * stands for any
ASKED = (
    Relation("Li balance", "Li of the charge", "Li that lifts the collector", 1.0),
    Relation("Li balance", "Li of the charge", "Li out of the host *", 1.0),
    Relation("contact and polarisation", "contact share *", "polarisation"),
    Relation("grains and current density", "current density", "grains"),
    Relation("grains and current density", "current density", "new grains"),
    Relation("Li content and lattice", "x by Compton", "x *"),
    Relation("Li content and lattice", "x by Compton", "c of *"),
    Relation("Li content and EMR", "momentum ratio (EMR)", "x *"),
)
#: series that are another one times a constant: shown, but no pair of their own
SAME = ("current density", "Li *", "momentum ratio (EMR)")


def joint(job: Run | None, groups: dict[str, xr.Dataset]) -> None:
    """Add `joint/<technique>/<name>` of every series, `joint/asked` (relations of `ASKED`), `joint/correlation`.

    The last holds all pairs of different techniques of one cell. Nothing is added for a cell with one technique alone.
    """
    experiment = job.experiment.model_dump(mode="json") if job else {}
    found = [s for s in series(groups, experiment) if np.isfinite(s.value).sum() >= 2]
    several = {s.cell for s in found if len({o.technique for o in found if o.cell == s.cell}) > 1}
    found = [s for s in found if s.cell in several]
    if not found:
        return
    for one in found:
        about = {"units": one.units, "long_name": one.name} | ({"cell": one.cell} if one.cell else {})
        groups[f"joint/{one.technique}/{one.name}"] = xr.Dataset(
            {"value": ("time", one.value, about), "value_err": ("time", one.error, {"units": one.units})},
            coords={"time": ("time", one.time, {"units": "s"})},
        )
    asked = [(q, *pair) for q in ASKED for pair in _pairs(q, found)]
    groups |= _table("joint/asked", [(a, b) for _, a, b in asked], [q for q, _, _ in asked])
    free = [s for s in found if not any(fnmatch.fnmatchcase(s.name, like) for like in SAME)]
    groups |= _table("joint/correlation", [pair for pair in combinations(free, 2) if _comparable(*pair)])


def _pairs(asked: Relation, found: Sequence[Series]) -> list[tuple[Series, Series]]:
    on, of = ([s for s in found if fnmatch.fnmatchcase(s.name, like)] for like in (asked.on, asked.of))
    return [pair for pair in product(on, of) if _comparable(*pair)]


def _comparable(a: Series, b: Series) -> bool:
    return a.cell == b.cell and a.technique != b.technique


def _table(
    name: str, pairs: Sequence[tuple[Series, Series]], asked: Sequence[Relation] = ()
) -> dict[str, xr.Dataset]:
    """Correlations of pairs as one group; none where no pair has enough common times."""
    rows = [(a, b, correlation(a, b), k) for k, (a, b) in enumerate(pairs)]
    rows = [row for row in rows if np.isfinite(row[2].r)]
    if not rows:
        return {}
    found: list[Correlation] = [row[2] for row in rows]
    told = {
        "correlation": ([c.r for c in found], "Pearson correlation"),
        "correlation_err": ([c.r_err for c in found], "1-sigma error of correlation"),
        "p": ([c.p for c in found], "chance without relation, slow changes counted"),
        "number": ([c.number for c in found], "common times"),
        "independent": ([c.independent for c in found], "times that count as independent"),
        "correlation_trend": (
            [c.r_trend for c in found],
            "correlation after a cubic in time is taken out of both",
        ),
        "p_trend": ([c.p_trend for c in found], "chance of that without relation"),
    }
    data = {
        key: ("pair", np.array(v, float), {"units": "1", "long_name": text})
        for key, (v, text) in told.items()
    }
    if asked:
        units = [_ratio(b.units, a.units) for a, b, _, _ in rows]
        data |= {
            "slope": (
                "pair",
                np.array([c.slope for c in found]),
                {"units": "", "long_name": "second on first"},
            ),
            "slope_err": ("pair", np.array([c.slope_err for c in found]), {"units": ""}),
            "slope_due": ("pair", np.array([asked[k].slope for *_, k in rows]), {"units": ""}),
            "slope_units": ("pair", np.array(units, object), {}),
            "relation": ("pair", np.array([asked[k].name for *_, k in rows], object), {}),
        }
    return {name: xr.Dataset(data, coords={"pair": [f"{a.name} · {b.name}" for a, b, _, _ in rows]})}


def _ratio(above: str, below: str) -> str:
    """Unit of a slope; "a / b" is understood as a per b."""
    if above == below:
        return "1"
    return above if below == "1" else f"{above} per {below}"
