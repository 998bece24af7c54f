"""Bin tables: which bin each pixel of the stored image belongs to, and what it weighs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core import Geometry
from ..core.errors import InputError
from .reductions import Binned, TotalCounts

#: weights and darks are held as integers in units of a power of two: sums of them are exact in any order
BITS = 30


@dataclass(frozen=True)
class Fixed:
    """Non-negative numbers as integers: value = units * step, step a power of two."""

    units: np.ndarray
    step: float

    @classmethod
    def of(cls, values: np.ndarray) -> Fixed:
        top = float(values.max(initial=0.0))
        step = 2.0 ** (np.ceil(np.log2(top)) - BITS) if top > 0 else 1.0
        return cls(np.rint(values / step).astype(np.int32), step)


@dataclass(frozen=True)
class Axes:
    """Edges of the bins: q in 1/angstrom, azimuth in degrees (None without azimuth)."""

    q: np.ndarray
    azimuth: np.ndarray | None

    @property
    def shape(self) -> tuple[int, ...]:
        sizes = (self.q.size - 1,)
        return sizes if self.azimuth is None else (self.azimuth.size - 1, *sizes)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


def axes(reduction: Binned) -> Axes:
    """Bin edges of a reduction; without a q_range they span the pixel centres of the whole detector."""
    low, high = reduction.q_range or q_span(reduction.geometry)
    q = np.linspace(low, high, reduction.q_bins + 1)
    if reduction.spacing == "two_theta":
        angles = angle_of(np.array([low, high]), reduction.geometry.wavelength_A)
        half = np.deg2rad(np.linspace(float(angles[0]), float(angles[1]), reduction.q_bins + 1) / 2)
        q = np.concatenate([[low], 4 * np.pi / reduction.geometry.wavelength_A * np.sin(half[1:-1]), [high]])
    azimuth = np.linspace(0.0, 360.0, reduction.azimuths + 1) if "azimuth" in reduction.dims else None
    return Axes(q, azimuth)


def angle_of(q: np.ndarray, wavelength_A: float) -> np.ndarray:
    """Scattering angle in degrees for momentum transfers in 1/angstrom: 2 asin(q lambda / 4 pi)."""
    return np.degrees(2 * np.arcsin(np.clip(q * wavelength_A / (4 * np.pi), 0.0, 1.0)))


def q_span(geometry: Geometry) -> tuple[float, float]:
    """Smallest q and just above the largest q of all pixel centres, 1/angstrom."""
    q = geometry.q()
    return float(q.min()), float(np.nextafter(np.float32(q.max()), np.float32(np.inf)))


def bin_index(values: np.ndarray, low: float, high: float, bins: int) -> np.ndarray:
    """Bin of each value among `bins` equal ones in [low, high), int32; -1 outside."""
    with np.errstate(invalid="ignore"):
        place = np.floor((values - low) * (bins / (high - low)))
        inside = (values >= low) & (values < high)
    return np.where(inside, np.clip(place, 0, bins - 1), -1).astype(np.int32)


def pixel_bins(reduction: Binned, edges: Axes) -> np.ndarray:
    """(pixels,) int32: flat bin (azimuth * q_bins + q) of each pixel centre, -1 for none and for masked ones."""
    geometry = reduction.geometry
    ends, values = edges.q[[0, -1]], geometry.q()
    if reduction.spacing == "two_theta":
        ends, values = angle_of(ends, geometry.wavelength_A), geometry.two_theta()
    bins = bin_index(values.ravel(), ends[0], ends[1], reduction.q_bins)
    if edges.azimuth is not None:
        around = bin_index(geometry.azimuth().ravel(), 0.0, 360.0, reduction.azimuths)
        bins = np.where(bins >= 0, around * reduction.q_bins + bins, -1).astype(np.int32)
    return bins


def live_pixels(
    reduction: Binned | TotalCounts, shape: tuple[int, int], gaps: np.ndarray | None
) -> np.ndarray:
    """(pixels,) bool: not masked by the reduction, by the source (`gaps`), nor without response."""
    live = np.ones(shape, bool)
    for what, array in (("mask", reduction.mask), ("mask of the frames", gaps)):
        if array is not None:
            live &= ~check_shape(array, shape, what, reduction.name).astype(bool)
    flat = getattr(reduction, "flat", None)
    if flat is not None:
        flat = check_shape(flat, shape, "flat", reduction.name)
        live &= np.isfinite(flat) & (flat > 0)
    return live.ravel()


def check_shape(array: np.ndarray, shape: tuple[int, int], what: str, name: str) -> np.ndarray:
    array = np.asarray(array)
    if array.shape != tuple(shape):
        raise InputError(
            f"the {what} is {array.shape}, the images are {tuple(shape)}", where=name,
            fix=f"Give a {what} of the stored image, rows x columns.",
        )  # fmt: skip
    return array


def pixel_weights(reduction: Binned) -> np.ndarray:
    """(pixels,) float64: solid angle x polarisation x flat, as far as the reduction asks for them."""
    geometry = reduction.geometry
    weights: np.ndarray = np.ones_like(geometry.q())
    if reduction.solid_angle:
        weights *= geometry.solid_angle()
    if reduction.polarisation is not None:
        weights *= geometry.polarisation(reduction.polarisation)
    if reduction.flat is not None:
        weights *= np.nan_to_num(check_shape(reduction.flat, weights.shape, "flat", reduction.name))
    return weights.ravel()


def on_shape(reduction, shape: tuple[int, int]):
    """The reduction with its geometry checked against the size of the images."""
    if not isinstance(reduction, Binned):
        return reduction
    return replace(reduction, geometry=reduction.geometry.for_shape(shape, name=reduction.name))
