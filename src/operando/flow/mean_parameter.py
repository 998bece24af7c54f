"""The lattice parameter of a point that may hold two phases."""

from __future__ import annotations

import xarray as xr

#: a second phase too weak to be seen lies within so many rows of where it is seen
HIDING_ROWS = 2


def mean_parameter(groups: dict[str, xr.Dataset], ring: str) -> xr.Dataset:
    """The lattice parameter of a ring, `a` or `c` with `_err` and `flag`, mean of both phases where there are two.

    A single peak fitted to two of them is off by some of their distance, and POOR_FIT where that can be told. The
    parameters given here go as 1 / q, so that the mean one is that of `q_mean`.
    """
    fitted, phases = groups[f"xrd/{ring}"], groups.get(f"xrd/{ring}/phases")
    name = next((key for key in ("c", "a") if key in fitted), None)
    if phases is None or name is None:
        return fitted
    good = phases["flag"] == 0
    value = (fitted[name] * fitted["q"]).median() / phases["q_mean"].where(good)
    error = value * phases["q_mean_err"] / phases["q_mean"]
    return xr.Dataset({
        name: value.assign_attrs(fitted[name].attrs), f"{name}_err": error.assign_attrs(fitted[f"{name}_err"].attrs),
        "flag": phases["flag"],
    })  # fmt: skip


def with_hidden_phase(mean: xr.Dataset, phases: xr.Dataset | None) -> xr.Dataset:
    """`mean_parameter` with the error doubled where a second phase may hide.

    A share of some per cent is too weak to be seen as a peak and yet moves the mean by up to three errors. It lies
    where the shares go to zero: at points with one peak within `HIDING_ROWS` rows of one with two.
    """
    name = next((key for key in ("c", "a") if key in mean), None)
    if phases is None or name is None:
        return mean
    two = (phases["peaks"] == 2).astype(float)
    beside = two.rolling(z=2 * HIDING_ROWS + 1, center=True, min_periods=1).max()
    error = mean[f"{name}_err"]
    hidden = (beside > 0) & (phases["peaks"] == 1)
    return mean.assign({f"{name}_err": (error * xr.where(hidden, 2.0, 1.0)).assign_attrs(error.attrs)})
