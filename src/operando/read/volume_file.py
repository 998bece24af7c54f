"""Volumes on disk, read in parts: zarr of ours, TIFF stacks and folders, HDF5 with one array of three axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError, ReadError, require_extra

Part = tuple[int, int]
TIFF = (".tif", ".tiff")


@dataclass(frozen=True)
class VolumeFile:
    """A volume of grey values (z, y, x) on disk; `planes(first, end)` reads whole planes z.

    voxel_um, started_s   where the file says so, else None
    """

    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype
    planes: Callable[[int, int], np.ndarray]
    voxel_um: float | None = None
    started_s: float | None = None

    def read(
        self, rows: Part | None = None, region: tuple[int, ...] | None = None, binning: int = 1
    ) -> np.ndarray:
        """Float32 (z, y, x) of the planes `rows` (first, end) and of `region` (y0, y1, x0, x1), means of cubes of
        `binning` voxels; what does not fill a cube at the far ends is left out. Planes are read `binning` at a time.

        Raises `InputError` for a part that the volume does not have.
        """
        (z0, z1), (y0, y1, x0, x1) = self.part(rows, region)
        b = binning
        shape = tuple((end - start) // b for start, end in ((z0, z1), (y0, y1), (x0, x1)))
        if min(shape) < 1:
            raise InputError(f"nothing is left of {z1 - z0} x {y1 - y0} x {x1 - x0} voxels at binning = {b}",
                             where=str(self.path), fix="Bin less, or take a larger region.")  # fmt: skip
        result = np.empty(shape, np.float32)
        for k in range(shape[0]):
            planes = self.planes(z0 + b * k, z0 + b * (k + 1))
            if planes.shape[1:] != self.shape[1:]:
                raise ReadError(f"plane {z0 + b * k} is {planes.shape[1:]} pixels, the first {self.shape[1:]}",
                                where=str(self.path))  # fmt: skip
            cut = planes[:, y0 : y0 + b * shape[1], x0 : x0 + b * shape[2]]
            result[k] = cut[0] if b == 1 else _binned(cut, b)
        return result

    def part(self, rows: Part | None, region: tuple[int, ...] | None) -> tuple[Part, tuple[int, ...]]:
        """Both limits filled in. Raises `InputError` where they leave the volume."""
        nz, ny, nx = self.shape
        z0, z1 = rows or (0, nz)
        y0, y1, x0, x1 = region or (0, ny, 0, nx)
        for what, start, end, size in (("rows", z0, z1, nz), ("region", y0, y1, ny), ("region", x0, x1, nx)):
            if not 0 <= start < end <= size:
                raise InputError(f"{what} {start} to {end} of {size} voxels", where=str(self.path),
                                 fix="Count from 0: rows along z, region = [y0, y1, x0, x1].")  # fmt: skip
        return (z0, z1), (y0, y1, x0, x1)


def _binned(cut: np.ndarray, b: int) -> np.ndarray:
    ny, nx = cut.shape[1] // b, cut.shape[2] // b
    return cut.reshape(b, ny, b, nx, b).mean((0, 2, 4), dtype=np.float64).astype(np.float32)


def open_volume(path: str | Path) -> VolumeFile:
    """The volume of a file or folder; nothing but its head is read. Raises `ReadError` where there is none."""
    path = Path(path)
    if not path.exists():
        raise ReadError("no such file", where=str(path), fix="Check the path.")
    if path.suffix == ".zarr":
        return _zarr(path)
    if path.is_dir():
        return _tiff_folder(path)
    return _tiff_stack(path) if path.suffix.lower() in TIFF else _hdf5(path)


def _zarr(path: Path) -> VolumeFile:
    zarr = require_extra("zarr", "tomo", "reading zarr volumes")
    try:
        held = zarr.open(str(path), mode="r")
        arrays = dict(held.arrays()) if isinstance(held, zarr.Group) else {"": held}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadError(f"damaged zarr store ({error})", where=str(path), fix="Make it again.") from error
    three = {name: a for name, a in arrays.items() if a.ndim == 3}
    name = "attenuation" if "attenuation" in three else _only(list(three), path)
    array, attrs = three[name], {**dict(held.attrs), **dict(three[name].attrs)}
    if path.name.endswith(".partial") or ("source" in attrs and "run" not in attrs):
        raise ReadError("a volume that was not finished", where=str(path), fix="Run operando recon again.")
    return VolumeFile(path, tuple(array.shape), _numeric(array.dtype, path), lambda a, b: np.asarray(array[a:b]),
                      _number(attrs.get("voxel_um")), _number(attrs.get("started_s")))  # fmt: skip


def _hdf5(path: Path) -> VolumeFile:
    import h5py

    from .hdf5 import damage_told, open_hdf5
    from .hdf5_chunks import values

    with damage_told(path), open_hdf5(path) as file:
        found: list[str] = []
        file.visititems(lambda n, o: found.append(n) if isinstance(o, h5py.Dataset) and o.ndim == 3 else None)
        name = _only(found, path)
        stored = file[name]
        shape, dtype, voxel = tuple(stored.shape), stored.dtype, _number(stored.attrs.get("voxel_um"))

    def planes(start: int, end: int) -> np.ndarray:
        with damage_told(path), open_hdf5(path) as file:
            return values(file[name], slice(start, end))

    return VolumeFile(path, shape, _numeric(dtype, path), planes, voxel)


def _tiff_stack(path: Path) -> VolumeFile:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            shape, dtype, pages = tuple(file.series[0].shape), file.series[0].dtype, len(file.pages)
            whole = file.series[0].dataoffset is not None
    except (OSError, ValueError, IndexError, tifffile.TiffFileError) as error:
        raise ReadError(
            f"no TIFF, or a damaged one ({error})", where=str(path), fix="Copy it again."
        ) from error
    if len(shape) != 3:
        raise ReadError(f"{len(shape)} axes, not a stack over z, y, x", where=str(path),
                        fix="Give a stack of grey images, or a folder of them.")  # fmt: skip

    def planes(start: int, end: int) -> np.ndarray:
        if whole:
            return np.asarray(tifffile.memmap(path, mode="r")[start:end])
        if pages == shape[0]:
            return np.stack([tifffile.imread(path, key=k) for k in range(start, end)])
        return tifffile.imread(path)[start:end]

    return VolumeFile(path, shape, _numeric(dtype, path), planes)


def _tiff_folder(path: Path) -> VolumeFile:
    import tifffile

    from .hdf5 import natural

    files = sorted((p for p in path.iterdir() if p.suffix.lower() in TIFF), key=lambda p: natural(p.name))
    if not files:
        raise ReadError(
            "no TIFF in this folder", where=str(path), fix="Give the folder that holds the slices."
        )

    def one(file: Path) -> np.ndarray:
        try:
            image = tifffile.imread(file)
        except (OSError, ValueError, tifffile.TiffFileError) as error:
            raise ReadError(
                f"no TIFF, or a damaged one ({error})", where=str(file), fix="Copy it again."
            ) from error
        if image.ndim != 2 or (image.shape != shape if shape else False):
            raise ReadError(f"an image of {image.shape} pixels among images of {shape or 'two axes'}",
                            where=str(file), fix="Keep the slices of one volume in a folder of their own.")  # fmt: skip
        return image

    shape: tuple[int, ...] = ()
    first = one(files[0])
    shape = first.shape

    def planes(start: int, end: int) -> np.ndarray:
        return np.stack([one(f) for f in files[start:end]])

    return VolumeFile(path, (len(files), *first.shape), _numeric(first.dtype, path), planes)


def _only(names: list[str], path: Path) -> str:
    if len(names) != 1:
        listed = f": {', '.join(sorted(names)[:5])}" if names else ""
        raise ReadError(f"{len(names)} arrays of three axes, not one{listed}", where=str(path),
                        fix="Keep one volume a file.")  # fmt: skip
    return names[0]


def _numeric(dtype: Any, path: Path) -> np.dtype:
    dtype = np.dtype(dtype)
    if dtype.kind not in "iuf":
        raise ReadError(f"values of type {dtype}, not grey values", where=str(path))
    return dtype


def _number(value: Any) -> float | None:
    """A number of attributes, None where there is none."""
    try:
        found = float(np.ravel(value)[0])
    except (TypeError, ValueError, IndexError):
        return None
    return found if np.isfinite(found) else None
