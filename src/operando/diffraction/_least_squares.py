"""Weighted least squares of one small model to many profiles at once: numpy, batched over rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Model = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Fit:
    """par (rows, p), cov (rows, p, p), chi2 (rows,), used (rows,) points, converged (rows,)."""

    par: np.ndarray
    cov: np.ndarray
    chi2: np.ndarray
    used: np.ndarray
    converged: np.ndarray

    @property
    def err(self) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return np.asarray(np.sqrt(np.diagonal(self.cov, axis1=1, axis2=2)))

    @property
    def honest_err(self) -> np.ndarray:
        """`err`, times the root of `goodness` where that is above one by more than three of its standard deviations."""
        dof = np.maximum(self.used - self.par.shape[1], 1)
        misfit = self.goodness > 1 + 3 * np.sqrt(2 / dof)
        return np.asarray(self.err * np.where(misfit, np.sqrt(self.goodness), 1.0)[:, None])

    @property
    def goodness(self) -> np.ndarray:
        """Reduced chi-squared."""
        return self.chi2 / np.maximum(self.used - self.par.shape[1], 1)


def least_squares(
    model: Model,
    start: np.ndarray,
    y: np.ndarray,
    err: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    steps: int = 60,
) -> Fit:
    """Levenberg-Marquardt in every row, inside bounds.

    model  par (rows, p) -> values (rows, n), derivatives (rows, n, p)
    y, err (rows, n); points with NaN, or an error that is not positive, do not count
    low, high  (p,) bounds, or (rows, p)

    The covariance is the inverse of J^T J / err^2: errors are those given, not rescaled by the misfit.
    """
    good = np.isfinite(y) & np.isfinite(err) & (err > 0)
    scale = np.where(good, 1 / np.where(good, err, 1.0), 0.0)
    target = np.where(good, y, 0.0)
    par = np.clip(start, low, high)
    value, jac = model(par)
    chi2 = ((scale * (target - value)) ** 2).sum(1)
    damping = np.full(len(par), 1e-3)
    done = np.zeros(len(par), bool)
    eye = np.eye(par.shape[1])
    for _ in range(steps):
        j = jac * scale[..., None]
        gradient = np.einsum("rnp,rn->rp", j, scale * (target - value))
        normal = np.einsum("rnp,rnq->rpq", j, j)
        held = ((par <= low) & (gradient <= 0)) | ((par >= high) & (gradient >= 0))
        diagonal = np.maximum(np.diagonal(normal, axis1=1, axis2=2), 1e-30)
        free = ~held
        system = (
            normal * free[:, :, None] * free[:, None, :]
            + eye * np.where(free, damping[:, None] * diagonal, diagonal)[:, None, :]
        )
        step = np.linalg.solve(system, (gradient * free)[..., None])[..., 0]
        gain = np.einsum("rp,rp->r", gradient * free, step)
        trial = np.clip(par + step, low, high)
        new_value, new_jac = model(trial)
        new = ((scale * (target - new_value)) ** 2).sum(1)
        better = (new <= chi2) & ~done
        done |= (gain < 1e-7) & (damping <= 1)
        par, value = np.where(better[:, None], trial, par), np.where(better[:, None], new_value, value)
        jac, chi2 = np.where(better[:, None, None], new_jac, jac), np.where(better, new, chi2)
        damping = np.clip(np.where(better, damping * 0.2, damping * 5), 1e-9, 1e12)
        if done.all():
            break
    return Fit(par, _covariance(jac * scale[..., None]), chi2, good.sum(1), done)


def _covariance(weighted: np.ndarray) -> np.ndarray:
    """Inverse of J^T J row by row, NaN where it is singular."""
    normal = np.einsum("rnp,rnq->rpq", weighted, weighted)
    size = np.sqrt(np.diagonal(normal, axis1=1, axis2=2))
    with np.errstate(all="ignore"):
        unit = normal / (size[:, :, None] * size[:, None, :])
        bad = ~np.isfinite(unit).all((1, 2))
        unit[bad] = np.eye(normal.shape[1])
        bad |= np.linalg.cond(unit) > 1e12
        unit[bad] = np.eye(normal.shape[1])
        found = np.linalg.inv(unit) / (size[:, :, None] * size[:, None, :])
    found[bad] = np.nan
    return found
