"""Ring profiles of the film twin at the size of the published experiment (Eiger 4M, rows of 1 um), without images."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import xarray as xr

from operando import diffraction as df
from operando.core import Phase, Sums
from operando.flow.fronts import fronts
from operando.flow.moving_layers import layers
from operando.twin.film import FilmCell, Truth, film_rings

LCO = Phase.from_parameters("LiCoO2", a=2.8035, c=14.0, spacegroup="R-3m")
#: windows that no module gap of an Eiger 4M cuts
FAMILIES = {"perp": (25, 160, 205, 345), "par": (90, 275)}


def ring_sums(cell: FilmCell, number: int, ring: str, **options) -> Sums:
    """Counts of a ring of one map over (z, x, azimuth, q)."""
    found = film_rings(cell, number, ring, **options)
    counts = found["counts"].astype(np.float64)
    return Sums(counts, counts, found["weight"])


def core_of(sums: Sums) -> tuple[float, float]:
    q = sums.signal["q"].values
    return q[0] + 0.12 * np.ptp(q), q[-1] - 0.12 * np.ptp(q)


def joined(parts: list[Sums], time: xr.DataArray) -> Sums:
    return Sums(*(xr.concat([getattr(p, k) for p in parts], time) for k in ("signal", "variance", "weight")))


def charge_of(seed: int, columns: int = 4) -> SimpleNamespace:
    """The front's way through the film: LCO(003) of twelve maps, fitted with one peak and with two, and the front."""
    cell = FilmCell.paper(columns=columns, maps=12, map_period_s=200.0, initial_rest_s=150.0, seed=seed)
    truth = Truth.of(cell)
    time = truth.maps["time"]
    profiles: dict[str, list[Sums]] = {name: [] for name in FAMILIES}
    intensity = []
    for number in range(cell.maps):
        sums = ring_sums(cell, number, "LCO003")
        for name, azimuths in FAMILIES.items():
            profiles[name].append(df.family_profile(sums, azimuths, 10.0))
        intensity.append(df.component_map(sums, core_of(sums)))
    of_ring = xr.concat(intensity, time)
    one, two = [], []
    for parts in profiles.values():
        fit = df.fit_peaks(joined(parts, time))
        one.append(fit.assign(df.lattice_parameter(fit, LCO.reflection((0, 0, 3)), LCO).data_vars))
        two.append(df.fit_two_peaks(joined(parts, time)))
    names = xr.DataArray(list(FAMILIES), dims="family", name="family")
    fitted = xr.concat(one, names).assign(
        intensity=of_ring["intensity"], intensity_err=of_ring["intensity_err"]
    )
    phases = df.complete_fractions(xr.concat(two, names, combine_attrs="override"))
    groups = {
        "xrd": xr.Dataset({"row_time": truth.maps["frame_time"].mean("x")}),
        "xrd/LCO003": fitted, "xrd/LCO003/phases": phases,
    }  # fmt: skip
    front = {
        kind: fronts(groups, SimpleNamespace(name="LCO003", front=kind), None)
        for kind in ("lattice", "fraction")
    }
    return SimpleNamespace(cell=cell, truth=truth, groups=groups, front=front)


def grains_of(seed: int) -> SimpleNamespace:
    """Li grains on ring images of ten columns of the small film, counted without a reference."""
    cell = FilmCell.demo(
        maps=7, map_period_s=900.0, seed=seed, columns=10, grain_births_per_mm_map=(24.0, 10.0)
    )
    truth, q = Truth.of(cell), 2 * np.pi * 2**0.5 / 3.491
    window = {"q_range": (0.986 * q, 1.014 * q), "q_bins": 6}
    maps = (ring_sums(cell, number, "Li110", **window) for number in range(cell.maps))
    grains = df.link_grains(df.find_grains(maps, time=truth.maps["time"].values))
    return SimpleNamespace(truth=truth.grains, grains=grains, counts=df.count_grains(grains))


def plating_of(seed: int, columns: int = 5) -> SimpleNamespace:
    """Titanium lifted by plated lithium: Ti(100) of ten maps and its layer."""
    cell = FilmCell.paper(columns=columns, maps=10, map_period_s=800.0, initial_rest_s=500.0, seed=seed)
    truth = Truth.of(cell)
    maps = []
    for number in range(cell.maps):
        sums = ring_sums(cell, number, "Ti100")
        maps.append(df.component_map(sums, core_of(sums)))
    of_ring = xr.concat(maps, truth.maps["time"]).rename(flag="intensity_flag")
    groups = {"xrd": xr.Dataset({"row_time": truth.maps["frame_time"].mean("x")}), "xrd/Ti100": of_ring}
    film = SimpleNamespace(
        cell=SimpleNamespace(layers=[SimpleNamespace(phase="Ti", thickness_um=cell.ti_um)])
    )
    return SimpleNamespace(
        cell=cell, truth=truth, layer=layers(groups, SimpleNamespace(name="Ti100", phase="Ti"), film)
    )
