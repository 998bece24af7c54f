"""Parameters from images and voltage together: values, errors, correlations, and plainly what the data cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from operando.core.errors import InputError
from operando.core.flags import Flag, flag_variable

#: parameter values -> what each measurement should read
Model = Callable[[dict[str, float]], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Parameter:
    """A parameter to find: start and bounds in its own unit; `log` searches in its logarithm (all must be positive)."""

    name: str
    start: float
    low: float
    high: float
    units: str = "1"
    log: bool = True

    def __post_init__(self) -> None:
        if (
            not self.low < self.high
            or not self.low <= self.start <= self.high
            or (self.log and self.low <= 0)
        ):
            raise InputError(
                f"bounds {self.low:g} to {self.high:g} must rise and hold the start {self.start:g}"
                + (", and be positive for a logarithmic search" if self.log else ""),
                where=f"parameter {self.name}",
            )

    def free(self, value: float) -> float:
        """Value in the coordinate of the search."""
        return float(np.log(value)) if self.log else float(value)

    def value(self, free: float) -> float:
        """Value in its own unit."""
        return float(np.exp(free)) if self.log else float(free)


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured and its 1-sigma error, any shape; NaN is left out. A prior knowledge is a Measured too."""

    values: np.ndarray | float
    sigma: np.ndarray | float


def fit_parameters(
    model: Model, parameters: Sequence[Parameter], measured: Mapping[str, Measured], *, step: float = 1e-3,
    known: float = 0.5, alike: float = 0.95,
) -> xr.Dataset:  # fmt: skip
    """Least squares over all measurements at once (scipy `least_squares`), with what is and is not identifiable.

    chi2 = sum ((model - measured) / sigma)^2; errors from the inverse of the Fisher information J^T J at the minimum.

    model      function of a dict of parameter values, returns an array for each name in `measured`
    step       step of the derivatives in the coordinate of the search (log: relative)
    known      a combination of parameters counts as known when its 1-sigma error is below this (log: 0.5 is a
               factor 1.6; others: share of the range between the bounds)
    alike      correlation from which two parameters are reported as a pair that cannot be told apart

    Returns over `parameter`: `value`, `value_err`, `low_95`, `high_95` (95 % interval, asymmetric for log),
    `identifiable`, `value_flag` (window_edge: at a bound, not_converged); `correlation` (parameter, parameter_2),
    `fisher` (the information, coordinate of the search); over `direction`: `eigenvalue` of the information and
    `eigenvector`; over `measurement`: `chi2`, `points`; scalars `chi2_total`, `dof`, `goodness`, `p_value`.
    attrs: `sentences` (what is known and what not), `pairs` (not to be told apart).

    The errors are those of the linearised model with the stated sigma; they are not widened when the fit is poor
    (flag poor_fit when p_value is below 1e-3). Raises `InputError` for shapes that differ or too few data.
    """
    from scipy.optimize import least_squares

    _check(parameters, measured)
    low, high, start = (
        np.array([p.free(getattr(p, n)) for p in parameters]) for n in ("low", "high", "start")
    )
    residuals = _Residuals(model, parameters, measured)
    if residuals(start).size < len(parameters):
        raise InputError(
            f"{residuals(start).size} measured values for {len(parameters)} parameters",
            where="fit_parameters",
        )
    inside = np.clip(start, low + 1e-9 * (high - low), high - 1e-9 * (high - low))
    found = least_squares(
        residuals, inside, jac=lambda free: _slopes(residuals, free, low, high, step, central=False), bounds=(low, high),
        x_scale=np.array([1.0 if p.log else p.high - p.low for p in parameters]), xtol=1e-5, ftol=1e-7, gtol=1e-10,
    )  # fmt: skip
    scale = np.array([1.0 if p.log else p.high - p.low for p in parameters])
    slopes = _slopes(residuals, found.x, low, high, step) * scale
    result = _result(parameters, found, slopes, scale, residuals, known, alike)
    return result.assign_attrs(sentences=_sentences(result, known, alike), pairs=_pairs(result, alike))


def _check(parameters: Sequence[Parameter], measured: Mapping[str, Measured]) -> None:
    if not parameters or not measured:
        raise InputError("nothing to fit: no parameters or no measurements", where="fit_parameters")
    if len({p.name for p in parameters}) != len(parameters):
        raise InputError("a parameter occurs twice", where="fit_parameters")
    for name, data in measured.items():
        sigma = np.asarray(data.sigma, float)
        if not (sigma[np.isfinite(sigma)] > 0).all():
            raise InputError(
                "errors must be positive", where=f"measurement {name}", fix="NaN leaves a point out."
            )


class _Residuals:
    """(model - measured) / sigma of everything, as one vector."""

    def __init__(
        self, model: Model, parameters: Sequence[Parameter], measured: Mapping[str, Measured]
    ) -> None:
        self.model, self.parameters, self.measured = model, parameters, measured
        self.keep = {}
        for name, data in measured.items():
            values, sigma = np.broadcast_arrays(np.asarray(data.values, float), np.asarray(data.sigma, float))
            self.keep[name] = (values, sigma, np.isfinite(values) & np.isfinite(sigma))

    def values(self, free: np.ndarray) -> dict[str, float]:
        return {p.name: p.value(f) for p, f in zip(self.parameters, free, strict=True)}

    def parts(self, free: np.ndarray) -> dict[str, np.ndarray]:
        predicted, parts = self.model(self.values(free)), {}
        for name, (values, sigma, good) in self.keep.items():
            now = np.asarray(predicted[name], float)
            if now.shape != values.shape:
                raise InputError(
                    f"the model gives shape {now.shape}, measured is {values.shape}",
                    where=f"measurement {name}",
                )
            parts[name] = ((now - values) / sigma)[good]
        return parts

    def __call__(self, free: np.ndarray) -> np.ndarray:
        return np.concatenate(list(self.parts(free).values()))


def _slopes(
    function, free: np.ndarray, low: np.ndarray, high: np.ndarray, step: float, central: bool = True
) -> np.ndarray:
    """Derivatives by central differences, one-sided at a bound; by forward ones during the search."""
    columns, here = [], None if central else function(free)
    for k in range(len(free)):
        h = step * max(1.0, abs(high[k] - low[k]) * 0.05)
        up, down = free.copy(), free.copy()
        up[k], down[k] = min(free[k] + h, high[k]), max(free[k] - h, low[k])
        if here is not None and up[k] > free[k]:
            columns.append((function(up) - here) / (up[k] - free[k]))
        else:
            columns.append((function(up) - function(down)) / (up[k] - down[k]))
    return np.stack(columns, 1)


def _covariance(information: np.ndarray) -> np.ndarray:
    """Inverse of the information; along directions without any information the error is 1e6 (in search units)."""
    values, vectors = np.linalg.eigh(information)
    return (vectors / np.maximum(values, 1e-12)) @ vectors.T


def _result(
    parameters, found, slopes, scale, residuals: _Residuals, known: float, alike: float
) -> xr.Dataset:
    from scipy.stats import chi2 as chi2_distribution

    information = slopes.T @ slopes
    covariance = _covariance(information)
    sigma = np.sqrt(np.diag(covariance))
    eigenvalue, eigenvector = np.linalg.eigh(information)
    parts = residuals.parts(found.x)
    chi2 = {name: float((part**2).sum()) for name, part in parts.items()}
    points = {name: part.size for name, part in parts.items()}
    dof = sum(points.values()) - len(parameters)
    total = sum(chi2.values())
    best = np.array([p.value(f) for p, f in zip(parameters, found.x, strict=True)])
    spread = np.minimum(1.959964 * sigma, 300.0) * scale
    low, high = (
        np.array([p.value(f + s) for p, f, s in zip(parameters, found.x, sign * spread, strict=True)])
        for sign in (-1, 1)
    )
    p_value = float(chi2_distribution.sf(total, dof)) if dof > 0 else np.nan
    at_bound = found.active_mask != 0
    flag = np.where(at_bound, int(Flag.WINDOW_EDGE), 0)
    flag |= 0 if found.success else int(Flag.NOT_CONVERGED)
    flag |= int(Flag.POOR_FIT) if p_value < 1e-3 else 0
    error = np.where([p.log for p in parameters], best * sigma, sigma * scale)
    return xr.Dataset(
        {
            "value": ("parameter", best), "value_err": ("parameter", error), "low_95": ("parameter", low),
            "high_95": ("parameter", high), "unit": ("parameter", [p.units for p in parameters]),
            "error_search": ("parameter", sigma),
            "identifiable": ("parameter", sigma < known), "value_flag": flag_variable(flag, ("parameter",)),
            "correlation": (("parameter", "parameter_2"), covariance / np.outer(sigma, sigma), {"units": "1"}),
            "fisher": (("parameter", "parameter_2"), information),
            "eigenvalue": ("direction", eigenvalue), "eigenvector": (("direction", "parameter"), eigenvector.T),
            "chi2": ("measurement", list(chi2.values())), "points": ("measurement", list(points.values())),
            "chi2_total": ((), total), "dof": ((), dof), "goodness": ((), total / max(dof, 1)),
            "p_value": ((), p_value),
        },
        {"parameter": [p.name for p in parameters], "parameter_2": [p.name for p in parameters],
         "measurement": list(chi2)},
    )  # fmt: skip


def _pairs(fit: xr.Dataset, alike: float) -> list[tuple[str, str]]:
    """Pairs of parameters whose correlation is at least `alike`."""
    names, r = fit.parameter.values, fit.correlation.values
    return [
        (str(names[i]), str(names[j]))
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if abs(r[i, j]) >= alike
    ]


def _sentences(fit: xr.Dataset, known: float, alike: float) -> list[str]:
    """What the data say, for a reader who does not look at matrices."""
    names, said = [str(n) for n in fit.parameter.values], []
    for name in names:
        one = fit.sel(parameter=name)
        at = "" if not int(one.value_flag) & Flag.WINDOW_EDGE else ", at its bound"
        if bool(one.identifiable):
            said.append(
                f"{name} = {float(one.value):.4g} +- {float(one.value_err):.2g} {one.unit.item()}{at}"
            )
        else:
            said.append(
                f"{name} is not identifiable from these data (error {float(one.error_search):.2g}){at}"
            )
    for value, vector in zip(fit.eigenvalue.values, fit.eigenvector.values, strict=True):
        error = 1 / np.sqrt(max(value, 1e-12))
        if error >= known:
            said.append(
                f"not known: {_combination(names, vector)} (eigenvalue {value:.2g}, error {error:.2g})"
            )
    for a, b in _pairs(fit, alike):
        r = float(fit.correlation.sel(parameter=a, parameter_2=b))
        kind = "their product" if r < 0 else "their ratio"
        said.append(f"{a} and {b} cannot be told apart (correlation {r:+.3f}): the data see {kind}")
    return said


def _combination(names: Sequence[str], vector: np.ndarray) -> str:
    large = [k for k in np.argsort(-np.abs(vector)) if abs(vector[k]) > 0.2]
    sign = np.sign(vector[large[0]])
    return " ".join(f"{'+' if sign * vector[k] > 0 else '-'}{names[k]}" for k in large)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A measurement that could be made: what it would read as a function of the parameters, and its error."""

    name: str
    predict: Callable[[dict[str, float]], np.ndarray | float]
    sigma: np.ndarray | float


def what_would_settle(
    fit: xr.Dataset, parameters: Sequence[Parameter], candidates: Sequence[Candidate], *, step: float = 1e-3
) -> xr.Dataset:
    """Errors to expect if one more measurement were made, from the Fisher information: which one settles what is open.

    Returns over candidate (best first) and parameter: `error` (coordinate of the search: log parameters relative,
    others as share of their range), `error_now` over parameter, `worst` over candidate.
    """
    rows = []
    free = np.array(
        [
            p.free(float(v))
            for p, v in zip(parameters, np.clip(fit.value.values, *_bounds(parameters)), strict=True)
        ]
    )
    low, high = (np.array([p.free(getattr(p, n)) for p in parameters]) for n in ("low", "high"))
    scale = np.array([1.0 if p.log else p.high - p.low for p in parameters])
    for candidate in candidates:

        def reading(at: np.ndarray, candidate: Candidate = candidate) -> np.ndarray:
            values = {p.name: p.value(f) for p, f in zip(parameters, at, strict=True)}
            return np.ravel(np.asarray(candidate.predict(values), float) / candidate.sigma)

        slopes = _slopes(reading, free, low, high, step) * scale
        rows.append(np.sqrt(np.diag(_covariance(fit.fisher.values + slopes.T @ slopes))))
    table = np.array(rows)
    order = np.argsort(table.max(1))
    return xr.Dataset(
        {
            "error": (("candidate", "parameter"), table[order]),
            "error_now": ("parameter", fit.error_search.values),
            "worst": ("candidate", table.max(1)[order]),
        },
        {"candidate": [candidates[k].name for k in order], "parameter": fit.parameter.values},
    )


def _bounds(parameters: Sequence[Parameter]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([p.low for p in parameters]), np.array([p.high for p in parameters])
