"""The collectors of one scan: height maps by the photons behind them, or mean planes where hardly any come through."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando import tomography as tomo
from operando.core.errors import InputError
from operando.core.flags import flag_variable
from operando.tomography.volume import quantity

from .tomography_density import Outline
from .tomography_rays import Rays


def photon_edge(
    rays: Rays, rough: xr.Dataset, name: str, sample: np.ndarray, used: np.ndarray, voxel: float
) -> xr.Dataset:  # fmt: skip
    """Height of a collector by the photons behind it; its mean plane as imaged where too few come through."""
    start = float(np.nanmedian(rough["height"].values[used])) / voxel
    try:
        for _ in range(2):  # the first guess is off by refraction
            found = tomo.edge_by_photons(
                rays.paths, rays.back, rays.project, sample, start=start, voxel_um=voxel, up=name == "bottom"
            )  # fmt: skip
            start = float(np.nanmedian(found["height"].values[used])) / voxel
    except InputError:
        return flat(rough, used)
    return found.assign_coords(rough.coords)


def filled(collector: xr.Dataset, voxel: float) -> np.ndarray:
    """Heights in voxels; beside the sample their median."""
    height = collector["height"].values / voxel
    return np.where(np.isfinite(height), height, np.nanmedian(height))


def flat(collector: xr.Dataset, used: np.ndarray) -> xr.Dataset:
    """The mean plane of a collector: refraction at its edge bends its image by more than its roughness."""
    height = collector["height"]
    form = height - tomo.remove_form(height.where(xr.DataArray(used, dims=("y", "x"))), "plane")
    rest = float(np.nanstd((height - form).values[used]))
    y, x = (np.linspace(-1, 1, n) for n in height.shape)
    known = np.isfinite(form.values)
    yy, xx = np.meshgrid(y, x, indexing="ij")
    design = np.stack([np.ones(known.sum()), yy[known], xx[known]], 1)
    c = np.linalg.lstsq(design, form.values[known], rcond=None)[0]
    result = collector.copy()
    result["height"] = height.copy(data=c[0] + c[1] * yy + c[2] * xx)
    result["height_err"] = collector["height_err"].copy(
        data=np.full(height.shape, rest / np.sqrt(used.sum() / 100))
    )
    result["height_flag"] = collector["height_flag"].copy(data=np.zeros(height.shape, np.uint16))
    return result.assign_attrs(form="plane", rest_um=rest)


def replaced(collector: xr.Dataset, outline: Outline, name: str, voxel: float) -> xr.Dataset:
    """The height map of a collector as the outline has it, laid on the first scan."""
    height = outline.lower if name == "bottom" else outline.upper
    known = np.where(outline.sample, height * voxel, np.nan)
    error = float(np.nanmedian(collector["height_err"].values))
    coords = {n: np.arange(s) for n, s in zip(("y", "x"), known.shape, strict=True)}
    moved = xr.Dataset(
        attrs=collector.attrs, coords={n: (np.asarray(v) + 0.5) * voxel for n, v in coords.items()}
    )
    moved["height"] = quantity(known, ("y", "x"), "um", "height", voxel_um=voxel)
    moved["height_err"] = quantity(np.where(outline.sample, error, np.nan), ("y", "x"), "um", voxel_um=voxel)
    moved["height_flag"] = flag_variable(np.zeros(known.shape, int), ("y", "x"))
    return moved
