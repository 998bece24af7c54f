"""What the errors of a segmentation do to transport, from held-out blocks: as they were segmented and as they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from operando.core import Flag
from operando.core.flags import flag_variable

LEAST = 3  # degrees of freedom, below which a scatter is not known


def held_bias(segmented: np.ndarray, true: np.ndarray, volume: Sequence[int] | np.ndarray) -> xr.Dataset:
    """By how much a measure of segmented blocks is off, relative to that of the true labels.

    r = ln(segmented / true)

    segmented, true   (block, direction) of the same held-out blocks; infinite ones and zeros say nothing
    volume            (block,) number of the held-out volume that a block is of

    Over `direction`: `bias` (mean of r) with `bias_err`; alone `spread` (of r between blocks of one volume, pooled over
    the directions), `between` (what volumes differ by beyond it; 0 of one volume, where it is not known), `blocks`,
    `volumes`, and `flag` (TOO_FEW_COUNTS: no error is given). Few blocks: errors are wider by Student's t.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(np.asarray(segmented, float) / np.asarray(true, float))
    good = np.isfinite(ratio).all(1)
    ratio, volume = ratio[good], np.asarray(volume)[good]
    groups = [ratio[volume == v] for v in np.unique(volume)]
    blocks, directions = len(ratio), ratio.shape[1]
    freedom = directions * (blocks - len(groups))
    nothing = np.full(directions, np.nan)
    bias, bias_err, spread, between, flag = nothing, nothing, np.nan, np.nan, int(Flag.TOO_FEW_COUNTS)
    if freedom >= LEAST:
        wider, flag = _student(freedom), 0
        bias = ratio.mean(0)
        spread = wider * float(np.sqrt(sum(((g - g.mean(0)) ** 2).sum() for g in groups) / freedom))
        between = _between(groups, spread)
        weight = sum((len(g) / blocks) ** 2 for g in groups)
        bias_err = np.full(directions, np.sqrt(spread**2 / blocks + between**2 * weight))
    about = {"units": "1"}
    return xr.Dataset(
        {
            "bias": ("direction", bias, about | {"long_name": "mean of ln(segmented / true)"}),
            "bias_err": ("direction", bias_err, about),
            "spread": ((), spread, about | {"long_name": "scatter of ln(segmented / true) between blocks"}),
            "between": ((), between, about | {"long_name": "what volumes differ by beyond that"}),
            "blocks": ((), blocks, about | {"long_name": "held-out blocks"}),
            "volumes": ((), len(groups), about | {"long_name": "held-out volumes"}),
            "flag": flag_variable(np.array(flag), ()),
        }
    )


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


def relative_error(bias: xr.Dataset, blocks: float) -> np.ndarray:
    """Error that is left over `direction` of the mean of so many blocks (infinite: the scatter is known otherwise)."""
    scatter = float(bias["spread"]) ** 2 / blocks
    return np.sqrt(bias["bias_err"].values ** 2 + float(bias["between"]) ** 2 + scatter)


def put_corrected(
    found: xr.Dataset, name: str, bias: xr.Dataset, *, blocks: float, others: xr.DataArray | None = None
) -> xr.Dataset:
    """With `<name>_corrected` = value exp(-bias) and `<name>_corrected_err`, which holds `others` too (absolute).

    blocks   of the size of the held-out ones that the value is a mean of
    """
    value = found[name]
    own = ("direction",) if "direction" in value.dims else ()
    shift, left = bias["bias"].values, relative_error(bias, blocks)
    factor = xr.DataArray(np.exp(-shift) if own else np.exp(-shift[0]), dims=own)
    relative = xr.DataArray(left if own else left[0], dims=own)
    best = (value * factor).transpose(*value.dims)
    other = 0.0 if others is None else others.fillna(0.0) * factor
    error = np.sqrt((best * relative) ** 2 + other**2).where(np.isfinite(best))
    words = value.attrs.get("long_name", name.replace("_", " "))
    units = {"units": value.attrs.get("units", "1")}
    return found.assign({
        f"{name}_corrected": best.assign_attrs(units, long_name=f"{words}, corrected by held-out blocks"),
        f"{name}_corrected_err": error.transpose(*value.dims).assign_attrs(
            units, long_name="with what the segmentation leaves of error"
        ),
    })  # fmt: skip
