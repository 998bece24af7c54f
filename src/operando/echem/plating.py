"""Plated lithium from charge: Faraday's law."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.core.units import FARADAY_C_PER_MOL, LI_MOLAR_VOLUME_CM3_PER_MOL


def faraday_thickness(
    areal_capacity: np.ndarray | float, *, molar_volume: float = LI_MOLAR_VOLUME_CM3_PER_MOL
) -> np.ndarray | float:
    """Thickness in um of dense Li plated by an areal charge (mAh/cm2): t = q V_m / F.

    4.85 um per mAh/cm2 at 13.0 cm3/mol. Not valid where part of the charge does something else, or Li is porous.
    """
    return areal_capacity * 3.6 / FARADAY_C_PER_MOL * molar_volume * 1e4


def plated(
    capacity: xr.DataArray, area_cm2: float, *, area_err_cm2: float = 0.0,
    capacity_err: xr.DataArray | float = 0.0, efficiency: float = 1.0, efficiency_err: float = 0.0,
    start_mAh: float | None = None, molar_volume: float = LI_MOLAR_VOLUME_CM3_PER_MOL,
) -> xr.Dataset:  # fmt: skip
    """Areal charge and thickness of plated lithium for each value of the net charge (mAh).

    capacity     net charge, positive on charge (plating); any dims
    start_mAh    net charge at which nothing is plated; the first value where not given
    efficiency   share of the charge that plates, with its error

    Returns areal_capacity (mAh/cm2) and thickness (um), each with its 1-sigma error (area, charge, efficiency).
    """
    start = float(capacity.values.flat[0]) if start_mAh is None else start_mAh
    charge = (capacity - start).rename(None)
    areal = charge / area_cm2
    areal_err = _hypot(xr.zeros_like(areal) + capacity_err / area_cm2, areal * area_err_cm2 / area_cm2)
    per = float(faraday_thickness(1.0, molar_volume=molar_volume))
    thickness = areal * efficiency * per
    thickness_err = per * _hypot(areal_err * efficiency, areal * efficiency_err)
    return xr.Dataset(
        {
            "areal_capacity": areal.assign_attrs(units="mAh/cm2", long_name="charge per area"),
            "areal_capacity_err": areal_err.assign_attrs(units="mAh/cm2"),
            "thickness": thickness.assign_attrs(units="um", long_name="plated lithium (Faraday)"),
            "thickness_err": thickness_err.assign_attrs(units="um"),
        },
        attrs={"molar_volume_cm3_per_mol": molar_volume, "area_cm2": area_cm2, "efficiency": efficiency},
    )


def _hypot(a: xr.DataArray, b: xr.DataArray) -> xr.DataArray:
    return (a**2 + b**2) ** 0.5
