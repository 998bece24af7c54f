"""Is the image turned as the geometry says? Looked at before hours are spent on a wrong flip."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from operando import diffraction, stream
from operando.core import FrameRange, Scan
from operando.core.errors import InputError

from .plan import Plan

if TYPE_CHECKING:
    from .running import Run

log = logging.getLogger("operando.flow")

#: frames, spread over the first scan, whose sum is looked at
LOOKED_AT = 16


def check_flip(job: Run, plan: Plan, scan: Scan) -> None:
    """Say so in the notes when rings would be sharper under another flip of the stored image."""
    try:
        found = diffraction.check_orientation(_sample(scan), plan.geometry, mask=plan.mask)
    except InputError as error:  # too few live pixels to tell
        log.info("orientation not checked: %s", error.what)
        return
    log.info("orientation %s: %s", found.verdict, found.message)
    if found.verdict == "wrong":
        job.listener.say("geometry", found.message)
        job.notes.insert(0, f"{found.message}: check xrd.flip and xrd.orientation")


def _sample(scan: Scan) -> np.ndarray:
    """Sum of a few frames of a scan, dead pixels zero, (rows, columns)."""
    places = np.unique(np.linspace(0, len(scan.frames) - 1, LOOKED_AT).astype(int))
    total: np.ndarray | int = 0
    for place in places:  # one image at a time: of 4 megapixels each result is 100 MB
        one = stream.run([stream.FrameSum()], FrameRange(scan.frames, int(place), int(place) + 1))
        total = total + one["frame_sum"].signal.values
    return np.asarray(total)
