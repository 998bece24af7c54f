"""Charge sharing in a pixelated sensor: events of touching pixels are added up, or left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import xarray as xr

from ..core.errors import InputError

MOST = 9


def share_events(
    frames: Iterable[np.ndarray] | np.ndarray, calibration: xr.Dataset, energy_keV: np.ndarray, *,
    threshold_keV: float = 3.0, mode: Literal["addition", "discrimination"] = "addition",
    good: np.ndarray | None = None, largest: int = 4,
) -> xr.Dataset:  # fmt: skip
    """Histograms of energy from raw frames, with charge that was shared between pixels put right.

    frames       (frame, y, x) raw values, or blocks of them; zero: nothing happened
    calibration  (y, x): `gain` (keV a raw unit) and `lower` (keV at raw value zero)
    energy_keV   middles of the bins of the result, even
    mode         "addition": pixels over the threshold that touch are one photon, whose energy is their sum and
                 whose place the pixel with most; "discrimination": only photons that stayed in one pixel are kept
    good         (y, x) pixels to use
    largest      clusters of more pixels are left out (two photons, or a cosmic ray)

    Addition keeps all photons but loses what falls below the threshold or between pixels, so energies of shared events
    are some 0.1-1 keV low; discrimination has the better resolution and fewer counts. Returns `counts` (y, x,
    energy) and `cluster_sizes` (how many events of each number of pixels). Raises `InputError` for frames of
    another size.
    """
    from ._sharing_kernels import share_histogram

    if mode not in ("addition", "discrimination"):
        raise InputError(f"mode is addition or discrimination, not {mode!r}", where="share_events")
    if threshold_keV <= 0:
        raise InputError(
            "the threshold must be above zero, or noise makes one cluster of all", where="share_events"
        )
    gain, lower = calibration["gain"].values.astype(float), calibration["lower"].values.astype(float)
    use = np.isfinite(gain) & np.isfinite(lower) & (np.ones(gain.shape, bool) if good is None else good)
    width = float(energy_keV[1] - energy_keV[0])
    histogram = np.zeros((*gain.shape, len(energy_keV)), np.uint32)
    tally = np.zeros(MOST + 1, np.int64)
    for block in [frames] if isinstance(frames, np.ndarray) else frames:
        if block.ndim != 3 or block.shape[1:] != gain.shape:
            raise InputError(
                f"frames of {block.shape[1:]} pixels, calibration of {gain.shape}", where="share_events",
                fix="Axes are frame, y, x.",
            )  # fmt: skip
        share_histogram(
            block, np.where(use, gain, 0.0), np.where(use, lower, 0.0), use, threshold_keV, mode == "addition", largest,
            float(energy_keV[0]) - width / 2, width, histogram, tally,
        )  # fmt: skip
    data = {
        "counts": (("y", "x", "energy"), histogram, {"units": "counts", "long_name": "photons"}),
        "cluster_sizes": ("pixels", tally, {"units": "counts", "long_name": "events of so many pixels"}),
    }
    return xr.Dataset(
        data, {"energy": ("energy", np.asarray(energy_keV), {"units": "keV"}), "pixels": np.arange(MOST + 1)},
        attrs={"mode": mode, "threshold_keV": threshold_keV},
    )  # fmt: skip
