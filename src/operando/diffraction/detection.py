"""What the grain search can and cannot see: efficiency, detection limit and false rate, from the user's own data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.optimize import minimize
from scipy.special import ndtr, ndtri

from ..core.errors import InputError
from ..core.flags import Flag, flag_variable
from ..core.sums import Sums
from .grains import GrainSearch, find_spots
from .ring_sums import DIMS


@dataclass(frozen=True)
class Efficiency:
    """Chance of finding a spot of `counts`: Phi((ln counts - ln c50) / width), its parameters and their covariance."""

    log_c50: float
    log_width: float
    covariance: np.ndarray

    def __call__(self, counts) -> np.ndarray:
        level = np.log(np.maximum(np.asarray(counts, float), 1e-12))
        return ndtr((level - self.log_c50) / np.exp(self.log_width))

    def limit(self, chance: float = 0.5) -> tuple[float, float]:
        """Counts at which a spot is found with this chance, and the 1-sigma error."""
        slope = ndtri(chance) * np.exp(self.log_width)
        gradient = np.array([1.0, slope])
        value = float(np.exp(self.log_c50 + slope))
        return value, value * float(np.sqrt(gradient @ self.covariance @ gradient))


def inject(
    sums: Sums, counts: float, azimuth: np.ndarray, q: np.ndarray, points: np.ndarray, *, width_deg: float,
    width_q: float, rng: np.random.Generator,
) -> Sums:  # fmt: skip
    """A map with one known spot, Poisson counts with Gaussian profile, added to each of the given points.

    `counts` are expected at weight one relative to the largest weight of the map; points (n,) are row * columns +
    column; azimuth (n,) deg, q (n,) 1/angstrom; widths are rms.
    """
    signal = np.array(sums.signal.transpose(*DIMS).values, np.float64)
    weight = np.broadcast_to(sums.weight.transpose(*[d for d in DIMS if d in sums.weight.dims]).broadcast_like(
        sums.signal).transpose(*DIMS).values, signal.shape).reshape(-1, *signal.shape[2:])  # fmt: skip
    flat = signal.reshape(-1, *signal.shape[2:])
    bins_a, bins_q = sums.signal["azimuth"].values, sums.signal["q"].values
    step_a, step_q = 360 / len(bins_a), float(np.diff(bins_q).mean())
    for point, a, b in zip(points, azimuth, q, strict=True):
        turn = (bins_a - a + 180) % 360 - 180
        along = ndtr((turn + step_a / 2) / width_deg) - ndtr((turn - step_a / 2) / width_deg)
        across = ndtr((bins_q - b + step_q / 2) / width_q) - ndtr((bins_q - b - step_q / 2) / width_q)
        expected = counts * along[:, None] * across * weight[point] / weight.max()
        flat[point] += rng.poisson(np.maximum(expected, 0))
    added = sums.signal.transpose(*DIMS).copy(data=signal)
    return Sums(added, added, sums.weight)


def detection_limit(
    sums: Sums, reference: Sums | None, counts: Sequence[float], *, search: GrainSearch | None = None,
    width_deg: float = 1.0, width_q: float | None = None, spots: int = 200, rng: np.random.Generator,
) -> tuple[xr.Dataset, Efficiency]:  # fmt: skip
    """Efficiency against spot counts, by putting known spots into a map of the user and searching it again.

    Spots go, one a point, to azimuths with data that are 6 widths clear of what the map itself shows there, and
    anywhere in the inner half of the q window. One is found when a spot comes back within 3 widths (at least two
    bins) in azimuth.

    Returns over `counts`: `injected`, `found`, `efficiency`, `efficiency_err` (half the 68 % Jeffreys interval),
    and the fitted `Efficiency`; attrs give the 50 % and 95 % limit with errors. Raises `InputError` when efficiencies
    do not bracket one half.
    """
    search = search or GrainSearch()
    shape = [sums.signal.sizes[d] for d in DIMS]
    width_q = width_q or 1.5 * float(np.diff(sums.signal["q"].values).mean())
    own = find_spots(sums, reference, search)
    injected, found = np.zeros(len(counts)), np.zeros(len(counts))
    for k, level in enumerate(counts):
        while injected[k] < spots:
            size = int(min(spots - injected[k], shape[0] * shape[1]))
            points = rng.permutation(shape[0] * shape[1])[:size]
            azimuth = _free_azimuths(sums, own, points, 6 * width_deg, rng)
            middle, half = sums.signal["q"].values.mean(), np.ptp(sums.signal["q"].values) / 4
            q = rng.uniform(middle - half, middle + half, size)
            good = np.isfinite(azimuth)
            if not good.any():
                raise InputError(
                    "no azimuth is free of gaps and of the map's own spots", where="detection limit"
                )
            changed = inject(
                sums,
                level,
                azimuth[good],
                q[good],
                points[good],
                width_deg=width_deg,
                width_q=width_q,
                rng=rng,
            )
            got = find_spots(changed, reference, search)
            found[k] += _recovered(got, points[good], azimuth[good], max(3 * width_deg, 2 * got.step))
            injected[k] += good.sum()
    curve = fit_efficiency(np.asarray(counts, float), injected, found)
    return _efficiency_dataset(np.asarray(counts, float), injected, found, curve), curve


def fit_efficiency(counts: np.ndarray, injected: np.ndarray, found: np.ndarray) -> Efficiency:
    """Binomial maximum likelihood of an error function in ln counts; covariance from the Fisher information."""
    share = found / injected
    if share.max() < 0.5 or share.min() > 0.5:
        raise InputError(
            f"efficiencies from {share.min():.2f} to {share.max():.2f} do not bracket one half",
            where="detection limit", fix="Inject " + ("more counts." if share.max() < 0.5 else "fewer counts."),
        )  # fmt: skip
    level = np.log(counts)

    def chance(p: np.ndarray) -> np.ndarray:
        return np.clip(ndtr((level - p[0]) / np.exp(p[1])), 1e-9, 1 - 1e-9)

    def cost(p: np.ndarray) -> float:
        e = chance(p)
        return -float((found * np.log(e) + (injected - found) * np.log1p(-e)).sum())

    start = np.array(
        [np.interp(0.5, np.maximum.accumulate(share) + 1e-9 * np.arange(len(share)), level), np.log(0.2)]
    )
    best = minimize(
        cost, start, method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-7, "maxiter": 4000}
    ).x
    slope = np.stack([(chance(best + d) - chance(best - d)) / 2e-4 for d in 1e-4 * np.eye(2)], 1)
    e = chance(best)
    information = (slope / (e * (1 - e) / injected)[:, None]).T @ slope
    return Efficiency(float(best[0]), float(best[1]), np.linalg.pinv(information))


def false_rate(
    expected: Sums, *, search: GrainSearch | None = None, reference_exposure: float | None = None, images: int = 2000,
    rng: np.random.Generator,
) -> dict[str, float]:  # fmt: skip
    """False spots an image on pure background: counts drawn from `expected`, searched as the data are.

    expected            background `Sums` (a summed reference); its signal over its exposure is drawn
    reference_exposure  exposure of the reference relative to a map (weight of the reference / weight of the map); a
                        new reference is drawn as well. None: searched without a reference.

    Returns rate, rate_err (Poisson, of the number + 1 where none is found), number, images.
    """
    search = search or GrainSearch()
    exposure = reference_exposure or 1.0
    mean = expected.signal.transpose(*DIMS) / exposure
    weight = expected.weight / exposure
    number = done = 0
    while done < images:
        drawn = mean.copy(data=rng.poisson(np.nan_to_num(mean.values)).astype(np.float32))
        reference = None
        if reference_exposure:
            second = mean.copy(data=rng.poisson(np.nan_to_num(mean.values) * exposure).astype(np.float32))
            reference = Sums(second, second, weight * exposure)
        number += len(find_spots(Sums(drawn, drawn, weight), reference, search).table)
        done += mean.sizes["z"] * mean.sizes["x"]
    return {"rate": number / done, "rate_err": max(number, 1) ** 0.5 / done, "number": number, "images": done}


def _free_azimuths(sums: Sums, own, points: np.ndarray, clear: float, rng: np.random.Generator) -> np.ndarray:
    """A random azimuth for each point, `clear` degrees from its spots and from bins without data; NaN for none."""
    weight = sums.weight.transpose(*[d for d in DIMS if d in sums.weight.dims])
    open_bins = weight.broadcast_like(sums.signal).transpose(*DIMS).values.reshape(-1, *weight.shape[-2:]) > 0
    bins, near = sums.signal["azimuth"].values, max(1, round(clear / (360 / sums.signal.sizes["azimuth"])))
    out = np.full(len(points), np.nan)
    spot_point, spot_azimuth = own.column("point"), own.azimuth[0] + own.column("azimuth") * own.step
    for k, point in enumerate(points):
        shut = ~open_bins[point].all(1)
        for shift in range(1, near + 1):
            shut = shut | np.roll(~open_bins[point].all(1), shift) | np.roll(~open_bins[point].all(1), -shift)
        for a in spot_azimuth[spot_point == point]:
            shut = shut | (np.abs((bins - a + 180) % 360 - 180) < clear)
        if not shut.all():
            out[k] = rng.choice(bins[~shut]) + (rng.random() - 0.5) * 360 / len(bins)
    return out


def _recovered(got, points: np.ndarray, azimuth: np.ndarray, tolerance: float) -> int:
    where, seen = got.column("point"), got.azimuth[0] + got.column("azimuth") * got.step
    return sum(
        bool((np.abs((seen[where == p] - a + 180) % 360 - 180) < tolerance).any())
        for p, a in zip(points, azimuth, strict=True)
    )


def _efficiency_dataset(counts, injected, found, curve: Efficiency) -> xr.Dataset:
    from scipy.stats import beta

    low, high = (beta.ppf(p, found + 0.5, injected - found + 0.5) for p in (0.16, 0.84))
    data = {
        "injected": ("counts", injected, {"units": "1"}),
        "found": ("counts", found, {"units": "1"}),
        "efficiency": ("counts", found / injected, {"units": "1", "long_name": "chance of finding a spot"}),
        "efficiency_err": ("counts", (high - low) / 2, {"units": "1"}),
        "fit": ("counts", curve(counts), {"units": "1"}),
        "flag": flag_variable(np.where(injected < 20, int(Flag.TOO_FEW_COUNTS), 0), ("counts",)),
    }
    (c50, c50_err), (c95, c95_err) = curve.limit(0.5), curve.limit(0.95)
    attrs = {"limit_50": c50, "limit_50_err": c50_err, "limit_95": c95, "limit_95_err": c95_err}
    return xr.Dataset(data, coords={"counts": ("counts", counts, {"units": "counts"})}, attrs=attrs)
