"""Statistics of directions: means with errors, and tests whose null follows the measured coverage of azimuth.

Where gaps or a shadow hide part of the ring, uniform grains are not seen uniformly: p-values then come from
samples drawn from the coverage, p = (1 + samples at least as extreme) / (1 + samples), which is uniform under
the null and never below 1 / (1 + samples).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import xarray as xr

from ..core.errors import InputError
from ..core.flags import Flag, flag_variable

SAMPLES = 9999


def circular_mean(azimuth: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
    """Mean direction and spread of azimuths in degrees, with 1-sigma errors.

    With C + iS = sum(w exp(i a)) / sum(w) = R exp(i mean): spread = sqrt(-2 ln R). The error of the mean is that of
    large samples, sqrt(sum(w^2 sin^2(a - mean))) / (R sum(w)), of the spread sqrt(sum(w^2 (cos(a - mean) - R)^2)) /
    (R sqrt(-2 ln R) sum(w)) (Fisher, Statistical Analysis of Circular Data, 1993, ch. 4). NaN without azimuths, and
    errors are NaN for fewer than three. Returns mean, mean_err, spread, spread_err (deg), resultant (0 to 1), number.
    """
    angle = np.radians(np.asarray(azimuth, float))
    w = np.ones_like(angle) if weight is None else np.asarray(weight, float)
    if not len(angle) or not w.sum() > 0:
        return dict.fromkeys(("mean", "mean_err", "spread", "spread_err", "resultant"), np.nan) | {
            "number": 0
        }
    z = (w * np.exp(1j * angle)).sum() / w.sum()
    mean, length = np.angle(z), min(abs(z), 1.0)
    off = angle - mean
    spread = np.sqrt(-2 * np.log(max(length, 1e-300)))
    mean_err = np.sqrt((w**2 * np.sin(off) ** 2).sum()) / (w.sum() * max(length, 1e-300))
    noise = np.sqrt((w**2 * (np.cos(off) - length) ** 2).sum()) / w.sum()
    spread_err = noise / (length * spread) if spread > 1e-9 and length > 1e-9 else 0.0
    errors = (np.degrees(mean_err), np.degrees(spread_err)) if len(angle) > 2 else (np.nan, np.nan)
    return {
        "mean": float(np.degrees(mean) % 360), "mean_err": float(errors[0]), "spread": float(np.degrees(spread)),
        "spread_err": float(errors[1]), "resultant": float(length), "number": len(angle),
    }  # fmt: skip


def rayleigh(
    azimuth: np.ndarray, *, fold: int = 1, coverage=None, samples: int = SAMPLES
) -> tuple[float, float]:
    """Rayleigh test of uniform azimuths (deg) against one preferred direction, after multiplication by `fold`.

    Returns (z, p) with z = |sum exp(i fold a)|^2 / n. `coverage` (bins round the ring, or None for a full ring) is
    how likely a grain at each azimuth is seen. A full ring and n >= 10 uses the series of Greenwood and Durand
    (Ann. Math. Statist. 26, 1955, 233), else samples.
    """
    n = _number(azimuth)
    z = float(_rayleigh_z(np.asarray(azimuth, float)[None], fold)[0])
    if _is_full(coverage) and n >= 10:
        series = (
            1 + (2 * z - z**2) / (4 * n)
            - (24 * z - 132 * z**2 + 76 * z**3 - 9 * z**4) / (288 * n**2)
        )  # fmt: skip
        return z, float(np.clip(np.exp(-z) * series, np.exp(-z) * 1e-3, 1.0))
    return z, _sampled_p(z, _null("rayleigh", n, _key(coverage), fold, samples))


def kuiper(
    azimuth: np.ndarray, *, fold: int = 1, coverage=None, samples: int = SAMPLES
) -> tuple[float, float]:
    """Kuiper test of azimuths (deg) against the coverage (uniform for a full ring), any number of preferred directions.

    Returns (V, p), V = max(F_n - F) + max(F - F_n), the same whatever the origin; `fold` multiplies azimuths first.
    """
    n, key = _number(azimuth), _key(coverage)
    v = float(_kuiper_v(np.asarray(azimuth, float)[None], fold, key)[0])
    return v, _sampled_p(v, _null("kuiper", n, key, fold, samples))


def v_test(
    azimuth: np.ndarray, predicted_deg: float = 0.0, *, fold: int = 1, coverage=None, samples: int = SAMPLES
) -> tuple[float, float]:
    """Whether azimuths gather at one stated direction (and its `fold` equivalents): (mean cosine, one-sided p)."""
    n, key = _number(azimuth), _key(coverage)
    v = float(_mean_cosine(np.asarray(azimuth, float)[None], fold, predicted_deg)[0])
    return v, _sampled_p(v, _null("cosine", n, key, fold, samples, float(predicted_deg)))


def prediction_test(
    azimuth: np.ndarray, predicted_deg: Sequence[float], *, width_deg: float = 10.0, coverage=None,
    samples: int = SAMPLES,
) -> tuple[float, float]:  # fmt: skip
    """Whether azimuths lie closer to predicted ones, at any spacing, than uniform grains seen alike would.

    Score: mean over grains of exp(-d^2 / (2 width^2)), d the distance to the nearest prediction. Returns (score, p),
    one-sided. Raises `InputError` without a prediction.
    """
    n, key = _number(azimuth), _key(coverage)
    if not len(predicted_deg):
        raise InputError("no predicted azimuth to test against", where="prediction test")
    wanted = tuple(sorted(float(p) % 360 for p in predicted_deg))
    score = float(_score(np.asarray(azimuth, float)[None], wanted, width_deg)[0])
    return score, _sampled_p(score, _null("score", n, key, 1, samples, wanted, float(width_deg)))


def azimuth_tests(
    grains: xr.Dataset, predicted_deg: Sequence[float], *, fold: int = 6, min_grains: int = 10,
    width_deg: float = 10.0, only: np.ndarray | None = None, samples: int = SAMPLES,
) -> xr.Dataset:  # fmt: skip
    """Azimuths of every map against the prediction and against uniformity, over `time`.

    `grains` is what `find_grains` returns; `only` (grain,) picks some of them. Grains that a gap or the window's edge
    cuts count too: their azimuth is known to the width of a spot, much less than `width_deg`, and without them the
    azimuths beside gaps would be empty though covered. A map with
    fewer than `min_grains` has NaN and TOO_FEW_COUNTS, a missing map NaN and NO_DATA: never a p-value. Returns
    `number`, `prediction_score`, `prediction_p`, `rayleigh_p` and `kuiper_p` (both on fold x azimuth), `flag`.
    """
    good = np.isfinite(grains["azimuth"].values)
    good &= True if only is None else np.asarray(only, bool)
    names = ("prediction_score", "prediction_p", "rayleigh_p", "kuiper_p")
    out = {name: np.full(grains.sizes["time"], np.nan) for name in names}
    number, flag = np.zeros(grains.sizes["time"]), grains["map_flag"].values.astype(int).copy()
    for t in range(grains.sizes["time"]):
        azimuth = grains["azimuth"].values[good & (grains["map_index"].values == t)]
        number[t] = len(azimuth)
        if flag[t] or len(azimuth) < min_grains:
            flag[t] |= 0 if flag[t] else int(Flag.TOO_FEW_COUNTS)
            continue
        seen = {"coverage": grains["coverage"].values[t], "samples": samples}
        score = prediction_test(azimuth, predicted_deg, width_deg=width_deg, **seen)
        out["prediction_score"][t], out["prediction_p"][t] = score
        out["rayleigh_p"][t] = rayleigh(azimuth, fold=fold, **seen)[1]
        out["kuiper_p"][t] = kuiper(azimuth, fold=fold, **seen)[1]
    result = xr.Dataset(
        {k: ("time", v, {"units": "1"}) for k, v in out.items()}, coords={"time": grains["time"]}
    )
    result["number"] = ("time", number, {"units": "1", "long_name": "grains tested"})
    result["flag"] = flag_variable(flag, ("time",))
    result.attrs = {"min_grains": min_grains, "fold": fold, "smallest_p": 1 / (1 + samples)}
    return result


def _number(azimuth) -> int:
    values = np.asarray(azimuth, float)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise InputError(
            "a test of directions needs at least one azimuth and no NaN", where="circular statistics",
            fix="Leave out missing azimuths; for times without grains there is no p-value.",
        )  # fmt: skip
    return len(values)


def _is_full(coverage) -> bool:
    return coverage is None or np.ptp(np.asarray(coverage, float)) < 1e-3 * np.max(coverage)


def _key(coverage) -> tuple[float, ...] | None:
    """Coverage as a hashable density, to 3 digits so that maps that differ in a few images share their null."""
    if _is_full(coverage):
        return None
    c = np.nan_to_num(np.asarray(coverage, float))
    if not c.sum() > 0:
        raise InputError("the coverage of azimuth is zero everywhere", where="circular statistics")
    return tuple(np.round(c / c.max(), 3))


def _rayleigh_z(azimuth, fold):
    return np.abs(np.exp(1j * np.radians(fold * azimuth)).sum(-1)) ** 2 / azimuth.shape[-1]


def _mean_cosine(azimuth, fold, predicted):
    return np.cos(np.radians(fold * (azimuth - predicted))).mean(-1)


def _score(azimuth, wanted, width):
    nearest = np.full(azimuth.shape, 360.0)
    for p in wanted:
        np.minimum(nearest, np.abs((azimuth - p + 180) % 360 - 180), out=nearest)
    return np.exp(-0.5 * (nearest / width) ** 2).mean(-1)


def _kuiper_v(azimuth, fold, key):
    n = azimuth.shape[-1]
    u = np.sort(_cumulative(azimuth, fold, key), axis=-1)
    return (np.arange(1, n + 1) / n - u).max(-1) + (u - np.arange(n) / n).max(-1)


def _cumulative(azimuth, fold, key):
    """Distribution function under the null of fold x azimuth modulo 360, at the azimuths."""
    turn = (fold * azimuth) % 360 / 360
    if key is None:
        return turn
    edge = np.linspace(0, 1, len(key) + 1)
    cdf = np.concatenate([[0.0], np.cumsum(key) / np.sum(key)])
    total = np.zeros_like(turn)
    for k in range(fold):
        total += np.interp((turn + k) / fold, edge, cdf) - np.interp(k / fold, edge, cdf)
    return total


@lru_cache(maxsize=512)
def _null(kind, n, key, fold, samples, *settings) -> np.ndarray:
    """Sorted statistics of `samples` sets of n azimuths drawn from the coverage; the same draw every time."""
    rng = np.random.default_rng((n, samples, fold))
    values = np.empty(samples)
    step = max(1, 1_000_000 // n)
    for start in range(0, samples, step):
        size = (min(step, samples - start), n)
        azimuth = 360 * rng.random(size)
        if key is not None:
            edge = np.linspace(0, 360, len(key) + 1)
            azimuth = np.interp(azimuth / 360, np.concatenate([[0.0], np.cumsum(key) / np.sum(key)]), edge)
        kinds = {
            "rayleigh": lambda a: _rayleigh_z(a, fold),
            "kuiper": lambda a: _kuiper_v(a, fold, key),
            "cosine": lambda a: _mean_cosine(a, fold, *settings),
            "score": lambda a: _score(a, *settings),
        }
        values[start : start + step] = kinds[kind](azimuth)
    return np.sort(values)


def _sampled_p(value: float, null: np.ndarray) -> float:
    at_least = len(null) - np.searchsorted(null, value - 1e-12, side="left")
    return float((1 + at_least) / (1 + len(null)))
