"""Counts to sinograms of attenuation: I = I0 exp(-mu T), so mu T = -ln((I - dark) / (flat - dark))."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.projections import Projections
from .flats import FlatField, FlatPlan, flat_field
from .phase import PhaseRetrieval, retrieve_phase
from .stripes import Stripes, remove_stripes

FLOOR = 1e-4  # of the transmission: nothing that attenuates more is told from nothing
DEAD_SHARE = 0.2  # of all pixels of a slab: more is no detector to mend
NARROW = 8  # columns: a wider run of constant counts is the sample's (or the stop's) doing
PIECE_BYTES = 64e6  # of counts that a thread reads at once


@dataclass(frozen=True)
class Correction:
    """What is done to the counts of a scan before reconstruction.

    stripes       how rings are taken out, see `stripes.remove_stripes`
    zinger        a value this much (in -ln I/I0) under both neighbours in angle is a stray photon's; at least eight
                  times the noise is required; None leaves them
    phase         single-distance phase retrieval, or None
    air_columns   so many columns at both sides see only air in all projections: their mean is set to zero,
                  which takes out drifts of the beam
    """

    stripes: Stripes = "sorting"
    zinger: float | None = 0.2
    phase: PhaseRetrieval | None = None
    air_columns: int = 0


@dataclass
class Mended:
    """How many values were mended, for the record. Adds up over slabs."""

    values: int = 0
    opaque: int = 0
    zingers: int = 0
    lost: int = 0
    dead_pixels: int = 0
    dead_rows: list[int] = field(default_factory=list)

    def notes(self) -> list[str]:
        """A sentence on each kind of value that was mended."""
        said = [
            (self.opaque, f"{self.opaque} transmissions under {FLOOR:g} (no photons) count as {FLOOR:g}"),
            (self.zingers, f"{self.zingers} stray photons replaced by their neighbours in angle"),
            (self.lost, f"{self.lost} values that are no numbers replaced by their neighbours in angle"),
            (self.dead_pixels, f"{self.dead_pixels} dead pixels filled from their neighbours in the row"),
            (len(self.dead_rows), f"{len(self.dead_rows)} rows without one live pixel: their slices are NaN"),
        ]
        return [sentence for count, sentence in said if count]


def sinograms(
    projections: Projections, plan: FlatPlan, rows: slice, correction: Correction, *, keep: np.ndarray | None = None,
    threads: int = 1, mended: Mended | None = None,
) -> np.ndarray:  # fmt: skip
    """Attenuation mu T of some detector rows: (rows, angles, columns) float32, in order of angle.

    `keep`: indices of the projections used, in the order wanted; default all, by angle. Rows without a live pixel
    are NaN. Raises `InputError` where over a fifth of the pixels of the other rows is dead.
    """
    mended = mended if mended is not None else Mended()
    keep = np.argsort(projections.angles_deg, kind="stable") if keep is None else keep
    start, stop, _ = rows.indices(projections.rows)
    margin = phase_margin(projections, correction)
    wide = slice(max(0, start - margin), min(projections.rows, stop + margin))
    out, dead = _attenuate(projections, plan, wide, keep, threads, mended)
    _check_dead(dead, projections)
    inner = slice(start - wide.start, stop - wide.start)
    _mend(out, dead, correction.zinger, threads, mended, inner, start)
    if correction.phase is not None:
        _undo_propagation(out, correction.phase.ratio(projections.pixel_um or np.nan), threads)
    out = out[inner]

    def finish(row: int) -> None:
        if np.isfinite(out[row, 0, 0]):
            if correction.air_columns:
                level_air(out[row], correction.air_columns)
            out[row] = remove_stripes(out[row], correction.stripes)

    _each(finish, range(len(out)), threads)
    return out


def phase_margin(projections: Projections, correction: Correction) -> int:
    """Rows beyond those asked for that phase retrieval needs. Raises `InputError` where the pixel size is unknown."""
    if correction.phase is None:
        return 0
    if projections.pixel_um is None:
        raise InputError("phase retrieval needs the pixel size", where=projections.name, fix="Give pixel_um.")
    return correction.phase.reach_px(projections.pixel_um)


def level_air(sinogram: np.ndarray, columns: int) -> None:
    """Take a straight line through the means of both borders off each projection, in place."""
    n = sinogram.shape[1]
    left, right = sinogram[:, :columns].mean(1), sinogram[:, n - columns :].mean(1)
    along = np.linspace(0, 1, n, dtype=np.float32)
    sinogram -= left[:, None] + (right - left)[:, None] * along


def _attenuate(projections, plan, rows: slice, keep: np.ndarray, threads: int, mended: Mended):
    """Read, normalise and turn some rows; images are read in pieces, so that the counts are never held whole."""
    from ._correct_kernels import attenuation

    beam = flat_field(projections, plan, rows)
    height, columns = beam.dead.shape
    place = np.full(len(projections), -1)
    place[keep] = np.arange(len(keep))
    out = np.empty((height, len(keep), columns), np.float32)
    piece = max(1, int(PIECE_BYTES / (height * columns * projections.images.dtype.itemsize)))

    def one(start: int) -> tuple[int, np.ndarray, np.ndarray]:
        here = slice(start, min(start + piece, len(projections)))
        low, high = (np.full((height, columns), v, np.float32) for v in (np.inf, -np.inf))
        counts = projections.images.read(here, rows)
        clipped = attenuation(
            counts, beam.first, beam.last, beam.bend, plan.share[here], beam.dark, beam.dead, place[here], FLOOR, out,
            low, high,
        )  # fmt: skip
        return clipped, low, high

    done = _each(one, range(0, len(projections), piece), threads)
    low, high = np.min([d[1] for d in done], axis=0), np.max([d[2] for d in done], axis=0)
    mended.opaque += sum(d[0] for d in done)
    mended.values += out.size
    return out, beam.dead | _stuck(low == high, beam, low)


def _stuck(constant: np.ndarray, beam: FlatField, counts: np.ndarray) -> np.ndarray:
    """Pixels that gave one number at all angles, which is not the open beam's, in runs of at most `NARROW`."""
    from scipy.ndimage import binary_opening

    with np.errstate(invalid="ignore", divide="ignore"):
        open_beam = np.abs((counts - beam.dark) / (beam.first - beam.dark) - 1) < 0.05
    candidate = constant & ~open_beam
    wide = binary_opening(candidate, np.ones((1, NARROW + 1), bool))
    return candidate & ~wide


def _mend(
    out: np.ndarray,
    dead: np.ndarray,
    zinger: float | None,
    threads: int,
    mended: Mended,
    inner: slice,
    top: int,
) -> None:
    """Dead columns, values that are no numbers and stray photons, row by row and in place."""
    from ._correct_kernels import fill_columns, fill_lost, remove_zingers

    def one(row: int) -> tuple[int, int, int]:
        good = ~dead[row]
        lost = fill_lost(out[row], good)
        if not good.any():
            out[row] = np.nan
            return 0, 0, -1
        strays = remove_zingers(out[row], _stray_limit(out[row], zinger)) if zinger is not None else 0
        fill_columns(out[row], good)
        return lost, strays, int((~good).sum())

    done = _each(one, range(len(out)), threads)[inner]
    mended.lost += sum(d[0] for d in done)
    mended.zingers += sum(d[1] for d in done)
    mended.dead_pixels += sum(max(d[2], 0) for d in done)
    mended.dead_rows += [top + i for i, d in enumerate(done) if d[2] < 0]


def _stray_limit(sinogram: np.ndarray, limit: float) -> float:
    """`limit`, or eight sigmas of the noise: that of second differences in angle over a sample of columns."""
    step = max(1, sinogram.size // 40_000)
    some = sinogram[:, ::step]
    second = some[2:] - 2 * some[1:-1] + some[:-2]
    noise = 1.4826 * np.nanmedian(np.abs(second)) / np.sqrt(6) if second.size else 0.0
    return max(limit, 8 * float(noise))


def _check_dead(dead: np.ndarray, projections: Projections) -> None:
    """Stop where so many pixels are dead that filling them would invent the data. Wholly dead rows are kept apart."""
    live = dead[~dead.all(1)]
    if live.size and live.mean() > DEAD_SHARE:
        raise InputError(
            f"{100 * live.mean():.0f} % of the pixels are dead in the flats or stuck in the projections",
            where=projections.name, fix="Check flats and darks, or choose rows= that the beam fills.",
        )  # fmt: skip


def _undo_propagation(out: np.ndarray, ratio: float, threads: int) -> None:
    """Phase retrieval of every projection (all rows at one angle), in place. A dead row counts as its neighbour."""
    dead = ~np.isfinite(out[:, 0, 0])
    nearest = np.flatnonzero(~dead)
    if not len(nearest):
        return
    from_row = nearest[np.abs(np.arange(len(out))[:, None] - nearest).argmin(1)]

    def one(angle: int) -> None:
        retrieved = retrieve_phase(np.exp(-out[from_row, angle]), ratio)
        out[~dead, angle] = retrieved[~dead]

    _each(one, range(out.shape[1]), threads)


def _each(work: Callable[[int], Any], items: Iterable[int], threads: int) -> list:
    if threads == 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))
