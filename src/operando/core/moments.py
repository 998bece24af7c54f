"""Moments as numbers: seconds since the epoch (UTC) that an instrument can have recorded, and as ISO 8601."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import numpy as np

log = logging.getLogger(__name__)

LATEST_S = 4_102_444_800.0  # the year 2100: what is later, or before 1970, is a damaged record


def moment(seconds: float) -> str:
    """ISO 8601 of seconds since the epoch; "" where they are not finite or no moment of our time."""
    known = np.isfinite(seconds) and 0 <= seconds <= LATEST_S
    return datetime.fromtimestamp(float(seconds), UTC).isoformat() if known else ""


def recorded_moments(seconds: np.ndarray | None, where: str) -> np.ndarray | None:
    """(n,) seconds since the epoch as read, NaN and a warning where they are none; None where nothing is left."""
    if seconds is None:
        return None
    seconds = np.asarray(seconds, float)
    with np.errstate(invalid="ignore"):
        wrong = np.isfinite(seconds) & ~((seconds >= 0) & (seconds <= LATEST_S))
    if wrong.any():
        log.warning(
            "%s: %d of %d times lie before 1970 or after 2100 (first: frame %d): taken as unknown",
            where, wrong.sum(), len(seconds), int(wrong.argmax()),
        )  # fmt: skip
        seconds = np.where(wrong, np.nan, seconds)
    return seconds if np.isfinite(seconds).any() else None
