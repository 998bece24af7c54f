"""Flats and darks judged and averaged: what the beam was without the sample."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..core.errors import InputError
from ..core.projections import ImageStack, Projections
from .flat_order import blocks, taken_after
from .moving_beam import BeamMotion, beam_motion

SATURATED_SHARE = 0.01  # of a flat's pixels: more and the flat is not used
FLAT_BYTES = 256e6  # of flats and what is made of them, held at once to find the beam's motion
OFF_SHARE = 0.5  # a flat whose mean differs by more from the others had no beam, or another beam


@dataclass(frozen=True, eq=False)
class FlatPlan:
    """Which flats count, and when each was taken.

    used      (k,) indices of the flats
    share     (projections,) of the later group of flats in each projection's own, 0 to 1
    early     (k,) bool: flats of the earlier group
    notes     sentences on flats left out
    motion    of the beam from the earlier to the later group; None where they do not tell
    """

    used: np.ndarray
    early: np.ndarray
    share: np.ndarray
    notes: tuple[str, ...] = field(default=())
    motion: BeamMotion | None = None


def plan_flats(projections: Projections) -> FlatPlan:
    """Look at every flat once: leave out saturated ones and those without beam, sort the rest into before and after.

    Raises `InputError` when no flat is left.
    """
    n = len(projections)
    if projections.flats is None:
        nothing = np.zeros(0, int)
        return FlatPlan(nothing, nothing.astype(bool), np.zeros(n))
    flats, count = projections.flats, projections.flats.shape[0]
    looks = [_look(flats, i) for i in range(count)]
    mean, saturated = np.array([one[0] for one in looks]), np.array([one[1] for one in looks])
    burnt = saturated > SATURATED_SHARE
    if burnt.all():
        raise InputError(
            f"every flat is saturated ({100 * saturated.max():.0f} % of the pixels at the detector's limit)",
            where=flats.name, fix="Transmission cannot be had from them: give other flats (flats=) of the same beam.",
        )  # fmt: skip
    level = float(np.median(mean[~burnt]))
    off = ~burnt & (np.abs(mean - level) > OFF_SHARE * abs(level))
    used = np.flatnonzero(~burnt & ~off)
    if not len(used) or level <= _dark_level(projections.darks):
        raise InputError(
            "the flats are no brighter than the darks", where=flats.name,
            fix="Was the beam on? Give other flats (flats=) of the same beam.",
        )  # fmt: skip
    after = None if projections.flat_after is None else np.asarray(projections.flat_after, float)[used]
    if after is None:
        after = taken_after(np.array([looks[i][2] for i in used]), used, projections)
        ordered = after is not None
    else:
        ordered = False
    early, share = _groups(np.zeros(len(used)) if after is None else after, n)
    notes = [f"{burnt.sum()} of {count} flats are saturated and left out"] if burnt.any() else []
    notes += [f"{off.sum()} of {count} flats differ from the others by over {100 * OFF_SHARE:.0f} % and are left out"
              ] if off.any() else []  # fmt: skip
    if ordered:
        notes.append(f"the file does not say when the flats were taken: {early.sum()} before and {(~early).sum()} "
                     "after the scan, by how they and the images change")  # fmt: skip
    plan = FlatPlan(used, early, share, tuple(notes))
    motion = None if early.all() else _motion(projections, plan)
    if motion is not None:
        notes.append(
            f"the beam moved by {motion.moved_px:+.2g} rows from the first to the last flats; taken into account"
        )
    return replace(plan, notes=tuple(notes), motion=motion)


def _motion(projections: Projections, plan: FlatPlan) -> BeamMotion | None:
    """Of the beam between both groups of flats, which are read some rows at a time."""
    flats = projections.flats
    assert flats is not None
    row_bytes = len(plan.used) * projections.columns * 12
    step = max(int(FLAT_BYTES / row_bytes), 1)
    fields = [
        flat_field(projections, plan, slice(start, min(start + step, projections.rows)))
        for start in range(0, projections.rows, step)
    ]
    dead = np.concatenate([f.dead for f in fields])
    first, last = (
        np.where(dead, np.float32(0), np.concatenate([getattr(f, n) - f.dark for f in fields]))
        for n in ("first", "last")
    )
    return beam_motion(first, last)


def _look(flats: ImageStack, i: int) -> tuple[float, float, np.ndarray]:
    image = flats.read(slice(i, i + 1))[0]
    return float(np.nanmean(image, dtype=float)), float(saturated_pixels(image).mean()), blocks(image)


def saturated_pixels(image: np.ndarray) -> np.ndarray:
    """Pixels at the limit of the counter: the type's largest value, or one 2^k - 1 (k = 8, 10, 12, 14, 16) on which
    the image piles up (its largest value, held by over 0.1 % of the pixels)."""
    top = image.max()
    if image.dtype.kind in "ui" and top == np.iinfo(image.dtype).max:
        return image == top
    piled = any(top == 2**k - 1 for k in (8, 10, 12, 14, 16)) and (image == top).mean() > 1e-3
    return image == top if piled else np.zeros(image.shape, bool)


def _dark_level(darks: ImageStack | None) -> float:
    return 0.0 if darks is None else float(np.nanmean(darks.read(slice(0, 1)), dtype=float))


def _groups(after: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Earlier and later flats split at the middle of the scan, and the later ones' share in each projection."""
    early = after < n / 2
    if early.all() or not early.any():
        return np.ones(len(after), bool), np.zeros(n)
    begin, end = after[early].mean(), after[~early].mean()
    return early, np.clip((np.arange(n) + 0.5 - begin) / (end - begin), 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class FlatField:
    """Beam and dark of some rows: (rows, columns) float32 each; `dead`: pixels that measure nothing.

    bend: what the beam has between `first` and `last` beyond a line, over t (1 - t) with t the share of `last`
    """

    first: np.ndarray
    last: np.ndarray
    dark: np.ndarray
    dead: np.ndarray
    bend: np.ndarray


def flat_field(projections: Projections, plan: FlatPlan, rows: slice) -> FlatField:
    """Averages of flats and darks over some rows, single outliers left out, and the pixels that are dead.

    Dead: beam not over 10 % of the median of the 51 pixels around it in its row, not finite, or saturated.
    """
    shape = (len(range(*rows.indices(projections.rows))), projections.columns)
    if projections.flats is None:
        one, zero = np.ones(shape, np.float32), np.zeros(shape, np.float32)
        return FlatField(one, one, zero, np.zeros(shape, bool), zero)
    dark = (
        np.zeros(shape, np.float32)
        if projections.darks is None
        else steady_mean(projections.darks.read(rows=rows))
    )
    images = projections.flats.read(plan.used.tolist(), rows)
    burnt = np.mean([saturated_pixels(image) for image in images], axis=0) > 0.5
    first = steady_mean(images[plan.early])
    last = first if plan.early.all() else steady_mean(images[~plan.early])
    beam = np.minimum(first, last) - dark
    bend = np.zeros(shape, np.float32)
    if plan.motion is not None:
        bend = plan.motion.bend[rows] * (0.5 * (first + last) - dark)
    return FlatField(first, last, dark, dead_pixels(beam) | burnt, bend)


def steady_mean(images: np.ndarray) -> np.ndarray:
    """(rows, columns) float32 mean over images, without values over six robust sigmas from their median.

    The robust sigma (1.48 x median absolute deviation) is the larger of the pixel's own and that of its row, so that
    three images suffice.
    """
    if len(images) < 3:
        return images.mean(0, dtype=np.float32)
    values = images.astype(np.float32)
    middle = np.median(values, axis=0)
    away = np.abs(values - middle)
    sigma = 1.4826 * np.maximum(np.median(away, axis=(0, 2))[:, None], np.median(away, axis=0))
    good = away <= 6 * np.maximum(sigma, 1e-6 * np.abs(middle))
    return (np.where(good, values, 0).sum(0) / good.sum(0)).astype(np.float32)


def dead_pixels(beam: np.ndarray) -> np.ndarray:
    """(rows, columns) bool: pixels with hardly any of the beam that their neighbours see."""
    from scipy.ndimage import median_filter

    usual = median_filter(np.nan_to_num(beam), size=(1, min(51, beam.shape[1])), mode="nearest")
    return ~np.isfinite(beam) | (beam <= 0.1 * usual) | (beam <= 0)
