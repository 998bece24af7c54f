"""A recorded current as steps of constant current that pass the same charge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from operando.core.errors import InputError

from .film_electrode_cell import Drive, Follow, Hold, Rest, Step

#: a current under this share of the largest is a rest
NO_CURRENT = 1e-3
#: a voltage that no step reaches
UNLIMITED_V = 1e9


@dataclass(frozen=True)
class Piece:
    """A step as the solver takes it: with its number, output times, and whether the experiment ends where it fails."""

    step: Hold | Drive | Rest
    number: int
    points: int
    recorded: bool = False


def check_record(step: Follow, where: str) -> None:
    """Raise `InputError` for a record that is no function of time or holds values that are not numbers."""
    time, current = np.asarray(step.time_s, float), np.asarray(step.mA_per_cm2, float)
    if time.ndim != 1 or time.shape != current.shape or not (np.diff(time) > 0).all():
        raise InputError("a record is as many currents as times, and times rise", where=where)
    if not (np.isfinite(time).all() and np.isfinite(current).all()):
        raise InputError("a record holds times and currents that are numbers", where=where)


def expanded(steps: Sequence[Step], points: int) -> list[Piece]:
    """Every step as pieces that the solver can take; a record as many as its tolerance needs."""
    found: list[Piece] = []
    for step in steps:
        number = found[-1].number + 1 if found else 0
        if not isinstance(step, Follow):
            found.append(Piece(step, number, points))
            continue
        before = None
        for hours, current in constant_currents(step.time_s, step.mA_per_cm2, step.tolerance):
            sign = np.sign(current)
            number += before is not None and sign != before
            before = sign
            one = Rest(hours) if sign == 0 else Drive(current, float(sign) * UNLIMITED_V, hours)
            found.append(Piece(one, int(number), max(3, round(points * hours / step.hours)), True))
    return found


def constant_currents(
    time_s: np.ndarray, mA_per_cm2: np.ndarray, tolerance: float
) -> list[tuple[float, float]]:
    """(hours, mA/cm2) of pieces whose charge agrees with that of the record at their ends, and nearly between.

    The charge over time is cut where it is furthest from the line between two cuts, until it is nowhere further than
    `tolerance` of its range (Ramer, Douglas, Peucker). A current under `NO_CURRENT` of the largest is zero.
    """
    time, current = np.asarray(time_s, float), np.asarray(mA_per_cm2, float)
    charge = np.concatenate([[0.0], np.cumsum(0.5 * (current[1:] + current[:-1]) * np.diff(time))])
    allowed = tolerance * max(float(np.ptp(charge)), 1e-300)
    cuts, todo = {0, len(time) - 1}, [(0, len(time) - 1)]
    while todo:
        a, b = todo.pop()
        line = charge[a] + (charge[b] - charge[a]) * (time[a : b + 1] - time[a]) / (time[b] - time[a])
        off = np.abs(charge[a : b + 1] - line)
        k = a + int(off.argmax())
        if off.max() > allowed and a < k < b:
            cuts.add(k)
            todo += [(a, k), (k, b)]
    at = np.array(sorted(cuts))
    mean = np.diff(charge[at]) / np.diff(time[at])
    mean[np.abs(mean) < NO_CURRENT * np.abs(current).max(initial=0.0)] = 0.0
    return [(float(h) / 3600, float(i)) for h, i in zip(np.diff(time[at]), mean, strict=True)]
