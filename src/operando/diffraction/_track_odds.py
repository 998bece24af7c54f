"""Odds that two sightings are of one grain, from what the grains of the series do from map to map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import expit, logsumexp

Table: TypeAlias = dict[str, NDArray]

#: sightings that tell how fast a grain turns
RECENT = 5
#: deg: no azimuth is better known than this from map to map
LEAST_DEG = 0.05
#: a scale is learned from so many links or more
FEW = 20
#: places of one grain in maps that follow each other scatter by this share of a step; `MOVED` in one of seven links,
#: where a neighbour is seen with it. On film twins 98 % differ by less than a third of a step
PLACE, MOVED = 0.1, 0.3
#: the same for ln intensity: 0.2 mostly, 1.8 where a grain begins or ends within a map (two of five links)
LIGHT, HALF_SEEN = 0.2, 1.8
#: chance that a grain is not found though it is there: beside another of its azimuth, near the limit, else
HIDDEN, DIM, SEEN = 0.5, 0.3, 0.01
#: a grain hides another that is nearer in azimuth than this (deg)
HIDES_DEG = 2.5
#: deg: azimuths of beginning grains are smoothed by this to tell how often one begins here
SMOOTH_DEG = 6.0


@dataclass(frozen=True)
class Habits:
    """What the grains of a series do: learned from their links, in turn with them.

    turn_deg, wobble_deg   1-sigma turn from a map to the next, and what is left of it after uniform turning
    births                 grains that begin in a map
    stay                   chance that a grain of one map is there in the next
    begun                  (begun,) azimuths of those that began, deg
    bright, spread         mean and scatter of ln intensity of all sightings
    """

    turn_deg: float
    wobble_deg: float
    births: float
    stay: float
    begun: NDArray
    bright: float
    spread: float

    @classmethod
    def guess(cls, table: Table, maps: NDArray, turn_deg: float, wobble_deg: float) -> Habits:
        """Before any link is known: half of the grains of a map are new."""
        light = np.log(np.maximum(table["intensity"], 1e-30))
        known = (float(light.mean()), float(light.std())) if len(light) else (0.0, 1.0)
        births = 0.5 * len(light) / max(len(maps), 1)
        return cls(turn_deg, wobble_deg, max(births, 0.5), 0.5, np.zeros(0), known[0], max(known[1], 0.3))

    def learned(self, table: Table, track: NDArray, maps: NDArray) -> Habits:
        """The habits that the links of `track` show; a scale that few links tell stays as it was."""
        order = np.argsort(track, kind="stable")
        starts = np.flatnonzero(np.diff(track[order], prepend=-1))
        first, last = order[starts], order[np.r_[starts[1:], len(order)] - 1]
        index, azimuth, error = table["map_index"], table["azimuth"], table["azimuth_err"]
        a, b = order[:-1], order[1:]
        near = (track[a] == track[b]) & (index[b] - index[a] == 1)
        turn, wobble = self.turn_deg, self.wobble_deg
        if near.sum() >= FEW:
            a, b = a[near], b[near]
            turn = _scale(wrap(azimuth[b] - azimuth[a]), np.hypot(error[a], error[b]))
            old = np.concatenate([np.arange(len(part)) >= 3 for part in np.split(order, starts[1:])])[1:]
            b = b[old[near]]
            if len(b) >= FEW:
                recent = _recent_before(order, starts, b)
                ahead, ahead_err = expected(recent, table, index[b], turn)
                wobble = _scale(wrap(azimuth[b] - ahead), np.hypot(ahead_err, error[b]))
        wobble = min(wobble, turn)
        pairs, ends = int(near.sum()) + 2.0, int((index[last] < maps[-1]).sum()) + 1.0
        began = first[index[first] > maps[0]]
        births = max(len(began) / max(len(maps) - 1, 1), 0.5)
        return Habits(turn, wobble, births, pairs / (pairs + ends), azimuth[first], self.bright, self.spread)

    def begins(self, azimuth: NDArray) -> NDArray:
        """Share of the beginning grains per degree at `azimuth`; five at random azimuths are added to them."""
        off = wrap(azimuth[:, None] - self.begun)
        near = np.exp(-0.5 * (off / SMOOTH_DEG) ** 2).sum(1) / (SMOOTH_DEG * np.sqrt(2 * np.pi))
        return (near + 5 / 360) / (len(self.begun) + 5)


@dataclass(frozen=True)
class Series:
    """Sightings of a series (columns of the table of grains), the recorded maps, steps and width of a map (um), and
    log10 of the p-value at the limit of detection."""

    table: Table
    maps: NDArray
    step_z: float
    step_x: float
    width: float
    limit: float


def log_odds(recent: NDArray, rows: NDArray, alone: NDArray, series: Series, habits: Habits):
    """(tracks, rows): ln of the odds that a sighting continues a track, against its end and a new grain's beginning.

    recent (tracks, RECENT) sightings, latest last, -1: none; rows sightings of one map; alone (tracks,) the sighting
    that best tells its place in x. With it, for the gates: turn (deg), and distance of the extents along z and x in
    steps.
    """
    table, step_z, step_x = series.table, series.step_z, series.step_x
    index, last = int(table["map_index"][rows[0]]), recent[:, -1]
    ahead, ahead_err = expected(recent, table, np.full(len(recent), index), habits.turn_deg)
    turn = wrap(table["azimuth"][rows] - ahead[:, None])
    sigma = np.sqrt(ahead_err[:, None] ** 2 + table["azimuth_err"][rows] ** 2 + habits.wobble_deg**2)
    now, then = (table["x"][rows] - table["x"][which][:, None] for which in (last, alone))
    shift = np.where(abs(now) < abs(then), now, then)
    light = np.log(np.maximum(table["intensity"], 1e-30))
    odds = _ln_two(turn, sigma, 0.05, 4.0 * sigma)
    odds += _ln_two(shift / step_x, PLACE, 0.15, MOVED) - np.log(step_x)
    # what is seen in one column may be anywhere in it: its density is spread over the column
    odds += np.where(table["x_max"][rows] == table["x_min"][rows], np.log(PLACE), 0.0)
    height, spread_z = table["z"], max(float(table["z"].std()), 0.5 * step_z)
    odds += _ln_two(height[rows] - height[last][:, None], 0.5 * step_z, 0.2, 2 * step_z)
    odds -= _ln_normal(height[rows] - height.mean(), spread_z)
    odds += _ln_two(light[rows] - light[last][:, None], LIGHT, 0.4, HALF_SEEN)
    stayed = np.log(habits.stay / (1 - habits.stay)) + _ln_missed(last, index, series, habits.stay)
    odds += stayed[:, None]
    new = np.log(habits.births * habits.begins(table["azimuth"][rows]) / series.width)
    odds -= new + _ln_normal(light[rows] - habits.bright, habits.spread)
    apart_z, apart_x = (_gap(table, d, last, rows) / s for d, s in (("z", step_z), ("x", step_x)))
    return odds, turn, apart_z, apart_x


def most_likely(odds: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """The most likely set of links by (tracks, rows) ln odds: tracks, rows, and for each the chance that it is wrong.

    The other possibilities are that the link is none, that another track takes the row (and leaves its own, which the
    track may take), or that the track takes a free row.
    """
    tracks, rows = linear_sum_assignment(-np.maximum(odds, 0.0))
    good = odds[tracks, rows] > 0
    tracks, rows = tracks[good], rows[good]
    own = np.zeros(len(odds))
    own[tracks] = odds[tracks, rows]
    free = np.setdiff1d(np.arange(odds.shape[1]), rows)
    swap = np.zeros((len(tracks), len(odds)))  # what a track gains by the row of another
    swap[:, tracks] = np.logaddexp(0, odds[np.ix_(tracks, rows)])
    other = odds[:, rows].T - own + swap
    other[np.arange(len(tracks)), tracks] = 0.0  # no link
    against = np.concatenate([other, odds[np.ix_(tracks, free)]], 1)
    return tracks, rows, expit(logsumexp(against, axis=1) - own[tracks]) if len(tracks) else own[:0]


def expected(recent: NDArray, table: Table, index: NDArray, turn_deg: float) -> tuple[NDArray, NDArray]:
    """Azimuth expected in map `index` (tracks,) from recent sightings, turning drawn towards none; and its error."""
    last = recent[:, -1:]
    time = (table["map_index"][recent] - table["map_index"][last]).astype(float)
    turn = wrap(table["azimuth"][recent] - table["azimuth"][last])
    weight = (recent >= 0) / (table["azimuth_err"][recent] ** 2 + 0.1**2)
    a, b, c = weight.sum(1), (weight * time).sum(1), (weight * time**2).sum(1) + turn_deg**-2.0
    p, q = (weight * turn).sum(1), (weight * time * turn).sum(1)
    det, ahead = a * c - b**2, index - table["map_index"][last[:, 0]]
    azimuth = table["azimuth"][last[:, 0]] + (c * p - b * q + (a * q - b * p) * ahead) / det
    return azimuth % 360, np.sqrt((c - 2 * b * ahead + a * ahead**2) / det)


def wrap(degrees: NDArray) -> NDArray:
    """Degrees in [-180, 180)."""
    return (degrees + 180) % 360 - 180


def _ln_missed(last: NDArray, index: int, series: Series, stay: float) -> NDArray:
    """ln of the chance that each track was not found in the maps since its last sighting, though it went on."""
    table, found = series.table, series.table["map_index"]
    out = np.zeros(len(last))
    for i in np.flatnonzero(found[last] < index - 1):
        row = last[i]
        out[i] += np.log(stay) * (index - 1 - found[row])
        for t in series.maps[(series.maps > found[row]) & (series.maps < index)]:
            there = np.flatnonzero(found == t)
            hides = abs(wrap(table["azimuth"][there] - table["azimuth"][row])) < HIDES_DEG
            hides &= _gap(table, "x", np.array([row]), there)[0] <= 1.01 * series.step_x
            dim = table["log10_p"][row] > 2 * series.limit
            out[i] += np.log(HIDDEN if hides.any() else DIM if dim else SEEN)
    return out


def _gap(table: Table, d: str, one: NDArray, other: NDArray) -> NDArray:
    """(one, other): distance of extents along `d`, zero where they overlap."""
    low, high = table[f"{d}_min"], table[f"{d}_max"]
    apart = np.maximum(low[one][:, None], low[other]) - np.minimum(high[one][:, None], high[other])
    return np.maximum(apart, 0)


def _recent_before(order: NDArray, starts: NDArray, rows: NDArray) -> NDArray:
    """(rows, RECENT): the sightings of the same track before each of `rows`, latest last, -1: none."""
    place = np.argsort(order)[rows]
    back = place[:, None] - np.arange(RECENT, 0, -1)
    first = starts[np.searchsorted(starts, place, "right") - 1]
    return np.where(back >= first[:, None], order[np.maximum(back, 0)], -1)


def _scale(values: NDArray, error: NDArray) -> float:
    """Robust 1-sigma scatter (from the median of absolute values) beyond the errors."""
    scatter = 1.4826 * float(np.median(abs(values)))
    return float(np.sqrt(max(scatter**2 - float(np.median(error)) ** 2, LEAST_DEG**2)))


def _ln_normal(off, sigma):
    return -0.5 * (off / sigma) ** 2 - np.log(sigma * np.sqrt(2 * np.pi))


def _ln_two(off, sigma, share, broad):
    """ln density of a normal law, a `share` of it with the scatter `broad`."""
    return np.logaddexp(np.log(1 - share) + _ln_normal(off, sigma), np.log(share) + _ln_normal(off, broad))
