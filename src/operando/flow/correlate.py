"""How two series over time go together: correlation, slope, and whether a common trend alone would do as much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

#: fewer common times say nothing of a correlation; fewer than the second nothing of one beyond a trend
FEWEST, FEWEST_FOR_TREND = 5, 12
#: degree in time of the trend that is taken out of both
TREND = 3


@dataclass(frozen=True)
class Series:
    """One quantity over time (s since the first frame or the start of the record), with its 1-sigma error."""

    name: str
    technique: str
    units: str
    time: np.ndarray
    value: np.ndarray
    error: np.ndarray
    cell: str = ""  # the technique whose own cell and record this is of; "" for those of the experiment


@dataclass(frozen=True)
class Correlation:
    """What `correlation` says of two series. NaN where the times are too few."""

    r: float = np.nan  # Pearson's
    r_err: float = np.nan
    p: float = np.nan  # chance of as much between two unrelated series that change as slowly
    number: int = 0  # common times
    independent: float = np.nan  # times that count as independent
    r_trend: float = np.nan  # of what is left when a cubic in time is taken out of both
    p_trend: float = np.nan  # chance of that
    slope: float = np.nan  # of the second on the first
    slope_err: float = np.nan


def correlation(one: Series, two: Series) -> Correlation:
    """Correlation of two series at common times, with errors that know of their slow changes.

    The series with fewer times inside the overlap sets the times, the other is interpolated. Neighbours in time are
    not independent: N_eff = N / (1 + 2 sum_k (1 - k/N) r1(k) r2(k)) (Bartlett 1935, Bayley and Hammersley 1946).
    On unrelated series p < 0.05 in 3-7 % of the cases (stationary, autoregressive up to 0.9, 5 to 100 times), in 6-12 %
    of random walks, but nearly always where both only rise: a charge makes everything rise. Therefore `p_trend`:
    a cubic in time is taken out of both first, and the degrees of freedom that this costs are counted. It is under
    0.05 in 1-6 % of all these cases, in 4-11 % of smooth ramps of different shape. The slope is of least squares, its
    error that of autoregressive residuals; errors of the first series itself would flatten it and are not corrected.
    """
    x, y, time = _matched(one, two)
    if len(time) < FEWEST or not (np.ptp(x) > 0 and np.ptp(y) > 0):
        return Correlation()
    r, r_err, p, free = _tested(x, y, 0)
    r_trend, p_trend = np.nan, np.nan
    if len(time) >= FEWEST_FOR_TREND:
        u, v = (_less_trend(values, time) for values in (x, y))
        if np.std(u) > 1e-9 * np.ptp(x) and np.std(v) > 1e-9 * np.ptp(y):
            r_trend, _, p_trend, _ = _tested(u, v, TREND)
    return Correlation(r, r_err, p, len(time), free, r_trend, p_trend, *_slope(x, y))


def effective_number(x: np.ndarray, y: np.ndarray) -> float:
    """How many independent times two series are worth."""
    n = len(x)
    r1, r2 = _autocorrelation(x), _autocorrelation(y)
    lags = np.arange(1, n // 2)
    total = 1 + 2 * ((1 - lags / n) * r1[lags] * r2[lags]).sum()
    return float(np.clip(n / max(total, 1e-9), 1.0, n))


def _matched(one: Series, two: Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a, b = (_known(s) for s in (one, two))
    nothing = np.array([])
    if not (len(a[0]) and len(b[0])):
        return nothing, nothing, nothing
    low, high = max(a[0].min(), b[0].min()), min(a[0].max(), b[0].max())
    inside = [(t >= low) & (t <= high) for t, _ in (a, b)]
    if inside[0].sum() <= inside[1].sum():
        time, x = (part[inside[0]] for part in a)
        return x, np.interp(time, *b), time
    time, y = (part[inside[1]] for part in b)
    return np.interp(time, *a), y, time


def _known(one: Series) -> tuple[np.ndarray, np.ndarray]:
    good = np.isfinite(one.value) & np.isfinite(one.time)
    order = np.argsort(one.time[good], kind="stable")
    return one.time[good][order], one.value[good][order]


def _tested(x: np.ndarray, y: np.ndarray, spent: int) -> tuple[float, float, float, float]:
    """r, its error, p, and the times that count, of which `spent` went into trends."""
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))
    free = effective_number(x, y) - spent
    if free <= 3:
        return r, np.nan, 1.0, free
    t = r * np.sqrt((free - 2) / max(1 - r**2, 1e-12))
    return r, float((1 - r**2) / np.sqrt(free - 1)), float(2 * stats.t.sf(abs(t), free - 2)), free


def _less_trend(values: np.ndarray, time: np.ndarray) -> np.ndarray:
    at = 2 * (time - time[0]) / (time[-1] - time[0]) - 1
    return values - np.polynomial.legendre.legval(at, np.polynomial.legendre.legfit(at, values, TREND))


def _slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope of y on x and its error, for residuals that are autoregressive of first order.

    R_ij = phi^|i - j| with phi = r1 + (2 + 4 r1)/n: r1 of what is left of a short series, mean and line taken out, is
    biased low by so much (Marriott and Pope 1954). With H the projection on (1, x): var = s^2 d'Rd / (d'd)^2,
    s^2 = e'e / (n - tr HR).
    """
    d, n = x - x.mean(), len(x)
    slope = float(d @ y / (d @ d))
    left = y - y.mean() - slope * d
    if not np.ptp(left) > 1e-12 * np.ptp(y):
        return slope, 0.0
    first = float(_autocorrelation(left)[1])
    phi = float(np.clip(first + (2 + 4 * first) / n, 0.0, 0.97))
    together = phi ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    spent = together.sum() / n + d @ together @ d / (d @ d)
    variance = left @ left / max(n - spent, 1.0)
    return slope, float(np.sqrt(variance * (d @ together @ d)) / (d @ d))


def _autocorrelation(x: np.ndarray) -> np.ndarray:
    """r(k); each r is biased low by about (1 + 2 tau)/n in a short series, which is not corrected."""
    d = x - x.mean()
    full = np.correlate(d, d, "full")[len(d) - 1 :]
    return full / full[0]
