"""The rows of an inspection for volumes: segmented ones in HDF5, reconstructed ones in zarr."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import ReadError, require_extra
from .inspection import Inspection, Row

if TYPE_CHECKING:
    import h5py

NOT_SAID = "not in the file"


def labels(file: h5py.File, path: Path) -> Inspection | None:
    """A segmented volume with named labels."""
    import h5py

    stored = file.get("labels")
    if not isinstance(stored, h5py.Dataset) or stored.ndim != 3 or stored.dtype.kind not in "iub":
        return None
    voxel = np.ravel(stored.attrs.get("voxel_um", np.nan)).astype(float)
    size = " x ".join(f"{v:g}" for v in voxel) + " um" if np.isfinite(voxel).all() else NOT_SAID
    rows: list[Row] = [
        ("labels", "/labels", f"{' x '.join(map(str, stored.shape))} {stored.dtype}, (z, y, x)"),
        ("voxel", "", size),
    ]
    rows += [
        ("label", key.removeprefix("label_"), str(value))
        for key, value in stored.attrs.items()
        if key.startswith("label_")
    ]
    return Inspection(f"{path} · segmented volume", tuple(rows))


def zarr_store(path: Path) -> Inspection:
    """A zarr store; a volume of operando with its voxel, and whether it was finished."""
    zarr = require_extra("zarr", "tomo", "looking into zarr stores")
    try:
        held = zarr.open(str(path), mode="r")
        arrays = sorted(held.arrays()) if isinstance(held, zarr.Group) else [("", held)]
        attrs = dict(held.attrs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadError(f"damaged zarr store ({error})", where=str(path), fix="Make it again.") from error
    rows: list[Row] = [
        ("array", name, f"{' x '.join(map(str, array.shape))} {array.dtype} {array.attrs.get('units', '')}".strip())
        for name, array in arrays
    ]  # fmt: skip
    volume = dict(arrays).get("attenuation")
    if volume is None or "source" not in attrs:
        return Inspection(f"{path} · zarr store", tuple(rows))
    rows += [
        ("voxel", "", f"{float(volume.attrs.get('voxel_um', 'nan')):g} um"),
        ("source", "", str(attrs["source"])),
    ]
    whole = not path.name.endswith(".partial") and "run" in attrs
    why = "" if whole else "not finished\nRun operando recon again: it continues."
    return Inspection(f"{path} · reconstructed volume", tuple(rows), whole, why)
