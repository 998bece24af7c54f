"""Many films: the same growth over seeds, models or rates, on as many cores as `map` brings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from .film import FilmModel, Growth
from .measures import orientation_shares
from .run import grow
from .seeds import random_nuclei


@dataclass(frozen=True)
class Case:
    """One film of a sweep: `seed` of the random nuclei, `label` says what is different about it."""

    model: FilmModel
    growth: Growth
    nuclei: int
    seed: int
    spread: str = "filled"
    label: tuple[tuple[str, Any], ...] = field(default=())


def grown_case(case: Case) -> dict[str, Any]:
    """Numbers of one film: share of each orientation in the film and in its top layer, grains left."""
    rng = np.random.default_rng(case.seed)
    seeds = random_nuclei(
        case.growth.shape, case.nuclei, case.model.orientations, rng=rng, spread=case.spread
    )
    film = grow(case.model, case.growth, seeds, frames=2)
    shares = orientation_shares(film)
    top = shares.share_at_height.isel(time=-1).dropna("z", how="all").isel(z=-1).values
    begin = shares.share.isel(time=0).values
    left = int((film["size"].isel(time=-1) > 0).sum())
    return {"share": shares.share.isel(time=-1).values, "top": top, "start": begin, "grains": left}


def sweep(cases: Sequence[Case], *, map: Callable[..., Iterable] = map) -> xr.Dataset:
    """All films of a sweep, in order: `share`, `top`, `start` (case, orientation) and `grains` (case).

    map   the built-in, a process pool's, or a Dask client's (then give one that gathers)
    The labels of the cases become coordinates. Cases must agree on their orientations.
    """
    rows = list(map(grown_case, cases))
    names = list(cases[0].model.orientations)
    keys = dict.fromkeys(key for case in cases for key, _ in case.label)
    labels = {key: ("case", [dict(case.label).get(key) for case in cases]) for key in keys}
    unit = {"units": "1"}
    return xr.Dataset(
        {
            **{n: (("case", "orientation"), np.stack([r[n] for r in rows]), unit) for n in ("share", "top", "start")},
            "grains": ("case", [r["grains"] for r in rows], unit),
        },
        coords={"orientation": names, "seed": ("case", [case.seed for case in cases]), **labels},
    )  # fmt: skip
