"""What is said of a tortuosity map as a whole, and of two of them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import xarray as xr

from operando.core.flags import Flag, flag_variable

DRAWS = 400  # of domains, for the error of a median


def of_map(one: xr.Dataset, rng: np.random.Generator) -> xr.Dataset:
    """Median and quartiles of the tortuosity factor over the domains, those that do not percolate counted as infinite.

    The error of the median is that of the choice of domains: half the 16-84 % range of medians of draws with
    replacement (domains taken as independent).
    """
    tau = one["tau_factor"].values.ravel()
    tau = tau[~np.isnan(tau)]
    meta = {"units": "1"}
    names = {"tau_low": 25, "tau_median": 50, "tau_high": 75}
    blocked = float(np.isinf(tau).mean()) if tau.size else np.nan
    values = {n: np.percentile(tau, q, method="nearest") if tau.size else np.nan for n, q in names.items()}
    found = {n: ((), v, {**meta, "long_name": f"{q} % of the domains are below"})
             for (n, v), q in zip(values.items(), names.values(), strict=True)}  # fmt: skip
    draws = (
        np.percentile(rng.choice(tau, (DRAWS, tau.size)), 50, axis=1, method="nearest")
        if tau.size
        else np.array([np.nan])
    )
    low, high = np.percentile(draws, [16, 84], method="nearest")
    error = (high - low) / 2 if np.isfinite(low + high) else np.nan
    found["tau_median_err"] = (
        (),
        error,
        {**meta, "long_name": "error of the median by the choice of domains"},
    )
    found["blocked"] = ((), blocked, {**meta, "long_name": "share of domains that do not percolate"})
    found["domains"] = ((), tau.size, {**meta, "long_name": "domains that are inside of the sample"})
    return xr.Dataset(found)


def compare_maps(names: list[str], groups: dict[str, xr.Dataset]) -> xr.Dataset | None:
    """Do two volumes differ in tortuosity? Mann-Whitney test of their domains; infinite ones rank as the largest."""
    from scipy.stats import mannwhitneyu

    tau = {
        n: groups[f"transport/map/{n}"]["tau_factor"].values.ravel()
        for n in names
        if f"transport/map/{n}" in groups
    }
    tau = {n: t[~np.isnan(t)] for n, t in tau.items()}
    pairs = [(a, b) for a, b in combinations(tau, 2) if tau[a].size and tau[b].size]
    if not pairs:
        return None
    tests = [mannwhitneyu(tau[b], tau[a]) for a, b in pairs]
    larger = [t.statistic / (tau[a].size * tau[b].size) for t, (a, b) in zip(tests, pairs, strict=True)]
    return xr.Dataset(
        {
            "p_value": ("pair", [t.pvalue for t in tests], {"units": "1", "long_name": "Mann-Whitney, two-sided"}),
            "larger": ("pair", larger, {
                "units": "1", "long_name": "chance that a domain of the second has the larger factor"}),
        },
        {"pair": [f"{b} − {a}" for a, b in pairs]},
    )  # fmt: skip


def flagged(summary: xr.Dataset) -> xr.Dataset:
    """Volumes without a conductivity beside others: flagged so, their whole numbers whole again."""
    if "conductivity_flag" not in summary:
        return summary
    flag = summary["conductivity_flag"].fillna(int(Flag.NO_DATA)).transpose("volume", "direction")
    conducts = summary["conducts"].fillna(0).astype(np.uint8).assign_attrs(summary["conducts"].attrs)
    return summary.drop_vars(["steps", "open_fraction"]).assign(
        conductivity_flag=flag_variable(flag.values.astype(int), ("volume", "direction")), conducts=conducts
    )
