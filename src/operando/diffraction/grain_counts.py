"""How many grains there are in every map: merged and false ones allowed for, with an error that says so.

Only grains in diffraction condition are seen: counts are of visible grains.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from ..core import Flag
from ..core.errors import InputError
from ..core.flags import flag_variable

#: neighbours are parted when they differ in azimuth by about this and three times the width of a spot
UNPARTED_DEG = 1.0
#: a grain may as well have been missed if ln p of its best spot is within this factor of the limit
NEAR_LIMIT = 1.5


def count_grains(
    grains: xr.Dataset, efficiency: Callable[[np.ndarray], np.ndarray] | None = None
) -> xr.Dataset:
    """Visible grains in every map: `total`, `new`, `vanished`, over `time`, with errors.

    Each grain counts 1/efficiency(peak_counts) (only those with an efficiency of at least one half; without the
    argument, one); chance false ones are taken off, and pairs expected to have merged because their azimuths agree
    are added (nearer than three rms widths, from the pairs of touching grains). `_err` is the error of the count of
    the grains that were there: binomial for missed ones, Poisson for false and merged ones, and what the whole series
    says of grains at the limit of detection and of pairs that may be one grain (`_doubtful`; benchmarks/grain_counts.py
    checks it). `_sampling_err` is the
    Poisson error if they are taken as a sample of what might have been
    there. `new` and `vanished` need the map before: NaN and NO_DATA else. Linked grains are needed.
    """
    if "track" not in grains:
        raise InputError("grains are not linked in time", where="tracks", fix="Call link_grains first.")
    chance = (
        np.ones(grains.sizes["grain"]) if efficiency is None else efficiency(grains["peak_counts"].values)
    )
    used = chance >= 0.5
    weight = np.where(used, 1 / np.where(used, chance, 1.0), 0.0)
    missing = np.where(used, (1 - chance) * weight**2, 0.0)
    index, track = grains["map_index"].values, grains["track"].values
    recorded = np.flatnonzero(grains["map_flag"].values == 0)
    size = grains.sizes["time"]
    out = {
        n + e: np.full(size, np.nan)
        for n in ("total", "new", "vanished")
        for e in ("", "_err", "_sampling_err")
    }
    false = grains.attrs.get("false_rate_per_image", 0.0) * grains["images"].values
    if grains.attrs.get("rule") != "significance":
        false = np.zeros(size)
    first, last = _ends(track, index)
    rows = {int(t): np.flatnonzero((index == t) & used) for t in recorded}
    merges, doubt = _expected_merges(grains, rows), _doubtful(grains, rows)
    for before, t in zip([None, *recorded], recorded, strict=False):
        here = index == t
        merged = merges[int(t)]
        picked = {"total": (here, merged)}
        if before is not None and before == t - 1:
            picked |= {"new": (here & (first[track] == t), 0.0)}
            picked |= {"vanished": ((index == before) & (last[track] == before), 0.0)}
        for name, (choice, extra) in picked.items():
            value = weight[choice].sum() - false[t] + extra
            variance = missing[choice].sum() + false[t] + extra + doubt * (weight[choice].sum() + 1)
            out[name][t] = max(value, 0.0)
            out[name + "_err"][t] = np.sqrt(variance)
            out[name + "_sampling_err"][t] = np.sqrt(max(value, 0.0) + variance)
    data = {n: ("time", v, {"units": "1"}) for n, v in out.items()}
    result = xr.Dataset(data, coords={"time": grains["time"]})
    for name in ("total", "new", "vanished"):
        result[f"{name}_flag"] = flag_variable(np.where(np.isnan(out[name]), int(Flag.NO_DATA), 0), ("time",))
    return result


def _ends(track: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = int(track.max()) + 1 if len(track) else 0
    first, last = np.full(count, 2**31), np.full(count, -1)
    np.minimum.at(first, track, index)
    np.maximum.at(last, track, index)
    return first, last


def _expected_merges(grains: xr.Dataset, rows: dict[int, np.ndarray]) -> dict[int, float]:
    """Grains of each map that are one with a neighbour: touching pairs told apart x F / (1 - F); `rows`: by map.

    F is the chance that two grains agree in azimuth within what parts them, as pairs of one map that lie apart do:
    oriented grains agree more often than random ones. Ten pairs at random azimuths are added, so that few say little.
    """
    apart = {t: _pairs(grains, some) for t, some in rows.items()}
    alike, far = (sum(counts[i] for counts in apart.values()) for i in (1, 2))
    spread = grains["azimuth_spread"].values
    width = UNPARTED_DEG + 3 * float(np.median(spread)) if len(spread) else 0.0
    share = min((alike + 10 * min(2 * width / 360, 0.5)) / (far + 10), 0.5)
    return {t: counts[0] * share / (1 - share) for t, counts in apart.items()}


def _doubtful(grains: xr.Dataset, rows: dict[int, np.ndarray]) -> float:
    """Variance of the count of a map for each grain in it, from all maps together, as a single map tells too little.

    A grain within a factor `NEAR_LIMIT` in ln p of the limit (of the dimmest tenth of what was found, if the rule is
    not one of significance) has about one like it that was not found: 1/4 each. A pair
    that touches, agrees in azimuth and was yet told apart is one grain or two with even chance, and so is one that was
    joined and should not have been: 1/4 each.
    """
    number = sum(len(some) for some in rows.values())
    if not number:
        return 0.0
    tail = grains["log10_p"].values
    limit = grains.attrs.get("log10_p_limit", np.nan)
    limit = limit if np.isfinite(limit) else float(np.quantile(tail, 0.9))
    dim = sum(int((tail[some] > NEAR_LIMIT * limit).sum()) for some in rows.values())
    pairs = sum(_pairs(grains, some)[3] for some in rows.values())
    return 0.5 * (dim + pairs) / number


def _pairs(grains: xr.Dataset, rows: np.ndarray) -> tuple[int, int, int, int]:
    """Pairs that touch and differ in azimuth, that lie apart and agree, that lie apart, and that agree and touch or
    have one point between them."""
    if len(rows) < 2:
        return 0, 0, 0, 0
    table = {n: grains[n].values[rows] for n in ("z_min", "z_max", "x_min", "x_max", "azimuth")}
    near, close = np.ones((2, len(rows), len(rows)), bool)
    for d in "zx":
        step = abs(grains.attrs.get(f"{d}_step_um", 1.0))
        gap = np.maximum(table[f"{d}_min"][:, None], table[f"{d}_min"]) - np.minimum(
            table[f"{d}_max"][:, None], table[f"{d}_max"]
        )
        near &= gap <= 1.01 * step
        close &= gap <= 2.01 * step
    width = UNPARTED_DEG + 3 * float(np.median(grains["azimuth_spread"].values))
    alike = np.abs((table["azimuth"][:, None] - table["azimuth"] + 180) % 360 - 180) < width
    pair = np.triu(np.ones_like(near), 1)
    choices = (near & ~alike, ~near & alike, ~near, close & alike)
    told, apart_alike, apart, doubtful = (int((pair & some).sum()) for some in choices)
    return told, apart_alike, apart, doubtful
