"""Derivatives and covariance of a least-squares fit."""

from __future__ import annotations

import numpy as np

from operando.core.errors import InputError


def slopes_of(
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
    slopes = np.stack(columns, 1)
    if not np.isfinite(slopes).all():
        bad = int(np.argmax(~np.isfinite(slopes).all(0)))
        raise InputError(
            f"the model has no answer beside the best values found so far (parameter number {bad + 1})",
            where="fit_parameters", fix="Narrow the bounds, or start nearer.",
        )  # fmt: skip
    return slopes


def covariance_of(information: np.ndarray) -> np.ndarray:
    """Inverse of the information; along directions without any information the error is 1e6 (in search units)."""
    values, vectors = np.linalg.eigh(information)
    return (vectors / np.maximum(values, 1e-12)) @ vectors.T
