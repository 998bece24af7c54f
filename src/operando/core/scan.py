"""Scan: the frames of one map with what was recorded beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .frames import Frames


@dataclass(frozen=True)
class Scan:
    """One map as recorded.

    name       file and entry, for messages
    frames     its images, in order of acquisition
    x_um, z_um (frames,) motor positions in um, None where none was recorded
    started_s  start of the scan, seconds since the epoch (UTC), or None
    """

    name: str
    frames: Frames
    x_um: np.ndarray | None = None
    z_um: np.ndarray | None = None
    started_s: float | None = None
