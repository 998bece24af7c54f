"""Li content from a ratio of slow to fast electrons (or a fit), by states of known content: never absolute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core import Flag
from ..core.errors import InputError
from ..core.flags import flag_variable


@dataclass(frozen=True)
class Reference:
    """A state of known Li content: x and what was measured there, each with its 1-sigma error."""

    x: float
    value: float
    value_err: float
    x_err: float = 0.0
    name: str = ""


@dataclass(frozen=True)
class MomentumCalibration:
    """v(x) = v0 + s u(x), u = (x - xm) + curvature (x - xm)^2 / 2; `covariance` of (v0, s).

    curvature is d2v/dx2 over dv/dx at xm: 0 for a line. low, high: the references' range.
    """

    v0: float
    slope: float
    middle: float
    curvature: float
    covariance: tuple[tuple[float, float], tuple[float, float]]
    low: float
    high: float
    chi2: float
    kind: str

    def value(self, x):
        """The measured quantity at x."""
        t = np.asarray(x) - self.middle
        return self.v0 + self.slope * (t + 0.5 * self.curvature * t**2)

    def invert(self, value, error=0.0):
        """(x, error, error of the value alone): v(x) turned round, errors of value and references propagated."""
        value = np.asarray(value, float)
        u = (value - self.v0) / self.slope
        k = self.curvature
        root = 1 + 2 * k * u
        with np.errstate(invalid="ignore"):
            t = u if abs(k) < 1e-12 else (np.sqrt(np.where(root > 0, root, np.nan)) - 1) / k
        per_u = 1 / (1 + k * t)
        of_value = np.abs(per_u / self.slope) * error
        (c00, c01), (_, c11) = self.covariance
        of_line = np.sqrt(np.maximum(c00 + 2 * u * c01 + u**2 * c11, 0)) * np.abs(per_u / self.slope)
        return self.middle + t, np.hypot(of_value, of_line), of_value


def momentum_calibration(references: list[Reference], *, curvature: float | str = 0.0) -> MomentumCalibration:
    """Calibration of a ratio against states of known x, by weighted least squares.

    references  two or more states of different x
    curvature   0: a line (biased by 0.003-0.006 in the middle between two states of NMC622); a number: known
                d2v/dx2 over dv/dx, as from `theoretical_curvature`; "fit": found from three or more references

    Errors of x enter as value errors of slope times x_err. Raises `InputError` without references, or when all
    have one x.
    """
    good = [r for r in references if np.isfinite([r.x, r.value, r.value_err]).all() and r.value_err > 0]
    if len(good) < 2 or np.ptp([r.x for r in good]) < 1e-6:
        raise InputError(
            f"{len(good)} usable reference states of different Li content", where="momentum_calibration",
            fix="Li content needs at least two states of known x (pristine, and one known from charge or chemistry): "
            "free-atom theory is not good enough to do without.",
        )  # fmt: skip
    x, v, err, x_err = np.array([[r.x, r.value, r.value_err, r.x_err] for r in good]).T
    middle = (
        float(np.average(x, weights=1 / err**2)) if curvature == "fit" else float((x.min() + x.max()) / 2)
    )
    rough = (v[x.argmax()] - v[x.argmin()]) / np.ptp(x)
    weight = 1 / (err**2 + (rough * x_err) ** 2)
    if curvature == "fit":
        bend = _fitted_curvature(x - middle, v, weight)
    elif isinstance(curvature, str):
        raise InputError(f'curvature is a number or "fit", not {curvature!r}', where="momentum_calibration")
    else:
        bend = float(curvature)
    t = x - middle
    design = np.stack([np.ones_like(t), t + 0.5 * bend * t**2])
    cov = np.linalg.inv((design * weight) @ design.T)
    v0, slope = cov @ (design * weight) @ v
    if abs(slope) < 2 * np.sqrt(cov[1, 1]):
        raise InputError(
            f"the reference states do not differ: slope {slope:.4g} +- {np.sqrt(cov[1, 1]):.2g}",
            where="momentum_calibration", fix="Measure the references longer, or further apart in x.",
        )  # fmt: skip
    chi2 = float((weight * (v - v0 - slope * design[1]) ** 2).sum() / max(len(x) - 2, 1))
    kind = (
        "line" if bend == 0 else "quadratic, fitted" if curvature == "fit" else "quadratic, known curvature"
    )
    pair = ((float(cov[0, 0]), float(cov[0, 1])), (float(cov[1, 0]), float(cov[1, 1])))
    return MomentumCalibration(
        float(v0),
        float(slope),
        middle,
        bend,
        pair,
        float(x.min()),
        float(x.max()),
        chi2,
        kind,
    )


def _fitted_curvature(t: np.ndarray, v: np.ndarray, weight: np.ndarray) -> float:
    if len(np.unique(np.round(t, 6))) < 3:
        raise InputError(
            "a curvature cannot be fitted to fewer than three contents", where="momentum_calibration",
            fix="Give the curvature of free-atom theory, or 0 for a line.",
        )  # fmt: skip
    design = np.stack([np.ones_like(t), t, 0.5 * t**2])
    best = np.linalg.solve((design * weight) @ design.T, (design * weight) @ v)
    return float(best[2] / best[1])


def theoretical_curvature(
    host: np.ndarray, li: np.ndarray, momentum: np.ndarray, windows, x: float = 0.635
) -> float:
    """d2 EMR / dx2 over d EMR / dx at x, when the counts are host + x li (templates a bin of p_z).

    With N1 = a + x b and N2 = c + x d the ratio bends by -2 d / (c + x d).
    """
    _, fast = windows.shares(momentum, float(momentum[1] - momentum[0]))
    c, d = float(host @ fast), float(li @ fast)
    return -2 * d / (c + x * d)


def lithium_content(
    value: xr.DataArray,
    error: xr.DataArray,
    calibration: MomentumCalibration,
    flag: xr.DataArray | None = None,
) -> xr.Dataset:
    """x, with the error of photons and references, where the value is known.

    Returns `x_li`, `x_li_err` (all), `x_li_err_fit` (of the value alone: what differences within one map need),
    `x_li_flag`: that of the value; OUTSIDE_CALIBRATION where x is more than two sigma beyond the references (the
    continued curve is given there); NO_DATA where the value is missing.
    """
    x, whole, own = calibration.invert(value.values, error.values)
    missing = ~np.isfinite(x)
    given = np.zeros(x.shape, int) if flag is None else np.asarray(flag.values, int)
    outside = ~missing & ((x + 2 * own < calibration.low) | (x - 2 * own > calibration.high))
    bits = (
        given
        | np.where(missing & (given == 0), int(Flag.NO_DATA), 0)
        | np.where(outside, int(Flag.OUTSIDE_CALIBRATION), 0)
    )
    found = xr.Dataset(coords=value.coords, attrs={"calibration": calibration.kind})
    for name, data, label in (
        ("x_li", x, "Li content x"), ("x_li_err", whole, "1-sigma error of x"),
        ("x_li_err_fit", own, "1-sigma error of x without the calibration's"),
    ):  # fmt: skip
        found[name] = (value.dims, np.where(missing, np.nan, data), {"units": "1", "long_name": label})
    found["x_li_flag"] = flag_variable(bits, tuple(map(str, value.dims)))
    return found


def significant_difference(
    map_: xr.Dataset, x: float, x_err: float = 0.0, *, level: float = 3.0
) -> xr.Dataset:
    """Where a map of x differs from a content x by more than `level` sigma.

    Returns `difference`, `difference_err`, `sigma` (difference over error) and `significant` (1, 0, or NaN where x is
    missing): elsewhere the colours of a map are noise. `expected_false`: pixels that chance alone would mark.
    """
    from scipy.special import erfc

    difference = map_["x_li"] - x
    error = np.hypot(map_["x_li_err_fit"], x_err)
    sigma = difference / error
    found = xr.Dataset({
        "difference": difference, "difference_err": error, "sigma": sigma,
        "significant": (abs(sigma) > level).astype(float).where(np.isfinite(sigma)),
    })  # fmt: skip
    for name in found:
        found[name].attrs = {"units": "1"}
    chance = float(np.isfinite(sigma).sum()) * float(erfc(level / np.sqrt(2)))
    return found.assign_attrs(level=level, expected_false=chance)


def compare_rates(
    slow_start: tuple[float, float], slow_end: tuple[float, float], fast_start: tuple[float, float],
    fast_end: tuple[float, float],
) -> dict[str, tuple[float, float]]:  # fmt: skip
    """Charging at a slow and a fast rate, from (x, error) before and after: two ratios that must not be mixed up.

    residual_reduction    1 - x_end(slow) / x_end(fast): how much less Li is left at the slow rate (0.61 in the paper,
                          where it is called an increase of extraction)
    extraction_ratio      Li extracted at the slow rate over that at the fast one (0.75 / 0.35 = 2.14 there)
    extracted_slow, extracted_fast, residual_slow, residual_fast

    Each as (value, 1-sigma error); the four contents are taken as independent.
    """
    (a, da), (b, db), (c, dc), (d, dd) = slow_start, slow_end, fast_start, fast_end
    if not (abs(d) > 0 and abs(c - d) > 0):
        raise InputError("nothing is left, or nothing was extracted, at the fast rate", where="compare_rates")
    slow, fast = a - b, c - d
    spread = np.hypot(np.hypot(da, db), slow / fast * np.hypot(dc, dd))
    return {
        "residual_reduction": (1 - b / d, float(np.hypot(db, dd * b / d) / abs(d))),
        "extraction_ratio": (slow / fast, float(spread / abs(fast))),
        "extracted_slow": (slow, float(np.hypot(da, db))), "extracted_fast": (fast, float(np.hypot(dc, dd))),
        "residual_slow": (b, db), "residual_fast": (d, dd),
    }  # fmt: skip
