"""Predicted survivors of a measured start against the grains that were tracked later."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.core.errors import InputError


def survivor_score(
    predicted: np.ndarray,
    tracked: np.ndarray,
    size: np.ndarray | None = None,
    *,
    rng: np.random.Generator,
    trials: int = 9999,
) -> xr.Dataset:
    """How much better a prediction of survivors is than chance that knows the sizes.

    predicted  bool, over grains: the model says it survives;  tracked: it was still seen
    size       of each grain at the start: the null model picks as many survivors as were predicted at random,
               large grains more often (without replacement, chance proportional to size); None: all alike

    Returns `score` (Matthews correlation, 1 perfect, 0 none), `hits`, `null_mean`, `null_std` of the score, `p_value`
    ((1 + trials at least as good) / (1 + trials), one-sided) and `largest_score` (the grains that were largest, as a
    prediction). NaN score where all or none survive. Raises `InputError` for arrays that do not match.
    """
    p, t = np.asarray(predicted, bool), np.asarray(tracked, bool)
    s = np.ones(p.size) if size is None else np.asarray(size, float)
    if (
        p.ndim != 1
        or not p.size
        or p.shape != t.shape
        or s.shape != p.shape
        or not (s > 0).all()
        or trials < 1
    ):
        raise InputError(
            "predicted, tracked and size must be one value a grain, sizes positive", where="survivor_score"
        )
    score = float(_matthews(p[None], t)[0])
    number = int(p.sum())
    keys = np.log(s) + rng.gumbel(size=(trials, p.size))  # largest keys: draws without replacement
    drawn = np.zeros((trials, p.size), bool)
    if number:
        np.put_along_axis(drawn, np.argpartition(-keys, number - 1, axis=1)[:, :number], True, axis=1)
    null = _matthews(drawn, t)
    largest = np.zeros(p.size, bool)
    largest[np.argsort(-s, kind="stable")[:number]] = True
    better = int((null >= score - 1e-12).sum()) if np.isfinite(score) else trials
    values = {
        "score": score, "hits": float((p & t).sum()), "null_mean": float(null.mean()), "null_std": float(null.std()),
        "p_value": (1 + better) / (1 + trials), "largest_score": float(_matthews(largest[None], t)[0]),
    }  # fmt: skip
    return xr.Dataset(
        {name: ((), value, {"units": "1"}) for name, value in values.items()},
        attrs={"grains": p.size, "predicted": number, "tracked": int(t.sum()), "trials": trials},
    )


def _matthews(predicted: np.ndarray, tracked: np.ndarray) -> np.ndarray:
    """Correlation of two yes-or-no variables for each row of `predicted`."""
    n, both = tracked.size, (predicted & tracked).sum(axis=1)
    a, b = predicted.sum(axis=1), tracked.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        return (n * both - a * b) / np.sqrt(1.0 * a * (n - a) * b * (n - b))
