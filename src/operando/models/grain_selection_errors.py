"""How sure the winner is: crossover temperature with error, Monte Carlo of the conclusion, sensitivities."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from operando.core.errors import InputError, require_extra
from operando.core.flags import Flag

from .grain_selection import LIMITS, Balance, _parts, energy_difference, inputs_of

GRID_K = np.linspace(150.0, 460.0, 156)  # to just above the melting point of lithium


def _total(balance: Balance) -> np.ndarray:
    surface, strain = _parts(balance)
    return surface + strain


def _draw(balance: Balance, errors: Mapping[str, float], rng: np.random.Generator, samples: int) -> Balance:
    """Inputs with Gaussian errors, redrawn at the limits (a barrier cannot be negative)."""
    unknown = [name for name in errors if name not in LIMITS]
    if unknown:
        raise InputError(
            f"no input {unknown[0]!r}", where="input errors", fix=f"Inputs: {', '.join(LIMITS)}."
        )
    values = {}
    for name, sigma in errors.items():
        low, high, _ = LIMITS[name]
        drawn = getattr(balance, name) + sigma * rng.standard_normal(samples)
        for _ in range(100):
            bad = (drawn < low) | (drawn > high)
            if not bad.any():
                break
            drawn[bad] = getattr(balance, name) + sigma * rng.standard_normal(int(bad.sum()))
        values[name] = np.clip(drawn, low, high)
    return balance.set(**values)


def _crossing(balance: Balance, grid: np.ndarray) -> np.ndarray:
    """Lowest temperature of the grid range at which dU changes sign, by linear steps refined twice; NaN for none."""
    axis = {n: np.asarray(v)[..., None] for n, v in inputs_of(balance).items() if n != "temperature_K"}
    total = _total(balance.set(**axis, temperature_K=grid))
    change = np.signbit(total[..., 1:]) != np.signbit(total[..., :-1])
    first = change.argmax(axis=-1)
    low, high = grid[first], grid[first + 1]
    sign = np.signbit(np.take_along_axis(total, first[..., None], axis=-1)[..., 0])
    for _ in range(40):  # bisection of all samples at once
        middle = 0.5 * (low + high)
        same = np.signbit(_total(balance.set(temperature_K=middle))) == sign
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.where(change.any(axis=-1), 0.5 * (low + high), np.nan)


def crossover_temperature(
    balance: Balance, errors: Mapping[str, float] | None = None, *, rng: np.random.Generator | None = None,
    samples: int = 4000, grid_K: np.ndarray = GRID_K,
) -> xr.Dataset:  # fmt: skip
    """Temperature at which the winner changes, with its error from 1-sigma errors of the inputs.

    errors   by name of the input;  rng  needed with them
    Returns `temperature` (K, NaN and flagged where nothing changes within the grid), `temperature_err` (half of the
    16-84 % range of the samples that cross), `low`, `high` (that range), `crossing_share` (of the samples).
    """
    value = float(_crossing(balance, grid_K))
    low = high = share = np.nan
    if errors:
        if rng is None:
            raise InputError(
                "errors need a random generator", where="crossover_temperature", fix="Give rng=."
            )
        found = _crossing(_draw(balance, errors, rng, samples), grid_K)
        share = float(np.isfinite(found).mean())
        if share > 0:
            low, high = (float(v) for v in np.nanpercentile(found, [15.87, 84.13]))
    unit = {"units": "K"}
    return xr.Dataset(
        {
            "temperature": ((), value, {**unit, "long_name": "crossover temperature"}),
            "temperature_err": ((), (high - low) / 2, unit), "low": ((), low, unit), "high": ((), high, unit),
            "crossing_share": ((), share, {"units": "1"}),
            "temperature_flag": ((), int(Flag.OK if np.isfinite(value) else Flag.NO_DATA)),
        },
        attrs={"range_K": [float(grid_K[0]), float(grid_K[-1])], "errors": str(dict(errors or {}))},
    )  # fmt: skip


def conclusion(
    balance: Balance, errors: Mapping[str, float], temperature_K: np.ndarray, *, rng: np.random.Generator,
    samples: int = 4000,
) -> xr.Dataset:  # fmt: skip
    """Share of the samples in which grain 1 wins, over temperature, when the inputs have errors.

    Returns `probability` with its sampling error, and `total` (J/m3) with the error that the inputs give it.
    """
    temperature = np.atleast_1d(np.asarray(temperature_K, float))
    drawn = _draw(balance, {k: v for k, v in errors.items() if k != "temperature_K"}, rng, samples)
    axis = {n: np.asarray(v)[..., None] for n, v in inputs_of(drawn).items() if n != "temperature_K"}
    total = np.broadcast_to(_total(drawn.set(**axis, temperature_K=temperature)), (samples, temperature.size))
    p = (total < 0).mean(axis=0)
    wins = {"units": "1", "long_name": f"{balance.names[0]} wins"}
    return xr.Dataset(
        {
            "probability": ("temperature", p, wins),
            "probability_err": ("temperature", np.sqrt(p * (1 - p) / samples), {"units": "1"}),
            "total": ("temperature", _total(balance.set(temperature_K=temperature)), {"units": "J/m3"}),
            "total_err": ("temperature", total.std(axis=0), {"units": "J/m3"}),
        },
        coords={"temperature": ("temperature", temperature, {"units": "K"})},
    )


def one_at_a_time(balance: Balance, ranges: Mapping[str, tuple[float, float]]) -> xr.Dataset:
    """dU (J/m3) at both ends of the range of each input, the others held, largest swing first.

    `decides`: the winner changes within the range of this input alone. `threshold` (J/m2) at both ends.
    """
    names = list(ranges)
    total, threshold = np.empty((len(names), 2)), np.empty((len(names), 2))
    for i, name in enumerate(names):
        found = energy_difference(balance.set(**{name: np.array(ranges[name], float)}))
        total[i], threshold[i] = found.total.values, found.threshold.values
    order = np.argsort(-np.abs(total[:, 1] - total[:, 0]))
    return xr.Dataset(
        {
            "total": (("input", "end"), total[order], {"units": "J/m3"}),
            "swing": ("input", (total[:, 1] - total[:, 0])[order], {"units": "J/m3"}),
            "threshold": (("input", "end"), threshold[order], {"units": "J/m2"}),
            "decides": ("input", (np.sign(total[:, 0]) != np.sign(total[:, 1]))[order], {"units": "1"}),
        },
        coords={"input": [names[i] for i in order], "end": ["low", "high"]},
        attrs={"total": float(_total(balance))},
    )


def sobol_indices(
    balance: Balance, ranges: Mapping[str, tuple[float, float]], *, seed: int = 0, samples: int = 1024
) -> xr.Dataset:
    """Share of the variance of dU that each input has over its range: Sobol indices (SALib), inputs uniform.

    `first_order` alone, `total_order` with its interactions, each with `_err` (1 sigma, by SALib's bootstrap); 0 for an
    input whose range has no width.
    """
    sample = require_extra("SALib.sample.sobol", "models", "global sensitivity")
    analyze = require_extra("SALib.analyze.sobol", "models", "global sensitivity")
    names = [name for name, (low, high) in ranges.items() if low < high]
    still = [name for name in ranges if name not in names]  # no range, no share
    balance = balance.set(**{name: ranges[name][0] for name in still})
    problem = {"num_vars": len(names), "names": names, "bounds": [list(ranges[n]) for n in names]}
    x = sample.sample(problem, samples, calc_second_order=False, seed=seed)
    y = np.broadcast_to(_total(balance.set(**{n: x[:, i] for i, n in enumerate(names)})), len(x))
    found = analyze.analyze(problem, y, calc_second_order=False, conf_level=0.683, seed=seed)
    keys = {
        "first_order": "S1",
        "first_order_err": "S1_conf",
        "total_order": "ST",
        "total_order_err": "ST_conf",
    }
    return xr.Dataset(
        {
            name: ("input", np.append(found[key], np.zeros(len(still))), {"units": "1"})
            for name, key in keys.items()
        },
        coords={"input": names + still},
        attrs={"evaluations": len(x), "grain_1_wins": float((y < 0).mean())},
    ).sortby("total_order", ascending=False)  # fmt: skip
