"""What a volume is: an array over z, y, x (or time, z, y, x) with voxels of known size, and the checks of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from ..core.errors import InputError

AXES = ("z", "y", "x")


def check_volume(volume: xr.DataArray, *, where: str = "volume", allow_nan: bool = False) -> xr.DataArray:
    """`volume` with its axes in the order (time,) z y x, or one error that says what is wrong with it.

    Raises InputError where a named axis is missing, the voxel size is unknown, the volume is empty, or values are
    not finite and `allow_nan` is false.
    """
    missing = [axis for axis in AXES if axis not in volume.dims]
    extra = [str(d) for d in volume.dims if d not in (*AXES, "time")]
    if missing or extra:
        raise InputError(
            f"axes are {volume.dims}, not z, y, x", where=where,
            fix="Name the axes: xr.DataArray(values, dims=('z', 'y', 'x'), attrs={'voxel_um': 1.7}).",
        )  # fmt: skip
    if not volume.size:
        raise InputError("the volume holds no voxels", where=where, fix="Check the region of interest.")
    voxel_sizes(volume, where=where)
    order = ("time", *AXES) if "time" in volume.dims else AXES
    volume = volume.transpose(*order)
    if not allow_nan and volume.dtype.kind == "f":
        for part in slabs(volume):
            bad = int((~np.isfinite(part)).sum())
            if bad:
                raise InputError(
                    f"at least {bad} voxels are not finite numbers", where=where,
                    fix="Crop the volume to where it was reconstructed, or fill what is missing.",
                )  # fmt: skip
    return volume


def voxel_sizes(volume: xr.DataArray | xr.Dataset, *, where: str = "volume") -> dict[str, float]:
    """Size of a voxel along z, y and x in um: from attrs["voxel_um"] (one number), else from even coordinates in um."""
    if "voxel_um" in volume.attrs:
        size = float(volume.attrs["voxel_um"])
        if not (np.isfinite(size) and size > 0):
            raise InputError(
                f"a voxel of {size} um", where=where, fix="Set attrs['voxel_um'] to the size in um."
            )
        return dict.fromkeys([a for a in AXES if a in volume.dims], size)
    sizes = {}
    for axis in (a for a in AXES if a in volume.dims):
        at = np.asarray(volume[axis].values, float) if axis in volume.coords else np.array([])
        step = np.diff(at)
        if not len(step) or not np.allclose(step, step[0], rtol=1e-3) or not step[0] > 0:
            raise InputError(
                f"the voxel size along {axis} is not known", where=where,
                fix="Set volume.attrs['voxel_um'], or give even, rising coordinates in um.",
            )  # fmt: skip
        sizes[axis] = float((at[-1] - at[0]) / (len(at) - 1))
    return sizes


def check_series(*volumes: xr.DataArray, where: str = "series") -> None:
    """Raise InputError unless all volumes have the same shape and voxels."""
    first = volumes[0]
    for number, volume in enumerate(volumes[1:], 1):
        if volume.sizes != first.sizes:
            raise InputError(
                f"volume {number} is {dict(volume.sizes)}, the first is {dict(first.sizes)}", where=where,
                fix="Crop or register the series to one size first.",
            )  # fmt: skip
        a, b = voxel_sizes(first, where=where), voxel_sizes(volume, where=where)
        if any(abs(a[k] - b[k]) > 1e-3 * a[k] for k in a):
            raise InputError(f"volume {number} has voxels of {b} um, the first of {a} um", where=where)


def same_voxel(volume: xr.DataArray, *, where: str = "volume") -> float:
    """The one voxel size in um; InputError where the axes differ by over 1 %."""
    sizes = voxel_sizes(volume, where=where)
    first = next(iter(sizes.values()))
    if any(abs(s - first) > 0.01 * first for s in sizes.values()):
        raise InputError(
            f"voxels are not cubes: {sizes} um", where=where, fix="Resample to equal voxels first."
        )
    return first


def coordinates(volume: xr.DataArray, *axes: str) -> dict[str, tuple]:
    """Coordinates in um of `axes`: the volume's own, else voxel centres counted from zero."""
    sizes = voxel_sizes(volume)
    result = {}
    for axis in axes:
        own = axis in volume.coords
        at = volume[axis].values if own else (np.arange(volume.sizes[axis]) + 0.5) * sizes[axis]
        result[axis] = (axis, np.asarray(at, float), {"units": "um"})
    return result


def slabs(volume: xr.DataArray, voxels: int = 1 << 26) -> Iterator[np.ndarray]:
    """The values in pieces along the first axis of about `voxels`, so that volumes on disk are never read whole."""
    first = str(volume.dims[0])
    per = max(volume.size // volume.sizes[first], 1)
    step = max(voxels // per, 1)
    for start in range(0, volume.sizes[first], step):
        yield np.asarray(volume.isel({first: slice(start, start + step)}).values)


def quantity(values, dims, units: str, long_name: str = "", **attrs) -> tuple:
    """A variable of a Dataset with its units and long name."""
    return (dims, values, {"units": units, "long_name": long_name, **attrs})
