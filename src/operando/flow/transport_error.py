"""What the errors of a segmentation do to transport, from held-out blocks: as they were segmented and as they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from operando.core import Flag
from operando.core.flags import flag_variable

LEAST = 3  # degrees of freedom, below which a scatter is not known


def held_bias(segmented: np.ndarray, true: np.ndarray, volume: Sequence[int] | np.ndarray) -> xr.Dataset:
    """By how much a measure of segmented blocks is off, in proportion to its distance from that of the dense phase.

    r = slope x,   r = ln(segmented / true),  x = ln(segmented):  1 (x = 0) is the dense phase, of which nothing is lost

    segmented, true   (block, direction) of the same held-out blocks; infinite ones and zeros say nothing
    volume            (block,) number of the held-out volume that a block is of

    Over `direction`: `slope` with `slope_err`, `bias` (mean of r); alone `spread` (of r about it between blocks of one
    volume, pooled over the directions), `between` (what volumes differ by beyond it; 0 of one volume, where it is not
    known), `blocks`, `volumes`, and `flag` (TOO_FEW_COUNTS: no error is given). Few blocks: `spread` is wider by
    Student's t.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.log(np.asarray(segmented, float))
        r = x - np.log(np.asarray(true, float))
    good = np.isfinite(r).all(1)
    x, r, volume = x[good], r[good], np.asarray(volume)[good]
    numbers, directions = np.unique(volume), x.shape[1]
    freedom = directions * (len(r) - len(numbers) - 1)
    slope = slope_err = np.full(directions, np.nan)
    spread, between, flag = np.nan, np.nan, int(Flag.TOO_FEW_COUNTS)
    if freedom >= LEAST:
        weight = np.maximum((x**2).sum(0), 1e-12)
        slope, flag = (x * r).sum(0) / weight, 0
        groups = [(r - slope * x)[volume == v] for v in numbers]
        spread = _student(freedom) * float(
            np.sqrt(sum(((g - g.mean(0)) ** 2).sum() for g in groups) / freedom)
        )
        between = _between(groups, spread)
        slope_err = spread / np.sqrt(weight)
    about = {"units": "1"}
    words = "ln(segmented / true)"
    return xr.Dataset(
        {
            "slope": ("direction", slope, about | {"long_name": f"{words} over ln(segmented)"}),
            "slope_err": ("direction", slope_err, about),
            "bias": ("direction", r.mean(0) if len(r) else slope, about | {"long_name": f"mean of {words}"}),
            "spread": ((), spread, about | {"long_name": f"scatter of {words} between blocks"}),
            "between": ((), between, about | {"long_name": "what volumes differ by beyond that"}),
            "blocks": ((), len(r), about | {"long_name": "held-out blocks"}),
            "volumes": ((), len(numbers), about | {"long_name": "held-out volumes"}),
            "flag": flag_variable(np.array(flag), ()),
        }
    )  # fmt: skip


def _student(freedom: int) -> float:
    """Half the width of the middle 68 % of Student's t: 1 for many."""
    from scipy.stats import norm, t

    return float(t.ppf(norm.cdf(1.0), freedom))


def _between(groups: list[np.ndarray], spread: float) -> float:
    """Scatter of the means of volumes less what the scatter of their blocks makes of it."""
    if len(groups) < 2:
        return 0.0
    means = np.array([g.mean(0) for g in groups])
    expected = spread**2 * np.mean([1 / len(g) for g in groups])
    return float(np.sqrt(max(means.var(0, ddof=1).mean() - expected, 0.0)))


def put_corrected(
    found: xr.Dataset, name: str, bias: xr.Dataset, *, blocks: float, bulk: float = 1.0,
    others: xr.DataArray | None = None,
) -> xr.Dataset:  # fmt: skip
    """With `<name>_corrected` = value exp(-slope ln(value / bulk)), and `<name>_corrected_err`.

    blocks   of the size of the held-out ones that the value is a mean of; infinite: their scatter is in `others`
    bulk     the value of the dense phase
    others   further errors of the value (absolute)
    """
    value = found[name]
    slope, slope_err = (_of(bias[n], value) for n in ("slope", "slope_err"))
    x = log(value / bulk)
    factor = exp(-slope * x)
    best = (value * factor.fillna(1.0)).transpose(*value.dims)
    volumes = max(int(bias["volumes"]), 1)
    left = float(bias["between"]) ** 2 * (1 + 1 / volumes) + float(bias["spread"]) ** 2 / blocks
    other = 0.0 if others is None else others.fillna(0.0) * factor
    error: xr.DataArray = (best**2 * ((slope_err * x) ** 2 + left) + other**2) ** 0.5
    words = value.attrs.get("long_name", name.replace("_", " "))
    units = {"units": value.attrs.get("units", "1")}
    return found.assign({
        f"{name}_corrected": best.assign_attrs(units, long_name=f"{words}, corrected by held-out blocks"),
        f"{name}_corrected_err": error.where(np.isfinite(best)).transpose(*value.dims).assign_attrs(
            units, long_name="with what the segmentation leaves of error"
        ),
    })  # fmt: skip


def log(value: xr.DataArray) -> xr.DataArray:
    """ln; NaN of what is infinite or not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(value.values)
    return value.copy(data=np.where(np.isfinite(found), found, np.nan))


def exp(value: xr.DataArray) -> xr.DataArray:
    return value.copy(data=np.exp(value.values))


def _of(one: xr.DataArray, value: xr.DataArray) -> xr.DataArray:
    """Direction by direction where the value has them, else the only one."""
    return one.drop_attrs() if "direction" in value.dims else one.isel(direction=0, drop=True).drop_attrs()
