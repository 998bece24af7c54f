"""A volume in a file as an array that is read in parts: zarr, TIFF stack, folder of TIFFs, HDF5."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from operando.core import digest
from operando.core.errors import ReadError, require_extra

Box = tuple[slice, slice, slice]
SAMPLE = 200_000


@dataclass(frozen=True)
class BoxedVolume:
    """Where a volume is, its shape (z, y, x), and how a box of it is read.

    voxel_um   None where the file does not say; utc: s since the epoch, NaN where unknown
    flip       z runs down in the file
    """

    path: Path
    shape: tuple[int, int, int]
    get: Callable[[Box], np.ndarray] = field(repr=False, compare=False)
    digest: str = ""
    voxel_um: float | None = None
    utc: float = np.nan
    flip: bool = False
    units: str = "1"

    @property
    def name(self) -> str:
        return self.path.stem

    def read(self, box: Box) -> np.ndarray:
        """The values in a box (z, y, x), z upwards."""
        if not self.flip:
            return np.asarray(self.get(box))
        z, height = box[0], self.shape[0]
        return np.asarray(self.get((slice(height - z.stop, height - z.start), *box[1:])))[::-1]

    def flipped(self, flip: bool) -> BoxedVolume:
        return replace(self, flip=flip)

    def sample(self) -> np.ndarray:
        """Finite values of about `SAMPLE` voxels, from up to 32 slices along z."""
        z, y, x = self.shape
        planes = np.unique(np.linspace(0, z - 1, 32).astype(int))
        step = max(int(np.sqrt(y * x * len(planes) / SAMPLE)), 1)
        cut = (slice(None, None, step), slice(None, None, step))
        parts = [self.read((slice(p, p + 1), slice(0, y), slice(0, x)))[0][cut].ravel() for p in planes]
        values = np.concatenate(parts).astype(np.float64)
        return values[np.isfinite(values)]


def open_volume(path: str | Path) -> BoxedVolume:
    """Raises `ReadError` where there is no volume, or more than one."""
    path = Path(path)
    if not path.exists():
        raise ReadError("no such file", where=str(path))
    if path.suffix == ".zarr":
        return _zarr(path)
    if path.is_dir() or path.suffix.lower() in (".tif", ".tiff"):
        return _tiff(path)
    return _hdf5(path)


def _made(path: Path, shape, get, **about: Any) -> BoxedVolume:
    if len(shape) != 3 or min(shape) < 1:
        raise ReadError(f"{len(shape)} axes of {tuple(shape)}, not z, y, x", where=str(path),
                        fix="Give one volume a file.")  # fmt: skip
    stat = path.stat()
    about.setdefault("digest", digest(str(path), stat.st_size, stat.st_mtime_ns))
    z, y, x = (int(n) for n in shape)
    return BoxedVolume(path, (z, y, x), get, **about)


def _zarr(path: Path) -> BoxedVolume:
    zarr = require_extra("zarr", "tomo", "reading volumes")
    try:
        found = zarr.open(path, mode="r")
    except Exception as error:  # what is no zarr shows itself in many ways
        raise ReadError("not a zarr store", where=str(path)) from error
    about: dict[str, Any] = {}
    array = found
    if not hasattr(found, "shape"):
        solid = {n: a for n, a in found.arrays() if a.ndim == 3}
        name = next((n for n in ("attenuation", "label") if n in solid), None) or (
            next(iter(solid)) if len(solid) == 1 else None
        )
        if name is None:
            raise ReadError(f"{len(solid)} arrays of three axes, not one", where=str(path),
                            fix="Give a store with one volume.")  # fmt: skip
        array = solid[name]
        if "started_s" in found.attrs and found.attrs["started_s"] is not None:
            about["utc"] = float(found.attrs["started_s"])
        if "key" in found.attrs:
            about["digest"] = str(found.attrs["key"])
    attrs = dict(array.attrs)
    if "voxel_um" in attrs:
        about["voxel_um"] = float(attrs["voxel_um"])
    return _made(path, array.shape, lambda box: array[box], units=str(attrs.get("units", "1")), **about)


def _hdf5(path: Path) -> BoxedVolume:
    import h5py

    found: dict[str, tuple] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim == 3:
            found[name] = (item.shape, dict(item.attrs))

    try:
        with h5py.File(path, "r", locking=False) as file:
            file.visititems(keep)
    except OSError as error:
        raise ReadError("neither TIFF, zarr nor HDF5", where=str(path)) from error
    if len(found) != 1:
        raise ReadError(
            f"{len(found)} arrays of three axes, not one", where=str(path), fix="Keep one volume a file."
        )
    (name, (shape, attrs)), *_ = found.items()

    def get(box: Box) -> np.ndarray:
        with h5py.File(path, "r", locking=False) as file:
            return file[name][box]

    more = {"voxel_um": float(attrs["voxel_um"])} if "voxel_um" in attrs else {}
    return _made(path, shape, get, **more)


def _tiff(path: Path) -> BoxedVolume:
    tifffile = require_extra("tifffile", "tomo", "reading TIFF volumes")
    from .hdf5 import natural

    if path.is_dir():
        found = [p for p in path.iterdir() if p.suffix.lower() in (".tif", ".tiff")]
        files = sorted(found, key=lambda p: natural(str(p)))
        if not files:
            raise ReadError("no TIFF in this folder", where=str(path))
        with tifffile.TiffFile(files[0]) as first:
            plane = first.series[0].shape
        said = digest(*[(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files])

        def planes(box: Box) -> np.ndarray:
            return np.stack([tifffile.imread(f)[box[1:]] for f in files[box[0]]])

        return _made(path, (len(files), *plane), planes, digest=said)
    try:
        with tifffile.TiffFile(path) as file:
            shape, pages = file.series[0].shape, len(file.series[0].pages)
    except Exception as error:
        raise ReadError("not a TIFF", where=str(path)) from error
    if len(shape) == 2:
        shape = (1, *shape)

    def get(box: Box) -> np.ndarray:
        if pages != shape[0]:
            return tifffile.imread(path).reshape(shape)[box]
        return np.stack([tifffile.imread(path, key=k)[box[1:]] for k in range(*box[0].indices(shape[0]))])

    return _made(path, shape, get)
