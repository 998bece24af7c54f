"""Energy-resolved pixel detectors: histograms (y, x, channel), raw frames and event lists in HDF5, NeXus and
HEXITEC's own files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ..core.errors import ReadError
from ..core.trust import reads
from .hdf5 import attribute
from .hexitec_axes import energy_axis, in_keV, ordered

if TYPE_CHECKING:
    import h5py

#: names under which energies, exposure and monitor are looked for, in this order
EXPOSURE = ("exposure", "exposure_time", "count_time", "live_time", "acquisition_time")
MONITOR = ("monitor", "ic1", "i0", "monitor/data")
PIXELS = 80


@reads("this histogram")
def hexitec_histogram(
    path: str | Path,
    dataset: str | None = None,
    *,
    energy_units: str | None = None,
    energy: str | None = None,
    keV_per_channel: float | None = None,
) -> xr.Dataset:
    """Energy histograms of every pixel: `counts` (y, x, channel) as stored, with nominal energies in keV.

    dataset       of the counts; left out: the only array of three axes with an energy axis beside it
    energy_units  "keV" or "eV", where the file does not say; what the file says comes first
    energy        dataset of the energies (or bin edges); left out: beside the counts
    keV_per_channel  for files without energies: channels along the last axis, from zero; a first guess that
                  `compton.calibrate_energy` makes better

    The energy axis may be the first or the last one; it is told by its length, and by `axes` where given. Descending
    energies are turned round (attr `turned`). attrs: source, dataset, exposure_s and monitor (NaN where not recorded).
    Raises `ReadError` for energies without units, two axes of the energies' length, uneven or unordered energies.
    """
    from .hdf5 import damage_told, open_hdf5
    from .hdf5_chunks import values as values_of

    with damage_told(path), open_hdf5(path) as file:
        stored = find_counts(file, path, dataset, 3)
        axis, values, units = energy_axis(file, stored, path, energy, keV_per_channel)
        counts = np.moveaxis(values_of(stored), axis, -1)
        exposure, monitor = number_beside(file, stored, EXPOSURE), number_beside(file, stored, MONITOR)
        name = stored.name
    where = f"{path}::{name}"
    keV, turned = ordered(in_keV(values, units, energy_units, where), where)
    if turned:
        counts = counts[..., ::-1]
    _checked(counts, where)
    attrs = {
        "source": str(path), "dataset": name, "turned": turned, "energy_axis": int(axis), "exposure_s": exposure,
        "monitor": monitor,
    }  # fmt: skip
    return xr.Dataset(
        {"counts": (("y", "x", "channel"), np.ascontiguousarray(counts), {"units": "counts", "long_name": "photons"})},
        {"energy": ("channel", keV, {"units": "keV", "long_name": "nominal energy, middle of the channel"})}, attrs,
    )  # fmt: skip


@reads("this scan of spectra")
def nexus_spectra(
    path: str | Path,
    dataset: str | None = None,
    *,
    energy_units: str | None = None,
    energy: str | None = None,
) -> xr.Dataset:
    """Spectra at the points of a scan (NXfluo and the like): `counts` (..., channel), dims of the points by their axes.

    As `hexitec_histogram`, for any number of axes; the energy axis comes last in the result. The scan's axes are called
    `point_0`, `point_1`, ... attrs: `beam_keV`, where the file says its monochromator's energy.
    """
    from .hdf5 import damage_told, open_hdf5
    from .hdf5_chunks import values as values_of

    with damage_told(path), open_hdf5(path) as file:
        stored = find_counts(file, path, dataset, 1)
        axis, values, units = energy_axis(file, stored, path, energy)
        counts = np.moveaxis(values_of(stored), axis, -1)
        beam, name = _beam(file, stored), stored.name
    where = f"{path}::{name}"
    keV, turned = ordered(in_keV(values, units, energy_units, where), where)
    counts = counts[..., ::-1] if turned else counts
    _checked(counts, where)
    dims = (*(f"point_{i}" for i in range(counts.ndim - 1)), "channel")
    return xr.Dataset(
        {"counts": (dims, counts, {"units": "counts", "long_name": "photons"})},
        {"energy": ("channel", keV, {"units": "keV"})},
        {"source": str(path), "dataset": name, "turned": turned, "beam_keV": beam},
    )


@reads("this file of frames")
def hexitec_frames(
    path: str | Path,
    dataset: str | None = None,
    *,
    block: int = 2000,
    shape: tuple[int, int] = (PIXELS, PIXELS),
) -> Iterator[np.ndarray]:
    """Raw frames (frame, y, x) of an HDF5 file or of HEXITEC's own binary file, in blocks of `block` frames.

    A binary file (`.bin`) is uint16, little endian, frame after frame of `shape`, without a header. Raises
    `ReadError` when its size is no whole number of frames, or when the dataset has other axes.
    """
    if Path(path).suffix.lower() in (".bin", ".raw"):
        yield from _binary_frames(Path(path), block, shape)
        return
    from .hdf5 import damage_told, open_hdf5
    from .hdf5_chunks import values as values_of

    with damage_told(path), open_hdf5(path) as file:
        stored = find_counts(file, path, dataset, 3)
        if (
            stored.shape[0] in shape
            and stored.shape[0] != stored.shape[2]
            and stored.shape[1] == stored.shape[0]
        ):
            raise ReadError(
                f"{stored.name} is {stored.shape}: histograms (y, x, channel), not frames (frame, y, x)",
                where=str(path), fix="Read it with hexitec_histogram.",
            )  # fmt: skip
        for start in range(0, stored.shape[0], block):
            yield values_of(stored, slice(start, start + block))


def _binary_frames(path: Path, block: int, shape: tuple[int, int]) -> Iterator[np.ndarray]:
    size = 2 * shape[0] * shape[1]
    try:
        total = path.stat().st_size
    except OSError as error:
        raise ReadError("no such file", where=str(path), fix="Check the path.") from error
    if total == 0 or total % size:
        raise ReadError(
            f"{total:,} bytes are no whole number of frames of {shape[0]} x {shape[1]} uint16", where=str(path),
            fix="Give the detector's shape, or copy the file again.",
        )  # fmt: skip
    frames = np.memmap(path, "<u2", "r", shape=(total // size, *shape))
    for start in range(0, len(frames), block):
        yield np.array(frames[start : start + block])


def find_counts(file: h5py.File, path, dataset: str | None, least: int) -> h5py.Dataset:
    """The dataset of counts: as named, the NeXus default, or the only one with enough axes."""
    import h5py

    if dataset is not None:
        if dataset not in file or not isinstance(file[dataset], h5py.Dataset):
            raise ReadError(
                f"no dataset {dataset!r}", where=str(path), fix=f"There is: {', '.join(_names(file, least))}."
            )
        return file[dataset]
    found: list[h5py.Dataset] = []

    def visit(_: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim >= max(least, 2) and item.dtype.kind in "uif":
            found.append(item)

    file.visititems(visit)
    marked = [d for d in found if attribute(d, "interpretation") in ("spectrum", b"spectrum")]
    chosen = marked or [d for d in found if d.ndim == max(least, 2)] or found
    if len(chosen) != 1:
        what = "no dataset of spectra" if not chosen else f"{len(chosen)} datasets may be the spectra"
        raise ReadError(
            what, where=str(path), fix=f"Name one of: {', '.join(_names(file, least)) or 'nothing fits'}."
        )
    return chosen[0]


def _names(file: h5py.File, least: int) -> list[str]:
    import h5py

    names: list[str] = []
    file.visititems(
        lambda name, item: (
            names.append(name) if isinstance(item, h5py.Dataset) and item.ndim >= least else None
        )
    )
    return names[:12]


def number_beside(file: h5py.File, stored: h5py.Dataset, names: tuple[str, ...]) -> float:
    """A scalar by one of its names, in the groups from the counts up; NaN where there is none."""
    import h5py

    group = stored.parent
    while True:
        for name in names:
            item = group.get(name)
            if isinstance(item, h5py.Dataset) and item.size == 1 and item.dtype.kind in "uif":
                return float(np.ravel(item[()])[0])
        if group.name == "/":
            return float("nan")
        group = group.parent


def _beam(file: h5py.File, stored: h5py.Dataset) -> float:
    group = stored.parent
    while True:
        item = group.get("instrument/monochromator/energy")
        if item is not None and item.size == 1:
            units = attribute(item, "units", "")
            factor = {"eV": 1e-3, "keV": 1.0}.get(
                units.decode() if isinstance(units, bytes) else str(units), np.nan
            )
            return float(np.ravel(item[()])[0]) * factor
        if group.name == "/":
            return float("nan")
        group = group.parent


def _checked(counts: np.ndarray, where: str) -> None:
    if counts.dtype.kind == "f" and not np.isfinite(counts).all():
        raise ReadError(
            "counts that are no numbers", where=where, fix="Mask these pixels before they are written."
        )
    if counts.dtype.kind in "if" and counts.min(initial=0) < 0:
        raise ReadError(
            "negative counts", where=where, fix="Histograms hold counts of photons; was a dark taken off?"
        )
