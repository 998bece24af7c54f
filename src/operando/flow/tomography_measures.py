"""What one measured scan gives beside its maps: roughness, porosity, sections, grey values used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from operando import tomography as tomo
from operando.tomography.volume import quantity

if TYPE_CHECKING:
    from .tomography_image import Image

ELECTRODES = ("bottom", "top")


def roughness(image: Image, maps: xr.Dataset) -> xr.Dataset:
    """ISO 25178 height set over `interface` (bottom, top): plane removed, noise taken out."""
    rows = []
    for name in ELECTRODES:
        face = maps["face"].sel(electrode=name, drop=True)
        rows.append(tomo.height_parameters(face, height_err=maps["face_err"].sel(electrode=name, drop=True)))
    table = xr.concat(rows, "interface", combine_attrs="drop_conflicts").assign_coords(
        interface=list(ELECTRODES)
    )
    return table.rename({"Ra": "R_a", "Ra_err": "R_a_err", "Sq": "R_q", "Sq_err": "R_q_err"})


def pores(image: Image, maps: xr.Dataset) -> dict[str, xr.Dataset]:
    """Porosity of the solid by depth under each face, and the map of the 20 um next to it."""
    values, rows, near = image.values, [], []
    z = (np.arange(values.sizes["z"])[:, None, None] + 0.5) * values.attrs["voxel_um"]
    low, high = (maps["face"].sel(electrode=n).values for n in ELECTRODES)
    solid = (z > low) & (z < high)
    grey = image.greys["bottom"]
    limit = image.limits.get("pore", 0.5 * (grey["void"] + grey["electrolyte"]))
    share = np.where(solid, values.values < limit, np.nan).astype(np.float32)
    pore = xr.DataArray(share, dims=("z", "y", "x"), attrs={"voxel_um": values.attrs["voxel_um"]})
    depth = float(np.nanmedian(high - low)) / 2
    step = max(10.0, 2 * values.attrs["voxel_um"])
    for name in ELECTRODES:
        profile = tomo.porosity_profile(
            pore, maps["face"].sel(electrode=name, drop=True), into="up" if name == "bottom" else "down", bin_um=step,
            depth_um=max(depth, step),
        )  # fmt: skip
        near.append(tomo.near_interface(profile, min(2 * step, max(depth, step)))["map"])
        rows.append(profile.drop_vars("map"))
    table = xr.concat(rows, "electrode", combine_attrs="override").assign_coords(electrode=list(ELECTRODES))
    table["mean"] = quantity(float(np.nanmean(share)), (), "1", "porosity of the solid")
    table["pore_threshold"] = quantity(float(limit), (), "1/cm", "voxels of the solid under it are pores")
    return {"porosity": table, "near": xr.concat(near, "electrode").to_dataset(name="near")}


def sections(image: Image, maps: xr.Dataset) -> xr.Dataset:
    """Orthogonal sections through the middle: grey values, and the heights of faces and voids along them."""
    values = image.values
    nz, ny, nx = values.shape
    voxel = values.attrs["voxel_um"]
    at = {"y": ny // 2, "x": nx // 2}
    data: dict[str, Any] = {
        "xz": quantity(values.values[:, at["y"]], ("z", "x"), "1/cm", "section at the middle of y"),
        "yz": quantity(values.values[:, :, at["x"]], ("z", "y"), "1/cm", "section at the middle of x"),
    }
    for k, name in enumerate(ELECTRODES):
        face = float(np.nanmedian(maps["face"].isel(electrode=k))) / voxel
        level = int(np.clip(face - 1.5 if name == "bottom" else face + 1.5, 0, nz - 1))
        data[f"xy_{name}"] = quantity(
            values.values[level], ("y", "x"), "1/cm", f"section at the {name} interface"
        )
        for other, axis in (("y", "x"), ("x", "y")):
            for what in ("face", "void"):
                line = maps[what].isel({"electrode": k, other: at[other]}).values
                data[f"{what}_{name}_{axis}"] = quantity(line, axis, "um", f"{what} of the {name} electrode")
    middle = (np.arange(nz) + 0.5) * voxel
    return (
        xr.Dataset(data, {"z": ("z", middle, {"units": "um"})})
        .assign_coords(y=maps["y"], x=maps["x"])
        .astype("f4")
    )


def summary(image: Image, maps: xr.Dataset, stack: xr.Dataset) -> xr.Dataset:
    """Numbers of one scan: grey values and thresholds used, noise, stack thickness."""
    names = ("void", "lithium", "interphase", "electrolyte")
    grey = np.array([[image.greys[e][n] for n in names] for e in ELECTRODES])
    bent = image.bent * image.values.attrs["voxel_um"]
    error = xr.DataArray(np.hypot(stack["thickness_err"], bent)).assign_attrs(units="um")
    data = {
        "grey": quantity(grey, ("electrode", "phase"), "1/cm", "grey value used"),
        "threshold": quantity(0.5 * (grey[:, 1:3] + grey[:, :2]), ("electrode", "boundary"), "1/cm",
                              "midpoint of void and lithium, lithium and solid"),
        "noise": quantity(np.array([image.noise[e] for e in ELECTRODES]), "electrode", "1/cm", "1-sigma in lithium"),
        "blur": quantity(image.blur_um, (), "um", "sigma of the point spread used"),
        "stack_thickness": stack["thickness"], "stack_thickness_err": error, "tilt": stack["tilt"],
        "section": quantity(float(image.outline.sample.sum()), (), "1", "columns of the sample"),
    }  # fmt: skip
    coords = {
        "electrode": list(ELECTRODES),
        "phase": list(names),
        "boundary": ["void|lithium", "lithium|solid"],
    }
    return xr.Dataset(data, coords)
