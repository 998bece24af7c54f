"""Which axis of an array of spectra is the energy, in which units, and which way round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import ReadError
from .hdf5 import attribute

if TYPE_CHECKING:
    import h5py

ENERGY = (
    "energy",
    "energies",
    "energy_axis",
    "bins",
    "bin_centres",
    "bin_centers",
    "bin_edges",
    "spectrum_bins",
)
KEV = {"kev": 1.0, "ev": 1e-3, "mev": 1e3}


def energy_axis(
    file: h5py.File, stored: h5py.Dataset, path, energy: str | None, keV_per_channel: float | None = None
) -> tuple[int, np.ndarray, str | None]:
    """(axis of the counts, energies as stored, their units or None). Edges, one more than channels, become middles."""
    if keV_per_channel is not None:
        last = stored.ndim - 1
        return last, (np.arange(stored.shape[last]) + 0.5) * keV_per_channel, "keV"
    source = _energies(file, stored, path, energy)
    values = np.ravel(source[()]).astype(float)
    units = attribute(source, "units")
    named = _named_axis(stored, source)
    fits = [i for i, n in enumerate(stored.shape) if n in (len(values), len(values) - 1)]
    if named is not None and named in fits:
        fits = [named]
    if len(fits) != 1:
        why = (
            "no axis is as long as the energies"
            if not fits
            else f"axes {fits} are all as long as the energies"
        )
        raise ReadError(
            f"{stored.name} is {stored.shape}, the energies {len(values)}: {why}", where=str(path),
            fix="Write the axes attribute of the counts' group, or name the right energies.",
        )  # fmt: skip
    if stored.shape[fits[0]] == len(values) - 1:
        values = (values[:-1] + values[1:]) / 2
    return (
        fits[0],
        values,
        units.decode() if isinstance(units, bytes) else None if units is None else str(units),
    )


def _energies(file: h5py.File, stored: h5py.Dataset, path, energy: str | None) -> h5py.Dataset:
    import h5py

    if energy is not None:
        if energy in file:
            return file[energy]
        raise ReadError(f"no energies {energy!r}", where=str(path), fix="Check the name of the dataset.")
    group = stored.parent
    while True:
        for name in ENERGY:
            item = group.get(name)
            if isinstance(item, h5py.Dataset) and item.ndim == 1 and item.size > 2:
                return item
        if group.name == "/":
            break
        group = group.parent
    raise ReadError(
        f"no energy axis beside {stored.name}", where=str(path),
        fix=f"Name it with energy=..., write it as one of {', '.join(ENERGY)}, or give keV_per_channel.",
    )  # fmt: skip


def _named_axis(stored: h5py.Dataset, source: h5py.Dataset) -> int | None:
    """The axis that NXdata's `axes`, or an `<energy>_indices`, gives to the energies."""
    name = source.name.split("/")[-1]
    axes = attribute(stored.parent, "axes", attribute(stored, "axes"))
    index = attribute(stored.parent, f"{name}_indices")
    if index is not None:
        return int(np.ravel(index)[0])
    if axes is None or isinstance(axes, (str, bytes)):
        return None
    words = [a.decode() if isinstance(a, bytes) else str(a) for a in np.ravel(axes)]
    return words.index(name) if name in words and len(words) == stored.ndim else None


def in_keV(values: np.ndarray, stored: str | None, told: str | None, where: str) -> np.ndarray:
    """Energies in keV by the units of the file, or those the user tells where the file is silent."""
    units = stored if stored else told
    if units is None:
        raise ReadError(
            f"energies from {values[0]:g} to {values[-1]:g} without units", where=where,
            fix='Say energy_units="keV" or "eV".',
        )  # fmt: skip
    factor = KEV.get(units.strip().lower())
    if factor is None:
        raise ReadError(f"energies in {units!r}", where=where, fix="Use keV or eV; calibrate channels first.")
    return values * factor


def ordered(keV: np.ndarray, where: str) -> tuple[np.ndarray, bool]:
    """Ascending energies, and whether they had to be turned round. Raises `ReadError` for uneven or unordered ones."""
    steps = np.diff(keV)
    if not np.isfinite(keV).all() or not ((steps > 0).all() or (steps < 0).all()):
        raise ReadError(
            "energies neither ascend nor descend", where=where, fix="Check which dataset holds the energies."
        )
    if np.ptp(np.abs(steps)) > 0.01 * np.abs(steps).mean():
        raise ReadError("the energy bins are uneven", where=where, fix="Histogram in bins of one width.")
    turned = bool(steps[0] < 0)
    return (keV[::-1] if turned else keV), turned
