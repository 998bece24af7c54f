"""Volumes on disk, read in parts: zarr, TIFF stacks and folders, HDF5 with one array of three axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.digest import digest
from ..core.errors import InputError, ReadError, require_extra
from ..core.moments import recorded_moments
from ..core.trust import taken_at_its_word
from ..core.voxel import is_grey, voxel_side

Part = tuple[int, int]
Box = tuple[slice, slice, slice]
TIFF = (".tif", ".tiff")
SAMPLE = 200_000
VOLUME = "this volume"
MOST_SIDE, MOST_VOXELS = 100_000, 10**13  # of an image of today, and ten times that


@dataclass(frozen=True)
class VolumeFile:
    """A volume of grey values or labels (z, y, x) on disk, of which `get` reads a box as it is stored.

    voxel_um, started_s   where the file says so, else None; started_s in s since the epoch
    digest                of what is stored, without reading it
    flip                  z runs down in the file: `box` turns it upwards, `read` does not
    """

    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype
    get: Callable[[Box], np.ndarray] = field(repr=False, compare=False)
    voxel_um: float | None = None
    started_s: float | None = None
    units: str = "1"
    digest: str = ""
    flip: bool = False

    @property
    def name(self) -> str:
        return self.path.stem

    def flipped(self, flip: bool) -> VolumeFile:
        return replace(self, flip=flip)

    def box(self, box: Box) -> np.ndarray:
        """The values in a box (z, y, x) with z upwards, in the type of the file."""
        if not self.flip:
            return self.get(box)
        z, height = box[0], self.shape[0]
        return self.get((slice(height - z.stop, height - z.start), *box[1:]))[::-1]

    def sample(self) -> np.ndarray:
        """Finite values of about `SAMPLE` voxels, from up to 32 planes along z."""
        nz, ny, nx = self.shape
        planes = np.unique(np.linspace(0, nz - 1, 32).astype(int))
        step = max(int(np.sqrt(ny * nx * len(planes) / SAMPLE)), 1)
        cut = (slice(None, None, step), slice(None, None, step))
        parts = [self.box((slice(p, p + 1), slice(0, ny), slice(0, nx)))[0][cut].ravel() for p in planes]
        values = np.concatenate(parts).astype(np.float64)
        return values[is_grey(values)]

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
            z = z0 + b * k
            cut = self.get((slice(z, z + b), slice(y0, y0 + b * shape[1]), slice(x0, x0 + b * shape[2])))
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


def open_volume(path: str | Path, *, sparse: bool = False) -> VolumeFile:
    """The volume of a file or folder; nothing but its head is read. Raises `ReadError` where there is none, and where
    parts of it were never written, unless it is `sparse`: labels, 0 where nothing was written."""
    path = Path(path)
    if not path.exists():
        raise ReadError("no such file", where=str(path), fix="Check the path.")
    with taken_at_its_word(path, VOLUME):
        if path.suffix == ".zarr":
            return _zarr(path)
        if path.is_dir():
            return _tiff_folder(path)
        return _tiff_stack(path) if path.suffix.lower() in TIFF else _hdf5(path, sparse)


def _made(
    path: Path, shape: tuple[int, ...], dtype: Any, get: Callable[[Box], np.ndarray], **about: Any
) -> VolumeFile:
    if len(shape) != 3 or min(shape) < 1:
        raise ReadError(f"{len(shape)} axes of {tuple(shape)} values, not z, y, x", where=str(path),
                        fix="Give one volume of grey values a file, or a folder of images.")  # fmt: skip
    if max(shape) > MOST_SIDE or math.prod(shape) > MOST_VOXELS:
        raise ReadError(f"says that it has {' x '.join(map(str, shape))} voxels, which no image has", where=str(path),
                        fix="Its head is damaged: copy it again.")  # fmt: skip
    stat = path.stat()
    about.setdefault("digest", digest(str(path), stat.st_size, stat.st_mtime_ns))
    z, y, x = (int(n) for n in shape)

    def trusted(box: Box) -> np.ndarray:
        with taken_at_its_word(path, VOLUME):
            return get(box)

    return VolumeFile(path, (z, y, x), _numeric(dtype, path), trusted, **about)


def _zarr(path: Path) -> VolumeFile:
    zarr = require_extra("zarr", "tomo", "reading zarr volumes")
    held = zarr.open(str(path), mode="r")
    arrays = dict(held.arrays()) if isinstance(held, zarr.Group) else {"": held}
    three = {name: a for name, a in arrays.items() if a.ndim == 3}
    name = next((n for n in ("attenuation", "label") if n in three), None) or _only(list(three), path)
    array, attrs = three[name], {**dict(held.attrs), **dict(three[name].attrs)}
    whole = name != "attenuation" or "source" not in attrs or "run" in attrs
    if path.name.endswith(".partial") or not whole:
        raise ReadError("a volume that was not finished", where=str(path), fix="Run operando recon again.")
    about = {"digest": str(attrs["key"])} if "key" in attrs else {}
    return _made(path, array.shape, array.dtype, lambda box: np.asarray(array[box]),
                 voxel_um=voxel_side(attrs.get("voxel_um")), started_s=_moment(attrs.get("started_s"), path),
                 units=str(attrs.get("units", "1")), **about)  # fmt: skip


def _hdf5(path: Path, sparse: bool) -> VolumeFile:
    import h5py

    from .hdf5 import attribute, damage_told, open_hdf5
    from .hdf5_chunks import check_written, values

    with damage_told(path), open_hdf5(path) as file:
        found: list[str] = []
        file.visititems(lambda n, o: found.append(n) if isinstance(o, h5py.Dataset) and o.ndim == 3 else None)
        name = _only(found, path)
        stored = file[name]
        check_written(stored, path, sparse=sparse)
        shape, dtype, voxel = stored.shape, stored.dtype, voxel_side(attribute(stored, "voxel_um"))

    def get(box: Box) -> np.ndarray:
        with damage_told(path), open_hdf5(path) as file:
            return values(file[name], *box)

    return _made(path, shape, dtype, get, voxel_um=voxel)


def _tiff_stack(path: Path) -> VolumeFile:
    tifffile = require_extra("tifffile", "tomo", "reading TIFF volumes")
    with tifffile.TiffFile(path) as file:
        shape, dtype, pages = tuple(file.series[0].shape), file.series[0].dtype, len(file.pages)
        whole = file.series[0].dataoffset is not None
    if len(shape) == 2:
        shape = (1, *shape)

    def get(box: Box) -> np.ndarray:
        if whole:
            return np.asarray(tifffile.memmap(path, mode="r").reshape(shape)[box])
        if pages == shape[0]:
            pages_asked = range(box[0].start, box[0].stop)
            return _stacked(
                {f"{path}, page {k}": tifffile.imread(path, key=k) for k in pages_asked}, shape, box
            )
        return tifffile.imread(path).reshape(shape)[box]

    return _made(path, shape, dtype, get)


def _tiff_folder(path: Path) -> VolumeFile:
    tifffile = require_extra("tifffile", "tomo", "reading TIFF volumes")
    from .hdf5 import natural

    files = sorted((p for p in path.iterdir() if p.suffix.lower() in TIFF), key=lambda p: natural(p.name))
    if not files:
        raise ReadError("no TIFF in this folder", where=str(path), fix="Give that of the slices.")

    def one(file: Path) -> np.ndarray:
        with taken_at_its_word(file, "this image"):
            return tifffile.imread(file)

    first = one(files[0])
    shape = (len(files), *first.shape)

    def get(box: Box) -> np.ndarray:
        return _stacked({str(f): one(f) for f in files[box[0]]}, shape, box)

    said = digest(*[(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files])
    return _made(path, shape, first.dtype, get, digest=said)


def _stacked(images: dict[str, np.ndarray], shape: tuple[int, ...], box: Box) -> np.ndarray:
    """A box of planes that were read one by one. Raises `ReadError` for the one that is no image like the first."""
    for name, image in images.items():
        if image.shape != shape[1:]:
            raise ReadError(f"an image of {image.shape} pixels among images of {shape[1:]}", where=name,
                            fix="Keep the slices of one volume in a folder of their own.")  # fmt: skip
    return np.stack([image[box[1:]] for image in images.values()])


def _only(names: list[str], path: Path) -> str:
    if len(names) != 1:
        listed = f": {', '.join(sorted(names)[:5])}" if names else ""
        raise ReadError(f"{len(names)} arrays of three axes, not one{listed}", where=str(path),
                        fix="Keep one volume a file.")  # fmt: skip
    return names[0]


def _numeric(dtype: Any, path: Path) -> np.dtype:
    dtype = np.dtype(dtype)
    if dtype.kind not in "iufb":
        raise ReadError(f"values of type {dtype}, not grey values", where=str(path))
    return dtype


def _moment(said: Any, path: Path) -> float | None:
    """Seconds since the epoch of attributes, None where there is no such time."""
    try:
        found = recorded_moments(np.ravel(said)[:1].astype(float), path.name)
    except (TypeError, ValueError):
        return None
    return None if found is None else float(found[0])
