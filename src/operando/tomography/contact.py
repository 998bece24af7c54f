"""Contact of lithium and electrolyte: area, what is gained and lost, and the current density that is left."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core.errors import InputError
from .volume import quantity, voxel_sizes

CM2_PER_UM2 = 1e-8


def contact_area(
    contact: xr.DataArray, *, inside: xr.DataArray | None = None, correlation_um: float | None = None,
    systematic: float = 0.0,
) -> xr.Dataset:  # fmt: skip
    """Projected contact area of maps of contact, and its share of the sample.

    area = sum of contact x voxel area,   share = area / area inside

    contact         (y, x) or (time, y, x), bool or probability 0 to 1; NaN is not known and left out
    inside          (y, x) bool, the sample; everywhere where not given
    correlation_um  length over which contact is one patch; measured from the map where not given. It gives
                    `share_sampling_err`, the error of this window as a sample of a larger interface:
                    sqrt(share (1 - share) pi length^2 / area)
    systematic      1-sigma error of the share by the segmentation (for example from a twin): the `share_err`,
                    together with that of the probabilities

    Returns area (cm2), share, each with `_err`, `share_sampling_err`, `unknown` (share of the sample that is NaN).
    """
    dx, dy = _pixel(contact)
    values = contact.astype(float)
    mask = xr.ones_like(values.isel(time=0, drop=True) if "time" in values.dims else values).astype(bool)
    mask = mask if inside is None else inside.astype(bool)
    values = values.where(mask)
    total = float(mask.sum())
    if not total:
        raise InputError("no column is inside the sample", where="contact_area", fix="Check the mask.")
    share = values.mean(("y", "x"))
    length = correlation_um if correlation_um is not None else _patch_length(values, dx)
    error = ((values * (1 - values)).sum(("y", "x")) / total**2 + systematic**2) ** 0.5
    sample = ((share * (1 - share)).clip(0) * np.pi * length**2 / (total * dx * dy)) ** 0.5
    whole = total * dx * dy * CM2_PER_UM2
    return xr.Dataset(
        {
            "area": (share * whole).assign_attrs(units="cm2", long_name="contact area"),
            "area_err": (error * whole).assign_attrs(units="cm2"),
            "share": share.assign_attrs(units="1", long_name="share of the section in contact"),
            "share_err": error.assign_attrs(units="1"),
            "share_sampling_err": sample.assign_attrs(
                units="1", long_name="as a sample of a larger interface"
            ),
            "unknown": ((values.isnull() & mask).sum(("y", "x")) / total).assign_attrs(units="1"),
        },
        attrs={"section_cm2": whole, "correlation_um": float(length)},
    )


def _pixel(contact: xr.DataArray) -> tuple[float, float]:
    sizes = voxel_sizes(contact, where="contact map")
    return sizes["x"], sizes["y"]


def _patch_length(values: xr.DataArray, pixel_um: float) -> float:
    """Lag along x at which the autocorrelation falls to 1/e, um."""
    rows = values.values.reshape(-1, values.sizes["x"])
    rows = np.nan_to_num(rows - np.nanmean(rows))
    power = (np.abs(np.fft.rfft(rows, 2 * rows.shape[1], axis=1)) ** 2).mean(0)
    lag = np.fft.irfft(power)[: rows.shape[1]]
    lag = lag / np.maximum(rows.shape[1] - np.arange(rows.shape[1]), 1)
    if not lag[0] > 0:
        return pixel_um
    below = np.flatnonzero(lag < lag[0] / np.e)
    return float((below[0] if len(below) else rows.shape[1]) * pixel_um)


def contact_change(
    before: xr.DataArray, after: xr.DataArray, *, inside: xr.DataArray | None = None
) -> xr.Dataset:
    """Where contact was gained and lost between two maps, as a map and as areas.

    Returns `change` (y, x; 1 gained, -1 lost, 0 as before, NaN unknown), `gained`, `lost`, `net` (cm2) and `relative`
    (net over the area before). Voxels of noise appear in both gained and lost: two maps without current between tell
    how many. Raises InputError for maps of different sizes.
    """
    if before.sizes != after.sizes:
        raise InputError(
            f"contact maps of {dict(before.sizes)} and {dict(after.sizes)}", where="contact_change",
            fix="Crop or register the series to one size first.",
        )  # fmt: skip
    dx, dy = _pixel(before)
    change = after.astype(float).copy(data=after.values.astype(float) - before.values.astype(float))
    if inside is not None:
        change = change.where(inside.astype(bool))
    pixel = dx * dy * CM2_PER_UM2
    gained, lost = (
        float(change.where(change > 0).sum()) * pixel,
        -float(change.where(change < 0).sum()) * pixel,
    )
    start = float((before.astype(float).where(np.isfinite(change))).sum()) * pixel
    return xr.Dataset(
        {
            "change": change.assign_attrs(units="1", long_name="contact gained (1), lost (-1)"),
            "gained": quantity(gained, (), "cm2", "contact gained"),
            "lost": quantity(lost, (), "cm2", "contact lost"),
            "net": quantity(gained - lost, (), "cm2", "change of contact area"),
            "relative": quantity(
                (gained - lost) / start if start else np.nan, (), "1", "change over area before"
            ),
        }
    )


def effective_current_density(current_mA: xr.DataArray | float, area: xr.Dataset) -> xr.Dataset:
    """Current over contact area: j = I / A (mA/cm2), and the factor over the nominal one. `area` of `contact_area`.

    Errors are those of the area. NaN where there is no contact. Says nothing of the crowding at rims of contacts.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        density = abs(current_mA / area["area"]).where(area["area"] > 0)
        relative = (area["area_err"] / area["area"]).where(area["area"] > 0)
    factor = (1 / area["share"]).where(area["share"] > 0)
    return xr.Dataset(
        {
            "current_density": density.assign_attrs(units="mA/cm2", long_name="effective current density"),
            "current_density_err": (density * relative).assign_attrs(units="mA/cm2"),
            "factor": factor.assign_attrs(units="1", long_name="over the nominal current density"),
            "factor_err": (factor * relative).assign_attrs(units="1"),
        }
    )
