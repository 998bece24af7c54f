"""Electron momentum ratio: slow electrons over fast ones, with windows that may be chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core import Flag
from ..core.errors import InputError
from ..core.flags import flag_variable


@dataclass(frozen=True)
class Windows:
    """Edges in |p_z|, a.u.: slow electrons below `inner`, fast ones from `low` to `high`. The paper's: 1, 1, 5."""

    inner: float = 1.0
    low: float = 1.0
    high: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.inner <= self.low < self.high:
            raise InputError(
                f"windows {self.inner}, {self.low}, {self.high} overlap or are empty", where="Windows",
                fix="0 < inner <= low < high.",
            )  # fmt: skip

    def shares(self, momentum: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
        """Which part of each bin of p_z is in the slow and in the fast window."""

        def inside(low: float, high: float) -> np.ndarray:
            a, b = momentum - step / 2, momentum + step / 2
            up = np.clip(np.minimum(b, high) - np.maximum(a, low), 0, None)
            down = np.clip(np.minimum(b, -low) - np.maximum(a, -high), 0, None)
            return (up + down) / step

        if momentum[-1] + step / 2 < self.high - 1e-9:
            raise InputError(
                f"the profile ends at {momentum[-1] + step / 2:.1f} a.u., the window at {self.high}", where="Windows",
                fix="Use wider Momenta or a narrower window.",
            )  # fmt: skip
        return inside(0.0, self.inner), inside(self.low, self.high)


def momentum_ratio(
    part: xr.Dataset,
    windows: Windows | None = None,
    *,
    response: xr.DataArray | None = None,
    significance: float = 5.0,
) -> xr.Dataset:
    """EMR = counts in |p_z| < inner over counts in low < |p_z| < high, with its error.

    part          `counts`, `variance` and, where known, `modes` (mode, ..., p_z) of `separate_components`
    response      counts are divided by it (efficiency, cross-section, escape); left out: the raw ratio
    significance  least signal over noise in each window; below it EMR is NaN and flagged TOO_FEW_COUNTS

    err^2 = (v1 + EMR^2 v2) / N2^2 + sum over modes ((m1 - EMR m2) / N2)^2. Returns `emr`, `emr_err`, `emr_err_stat`
    (photons alone), `slow`, `fast` (counts), `emr_flag`. Source: Huang et al. (2025), section 3.2.
    """
    windows = windows or Windows()
    p = part["p_z"].values
    step = float(part["counts"].attrs.get("step", p[1] - p[0]))
    weight = 1.0 if response is None else 1.0 / response.values
    slow, fast = (xr.DataArray(s * weight, dims=("p_z",)) for s in windows.shares(p, step))
    n1, n2 = (part["counts"] * w for w in (slow, fast))
    n1, n2 = n1.sum("p_z", skipna=False), n2.sum("p_z", skipna=False)
    v1, v2 = ((part["variance"] * w**2).sum("p_z", skipna=False) for w in (slow, fast))
    seen = np.isfinite(n1) & np.isfinite(n2)
    enough = seen & (n1 > significance * np.sqrt(v1)) & (n2 > significance * np.sqrt(v2))
    safe = n2.where(enough)
    emr = n1 / safe
    photons = (v1 + emr**2 * v2) / safe**2
    common = xr.zeros_like(emr)
    if "modes" in part:
        m1, m2 = ((part["modes"] * w).sum("p_z") for w in (slow, fast))
        common = (((m1 - emr * m2) / safe) ** 2).sum("mode").where(enough)
    flag = np.where(~seen, int(Flag.NO_DATA), np.where(enough, 0, int(Flag.TOO_FEW_COUNTS)))
    found = xr.Dataset({
        "emr": emr, "emr_err": np.sqrt(photons + common), "emr_err_stat": np.sqrt(photons), "slow": n1, "fast": n2,
    })  # fmt: skip
    labels = {
        "emr": "electron momentum ratio", "emr_err": "1-sigma error", "emr_err_stat": "1-sigma error of photons alone",
        "slow": f"counts in |p_z| < {windows.inner:g}", "fast": f"counts in {windows.low:g} < |p_z| < {windows.high:g}",
    }  # fmt: skip
    for name, label in labels.items():
        found[name].attrs = {"units": "counts" if name in ("slow", "fast") else "1", "long_name": label}
    found["emr_flag"] = flag_variable(flag, tuple(map(str, emr.dims)))
    return found.assign_attrs(windows=(windows.inner, windows.low, windows.high))


def window_significance(
    first: np.ndarray, second: np.ndarray, momentum: np.ndarray, windows: Windows, noise=None
) -> float:
    """How many sigma apart two states are by their EMR, for expected counts `first` and `second` (p_z,).

    noise  (2, p_z) variances, where they are not the counts (separated components)
    """
    step = float(momentum[1] - momentum[0])
    slow, fast = windows.shares(momentum, step)
    variances = (first, second) if noise is None else noise
    ratios, errors = [], []
    for counts, variance in zip((first, second), variances, strict=True):
        n1, n2 = float(counts @ slow), float(counts @ fast)
        ratios.append(n1 / n2)
        errors.append(np.sqrt(variance @ slow**2 + (n1 / n2) ** 2 * (variance @ fast**2)) / n2)
    return abs(ratios[1] - ratios[0]) / float(np.hypot(*errors))


def optimise_windows(
    first: np.ndarray, second: np.ndarray, momentum: np.ndarray, noise=None, *, step: float = 0.1
) -> tuple[Windows, float, float]:
    """Windows that tell two states apart best: (windows, their significance, that of the paper's windows).

    first, second  (p_z,) expected counts of two states of charge, at the counts of a measurement: theory or a
                   smooth fit, not the noisy spectra themselves, whose noise would be taken for a difference
    """
    reach = float(momentum[-1])
    best, most = Windows(), 0.0
    inner = np.arange(0.3, 2.5 + step / 2, step)
    for a in inner:
        for b in np.arange(a, a + 1.5, 2 * step):
            for c in np.arange(b + 0.5, reach, 0.5):
                trial = Windows(float(round(a, 6)), float(round(b, 6)), float(round(c, 6)))
                value = window_significance(first, second, momentum, trial, noise)
                if value > most:
                    best, most = trial, value
    return best, most, window_significance(first, second, momentum, Windows(high=min(5.0, reach)), noise)
