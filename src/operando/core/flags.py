"""Why a value is missing or not to be trusted: one bit a reason, the same everywhere."""

from __future__ import annotations

from enum import IntFlag

import numpy as np
import xarray as xr


class Flag(IntFlag):
    """Reasons, as bits of an integer variable `<name>_flag`. Zero is a good value."""

    OK = 0
    NO_DATA = 1  # no frame was recorded here, or every pixel that counts is dead
    TOO_FEW_COUNTS = 2  # the signal is below the stated limit
    WINDOW_EDGE = 4  # the fitted position lies at the edge of its window
    CUT_BY_GAP = 8  # a module gap, the beam stop or a shadow removes part of the peak
    NOT_CONVERGED = 16
    MONITOR_LOST = 32  # the beam monitor read zero or nothing
    POOR_FIT = 64  # goodness of fit outside the stated limits
    OUTSIDE_CALIBRATION = 128
    SATURATED = 256
    BEFORE_RECORD = 512  # the cycler had not begun
    AFTER_RECORD = 1024  # the cycler had ended


#: flags under which a value is absent (NaN), as opposed to present but doubtful
MEANINGS = " ".join(str(flag.name).lower() for flag in Flag if flag)
MASKS = np.array([int(flag) for flag in Flag if flag], dtype=np.uint16)


def flag_variable(values: np.ndarray, dims: tuple[str, ...]) -> xr.DataArray:
    """Wrap integer flags as a variable that explains itself (CF `flag_masks`, `flag_meanings`)."""
    return xr.DataArray(
        np.asarray(values, np.uint16), dims=dims, attrs={"flag_masks": MASKS, "flag_meanings": MEANINGS}
    )


def count_flags(values) -> dict[str, int]:
    """How often each reason occurs in an array of flags, reasons that do not occur left out."""
    values = np.asarray(values)
    counts = {str(flag.name).lower(): int(((values & int(flag)) != 0).sum()) for flag in Flag if flag}
    return {name: count for name, count in counts.items() if count}
