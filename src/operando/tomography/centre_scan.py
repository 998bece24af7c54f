"""The rotation centre of a scan: reads the few images and rows that the two ways of `centre` need."""

from __future__ import annotations

import logging

import numpy as np

from ..core.projections import Projections
from .centre import GIVE, Centre, CentreError, centre_by_focus, centre_by_pairs, combine, opposite_pairs
from .correct import Correction, sinograms
from .flats import FlatPlan

log = logging.getLogger("operando.tomography")

ROWS_READ = 512  # of each opposite pair, evenly over the detector in blocks
BAND, FOCUS_ROWS = 16, 8
PLAIN = Correction(stripes="none", zinger=None)


def find_centre(
    projections: Projections, plan: FlatPlan, *, keep: np.ndarray | None = None, rows: slice = slice(None),
    tolerance_px: float = 1.0, pairs_required: bool = True, threads: int = 1,
) -> Centre:  # fmt: skip
    """Centre by opposite pairs and by focus, and how far they differ.

    `keep`: indices of the projections used, by angle. The pairs use up to 512 rows, the focus eight of the sixteen
    neighbouring rows in which most is to be seen. Without `pairs_required` a scan of less than half a turn gets the
    centre by focus alone.

    Raises `CentreError` where the two differ by more than `tolerance_px` and three joint errors, where one fails,
    or where there are no opposite images.
    """
    keep = np.argsort(projections.angles_deg, kind="stable") if keep is None else keep
    first, last, _ = rows.indices(projections.rows)
    step = max(1, -(-(last - first) // ROWS_READ))
    middle = (first + last) // 2
    half = (last - first) // (2 * step)
    shown = slice(max(first, middle - half), min(last, middle + half + 1))
    i, j, mismatch = opposite_pairs(projections.angles_deg[keep])
    estimates = []
    if len(i):
        needed, where = np.unique(np.r_[i, j], return_inverse=True)
        images = sinograms(projections, plan, shown, PLAIN, keep=keep[needed], threads=threads)
        live = np.isfinite(images[:, 0, 0])
        images = images[live]
        pairs = np.stack([images[:, where[: len(i)]], images[:, where[len(i) :]]]).transpose(2, 0, 1, 3)
        if not len(images):
            raise CentreError("no row has a live pixel", where=projections.name, fix="Check flats and darks.")
        estimates.append(centre_by_pairs(pairs, mismatch))
        band = _band(images[:, 0], np.flatnonzero(live) + shown.start, first, last)
    elif pairs_required:
        raise CentreError(
            "no two images are half a turn apart, so the centre cannot be checked",
            where=projections.name,
            fix=GIVE,
        )
    else:
        band = slice(max(first, middle - BAND // 2), min(last, middle + BAND // 2))
    seen = sinograms(projections, plan, band, PLAIN, keep=keep, threads=threads)
    seen = seen[np.isfinite(seen[:, 0, 0])][:: 2 if len(seen) > FOCUS_ROWS else 1]
    try:
        estimates.append(centre_by_focus(seen, projections.angles_deg[keep], threads=threads))
    except CentreError as error:
        found = "".join(f"; {e.way} say {e.centre:.2f} ± {e.err:.2f} px" for e in estimates)
        what = f"the rotation centre is ambiguous: {error.what}{found}"
        raise CentreError(what, where=projections.name, fix=error.fix) from error
    centre = combine(estimates, tolerance_px, projections.name)
    log.info("centre %s", centre.sentence())
    return centre


def _band(image: np.ndarray, rows: np.ndarray, first: int, last: int) -> slice:
    """The `BAND` rows of an image with the strongest smooth gradients."""
    from scipy.ndimage import gaussian_filter1d, uniform_filter1d

    strength = (gaussian_filter1d(image, 1.5, axis=1, order=1) ** 2).sum(1)
    best = int(rows[uniform_filter1d(strength, min(BAND, len(strength))).argmax()])
    start = min(max(first, best - BAND // 2), max(first, last - BAND))
    return slice(start, min(last, start + BAND))
