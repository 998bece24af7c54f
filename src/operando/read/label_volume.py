"""Segmented volumes: labels (z, y, x) of HDF5 and TIFF files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from ..core.errors import ReadError
from ..core.trust import reads
from ..core.voxel import voxel_of


@reads("this volume")
def read_label_volume(
    path: str | Path, dataset: str | None = None, *, names: Mapping[str, int] | None = None,
    voxel_um: tuple[float | None, float | None, float | None] = (None, None, None),
) -> xr.DataArray:  # fmt: skip
    """Labels over (z, y, x) with their places in um; attrs `names` and `values` say what they are.

    dataset   in an HDF5 file; left out: "labels", or the only array of three axes
    voxel_um  (z, y, x), where the file does not say (attribute `voxel_um`); beats it
    names     of the labels; beat those of the file (attributes `label_<name>`)

    z begins where a dataset `z` beside the labels says, else at half a voxel. Raises `ReadError` for a file without a
    volume, without a voxel size, or with fractions for labels.
    """
    path = Path(path)
    labels, attrs, z = _tiff(path) if path.suffix.lower() in (".tif", ".tiff") else _hdf5(path, dataset)
    if labels.ndim != 3 or labels.dtype.kind not in "iub" or not labels.size:
        raise ReadError(f"{labels.shape} values of {labels.dtype}, not whole numbers over z, y, x", where=str(path),
                        fix="Give a segmented volume.")  # fmt: skip
    stored = voxel_of(attrs.get("voxel_um")) or (np.nan,) * 3
    step = [float(s if v is None else v) for v, s in zip(voxel_um, stored, strict=True)]
    if voxel_of(step) is None:
        raise ReadError("no voxel size", where=str(path), fix="Give it: lateral_um and vertical_um.")
    found = dict(names) if names else {
        key.removeprefix("label_"): int(value) for key, value in attrs.items() if key.startswith("label_")
    }  # fmt: skip
    places = [(np.arange(n) + 0.5) * s for n, s in zip(labels.shape, step, strict=True)]
    if z is not None:
        places[0] = z
    return xr.DataArray(
        labels, dims=("z", "y", "x"),
        coords={d: (d, v, {"units": "um"}) for d, v in zip("zyx", places, strict=True)},
        attrs={"units": "1", "names": list(found), "values": list(found.values())},
    )  # fmt: skip


def _hdf5(path: Path, dataset: str | None) -> tuple[np.ndarray, dict, np.ndarray | None]:
    import h5py

    from .hdf5 import damage_told, open_hdf5
    from .hdf5_chunks import values

    with damage_told(path), open_hdf5(path) as file:
        three: list[str] = []
        file.visititems(lambda n, o: three.append(n) if isinstance(o, h5py.Dataset) and o.ndim == 3 else None)
        name = dataset or ("labels" if "labels" in file else three[0] if len(three) == 1 else None)
        if name is None or name not in file:
            raise ReadError(f"no volume of labels; arrays of three axes: {', '.join(three) or 'none'}", where=str(path),
                            fix="Name the dataset.")  # fmt: skip
        stored = file[name]
        z = stored.parent.get("z")
        return values(stored), dict(stored.attrs), None if z is None else np.asarray(z[()], float)


def _tiff(path: Path) -> tuple[np.ndarray, dict, None]:
    import tifffile

    return tifffile.imread(path), {}, None
