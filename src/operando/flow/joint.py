"""All techniques on one time axis: a number a time from each, and how they go together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from scipy import stats

if TYPE_CHECKING:
    from .running import Run

#: fewer common times say nothing of a correlation
FEWEST = 8


@dataclass(frozen=True)
class Series:
    """One quantity over time (s since the first frame or the start of the record), with its 1-sigma error."""

    name: str
    technique: str
    units: str
    time: np.ndarray
    value: np.ndarray
    error: np.ndarray


def joint(job: Run, groups: dict[str, xr.Dataset]) -> None:
    """`joint/<technique>/<name>` of every series, and `joint/correlation` over pairs of different techniques."""
    found = [s for s in series(groups) if np.isfinite(s.value).sum() >= 2]
    if len({s.technique for s in found}) < 2:
        return
    for one in found:
        about = {"units": one.units, "long_name": one.name}
        groups[f"joint/{one.technique}/{one.name}"] = xr.Dataset(
            {"value": ("time", one.value, about), "value_err": ("time", one.error, {"units": one.units})},
            coords={"time": ("time", one.time, {"units": "s"})},
        )
    pairs = [(a, b) for a, b in combinations(found, 2) if a.technique != b.technique]
    rows = [(f"{a.name} · {b.name}", *correlation(a, b)) for a, b in pairs]
    rows = [row for row in rows if np.isfinite(row[1])]
    if rows:
        names, rho, error, p, number, free = map(list, zip(*rows, strict=True))
        groups["joint/correlation"] = _table(names, rho, error, p, number, free)


def _table(names, rho, error, p, number, free) -> xr.Dataset:
    told = {
        "correlation": (rho, "Pearson correlation"), "correlation_err": (error, "1-sigma error of correlation"),
        "p": (p, "chance without relation"), "number": (number, "common times"),
        "independent": (free, "times that count as independent"),
    }  # fmt: skip
    return xr.Dataset(
        {
            key: ("pair", np.array(v, float), {"units": "1", "long_name": text})
            for key, (v, text) in told.items()
        },
        coords={"pair": names},
    )


def correlation(one: Series, two: Series) -> tuple[float, float, float, int, float]:
    """Correlation of two series at common times, its error, p, the number of times, and how many count.

    The series with fewer times inside the overlap sets the times, the other is interpolated. Neighbours in time are
    not independent: N_eff = N / (1 + 2 sum_k (1 - k/N) r1(k) r2(k)) (Bartlett 1935, Bayley and Hammersley 1946), so
    that two quantities that merely drift have a large p. On unrelated series p < 0.05 in 3-6 % of the cases (those
    autoregressive up to 0.9, 12 to 100 times), in 11 % for random walks. NaN for fewer than `FEWEST` times.
    """
    nothing = (np.nan, np.nan, np.nan, 0, np.nan)
    a, b = (_known(s) for s in (one, two))
    low, high = max(a[0].min(), b[0].min()), min(a[0].max(), b[0].max())
    inside = [(t >= low) & (t <= high) for t, _ in (a, b)]
    coarse, fine = ((a, b), (b, a))[int(inside[0].sum() > inside[1].sum())]
    time = coarse[0][(coarse[0] >= low) & (coarse[0] <= high)]
    if len(time) < FEWEST:
        return nothing
    x, y = coarse[1][(coarse[0] >= low) & (coarse[0] <= high)], np.interp(time, *fine)
    if not (np.ptp(x) > 0 and np.ptp(y) > 0):
        return nothing
    rho = float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))
    free = effective_number(x, y)
    if free <= 3:
        return rho, np.nan, 1.0, len(time), free
    error = (1 - rho**2) / np.sqrt(free - 1)
    t = rho * np.sqrt((free - 2) / max(1 - rho**2, 1e-12))
    return rho, float(error), float(2 * stats.t.sf(abs(t), free - 2)), len(time), free


def effective_number(x: np.ndarray, y: np.ndarray) -> float:
    """How many independent times two series are worth."""
    n = len(x)
    r1, r2 = _autocorrelation(x), _autocorrelation(y)
    lags = np.arange(1, n // 2)
    total = 1 + 2 * ((1 - lags / n) * r1[lags] * r2[lags]).sum()
    return float(np.clip(n / max(total, 1e-9), 1.0, n))


def _autocorrelation(x: np.ndarray) -> np.ndarray:
    """r(k); each r is biased low by about (1 + 2 tau)/n in a short series, which is not corrected."""
    d = x - x.mean()
    full = np.correlate(d, d, "full")[len(d) - 1 :]
    return full / full[0]


def _known(one: Series) -> tuple[np.ndarray, np.ndarray]:
    good = np.isfinite(one.value) & np.isfinite(one.time)
    order = np.argsort(one.time[good], kind="stable")
    return one.time[good][order], one.value[good][order]


def series(groups: dict[str, xr.Dataset]) -> Iterator[Series]:
    """What each technique says as one number a time."""
    yield from _cycler(groups)
    yield from _xrd(groups)
    yield from _others(groups)


def _cycler(groups: dict[str, xr.Dataset]) -> Iterator[Series]:
    clock = groups.get("clock", xr.Dataset())
    for name in ("voltage", "current", "capacity"):
        if name in clock and "time" in clock[name].dims:
            yield _plain(clock, name, "cycler", name)


def _xrd(groups: dict[str, xr.Dataset]) -> Iterator[Series]:
    for path, data in groups.items():
        ring = path.split("/")[1] if path.startswith("xrd/") and path.count("/") == 1 else ""
        axis = next((a for a in ("c", "a") if ring and a in data and "family" in data.dims), None)
        if axis:
            for family in data["family"].values:
                one = data.sel(family=family)
                yield _mean(one, axis, "flag", "micro-XRD", f"{axis} of {ring} {family}")
        if path.endswith("/front"):
            for family in data["family"].values:
                yield _mean(
                    data.sel(family=family),
                    "position_map",
                    "flag",
                    "micro-XRD",
                    f"front {family}",
                    "position_err",
                )
        if path.endswith("/layer"):
            yield _mean(
                data, "displacement", "displacement_flag", "micro-XRD", f"rise of {path.split('/')[1]}"
            )
    if "lithium" in groups:
        for family in groups["lithium"]["family"].values:
            one = groups["lithium"].sel(family=family)
            yield _mean(one, "x_li", "x_li_flag", "micro-XRD", f"x {family}", "x_li_err_fit")
    if "grains/counts" in groups:
        yield _plain(groups["grains/counts"], "total", "micro-XRD", "grains")


def _others(groups: dict[str, xr.Dataset]) -> Iterator[Series]:
    if "compton/states" in groups:
        yield _plain(groups["compton/states"], "x_li", "Compton", "x by Compton")
    tomography = groups.get("tomography", xr.Dataset())
    for name in ("contact", "contact_share", "share", "void_volume", "lithium_volume"):
        if name in tomography and "electrode" in tomography[name].dims:
            for electrode in tomography["electrode"].values:
                yield _plain(
                    tomography.sel(electrode=electrode),
                    name,
                    "tomography",
                    f"{name.replace('_', ' ')} {electrode}",
                )
    if "plating" in groups:
        yield _plain(groups["plating"], "thickness", "cycler", "plated thickness")


def _plain(data: xr.Dataset, name: str, technique: str, called: str) -> Series:
    value = np.asarray(data[name].values, float)
    flag = data.get(f"{name}_flag")
    if flag is not None and flag.dims == data[name].dims:
        value = np.where(flag.values == 0, value, np.nan)
    error = (
        np.asarray(data[f"{name}_err"].values, float)
        if f"{name}_err" in data
        else np.full(value.shape, np.nan)
    )
    return Series(
        called,
        technique,
        str(data[name].attrs.get("units", "1")),
        np.asarray(data["time"].values, float),
        value,
        error,
    )


def _mean(
    data: xr.Dataset, name: str, flag: str, technique: str, called: str, error: str | None = None
) -> Series:
    """Weighted mean over all but time, with its error widened where the points scatter more than theirs say."""
    # one order of the axes, whatever memory they come from: sums are then the same to the bit
    value, sigma = (_in_order(data[key]) for key in (name, error or f"{name}_err"))
    good = value.notnull() & (sigma > 0) & (_in_order(data[flag]) == 0)
    weight = (sigma.where(good) ** -2.0).fillna(0.0)
    rest = [str(dim) for dim in value.dims if dim != "time"]
    total = weight.sum(rest)
    mean = (weight * value.fillna(0.0)).sum(rest) / total.where(total > 0)
    chi2 = (weight * (value - mean).fillna(0.0) ** 2).sum(rest) / (good.sum(rest) - 1).clip(1)
    spread = (chi2.clip(1.0) / total.where(total > 0)) ** 0.5
    units = str(value.attrs.get("units", "1"))
    return Series(
        called, technique, units, np.asarray(data["time"].values, float), mean.values, spread.values
    )


def _in_order(array: xr.DataArray) -> xr.DataArray:
    """Axes by name, time first, in memory as they are named."""
    dims = ["time", *sorted(str(dim) for dim in array.dims if dim != "time")]
    ordered = array.transpose(*dims)
    return ordered.copy(data=np.ascontiguousarray(ordered.values))
