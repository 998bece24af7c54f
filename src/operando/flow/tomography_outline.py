"""Where the collectors, the faces of the solid and the section of the sample are, in a volume of attenuation."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import ndimage

from operando import tomography as tomo
from operando.core.errors import InputError
from operando.core.flags import Flag
from operando.tomography.volume import coordinates

from .tomography_density import FRINGE, Optics, Outline, smeared

COLLECTOR_SMOOTH = 1.5  # voxels over the section
STAND_OUT = 4.0  # voxels
BESIDE = 8  # voxels beside the columns used that fits see


def middle(volume: np.ndarray) -> int:
    return len(volume) // 2


def levels(volume: np.ndarray, steel: float | None, scan: str) -> tuple[float, np.ndarray]:
    """Grey value of the collectors, and the columns (y, x) that have one at both ends of the stack.

    Raises `InputError` where the ends are not brighter than the middle.
    """
    ends = 0.5 * (volume[1:4].mean(0) + volume[-4:-1].mean(0))
    rest = float(np.median(volume[middle(volume) - 3 : middle(volume) + 3]))
    bright = steel if steel is not None else float(np.percentile(ends, 90))
    if not bright > 2 * abs(rest):
        raise InputError(
            f"no collector at both ends: grey value {bright:.3g} there, {rest:.3g} in the middle", where=scan,
            fix="Choose rows from one collector to the other (rows = [first, end]) and a region within the cell.",
        )  # fmt: skip
    half = np.minimum(volume[1:4].mean(0), volume[-4:-1].mean(0)) > 0.5 * bright
    whole = ndimage.binary_opening(ndimage.gaussian_filter(half.astype(float), 1.0) > 0.5, iterations=2)
    part, count = ndimage.label(whole)
    if count:
        whole = part == 1 + int(np.argmax(ndimage.sum(whole, part, range(1, count + 1))))
    if whole.sum() < 64:
        raise InputError("no section of the sample is found between the collectors", where=scan,
                         fix="Check row_0, rows and region.")  # fmt: skip
    core = ndimage.binary_erosion(whole, iterations=4, border_value=1)
    core = core if core.any() else whole
    found = float(np.median(np.concatenate([volume[1:4][:, core], volume[-4:-1][:, core]])))
    return steel if steel is not None else found, whole


def collector_heights(
    volume: np.ndarray, voxel: float, steel: float, lithium: float, sample: np.ndarray
) -> dict[str, xr.Dataset]:
    """Height maps of the lower and upper collector (um), by `surface_heights`, smooth over 1.5 voxels."""
    half = middle(volume) * voxel
    whole = len(volume) * voxel
    image = xr.DataArray(volume, dims=("z", "y", "x"), attrs={"voxel_um": voxel})
    found = {
        "bottom": tomo.surface_heights(image, steel, lithium, z_um=(0, half)),
        "top": tomo.surface_heights(image, lithium, steel, search="last", z_um=(half, whole)),
    }
    return {name: smooth(one, sample, COLLECTOR_SMOOTH) for name, one in found.items()}


def smooth(surface: xr.Dataset, sample: np.ndarray, sigma: float) -> xr.Dataset:
    """Heights under a Gaussian of `sigma` voxels within the sample; error from the scatter about it."""
    height = np.where(sample, surface["height"].values, np.nan)
    ground = float(np.nanmedian(height))
    known = np.isfinite(height) & (np.abs(height - ground) < 8) & (surface["height_flag"].values == 0)
    known = known if known.any() else np.isfinite(height)
    weight = ndimage.gaussian_filter(known.astype(float), sigma)
    mean = (
        ndimage.gaussian_filter(np.where(known, height - ground, 0.0), sigma) / np.maximum(weight, 1e-6)
        + ground
    )
    scatter = float(np.nanstd(np.where(known, height - mean, np.nan))) / np.sqrt(max(4 * np.pi * sigma**2, 1))
    result = surface.copy()
    result["height"] = surface["height"].copy(data=np.where(sample & (weight > 0.05), mean, np.nan))
    result["height_err"] = surface["height_err"].copy(data=np.where(sample, scatter, np.nan))
    return result


def first_outline(
    attenuation: np.ndarray, voxel: float, collectors: dict[str, xr.Dataset], sample: np.ndarray, light: Optics,
) -> Outline:  # fmt: skip
    """Outline with faces where the filtered image passes half of the solid's grey value."""
    lower, upper = (np.nan_to_num(collectors[n]["height"].values / voxel, nan=0.0) for n in ("bottom", "top"))
    upper = np.where(upper > 0, upper, len(attenuation))
    z = np.arange(len(attenuation))[:, None, None] + 0.5
    near = ((z < lower + FRINGE) | (z > upper - FRINGE)) & sample
    image = smeared(np.where(near, np.float32(light.lithium_mu), attenuation), light.solid_ratio)
    solid = float(np.median(image[middle(image) - 3 : middle(image) + 3][:, sample]))
    high = ndimage.gaussian_filter(image, 1.0) > 0.5 * solid
    inner = high[: middle(image)]
    bottom = len(inner) - np.argmin(inner[::-1], 0)
    top = middle(image) + np.argmin(high[middle(image) :], 0)
    bottom, top = (ndimage.median_filter(v.astype(float), 7) for v in (bottom, top))
    return Outline(lower, upper, bottom, top, sample)


def cut_off(sample: np.ndarray) -> bool:
    """Whether the sample goes on beyond the circle that every angle sees, or nearly."""
    y, x = np.nonzero(sample)
    middle = [(n - 1) / 2 for n in sample.shape]
    return bool(np.hypot(y - middle[0], x - middle[1]).max() > min(sample.shape) / 2 - 2)


def columns_used(sample: np.ndarray, margin: float) -> np.ndarray:
    """Columns farther than `margin` voxels from the edge of the sample (the border of the volume is no edge)."""
    if sample.all():
        return sample
    return ndimage.distance_transform_edt(np.pad(sample, 1, mode="edge"))[1:-1, 1:-1] > margin


def continued(volume: xr.DataArray, used: np.ndarray) -> xr.DataArray:
    """The volume with columns that are not used replaced by the nearest that is: rims must not reach into fits."""
    if used.all():
        return volume
    nearest = ndimage.distance_transform_edt(~used, return_distances=False, return_indices=True)
    return volume.copy(data=volume.values[:, nearest[0], nearest[1]])


def around(used: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold all columns used, and a few beside them."""
    kept = [np.flatnonzero(used.any(a)) for a in (1, 0)]
    return tuple(slice(max(int(k[0]) - BESIDE, 0), int(k[-1]) + BESIDE + 1) for k in kept)  # type: ignore[return-value]


def spread(
    layer: xr.Dataset, shape: tuple[int, int], here: tuple[slice, slice], volume: xr.DataArray
) -> xr.Dataset:  # fmt: skip
    """Maps of a part of the section on the whole of it: NaN, and no data, elsewhere."""
    data = {}
    for name, values in layer.data_vars.items():
        missing = int(Flag.NO_DATA) if name == "flag" else np.nan
        whole = np.full(shape, missing, values.dtype)
        whole[here] = values.values
        data[name] = (("y", "x"), whole, values.attrs)
    return xr.Dataset(data, coordinates(volume, "y", "x"), layer.attrs)


def fitted(volume: xr.DataArray, used: np.ndarray, model: tomo.LayerModel, name: str) -> xr.Dataset:
    """`fit_void_layer` in the electrode's half of the volume; faces that stand out by over 4 voxels are missing."""
    voxel, half = float(volume.attrs["voxel_um"]), middle(volume.values)
    here = around(used)
    part = volume.isel(z=slice(0, half) if name == "bottom" else slice(half, None), y=here[0], x=here[1])
    layer = tomo.fit_void_layer(continued(part, used[here]), model, "bottom" if name == "bottom" else "top")
    layer = spread(layer, used.shape, here, volume)
    if name == "top":
        layer["face"] = layer["face"].copy(data=layer["face"].values + half * voxel)
    face = layer["face"].values
    ground = ndimage.median_filter(np.where(np.isfinite(face), face, np.nanmedian(face)), 25)
    odd = ~(np.abs(face - ground) < STAND_OUT * voxel)
    for what in ("face", "face_err", "void", "void_err", "contact", "gain"):
        layer[what] = layer[what].where(xr.DataArray(~odd, dims=("y", "x")))
    layer["flag"] = layer["flag"].copy(
        data=layer["flag"].values | np.where(odd, int(Flag.POOR_FIT), 0).astype(np.uint16)
    )
    return layer
