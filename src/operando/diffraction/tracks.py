"""Grains followed in time: tracks, their classes and rotation, and their azimuths."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from ..core.errors import InputError
from ..core.flags import Flag, flag_variable
from ._track_odds import RECENT, Habits, Series, log_odds, most_likely

EPHEMERAL, UNSTABLE, STABLE = 0, 1, 2


@dataclass(frozen=True)
class TrackSearch:
    """Which grains of different maps are the same one, and what a lasting grain is called.

    A link is made where the chance that it is wrong is below `most_chance`: that a new grain began where the old one
    ended, or that two grains are as like each other as themselves. It is told from the turn in azimuth, the place in
    x, the intensity, how many grains begin, and how many stay from map to map. How fast grains turn and how often they
    begin and end is learned from the series itself (`azimuth_deg`, `rotation_deg` are used while fewer than twenty
    links are known). Links beyond the gates are impossible: `gate_deg`, and `reach` steps between the extents (z, x).
    The links of a map are the most likely set. A track may miss `max_gap` recorded maps, likely so only if it is dim
    or another grain of its azimuth lies on it; maps that were not recorded do not count. The place in x is also that
    of a track's narrowest sighting, as a wider one may hold a neighbour.

    ephemeral: seen over at most `ephemeral_maps` maps; stable: over at least `stable_maps`; unstable: between.
    """

    most_chance: float = 0.2
    azimuth_deg: float = 0.5
    rotation_deg: float = 0.7
    gate_deg: float = 4.0
    reach: tuple[int, int] = (2, 1)
    max_gap: int = 1
    ephemeral_maps: int = 2
    stable_maps: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.most_chance < 1:
            raise InputError(
                f"most_chance is {self.most_chance:g}", where="tracks", fix="Give a chance in (0, 1)."
            )


#: links and what they tell of the habits of the grains are found in turn, so often
PASSES = 3


@dataclass
class _Track:
    number: int
    rows: list[int] = field(default_factory=list)
    missed: int = 0


def link_grains(grains: xr.Dataset, search: TrackSearch | None = None) -> xr.Dataset:
    """`grains` of `find_grains` with `track` over `grain`: the same number for the same grain in every map.

    `link_chance` over `grain` is the chance that the link to the sighting before is wrong (NaN where a track begins).
    On film twins a third to twice as many links are wrong as it says (benchmarks/grain_counts.py): grains that are seen
    as one are not in it.
    """
    search = search or TrackSearch()
    if "map_index" not in grains or "azimuth" not in grains:
        raise InputError("these are not grains", where="tracks", fix="Pass what find_grains returns.")
    table = {n: grains[n].values for n in (
        "azimuth", "azimuth_err", "z", "x", "z_min", "z_max", "x_min", "x_max", "intensity", "map_index", "log10_p",
    )}  # fmt: skip
    step_z, step_x = (abs(grains.attrs.get(f"{d}_step_um", 1.0)) for d in "zx")
    reach = max(table["x_max"].max(initial=-np.inf) - table["x_min"].min(initial=np.inf), 0.0)
    width = step_x * grains.attrs.get("columns", reach / step_x + 1)
    maps = np.flatnonzero(grains["map_flag"].values == 0)
    series = Series(table, maps, step_z, step_x, width, float(grains.attrs.get("log10_p_limit", 0.0)))
    habits = Habits.guess(table, maps, search.rotation_deg, search.azimuth_deg)
    track, chance = _follow(series, habits, search)
    for _ in range(PASSES - 1 if len(track) else 0):
        habits = habits.learned(table, track, maps)
        track, chance = _follow(series, habits, search)
    words = "chance that the link to the sighting before is wrong"
    return grains.assign(
        track=("grain", track, {"units": "1", "long_name": "number of the track"}),
        link_chance=("grain", chance, {"units": "1", "long_name": words}),
    )


def _follow(series: Series, habits: Habits, search: TrackSearch) -> tuple[np.ndarray, np.ndarray]:
    """Track of each sighting, and the chance that its link is wrong."""
    found = series.table["map_index"]
    track, chance = np.full(len(found), -1), np.full(len(found), np.nan)
    active: list[_Track] = []
    count = 0
    for index in series.maps:
        rows = np.flatnonzero(found == index)
        linked = _assign(active, rows, series, habits, search)
        for t in active:
            t.missed += 1
        for row, (owner, doubt) in zip(rows, linked, strict=True):
            if owner is None:
                owner = _Track(count)
                count += 1
                active.append(owner)
            owner.rows.append(int(row))
            owner.missed = 0
            track[row], chance[row] = owner.number, doubt
        active = [t for t in active if t.missed <= search.max_gap]
    return track, chance


def _assign(
    active, rows, series: Series, habits: Habits, search: TrackSearch
) -> list[tuple[_Track | None, float]]:
    """The open track that each grain of a map continues, or None, and the chance that it does not."""
    linked: list[tuple[_Track | None, float]] = [(None, np.nan)] * len(rows)
    if not active or not len(rows):
        return linked
    recent = np.array([[-1] * (RECENT - len(t.rows)) + t.rows[-RECENT:] for t in active])
    alone = np.array([_narrowest(t.rows, series.table) for t in active])
    odds, turn, apart_z, apart_x = log_odds(recent, rows, alone, series, habits)
    near = (
        (abs(turn) <= search.gate_deg)
        & (apart_z <= search.reach[0] + 1e-6)
        & (apart_x <= search.reach[1] + 1e-6)
    )
    tracks, picked, chance = most_likely(np.where(near, odds, -np.inf))
    for i, j, doubt in zip(tracks, picked, chance, strict=True):
        if doubt <= search.most_chance:
            linked[j] = (active[i], float(doubt))
    return linked


def _narrowest(rows: list[int], table) -> int:
    """The latest of the sightings that reach over the fewest columns: a wider one may hold a neighbour too."""
    extent = (table["x_max"] - table["x_min"])[rows]
    return rows[len(rows) - 1 - int(extent[::-1].argmin())]


def track_table(grains: xr.Dataset, search: TrackSearch | None = None) -> xr.Dataset:
    """What each track is: over `track`, with 1-sigma errors.

    `first_time`, `last_time` (s), `maps` seen, `lifetime_maps`, `kind` (0 ephemeral, 1 unstable, 2 stable), `azimuth`
    (at the middle), `rotation_rate` (deg/h; three sightings needed, else NaN and TOO_FEW_COUNTS; its error is widened
    by the scatter about uniform rotation), `z`, `x`, `intensity` means; `censored`: seen in the first or last map,
    so that its true lifetime is longer; `mixed_chance`: that it is more than one grain. Cut grains (flag) are left out
    of azimuth and rate.
    """
    search = search or TrackSearch()
    if "track" not in grains:
        raise InputError("grains are not linked in time", where="tracks", fix="Call link_grains first.")
    number, times = grains["track"].values, grains["time"].values
    recorded = np.flatnonzero(grains["map_flag"].values == 0)
    order = np.argsort(number, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(number[order])) + 1) if len(order) else []
    rows = [_describe(grains, part, times, recorded, search) for part in parts]
    units = {"first_time": "s", "last_time": "s", "azimuth": "deg", "azimuth_err": "deg", "rotation_rate": "deg/h",
             "rotation_rate_err": "deg/h", "z": "um", "x": "um", "intensity": "counts per weight"}  # fmt: skip
    names = list(rows[0]) if rows else [*units, "maps", "lifetime_maps", "kind", "censored", "flag"]
    data = {
        n: ("track", np.array([r[n] for r in rows]), {"units": units.get(n, "1")})
        for n in names
        if n != "flag"
    }
    result = xr.Dataset(
        data, attrs={"ephemeral_maps": search.ephemeral_maps, "stable_maps": search.stable_maps}
    )
    result["flag"] = flag_variable(np.array([r["flag"] for r in rows], int), ("track",))
    if "kind" in result:
        result["kind"].attrs |= {"flag_values": [0, 1, 2], "flag_meanings": "ephemeral unstable stable"}
    return result


def _describe(grains, part, times, recorded, search) -> dict[str, float]:
    index = grains["map_index"].values[part]
    span = int(((recorded >= index.min()) & (recorded <= index.max())).sum())
    kind = EPHEMERAL if span <= search.ephemeral_maps else STABLE if span >= search.stable_maps else UNSTABLE
    good = part[grains["flag"].values[part] == 0]
    t, azimuth = times[grains["map_index"].values[good]] / 3600, grains["azimuth"].values[good]
    middle, middle_err, rate, rate_err = _rotation(t, azimuth, grains["azimuth_err"].values[good])
    flag = int(np.bitwise_or.reduce(grains["flag"].values[part])) if not len(good) else 0
    flag |= 0 if np.isfinite(rate) else int(Flag.TOO_FEW_COUNTS)
    mixed = 1 - float(np.prod(1 - np.nan_to_num(grains["link_chance"].values[part])))
    mean = {n: float(grains[n].values[part].mean()) for n in ("z", "x", "intensity")}
    return {
        "first_time": times[index.min()], "last_time": times[index.max()], "maps": len(part), "lifetime_maps": span,
        "kind": kind, "censored": bool(index.min() == recorded[0] or index.max() == recorded[-1]), "azimuth": middle,
        "azimuth_err": middle_err, "rotation_rate": rate, "rotation_rate_err": rate_err, "mixed_chance": mixed, **mean,
        "flag": flag,
    }  # fmt: skip


def _rotation(t, azimuth, error) -> tuple[float, float, float, float]:
    """Azimuth at the mean time and rate of a line through circular data, with errors scaled by chi2 where above one."""
    if not len(t):
        return np.nan, np.nan, np.nan, np.nan
    turn = np.degrees(np.unwrap(np.radians(azimuth)))
    weight = error**-2.0
    centre = np.average(t, weights=weight)
    mean, spread = np.average(turn, weights=weight), (weight * (t - centre) ** 2).sum()
    mean_err = float(weight.sum() ** -0.5)
    if len(t) < 3 or spread <= 0:
        return float(mean % 360), mean_err, np.nan, np.nan
    rate = (weight * (t - centre) * turn).sum() / spread
    chi2 = (weight * (turn - mean - rate * (t - centre)) ** 2).sum() / (len(t) - 2)
    widen = np.sqrt(max(chi2, 1.0))
    return float(mean % 360), mean_err * widen, float(rate), float(widen * spread**-0.5)


def azimuth_map(grains: xr.Dataset, *, bin_deg: float = 5.0, weight: str | None = None) -> xr.DataArray:
    """Grains in each bin of azimuth over (time, azimuth), or the sum of their `weight` ("intensity").

    NaN where no image had data: a missing map, a gap or the shadow. Cut grains count, as their azimuth is known
    to a bin.
    """
    bins = round(360 / bin_deg)
    times = grains.sizes["time"]
    value = None if weight is None else grains[weight].values
    column = np.minimum((grains["azimuth"].values / (360 / bins)).astype(int), bins - 1)
    total = (
        np.bincount(grains["map_index"].values * bins + column, value, times * bins)
        .reshape(times, bins)
        .astype(float)
    )
    seen = grains["coverage"].values
    edge = np.minimum((grains["azimuth_bin"].values / (360 / bins)).astype(int), bins - 1)
    covered = np.stack([np.nansum(seen[:, edge == k], 1) > 0 for k in range(bins)], 1)
    centres = (np.arange(bins) + 0.5) * 360 / bins
    return xr.DataArray(
        np.where(covered, total, np.nan), dims=("time", "azimuth"),
        coords={"time": grains["time"], "azimuth": ("azimuth", centres, {"units": "deg"})},
        attrs={"units": "1" if weight is None else grains[weight].attrs["units"], "long_name": "grains by azimuth"},
    )  # fmt: skip
