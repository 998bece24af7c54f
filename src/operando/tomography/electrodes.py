"""What the fitted layers of an electrode say: thickness, voids as objects, volumes."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core.errors import InputError
from ..core.flags import flag_variable
from .volume import AXES, coordinates, quantity, same_voxel, voxel_sizes


def electrode_thickness(layer: xr.Dataset, collector: xr.Dataset) -> xr.Dataset:
    """Thickness of lithium between its collector and the void or solid: |face - collector| - void (um).

    layer       of `fit_void_layer`;  collector: of `surface_heights` at the steel of the same electrode

    Over y, x: `lithium`, `gap` (lithium and void) and `level` (gap less the mean void: lithium as if voids were spread
    evenly, free of the noise of voids; best for the local current density), each with `_err`, `lithium_flag`.
    """
    if layer["face"].shape != collector["height"].shape:
        raise InputError("maps of different sizes", where="electrode_thickness")
    sign = -1.0 if layer.attrs["electrode"] == "top" else 1.0
    gap = sign * (layer["face"].values - collector["height"].values)
    gap_err = np.hypot(layer["face_err"].values, collector["height_err"].values)
    lithium_err = np.hypot(gap_err, np.nan_to_num(layer["void_err"].values))
    voxel = layer.attrs["voxel_um"]
    dims = ("y", "x")
    result = xr.Dataset(
        {
            "lithium": quantity(
                gap - layer["void"].values, dims, "um", "thickness of lithium", voxel_um=voxel
            ),
            "lithium_err": quantity(lithium_err, dims, "um", voxel_um=voxel),
            "gap": quantity(gap, dims, "um", "lithium and void", voxel_um=voxel),
            "gap_err": quantity(gap_err, dims, "um", voxel_um=voxel),
            "level": quantity(
                gap - float(layer["void"].mean()), dims, "um", "gap less the mean void", voxel_um=voxel
            ),
            "level_err": quantity(gap_err, dims, "um", voxel_um=voxel),
        },
        coords={k: layer[k] for k in dims},
        attrs={"electrode": layer.attrs["electrode"], "voxel_um": voxel},
    )
    flags = layer["flag"].values | collector["height_flag"].values
    result["lithium_flag"] = flag_variable(flags, dims)
    return result


def layer_voids(layer: xr.Dataset, volume: xr.DataArray) -> xr.DataArray:
    """Share of every voxel of `volume` that is void, from the fitted layer; for `void_objects`."""
    voxel = same_voxel(volume)
    thick = np.nan_to_num(layer["void"].values) / voxel
    face = np.nan_to_num(layer["face"].values) / voxel
    low, high = (face - thick, face) if layer.attrs["electrode"] == "bottom" else (face, face + thick)
    z = np.arange(volume.sizes["z"])[:, None, None]
    share = np.clip(np.minimum(z + 1, high) - np.maximum(z, low), 0, 1).astype(np.float32)
    attrs = {"units": "1", "long_name": "share of void", "voxel_um": voxel}
    return xr.DataArray(share, dims=AXES, coords=coordinates(volume, *AXES), attrs=attrs)


def map_volume(thickness: xr.DataArray, thickness_err: xr.DataArray | float = 0.0) -> xr.Dataset:
    """Volume under a map of thickness (y, x; um): `volume` (um3), `volume_err` (independent columns), `mean` (um).

    Unknown columns take the mean of the known ones; `unknown` is their share.
    """
    sizes = voxel_sizes(thickness, where="map_volume")
    values = thickness.transpose(..., "y", "x")
    known = values.notnull()
    if not bool(known.any()):
        raise InputError("no column is known", where="map_volume")
    area = values.sizes["y"] * values.sizes["x"] * sizes["y"] * sizes["x"]
    mean, count = values.mean(("y", "x")), known.sum(("y", "x"))
    spread = ((xr.zeros_like(values) + thickness_err) ** 2).where(known).sum(("y", "x")) ** 0.5 / count
    return xr.Dataset(
        {
            "volume": (mean * area).assign_attrs(units="um3"),
            "volume_err": (spread * area).assign_attrs(units="um3"),
            "mean": mean.assign_attrs(units="um"),
            "unknown": (1 - known.mean(("y", "x"))).assign_attrs(units="1"),
        }
    )
