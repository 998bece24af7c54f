"""Layers that move: place, width, displacement and bending of the layer that a ring tells of."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando import diffraction
from operando.core import Flag

from .along_z import ascending, row_time, transmission_of
from .experiment import Experiment
from .sections import RingSection


def layers(groups: dict[str, xr.Dataset], ring: RingSection, experiment: Experiment) -> xr.Dataset:
    """Place, width and displacement of the layer in each column: `layer_position`, `displacement` from the first map
    in which the column shows it, and over time its mean, tilt and curvature along x (`bending`).

    From the intensity of the ring above its background, as counted (`transmission_of`); the thickness is that of the
    layer of this phase in [cell].
    A layer is seen when its rows are recorded; `position` is moved to the middle of the map by its own motion.
    """
    fitted = groups[f"xrd/{ring.name}"]
    seen = transmission_of(groups["xrd"])
    intensity = ascending((seen * fitted["intensity"]).where(fitted["intensity_flag"] == 0))
    of_phase = [
        layer.thickness_um
        for layer in (experiment.cell.layers if experiment.cell else [])
        if layer.phase == ring.phase
    ]
    thickness = of_phase[0] if len(of_phase) == 1 else 0.0
    found = diffraction.layer_position(
        intensity, ascending(seen * fitted["intensity_err"]), thickness_um=thickness, stepped=True
    )
    found["position"] = _at_middle(found["position"], ascending(groups["xrd"]["row_time"]))
    found = found.merge(_displaced(found))
    found["displacement_flag"] = found["flag"] | xr.where(
        np.isfinite(found["displacement"]), 0, int(Flag.NO_DATA)
    ).astype(np.uint16)
    found["displacement_flag"].attrs = found["flag"].attrs
    bent = diffraction.bending(found)
    return found.merge(bent.rename({name: f"bending_{name}" for name in bent.data_vars}))


def _at_middle(position: xr.DataArray, rows: xr.DataArray) -> xr.DataArray:
    """Positions moved from the time of their row to the middle of the map, by the change from map to map."""
    if not np.isfinite(rows).all():
        return position
    when = row_time(position, rows)
    moved = position.transpose(..., "time").copy()
    times = when.transpose(*moved.dims).values
    for column in np.ndindex(moved.shape[:-1]):
        y, t = moved.values[column], times[column]
        good = np.isfinite(y)
        if good.sum() > 1:
            y[good] -= np.gradient(y[good], t[good]) * (t - position["time"].values)[good]
    return moved.transpose(*position.dims).assign_attrs(
        units="um", long_name="centre of the layer, at the middle of the map"
    )


def _displaced(found: xr.Dataset) -> xr.Dataset:
    """`displacement` of every column from the first map in which it is seen."""
    first = found["position"].notnull().argmax("time")
    columns = [
        diffraction.displacement(found[["position", "position_err"]].isel(x=[i]), int(first.isel(x=i)))
        for i in range(found.sizes["x"])
    ]
    return xr.concat(columns, "x").transpose(*found["position"].dims)
