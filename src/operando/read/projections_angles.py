"""The angles of a scan: their unit, their number, their order."""

from __future__ import annotations

import logging

import numpy as np

from ..core.errors import InputError

log = logging.getLogger(__name__)
DEGREES = ("deg", "degree", "degrees", "°", "deg.")
RADIANS = ("rad", "radian", "radians")
AT_REST = 1e-2  # of a step: the stage stands still


def angles_in_degrees(
    angles: np.ndarray, count: int, stated: str | None, asked: str | None, where: str, partial: bool
) -> tuple[np.ndarray, list[str]]:
    """(count,) angles in degrees, and sentences on what was done to them.

    angles   as stored; more than `count` are accepted where the stage stood at the ends (angles of flats and darks)
             or, with `partial`, where the scan was cut short
    stated   the unit that the file says, or None
    asked    the unit that the user says, "deg" or "rad": beats the file's

    Raises `InputError` for a wrong count, for radians that nobody called so, for values that are no numbers, and for
    an angle out of its place.
    """
    angles = np.asarray(angles, float).reshape(-1)
    bad = np.flatnonzero(~np.isfinite(angles))
    if len(bad):
        raise InputError(
            f"angle {bad[0]} is not a number", where=where, fix="Give angles in a file of their own."
        )
    angles, notes = _counted(angles, count, where, partial)
    angles, said = _unit(angles, stated, asked, where)
    return angles, [*notes, *said, *_ordered(angles, where)]


def _counted(angles: np.ndarray, count: int, where: str, partial: bool) -> tuple[np.ndarray, list[str]]:
    if len(angles) == count:
        return angles, []
    turning = _without_rest(angles)
    if len(turning) == count:
        surplus = len(angles) - count
        return turning, [
            f"{surplus} angles at the ends, where the stage stood still, belong to flats and darks"
        ]
    if len(angles) > count:
        if partial:
            return angles[:count], [f"scan cut short: {count} of {len(angles)} projections are there"]
        raise InputError(
            f"{len(angles)} angles for {count} projections: was the scan cut short?", where=where,
            fix="Take the images as the first ones of the scan with partial=True (--partial), or give angles=.",
        )  # fmt: skip
    raise InputError(
        f"{len(angles)} angles for {count} projections", where=where,
        fix="Give one angle an image (angles=), or leave out images that are no projections.",
    )  # fmt: skip


def _without_rest(angles: np.ndarray) -> np.ndarray:
    """Angles without repetitions of the first and of the last position."""
    if len(angles) < 3:
        return angles
    steps = np.abs(np.diff(angles))
    if not (steps > 0).any():
        return angles[:1]
    moving = np.flatnonzero(steps > AT_REST * np.median(steps[steps > 0]))
    return angles[moving[0] : moving[-1] + 2]


def _unit(
    angles: np.ndarray, stated: str | None, asked: str | None, where: str
) -> tuple[np.ndarray, list[str]]:
    unit = (asked or stated or "").strip().lower()
    if unit in RADIANS:
        return np.rad2deg(angles), ["angles are in radians: turned into degrees"]
    if unit and unit not in DEGREES:
        raise InputError(
            f"angles in {unit!r}", where=where, fix='Say which they are: angle_unit="deg" or "rad".'
        )
    span = float(np.ptp(angles))
    step = span / max(len(angles) - 1, 1)
    looks = any(abs(span - turn) < 1.5 * step + 0.02 for turn in (np.pi, 2 * np.pi)) and len(angles) > 8
    if looks and not asked:
        told = "they are said to be degrees" if unit else "no unit is given"
        raise InputError(
            f"angles span {span:.3f}, which looks like radians, but {told}", where=where,
            fix='Say which they are: angle_unit="rad" or "deg" (--angle-unit).',
        )  # fmt: skip
    return angles, [] if unit else ["the file says no unit of the angles: taken as degrees"]


def _ordered(angles: np.ndarray, where: str) -> list[str]:
    """A sentence where angles are not in order (an interlaced scan); an error where single ones are out of place."""
    steps = np.diff(angles)
    if len(steps) < 2 or (steps >= 0).all() or (steps <= 0).all():
        return []
    ordered = np.sort(np.mod(angles, 360.0)) if np.ptp(angles) > 361 else np.sort(angles)
    gaps = np.diff(ordered)
    even = gaps.min() > 0.2 * np.median(gaps) and gaps.max() < 1.8 * np.median(gaps)
    usual = 1 if np.median(steps) >= 0 else -1
    back = np.flatnonzero(steps * usual < 0)
    if len(back) <= 0.05 * len(steps) and not even:
        i = int(back[0])
        raise InputError(
            f"angle {i + 1} is out of order: {angles[i]:.4g}, then {angles[i + 1]:.4g} degrees", where=where,
            fix="If the images are right, give the true angles as angles= (a file or an array).",
        )  # fmt: skip
    return [f"angles are not in order ({len(back)} steps back): images are sorted by angle"]
