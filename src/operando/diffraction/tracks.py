"""Grains followed in time: tracks, their classes and rotation, and their azimuths."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from scipy.optimize import linear_sum_assignment

from ..core.errors import InputError
from ..core.flags import Flag, flag_variable

EPHEMERAL, UNSTABLE, STABLE = 0, 1, 2


@dataclass(frozen=True)
class TrackSearch:
    """Which grains of different maps are the same one, and what a lasting grain is called.

    A link costs (difference / scale)^2 summed over azimuth (scale: azimuth_deg and the errors), distance of the
    extents in steps, of the centres (z: four steps; x: `shift` of a step and 0.15 of the extent, as a grain stays where
    it is and grows little from map to map), and ln intensity. Links that cost more than `most`, or lie beyond the
    gates, are impossible; the sum over a map is least. A track may miss `max_gap` recorded maps; maps that were not
    recorded do not count. The place in x is that of a track's narrowest sighting, as a wider one may hold a neighbour
    of the same azimuth; it keeps a grain apart from one that begins beside it when it ends.

    ephemeral: seen over at most `ephemeral_maps` maps; stable: over at least `stable_maps`; unstable: between.
    """

    azimuth_deg: float = 0.7
    gate_deg: float = 2.0
    reach: tuple[int, int] = (2, 1)
    shift: float = 0.35
    most: float = 6.0
    max_gap: int = 1
    rotation_deg: float = 0.7
    ephemeral_maps: int = 2
    stable_maps: int = 10


@dataclass
class _Track:
    number: int
    rows: list[int] = field(default_factory=list)
    missed: int = 0


def link_grains(grains: xr.Dataset, search: TrackSearch | None = None) -> xr.Dataset:
    """`grains` of `find_grains` with `track` over `grain`: the same number for the same grain in every map."""
    search = search or TrackSearch()
    if "map_index" not in grains or "azimuth" not in grains:
        raise InputError("these are not grains", where="tracks", fix="Pass what find_grains returns.")
    table = {n: grains[n].values for n in (
        "azimuth", "azimuth_err", "z", "x", "z_min", "z_max", "x_min", "x_max", "intensity", "map_index")}  # fmt: skip
    step = (abs(grains.attrs.get("z_step_um", 1.0)), abs(grains.attrs.get("x_step_um", 1.0)))
    track = np.full(grains.sizes["grain"], -1)
    active: list[_Track] = []
    count = 0
    for index in np.flatnonzero(grains["map_flag"].values == 0):
        rows = np.flatnonzero(table["map_index"] == index)
        linked = _assign(active, rows, table, int(index), step, search)
        for t in active:
            t.missed += 1
        for row, owner in zip(rows, linked, strict=True):
            if owner is None:
                owner = _Track(count)
                count += 1
                active.append(owner)
            owner.rows.append(int(row))
            owner.missed = 0
            track[row] = owner.number
        active = [t for t in active if t.missed <= search.max_gap]
    attrs = {"units": "1", "long_name": "number of the track"}
    return grains.assign(track=("grain", track, attrs))


def _assign(active, rows, table, index, step, search) -> list[_Track | None]:
    """The open track that each grain of a map continues, or None."""
    if not active or not len(rows):
        return [None] * len(rows)
    last = np.array([t.rows[-1] for t in active])
    ahead, ahead_err = np.array([_predict(t.rows, table, index, search) for t in active]).T
    turn = np.abs((ahead[:, None] - table["azimuth"][rows] + 180) % 360 - 180)
    sigma = np.hypot(np.hypot(ahead_err[:, None], table["azimuth_err"][rows]), search.azimuth_deg)
    gap = [
        np.maximum(table[f"{d}_min"][last][:, None], table[f"{d}_min"][rows])
        - np.minimum(table[f"{d}_max"][last][:, None], table[f"{d}_max"][rows])
        for d in "zx"
    ]
    gap = [np.maximum(g, 0) / s for g, s in zip(gap, step, strict=True)]
    alone = np.array([_narrowest(t.rows, table) for t in active])
    off = [
        (table[d][when][:, None] - table[d][rows]) / s
        for d, when, s in zip("zx", (last, alone), step, strict=True)
    ]
    extent = (table["x_max"] - table["x_min"]) / step[1]
    wide = search.shift + 0.15 * np.maximum(extent[alone][:, None], extent[rows])
    light = np.log(
        np.maximum(table["intensity"][last], 1e-30)[:, None] / np.maximum(table["intensity"][rows], 1e-30)
    )
    cost = (
        (turn / sigma) ** 2
        + gap[0] ** 2
        + gap[1] ** 2
        + (off[0] / 4) ** 2
        + (off[1] / wide) ** 2
        + (light / 2) ** 2
    )
    limit = search.most
    allowed = (
        (turn <= search.gate_deg) & (gap[0] <= search.reach[0] + 1e-6) & (gap[1] <= search.reach[1] + 1e-6)
    )
    cost = np.where(allowed, np.minimum(cost, limit), limit)
    linked: list[_Track | None] = [None] * len(rows)
    for i, j in zip(*linear_sum_assignment(cost), strict=True):
        if cost[i, j] < limit:
            linked[j] = active[i]
    return linked


def _narrowest(rows: list[int], table) -> int:
    """The latest of the sightings that reach over the fewest columns: a wider one may hold a neighbour too."""
    extent = (table["x_max"] - table["x_min"])[rows]
    return rows[len(rows) - 1 - int(extent[::-1].argmin())]


def _predict(rows: list[int], table, index: int, search: TrackSearch) -> tuple[float, float]:
    """Azimuth expected at a map from the last five sightings, the rotation rate drawn towards zero; and its error."""
    rows = rows[-5:]
    base = table["azimuth"][rows[-1]]
    t = table["map_index"][rows] - float(table["map_index"][rows[-1]])
    turn = (table["azimuth"][rows] - base + 180) % 360 - 180
    sigma2 = table["azimuth_err"][rows] ** 2 + 0.1**2
    design = np.stack([np.ones_like(t), t], 1) / np.sqrt(sigma2)[:, None]
    normal = design.T @ design + np.diag([1e-9, 1 / search.rotation_deg**2])
    offset, rate = np.linalg.solve(normal, design.T @ (turn / np.sqrt(sigma2)))
    ahead = index - float(table["map_index"][rows[-1]])
    lever = np.array([1.0, ahead])
    return float(base + offset + rate * ahead) % 360, float(np.sqrt(lever @ np.linalg.inv(normal) @ lever))


def track_table(grains: xr.Dataset, search: TrackSearch | None = None) -> xr.Dataset:
    """What each track is: over `track`, with 1-sigma errors.

    `first_time`, `last_time` (s), `maps` seen, `lifetime_maps`, `kind` (0 ephemeral, 1 unstable, 2 stable), `azimuth`
    (at the middle), `rotation_rate` (deg/h; three sightings needed, else NaN and TOO_FEW_COUNTS; its error is widened
    by the scatter about uniform rotation), `z`, `x`, `intensity` means; `censored`: seen in the first or last map,
    so that its true lifetime is longer. Cut grains (flag) are left out of azimuth and rate.
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
    mean = {n: float(grains[n].values[part].mean()) for n in ("z", "x", "intensity")}
    return {
        "first_time": times[index.min()], "last_time": times[index.max()], "maps": len(part), "lifetime_maps": span,
        "kind": kind, "censored": bool(index.min() == recorded[0] or index.max() == recorded[-1]), "azimuth": middle,
        "azimuth_err": middle_err, "rotation_rate": rate, "rotation_rate_err": rate_err, **mean, "flag": flag,
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
