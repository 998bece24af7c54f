"""The voltage of a symmetric cell from its measured contact maps, beside the voltage that was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando import models
from operando.core.errors import ExperimentError

if TYPE_CHECKING:
    from .running import Run


def symmetric_model(job: Run, groups: dict[str, xr.Dataset], table: xr.Dataset | None) -> None:
    """Put `model/symmetric` into `groups`: modelled and recorded voltage at the scans with current.

    Raises `ExperimentError` without contact maps, the area of the cell, or current at any scan.
    """
    section, cell_section = job.experiment.symmetric_model, job.experiment.cell
    assert section is not None
    maps, scans = groups.get("tomography/maps"), groups.get("tomography", xr.Dataset())
    if maps is None or cell_section is None or "cell_current" not in scans:
        raise ExperimentError(
            "contact maps, the area of [cell] and a record with current at the scans are needed",
            where="symmetric_model",
            fix="Give [tomography], [cell] and [cycler] of one cell on one clock.",
        )  # fmt: skip
    current = 1e3 * scans["cell_current"].values / cell_section.area_cm2
    on = np.flatnonzero(np.isfinite(current) & (np.abs(current) > 1e-9))
    if not len(on):
        raise ExperimentError(
            "no scan was taken under current", where="symmetric_model", fix="Leave this section out."
        )
    facts = section.model_dump(exclude={"interphase_um", "constriction"})
    cell = models.SymmetricCell(area_cm2=cell_section.area_cm2, **facts)
    faces = {
        side: _interface(
            cell, maps.sel(electrode=side).isel(time=on), sign * current[on], thickness, section.constriction
        )
        for side, sign, thickness in zip(("bottom", "top"), (-1.0, 1.0), section.interphase_um, strict=True)
    }
    time = scans["time"].values[on]
    found = models.cell_voltage(cell, time, faces["top"], faces["bottom"], current_mA_per_cm2=current[on])
    still = models.cell_voltage(
        cell, time, faces["top"], faces["bottom"], current_mA_per_cm2=current[on], contact="fixed"
    )
    found["voltage_fixed_contact"] = still["voltage"].assign_attrs(
        long_name="with the contact of the first scan"
    )
    if "voltage" in scans:
        found["measured"] = (
            "time",
            scans["voltage"].values[on],
            {"units": "V", "long_name": "recorded voltage"},
        )
    groups["model/symmetric"] = found
    job.listener.say("model", f"symmetric cell: {len(on)} scans under current")


def _interface(cell, maps: xr.Dataset, density: np.ndarray, thickness_um: float, constriction: bool):
    """One interface over the scans: contact and, where asked, constriction of the square inscribed in the sample."""
    contact = [inscribed_square(maps.isel(time=t)) for t in range(maps.sizes["time"])]
    if constriction:
        pixel = float(np.diff(maps["x"].values).mean())
        return models.interface_from_maps(cell, contact, pixel, density, interphase_um=thickness_um)
    shares = np.array([one.mean() for one in contact])
    return models.Interface(shares * cell.area_cm2, np.full(len(shares), thickness_um))


def inscribed_square(one: xr.Dataset) -> np.ndarray:
    """Contact (bool) of the largest centred square of the sample; unknown columns take the commoner value."""
    contact = one["contact"].transpose("y", "x").values
    inside = (
        one["inside"].transpose("y", "x").values.astype(bool) if "inside" in one else np.isfinite(contact)
    )
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    middle = [(v[0] + v[-1]) // 2 for v in (rows, columns)]
    half = int(min(len(rows), len(columns)) // 2)
    while half > 1 and not inside[_around(middle[0], half), _around(middle[1], half)].all():
        half -= 1
    part = contact[_around(middle[0], half), _around(middle[1], half)]
    return np.where(np.isfinite(part), part > 0.5, np.nanmean(part) > 0.5)


def _around(at: int, half: int) -> slice:
    return slice(max(at - half, 0), at + half)
