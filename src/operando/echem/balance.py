"""Where the lithium is: charge, image volume and collector displacement on one scale."""

from __future__ import annotations

import xarray as xr

from operando.core.errors import InputError
from operando.core.units import FARADAY_C_PER_MOL, LI_MOLAR_VOLUME_CM3_PER_MOL


def lithium_balance(
    capacity: xr.DataArray, *, area_cm2: float, capacity_err: xr.DataArray | float = 0.0,
    volume_um3: xr.DataArray | None = None, volume_err_um3: xr.DataArray | float = 0.0,
    displacement_um: xr.DataArray | None = None, displacement_err_um: xr.DataArray | float = 0.0,
    area_err_cm2: float = 0.0, imaged_area_cm2: float | None = None, imaged_area_err_cm2: float = 0.0,
    molar_volume: float = LI_MOLAR_VOLUME_CM3_PER_MOL,
) -> xr.Dataset:  # fmt: skip
    """Amount of plated lithium from charge, from images and from the rise of the collector, and what is missing.

    capacity         net charge that plates (mAh), over time (zero before plating)
    area_cm2         active area of the cell, over which the charge is spread, with its error
    volume_um3       metallic Li seen in the images, within `imaged_area_cm2` (the whole area where not given)
    displacement_um  mean rise of the collector: all that is added below it, compact or not

    All three in umol/cm2 with 1-sigma errors: charge = Q/(F A), images = V/(V_m A_imaged), displacement = d/V_m.
    missing_volume (charge that is no metal in the images: interphase, dead or unresolved Li) and
    excess_displacement (rise beyond dense Li of that charge: voids, swelling), with errors; and
    missing_fraction = missing / charge, whose error knows that both share the charge.
    Quantities that were not given are left out. Raises `InputError` when neither is given.
    """
    if volume_um3 is None and displacement_um is None:
        raise InputError(
            "a balance needs a volume or a displacement beside the charge", where="lithium_balance",
            fix="Give volume_um3, displacement_um, or both.",
        )  # fmt: skip
    charge = capacity * 3.6 / FARADAY_C_PER_MOL / area_cm2 * 1e6
    charge_err = _hypot(
        xr.zeros_like(charge) + capacity_err * 3.6 / FARADAY_C_PER_MOL / area_cm2 * 1e6,
        charge * area_err_cm2 / area_cm2,
    )
    result = {"charge": charge, "charge_err": charge_err}
    if volume_um3 is not None:
        imaged = area_cm2 if imaged_area_cm2 is None else imaged_area_cm2
        to_amount = 1e-12 / molar_volume / imaged * 1e6
        same_area = imaged_area_cm2 is None
        relative = area_err_cm2 / area_cm2 if same_area else imaged_area_err_cm2 / imaged
        volume = volume_um3 * to_amount
        from_volume = xr.zeros_like(volume) + volume_err_um3 * to_amount
        volume_err = _hypot(from_volume, volume * relative)
        missing = charge - volume
        charge_only = xr.zeros_like(charge) + capacity_err * 3.6 / FARADAY_C_PER_MOL / area_cm2 * 1e6
        if same_area:  # one area divides both: its error scales the difference
            missing_err = (charge_only**2 + from_volume**2 + (missing * relative) ** 2) ** 0.5
            ratio_err = _hypot(from_volume / charge, volume * charge_only / charge**2)
        else:
            missing_err = _hypot(charge_err, volume_err)
            ratio_err = _hypot(volume_err / charge, volume * charge_err / charge**2)
        result |= {
            "volume": volume, "volume_err": volume_err, "missing_volume": missing, "missing_volume_err": missing_err,
            "missing_fraction": (missing / charge).where(charge > 0),
            "missing_fraction_err": ratio_err.where(charge > 0),
        }  # fmt: skip
    if displacement_um is not None:
        rise = displacement_um * 1e-4 / molar_volume * 1e6
        rise_err = xr.zeros_like(rise) + displacement_err_um * 1e-4 / molar_volume * 1e6
        result |= {
            "displacement": rise, "displacement_err": rise_err, "excess_displacement": rise - charge,
            "excess_displacement_err": _hypot(rise_err, charge_err),
        }  # fmt: skip
    names = {
        "charge": "lithium from charge", "volume": "lithium seen in the images",
        "displacement": "lithium that would lift the collector as much",
        "missing_volume": "charge that is not metal in the images",
        "excess_displacement": "rise of the collector beyond dense lithium",
        "missing_fraction": "share of the charge that is not metal in the images",
    }  # fmt: skip
    units = {name: "1" if "fraction" in name else "umol/cm2" for name in result}
    dataset = {
        n: v.rename(None).assign_attrs(units=units[n], long_name=names.get(n, n)) for n, v in result.items()
    }
    return xr.Dataset(dataset, attrs={"molar_volume_cm3_per_mol": molar_volume, "area_cm2": area_cm2})


def _hypot(a: xr.DataArray, b: xr.DataArray) -> xr.DataArray:
    return (a**2 + b**2) ** 0.5
