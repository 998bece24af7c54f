"""Pixel splitting: the sparse matrix of pixels and bins, taken from pyFAI, in the order of the stored image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .plan import Plan, Target, no_live_pixel
from .reductions import Binned
from .tables import Fixed, angle_of, axes, live_pixels, on_shape, pixel_weights


@dataclass(frozen=True, eq=False)
class Split:
    """One reduction with pixel splitting.

    first   (pixels + 1,) int64: where the entries of each stored pixel begin
    bins    (entries,) int32
    share   (entries,) float32: part of the pixel that lies in the bin, as pyFAI has it
    target  names, bins and static weights, sum(share * weight), in exact integers
    """

    target: Target
    first: np.ndarray
    bins: np.ndarray
    share: np.ndarray

    @cached_property
    def plan(self) -> Plan:
        """The pixels that are wanted at all, as a plan of one atom: for `Tiles`."""
        wanted = np.where(np.diff(self.first) > 0, 0, -1).astype(np.int32)
        return Plan((0, 0), wanted, 1, ())

    def entries(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All entries of some pixels, and which of `pixels` each belongs to."""
        count = self.first[pixels + 1] - self.first[pixels]
        owner = np.repeat(np.arange(pixels.size), count)
        return np.arange(owner.size) - np.repeat(np.cumsum(count) - count, count) + self.first[pixels][
            owner
        ], owner

    def lost(self, pixels: np.ndarray, part: Fixed) -> np.ndarray:
        """(bins,) int64: what `pixels` add to the sums of `part`, in its units."""
        entry, owner = self.entries(pixels)
        return exact_sum(self.bins[entry], self.share[entry], part.units[pixels[owner]], self.target.bins)


def exact_sum(bins, share, units, size: int) -> np.ndarray:
    """Integers share * units, rounded one by one: their sums and differences are exact."""
    return np.bincount(bins, np.rint(share * units.astype(np.float64)), size).astype(np.int64)


def compile_split(reduction: Binned, shape: tuple[int, int], gaps: np.ndarray | None) -> Split:
    """Take pyFAI's bounding-box matrix and put it in pixel order. Raises `InputError` if no live pixel is met."""
    from scipy.sparse import csr_array

    reduction = on_shape(reduction, shape)
    edges = axes(reduction)
    live = live_pixels(reduction, shape, gaps)
    engine = _engine(reduction, edges, live.reshape(shape))
    matrix = csr_array(
        (engine.data, engine.indices, engine.indptr), shape=(engine.indptr.size - 1, live.size)
    )
    columns = matrix.tocsc()
    columns.sort_indices()
    turned = reduction.geometry.to_stored(np.arange(live.size).reshape(shape)).ravel()
    count = np.diff(columns.indptr)[turned]
    first = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    entry = (
        np.arange(first[-1])
        - np.repeat(first[:-1], count)
        + np.repeat(columns.indptr[turned].astype(np.int64), count)
    )
    bins, share = columns.indices[entry].astype(np.int32), columns.data[entry].astype(np.float32)
    if bins.size == 0:
        raise no_live_pixel(reduction, edges)
    if edges.azimuth is not None:  # pyFAI has q first
        bins = (bins % reduction.azimuths) * reduction.q_bins + bins // reduction.azimuths
    owner = np.repeat(np.arange(live.size), count)
    weight = Fixed.of(pixel_weights(reduction))
    dark = (
        None if reduction.dark is None else Fixed.of(np.maximum(np.asarray(reduction.dark, float).ravel(), 0))
    )
    target = Target(
        reduction.name, edges, np.empty(0, np.int32), weight, dark,
        exact_sum(bins, share, weight.units[owner], edges.size),
        None if dark is None else exact_sum(bins, share, dark.units[owner], edges.size),
        int(np.bincount(bins).max()),
    )  # fmt: skip
    return Split(target, first, bins.astype(np.int32), share)


def _engine(reduction: Binned, edges, live: np.ndarray):
    """pyFAI's sparse engine for the image that the PONI belongs to, azimuth from 0 to 360 degrees."""
    geometry = replace(reduction.geometry)  # an integrator of its own: where azimuth jumps is a state of it
    integrator = geometry.integrator
    integrator.setChiDiscAtZero()
    mask = np.ascontiguousarray(geometry.to_stored(~live), np.int8)
    around = edges.azimuth is not None
    ends, unit = edges.q[[0, -1]], "q_A^-1"
    if reduction.spacing == "two_theta":
        ends, unit = angle_of(ends, geometry.wavelength_A), "2th_deg"
    return integrator.setup_sparse_integrator(
        geometry.shape, (reduction.q_bins, reduction.azimuths) if around else reduction.q_bins, mask=mask,
        pos0_range=(ends[0], ends[1]), pos1_range=(0.0, 360.0) if around else None,
        mask_checksum=0, unit=unit, split="bbox", algo="CSR",
    )  # fmt: skip
