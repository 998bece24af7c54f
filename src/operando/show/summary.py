"""The few means that the report says aloud: weighted, NaN-safe, widened when points scatter more than their errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr


@dataclass(frozen=True)
class Mean:
    """A weighted mean with its 1-sigma error, the number of points in it, and their scatter."""

    value: float
    error: float
    points: int
    scatter: float

    @property
    def valid(self) -> bool:
        """Whether any point went into it."""
        return self.points > 0 and bool(np.isfinite(self.value))


NOTHING = Mean(np.nan, np.nan, 0, np.nan)


def mean(values, errors=None) -> Mean:
    """Weighted mean sum(w v) / sum(w), w = 1 / e^2; error 1 / sqrt(sum(w)) times max(1, sqrt(chi^2 / (n - 1))).

    Points that are not finite, or whose error is not positive, are left out. Without errors: plain mean and its
    standard error.
    """
    values = np.asarray(values, float).ravel()
    errors = None if errors is None else np.asarray(errors, float).ravel()
    good = np.isfinite(values) if errors is None else np.isfinite(values) & np.isfinite(errors) & (errors > 0)
    v = values[good]
    if not v.size:
        return NOTHING
    scatter = float(v.std(ddof=1)) if v.size > 1 else np.nan
    if errors is None:
        return Mean(float(v.mean()), scatter / np.sqrt(v.size), v.size, scatter)
    w = errors[good] ** -2.0
    middle = float((w * v).sum() / w.sum())
    chi2 = float((w * (v - middle) ** 2).sum()) / max(v.size - 1, 1)
    return Mean(middle, float(np.sqrt(max(1.0, chi2) / w.sum())), v.size, scatter)


def good(dataset: xr.Dataset, name: str, flag: str = "flag") -> xr.DataArray:
    """A variable where its flag is zero, NaN elsewhere."""
    values = dataset[name]
    return values.where(dataset[flag] == 0) if flag in dataset else values


def error_of(dataset: xr.Dataset, name: str) -> xr.DataArray | None:
    """The error of a variable, None where it has none."""
    return dataset.get(f"{name}_err")


def lattice_name(ring: xr.Dataset) -> str | None:
    """The lattice parameter that a ring gives: c, a, else d."""
    return next((name for name in ("c", "a", "d") if name in ring), None)


def families(ring: xr.Dataset) -> list[str]:
    """Families of a ring; one without a name where it has none."""
    return [str(name) for name in np.atleast_1d(ring["family"].values)] if "family" in ring.coords else [""]


def one_family(ring: xr.Dataset, family: str) -> xr.Dataset:
    """One family of a ring, the ring itself where it has none."""
    return ring.sel(family=family) if "family" in ring.dims else ring


def called(ring: str, family: str) -> str:
    """`LCO003 perp`; a ring without families is called by its name."""
    return ring if family in ("", "all", "ring", ring) else f"{ring} {family}"


def against_time(ring: xr.Dataset, name: str) -> list[Mean]:
    """Mean over the whole map at each time, of good points."""
    values, errors = good(ring, name), error_of(ring, name)
    return [
        mean(values.isel(time=i), None if errors is None else errors.isel(time=i))
        for i in range(values.sizes["time"])
    ]


def by_depth(ring: xr.Dataset, name: str) -> xr.Dataset:
    """Weighted mean over x of good points: `value`, `error`, `points` over (time, z)."""
    values = good(ring, name).transpose("time", "z", "x").values.astype(float)
    errors = error_of(ring, name)
    e = np.full(values.shape, np.nan) if errors is None else errors.transpose("time", "z", "x").values
    shape = values.shape[:2]
    means = [mean(values[i, j], None if errors is None else e[i, j]) for i, j in np.ndindex(shape)]
    table = np.array([(m.value, m.error, m.points) for m in means], float).reshape(*shape, 3)
    dims = ("time", "z")
    return xr.Dataset(
        {
            "value": (dims, table[..., 0]),
            "error": (dims, table[..., 1]),
            "points": (dims, table[..., 2].astype(int)),
        },
        coords={"time": ring["time"], "z": ring["z"]},
    )


def tidy(arrays: Mapping[str, xr.DataArray | None], **extra) -> pd.DataFrame:
    """Labelled arrays of the same dims as a table, one row a point; `extra` columns are the same in every row."""
    names = {k: v.reset_coords(drop=True) for k, v in arrays.items() if v is not None}
    table = xr.Dataset(names).to_dataframe().reset_index()
    for position, (key, value) in enumerate(extra.items()):
        table.insert(position, key, value)
    units = {name: array.attrs.get("units", "") for name, array in names.items()}
    for array in names.values():
        units |= {str(c): array.coords[c].attrs.get("units", "") for c in array.coords}
    return table.rename(
        columns={
            c: f"{c} ({units[c]})" for c in map(str, table.columns) if units.get(c) not in (None, "", "1")
        }
    )
