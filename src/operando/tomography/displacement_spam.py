"""Displacement by `spam` (Stamati et al., JOSS 2020; GPL-3, extra `spam`): another program's answer beside ours."""

from __future__ import annotations

import contextlib
import io

import numpy as np

from ..core.errors import require_extra
from ..core.flags import Flag


def refine_by_spam(
    first: np.ndarray, second: np.ndarray, corners: np.ndarray, shifts: np.ndarray, window: int
) -> tuple[np.ndarray, np.ndarray]:
    """Displacement (voxels; z, y, x) of each window by spam's local correlation from the given whole-voxel shifts.

    first, second   (z, y, x) float32; corners, shifts (n, 3) of the windows of `window` voxels

    spam fits a linear deformation in each window (F and translation) and gives no error: the flag has NOT_CONVERGED
    where its return status is not 2. Raises `ExtraMissing` where spam is not installed.
    """
    dic = require_extra("spam.DIC", "spam", "displacement by spam")
    half = window // 2
    start = np.tile(np.eye(4), (len(corners), 1, 1))
    start[:, :3, 3] = np.rint(shifts)
    with contextlib.redirect_stdout(io.StringIO()):
        found, status, *_ = dic.ldic(
            first, second, (corners + half).astype(int), np.full(3, half), processes=1, PhiField=start,
            interpolationOrder=1, deltaPhiMin=1e-4, maxIterations=50,
        )  # fmt: skip
    return found[:, :3, 3], np.where(np.asarray(status) == 2, 0, int(Flag.NOT_CONVERGED))
