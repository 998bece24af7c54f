"""Parameters from images and voltage together: values, errors, correlations, and plainly what the data cannot tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from operando.core.errors import InputError, OperandoError
from operando.core.flags import Flag, flag_variable

from ._inverse_algebra import covariance_of, slopes_of
from .inverse_parameters import Measured, Model, Parameter
from .inverse_settle import alike_pairs, plain_sentences


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
        residuals, inside, bounds=(low, high),
        jac=lambda free: slopes_of(residuals, free, low, high, step, central=False),
        x_scale=np.array([1.0 if p.log else p.high - p.low for p in parameters]), xtol=1e-5, ftol=1e-5, gtol=1e-10,
    )  # fmt: skip
    scale = np.array([1.0 if p.log else p.high - p.low for p in parameters])
    slopes = slopes_of(residuals, found.x, low, high, step) * scale
    result = _result(parameters, found, slopes, scale, residuals, known)
    return result.assign_attrs(
        sentences=plain_sentences(result, known, alike), pairs=alike_pairs(result, alike)
    )


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
        self.model, self.parameters = model, parameters
        self.size: int | None = None
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
        """NaN where the model has no answer after a first one: the search then takes a smaller step."""
        try:
            found = np.concatenate(list(self.parts(free).values()))
        except OperandoError:
            if self.size is None:
                raise
            return np.full(self.size, np.nan)
        self.size = len(found)
        return found


def _result(parameters, found, slopes, scale, residuals: _Residuals, known: float) -> xr.Dataset:
    from scipy.stats import chi2 as chi2_distribution

    information = slopes.T @ slopes
    covariance = covariance_of(information)
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
