"""Which projections of a scan can be used: those with beam, over a whole half turn."""

from __future__ import annotations

import numpy as np

from ..core.errors import InputError
from ..core.projections import Projections
from .flats import FlatPlan, flat_field

LOST = 0.03  # of the usual brightness: an image below it had no beam, or was never written
ROWS = 8


def usable(
    projections: Projections, plan: FlatPlan, *, partial: bool = False
) -> tuple[np.ndarray, list[str]]:
    """Indices of the projections that were truly taken, in order of angle, and sentences on those left out.

    An image without beam is left out; when the last ones have none, the scan was cut short. Raises `InputError` then,
    and where the angles leave a gap in the half turn; with `partial` both are only said.
    """
    level = brightness(projections, plan)
    lost = ~(
        level > LOST * np.nanmedian(level[level > 0]) if (level > 0).any() else np.zeros(len(level), bool)
    )
    if lost.all():
        raise InputError("no projection has beam", where=projections.name, fix="Was the shutter open?")
    notes = []
    tail = len(lost) - 1 - int(np.flatnonzero(~lost)[-1])
    if tail > 1:
        what = f"scan cut short: the last {tail} of {len(lost)} projections are empty"
        if not partial:
            raise InputError(what, where=projections.name, fix=PARTIAL)
        notes.append(what)
    inside = int(lost.sum()) - (tail if tail > 1 else 0)
    if inside:
        notes.append(f"{inside} projections without beam are left out")
    keep = np.flatnonzero(~lost)
    keep = keep[np.argsort(projections.angles_deg[keep], kind="stable")]
    gap, step = widest_gap(projections.angles_deg[keep])
    if gap > max(5 * step, 3.0):
        what = f"angles leave a gap of {gap:.1f} degrees in the half turn (step {step:.3g})"
        if not partial:
            raise InputError(what, where=projections.name, fix=PARTIAL)
        notes.append(f"{what}: edges along it are blurred and values there are wrong")
    return keep, notes


PARTIAL = "Repeat the scan, or reconstruct what is there with partial=True (--partial): with streaks and wrong values."


def widest_gap(angles_deg: np.ndarray) -> tuple[float, float]:
    """Widest and median gap between neighbouring angles modulo half a turn, degrees."""
    turned = np.sort(np.mod(angles_deg, 180.0))
    gaps = np.diff(turned, append=turned[0] + 180.0)
    apart = gaps[gaps > 1e-6]
    return float(gaps.max()), float(np.median(apart)) if len(apart) else 0.0


def brightness(projections: Projections, plan: FlatPlan) -> np.ndarray:
    """(projections,) mean of counts without dark over a few rows in the middle."""
    middle = projections.rows // 2
    rows = slice(max(0, middle - ROWS // 2), min(projections.rows, middle + ROWS // 2))
    dark = flat_field(projections, plan, rows).dark
    piece = max(1, int(32e6 / (ROWS * projections.columns * projections.images.dtype.itemsize)))
    level = [
        (projections.images.read(slice(k, k + piece), rows) - dark).mean((1, 2), dtype=float)
        for k in range(0, len(projections), piece)
    ]
    return np.concatenate(level)
