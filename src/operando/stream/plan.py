"""The plan of one pass: several reductions compiled into one table of atoms.

An atom is a set of pixels that fall in the same bin of every reduction. The kernels sum counts into atoms, once
per frame; the bins of each reduction are then sums of atoms. Atoms are capped in size so that the kernels may
count in 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from ..core import Sums
from ..core.errors import InputError
from .reductions import Binned, TotalCounts
from .tables import Axes, Fixed, axes, live_pixels, on_shape, pixel_bins, pixel_weights

#: most pixels of one atom: 4095 pixels of at most 15 counts fit in 16 bits
ATOM_PIXELS = 4095
#: 500 000 pixels of at most 4095 counts, and some more, fit in 31 bits
WIDE_PIXELS = 500_000


@dataclass(frozen=True, eq=False)
class Target:
    """One reduction as the kernels see it: bins, and what each pixel adds to weight and dark.

    atoms     (atoms,) int32: bin of each atom, -1 for none
    weight    what a live pixel adds to the weight of its bin, `Fixed`
    most_pixels  of one bin
    dark      what has to be taken off the counts of each pixel, `Fixed`, or None
    """

    name: str
    axes: Axes | None
    atoms: np.ndarray
    weight: Fixed
    dark: Fixed | None
    weight_sum: np.ndarray
    dark_sum: np.ndarray | None
    most_pixels: int

    @property
    def shape(self) -> tuple[int, ...]:
        return () if self.axes is None else self.axes.shape

    @property
    def bins(self) -> int:
        return 1 if self.axes is None else self.axes.size

    @cached_property
    def by_bin(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the atoms of each bin begin, (bins + 1,), and the atoms sorted by bin, int32."""
        used = np.flatnonzero(self.atoms >= 0)
        order = np.argsort(self.atoms[used], kind="stable")
        return np.searchsorted(self.atoms[used][order], np.arange(self.bins + 1)), used[order].astype(
            np.int32
        )

    @property
    def wide(self) -> bool:
        """Whether a bin has so many pixels that counts of up to 4095 in each may not fit in 32 bits."""
        return self.most_pixels > WIDE_PIXELS

    def lost(self, pixels: np.ndarray, atom_of: np.ndarray, part: Fixed) -> np.ndarray:
        """(bins,) int64: what the dead `pixels` of one frame would have added, in units of `part`."""
        bins = self.atoms[atom_of[pixels]]
        used = bins >= 0
        return _bincount(bins[used], part.units[pixels[used]], self.bins)


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything the kernels need for one set of no-split reductions on images of one shape.

    atom_of  (pixels,) int32: atom of each pixel, -1 for those no reduction wants
    """

    shape: tuple[int, int]
    atom_of: np.ndarray
    atoms: int
    targets: tuple[Target, ...]

    @cached_property
    def runs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Maximal stretches of consecutive pixels of one atom: first pixel, end pixel, atom (int32 each)."""
        edge = np.flatnonzero(np.diff(self.atom_of)) + 1
        first = np.concatenate([[0], edge]).astype(np.int32)
        stop = np.concatenate([edge, [self.atom_of.size]]).astype(np.int32)
        atom = self.atom_of[first]
        used = atom >= 0
        return first[used], stop[used], atom[used]


def compile_plan(reductions, shape: tuple[int, int], gaps: np.ndarray | None) -> Plan:
    """Compile no-split `Binned` reductions and `TotalCounts` for images of `shape`.

    gaps  (rows, columns) bool, True where the detector never measures, or None

    Raises `InputError` where a reduction meets no live pixel.
    """
    atom_of = np.full(shape[0] * shape[1], -1, np.int32)
    atoms = 0
    weights: dict = {}
    drafts: list[tuple] = []
    for reduction in reductions:
        reduction = on_shape(reduction, shape)
        edges = axes(reduction) if isinstance(reduction, Binned) else None
        bins = _bins(reduction, edges, shape, gaps)
        atom_of, atoms, kept, bin_of = _refine(atom_of, atoms, bins, 1 if edges is None else edges.size)
        drafts = [(r, e, b, np.where(kept >= 0, a[kept], -1)) for r, e, b, a in drafts]
        drafts.append((reduction, edges, bins, bin_of))
    atom_of, atoms, origin = _cap(atom_of, atoms)
    targets = tuple(_target(r, e, b, a[origin], weights) for r, e, b, a in drafts)
    return Plan((shape[0], shape[1]), atom_of, atoms, targets)


def _bins(reduction, edges: Axes | None, shape, gaps) -> np.ndarray:
    live = live_pixels(reduction, shape, gaps)
    bins = np.zeros(live.size, np.int32) if edges is None else pixel_bins(reduction, edges)
    bins[~live] = -1
    if not (bins >= 0).any():
        raise no_live_pixel(reduction, edges)
    return bins


def no_live_pixel(reduction, edges: Axes | None) -> InputError:
    what = "every pixel is masked" if edges is None else (
        f"no live pixel between q = {edges.q[0]:.4g} and {edges.q[-1]:.4g} 1/angstrom"
    )  # fmt: skip
    return InputError(
        what, where=reduction.name, fix="Check q_range, geometry (distance, wavelength, flip) and mask."
    )


def _refine(atom_of, atoms: int, bins, size: int):
    """Cut atoms so that each lies wholly inside one bin, or outside all, of one more reduction.

    Returns atoms of the pixels, their number, the old atom (or -1) of each new one, and its bin (or -1).
    """
    if atoms == 0:
        ids = np.arange(size, dtype=np.int32)
        return bins.copy(), size, np.full(size, -1), ids
    inside = np.flatnonzero(bins >= 0)
    key = (atom_of[inside].astype(np.int64) + 1) * size + bins[inside]
    pairs, inverse = np.unique(key, return_inverse=True)
    new = atom_of.copy()
    new[inside] = atoms + inverse.reshape(-1)
    old = np.concatenate([np.arange(atoms), pairs // size - 1])
    bin_of = np.concatenate([np.full(atoms, -1), pairs % size]).astype(np.int32)
    used = np.zeros(old.size, bool)
    used[new[new >= 0]] = True
    if used[atoms:].all() and not used[:atoms].all():  # drop atoms that were cut up completely
        rank = np.cumsum(used) - 1
        new = np.where(new >= 0, rank[new], -1).astype(np.int32)
        old, bin_of = old[used], bin_of[used]
    return new.astype(np.int32), old.size, old, bin_of


def _cap(atom_of, atoms: int):
    """Cut atoms of more than `ATOM_PIXELS` pixels, in pixel order; returns also the old atom of each new one."""
    count = np.bincount(atom_of[atom_of >= 0], minlength=atoms)
    origin = [np.arange(atoms)]
    for atom in np.flatnonzero(count > ATOM_PIXELS):
        pixels = np.flatnonzero(atom_of == atom)
        part = np.arange(pixels.size) // ATOM_PIXELS
        atom_of[pixels] = np.where(part == 0, atom, atoms + part - 1)
        origin.append(np.full(part[-1], atom))
        atoms += int(part[-1])
    return atom_of, atoms, np.concatenate(origin)


def _target(reduction, edges, bins, atoms, cache: dict) -> Target:
    """Static sums of weight and dark, exact in integers."""
    size = 1 if edges is None else edges.size
    dark = None
    if isinstance(reduction, TotalCounts):
        weight = Fixed(np.ones(bins.size, np.int32), 1.0)
    else:
        key = (reduction.geometry, reduction.solid_angle, reduction.polarisation, id(reduction.flat))
        if key not in cache:
            cache[key] = Fixed.of(pixel_weights(reduction))
        weight = cache[key]
        if reduction.dark is not None:
            if id(reduction.dark) not in cache:
                cache[id(reduction.dark)] = Fixed.of(np.maximum(np.asarray(reduction.dark, float).ravel(), 0))
            dark = cache[id(reduction.dark)]
    used = bins >= 0
    return Target(
        reduction.name, edges, atoms.astype(np.int32), weight, dark,
        _bincount(bins[used], weight.units[used], size),
        None if dark is None else _bincount(bins[used], dark.units[used], size),
        int(np.bincount(bins[used]).max()),
    )  # fmt: skip


def _bincount(bins, units, size: int) -> np.ndarray:
    """Exact integer bincount: float64 holds sums of 2^22 30-bit numbers exactly."""
    return np.bincount(bins, weights=units, minlength=size).astype(np.int64)


def labelled(target: Target, index: np.ndarray, signal, variance, weight) -> Sums:
    """`Sums` with names, bin centres and units."""
    coords: dict = {"frame": np.asarray(index, np.int64)}
    dims: tuple[str, ...] = ()
    if target.axes is not None:
        q = target.axes.q
        if target.axes.azimuth is not None:
            edges = target.axes.azimuth
            coords["azimuth"] = (
                "azimuth",
                (edges[1:] + edges[:-1]) / 2,
                {"units": "degree", "long_name": "azimuth"},
            )
            dims += ("azimuth",)
        coords["q"] = ("q", (q[1:] + q[:-1]) / 2, {"units": "1/angstrom", "long_name": "momentum transfer"})
        dims += ("q",)
    still = {key: value for key, value in coords.items() if key != "frame"}

    def array(values, units: str) -> xr.DataArray:
        moving = np.ndim(values) == len(dims) + 1
        return xr.DataArray(
            values,
            coords if moving else still,
            (("frame", *dims) if moving else dims),
            attrs={"units": units},
        )

    return Sums(array(signal, "counts"), array(variance, "counts^2"), array(weight, "pixel"))
