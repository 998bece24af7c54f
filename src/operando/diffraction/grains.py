"""Single-crystal spots on a diffraction ring, and the grains they belong to, map by map.

A map is `Sums` over (z, x, azimuth, q) around one reflection. Maps are taken one at a time, so a series is
never in memory. Only grains in diffraction condition are seen, and a spot fixes an orientation only up to a
rotation about its scattering vector: counts are of visible grains.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from scipy.ndimage import uniform_filter1d

from ..core.errors import InputError
from ..core.sums import Sums
from ._grain_spots import AZIMUTH, COLUMNS, REFERENCE, SCALED_REFERENCE, segment
from ._grain_table import MapSpots, grain_dataset
from ._ring_shape import ring_shape
from .ring_sums import DIMS, azimuth_step, dispersion, has_no_data, images_of, ordered

Reference = Sums | Sequence[Sums | None] | Callable[[int], Sums] | None


@dataclass(frozen=True)
class GrainSearch:
    """How spots are told from background and joined to grains.

    rule            "significance": a spot starts at a bin, or a 3 x 3 sum, whose exact Poisson tail is below
                    false_rate / (2 x bins); "mean": intensity above `factor` x the mean positive residual of the
                    image (the rule of the paper; residuals below zero count as zero)
    false_rate      expected number of false spots in an image without grains (at most; "significance")
    grow            tail probability down to which neighbouring bins join a spot ("significance")
    diagonal        bins that touch at a corner are connected
    split           touching spots are parted where 3 x 3 sums fall below this share of the higher maximum, each part
                    being significant by itself ("significance"); 0: never
    margin          bins around a spot that are measured with it
    scale           a reference is scaled by its "weight" (exposure, monitor) or to the "image" (its median-free total)
    smooth_deg      the reference is averaged over +- this range in azimuth, which lowers its noise
    window_deg, guard_deg   without a reference: background from this far in azimuth, without the nearest part
    link_deg, link_q, reach   spots in points up to `reach` (rows, columns) apart are one grain when they differ by
                    less than link_deg in azimuth and link_q (1/angstrom; None: one bin), each in quadrature with three
                    joint errors
    """

    rule: Literal["significance", "mean"] = "significance"
    false_rate: float = 1e-4
    grow: float = 1e-3
    factor: float = 10.0
    diagonal: bool = True
    split: float = 0.5
    margin: int = 2
    scale: Literal["weight", "image"] = "weight"
    smooth_deg: float = 0.0
    window_deg: float = 20.0
    guard_deg: float = 4.0
    link_deg: float = 1.0
    link_q: float | None = None
    reach: tuple[int, int] = (1, 1)
    threads: int = 2

    def __post_init__(self) -> None:
        if self.rule not in ("significance", "mean"):
            raise InputError(
                f"unknown rule {self.rule!r}", where="grain search", fix='Use "significance" or "mean".'
            )
        if self.scale not in ("weight", "image"):
            raise InputError(
                f"unknown scale {self.scale!r}", where="grain search", fix='Use "weight" or "image".'
            )
        if not 0 < self.false_rate < 1 or not 0 < self.grow < 0.5:
            raise InputError("false_rate must lie in (0, 1) and grow in (0, 0.5)", where="grain search")


def find_grains(
    maps: Iterable[Sums | None], *, reference: Reference = None, search: GrainSearch | None = None,
    time: Sequence[float] | None = None,
) -> xr.Dataset:  # fmt: skip
    """Grains of every map of a series, each counted once however many points it is seen at.

    maps       one `Sums` over (z, x, azimuth, q) a time; None, or NaN throughout, for a missing one
    reference  Li-free `Sums` over the same dims (z and x may be left out): one for all times, or one a time
               as a sequence or a function of the map's index. Variance zero means known exactly. None: the
               background of a bin is the mean at the same q within `window_deg` in azimuth, spots left out, times
               how the background of the whole map lies along azimuth (a shadow's edge, texture).
               attrs["background"] says which was used.
    time       middle of each map in s; left out: the index

    Returns a Dataset over `grain` (what `grain_dataset` lists), over `time` (`images` searched, `spots`,
    `map_flag`) and over (time, azimuth) (`coverage`, the fraction of images with data).
    Raises `InputError` for maps of different size or axes, or a reference that does not fit.
    """
    search = search or GrainSearch()
    found: list[MapSpots | None] = []
    for index, sums in enumerate(maps):
        found.append(
            None
            if sums is None or has_no_data(sums)
            else find_spots(sums, _reference_at(reference, index), search)
        )
        _check_same(found, index)
    if time is not None and len(time) != len(found):
        raise InputError(f"{len(found)} maps but {len(time)} times", where="grains")
    return grain_dataset(found, time, search, _background_words(reference, search))


def find_spots(sums: Sums, reference: Sums | None, search: GrainSearch) -> MapSpots:
    """Spots of one map, point by point, in a table of `_grain_spots.COLUMNS` sorted by point."""
    sums = ordered(sums, "map")
    z, x, azimuth, q = (np.asarray(sums.signal[d], float) for d in DIMS)
    step = azimuth_step(azimuth)
    counts, weight = (
        images_of(sums.signal, sums.signal, "the map"),
        images_of(sums.weight, sums.signal, "the weight"),
    )
    kind, ref_dispersion = AZIMUTH, 1.0
    if reference is None:
        shape, doubt = ring_shape(counts, weight, dispersion(sums))
        ref, ref_weight = (np.repeat(v[None, :, None], len(q), axis=2) for v in (shape, doubt))
    if reference is not None:
        kind = REFERENCE if search.scale == "weight" else SCALED_REFERENCE
        ref, ref_weight, ref_dispersion = _reference_arrays(reference, sums, search, step)
    table, seen = _segment(
        counts, weight, ref, ref_weight, kind, dispersion(sums), ref_dispersion, step, search
    )
    return MapSpots(table, seen / max(len(counts), 1), z, x, azimuth, q)


def _segment(
    counts, weight, ref, ref_weight, kind, spread, ref_spread, step, search
) -> tuple[np.ndarray, np.ndarray]:
    """Run the kernel over the images in `threads` runs; a table that proves too small is enlarged and redone."""
    points, rows, cols = counts.shape
    half = max(2, round(search.window_deg / step))
    guard = max(1, round(search.guard_deg / step))
    half = min(max(half, guard + 1), rows // 2)
    smooth = round(search.smooth_deg / step)
    shared = 3 if kind == AZIMUTH else min(3, 2 * smooth + 1)
    log_p = math.log(search.false_rate / (2 * rows * cols))
    bounds = np.linspace(0, points, max(1, min(search.threads, points)) + 1).astype(int)

    def one_run(run: int) -> tuple[np.ndarray, np.ndarray]:
        lo, hi = bounds[run], bounds[run + 1]
        part = [a[lo:hi] if len(a) > 1 else a for a in (weight, ref, ref_weight)]
        capacity = 4 * (hi - lo) + 64
        while True:
            out, seen = np.empty((capacity, len(COLUMNS))), np.zeros(rows)
            size = segment(  # type: ignore[call-arg]
                counts[lo:hi], *part, lo, kind, int(search.rule == "mean"), spread, ref_spread, log_p,
                math.log(search.grow), search.factor, half, min(guard, half - 1), float(shared), int(search.diagonal),
                search.split if search.rule == "significance" else 0.0,
                search.margin, out, seen,
            )  # fmt: skip
            if size <= capacity:
                return out[:size], seen
            capacity = size

    with ThreadPoolExecutor(len(bounds) - 1) as pool:
        parts = list(pool.map(one_run, range(len(bounds) - 1)))
    return np.concatenate([t for t, _ in parts]), np.sum([s for _, s in parts], axis=0)


def _background_words(reference: Reference, search: GrainSearch) -> str:
    if reference is None:
        return (
            f"no Li-free reference was given; instead the mean within {search.window_deg:g} deg in azimuth at the "
            f"same q, the nearest {search.guard_deg:g} deg and spots left out, times the map's own shape along azimuth"
        )
    smooth = f", averaged over +-{search.smooth_deg:g} deg in azimuth" if search.smooth_deg else ""
    return f"Li-free reference, scaled by the {search.scale}{smooth}"


def _check_same(found: list[MapSpots | None], index: int) -> None:
    first = next((f for f in found if f is not None), None)
    last = found[-1]
    if first is None or last is None or last is first:
        return
    for name in ("z", "x", "azimuth", "q"):
        a, b = getattr(first, name), getattr(last, name)
        if a.shape != b.shape or not np.allclose(a, b, rtol=0, atol=0.01 * abs(np.diff(a)).min(initial=1e9)):
            raise InputError(
                f"maps differ along {name}: {len(a)} values from {a[0]:g} to {a[-1]:g}, here {len(b)} from {b[0]:g} "
                f"to {b[-1]:g}",
                where=f"map {index}", fix="Give maps of one grid and one set of bins; a missing map is None.",
            )  # fmt: skip


def _reference_at(reference: Reference, index: int) -> Sums | None:
    if reference is None or isinstance(reference, Sums):
        return reference
    try:
        return reference(index) if callable(reference) else reference[index]
    except IndexError:
        raise InputError(
            f"no reference for map {index}", where="grains", fix="Give one a map, or one for all."
        ) from None


def _reference_arrays(reference: Sums, sums: Sums, search: GrainSearch, step: float):
    """Reference counts (as Poisson counts), weight and dispersion, averaged over +- smooth_deg in azimuth."""
    order = [d for d in DIMS if d in reference.signal.dims]
    spread = dispersion(reference)
    counts = images_of(reference.signal.transpose(*order), sums.signal, "the reference")
    weight = images_of(
        reference.weight.transpose(*[d for d in DIMS if d in reference.weight.dims]),
        sums.signal,
        "the weight of the reference",
    )
    reach = round(search.smooth_deg / step)
    if reach:
        good = (np.broadcast_to(weight, counts.shape) > 0) & np.isfinite(counts)
        counts = uniform_filter1d(np.where(good, counts, 0.0), 2 * reach + 1, axis=1, mode="wrap") * (
            2 * reach + 1
        )
        weight = uniform_filter1d(np.where(good, weight, 0.0), 2 * reach + 1, axis=1, mode="wrap") * (
            2 * reach + 1
        )
        weight[weight < 1e-9 * weight.max()] = 0.0
    return counts, weight, spread
