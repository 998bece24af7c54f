"""What a fit cannot tell, in words, and which further measurement would settle it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.core.flags import Flag

from ._inverse_algebra import covariance_of, slopes_of

if TYPE_CHECKING:
    from .inverse_parameters import Parameter


def alike_pairs(fit: xr.Dataset, alike: float) -> list[tuple[str, str]]:
    """Pairs of parameters whose correlation is at least `alike`."""
    names, r = fit.parameter.values, fit.correlation.values
    return [
        (str(names[i]), str(names[j]))
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if abs(r[i, j]) >= alike
    ]


def plain_sentences(fit: xr.Dataset, known: float, alike: float) -> list[str]:
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
    for a, b in alike_pairs(fit, alike):
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

        slopes = slopes_of(reading, free, low, high, step) * scale
        rows.append(np.sqrt(np.diag(covariance_of(fit.fisher.values + slopes.T @ slopes))))
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
