"""The lines that projections are in the Fourier plane of a slice: their places, weights, ramp and phases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import fft

from ..core.errors import InputError

Window = Literal["ramp", "hann", "shepp-logan", "cosine"]


@dataclass(frozen=True)
class Beams:
    """Where the lines of a scan run: what a back-projection is planned for.

    angles_deg  (angles,) x cos t + y sin t = s: t turns the sample's +x towards its +y
    columns     of the detector
    centre      column of the rotation axis (0 is the middle of the first pixel), one number or one an angle
    """

    angles_deg: np.ndarray
    columns: int
    centre: float | np.ndarray

    @property
    def centres(self) -> np.ndarray:
        return np.broadcast_to(np.asarray(self.centre, float), np.shape(self.angles_deg))

    @property
    def padded(self) -> int:
        """Length at which no lag between a pixel of the circle and one of the detector wraps around."""
        far = max(self.centres.max() + 0.5, self.columns - 0.5 - self.centres.min())
        return fft.next_fast_len(int(np.ceil(self.columns + 2 * far)))

    @property
    def circle_px(self) -> float:
        """Radius within which every angle sees the sample, pixels."""
        return float(min(self.centres.min() + 0.5, self.columns - 0.5 - self.centres.max()))


def angle_weights(angles_deg: np.ndarray) -> np.ndarray:
    """(angles,) radians of a half turn that each angle stands for: half the gaps to its neighbours, modulo 180.

    Their sum is pi for a full half turn. A gap of over three times the median counts as three times: a missing wedge
    is not made up by its borders.
    """
    turned = np.mod(np.asarray(angles_deg, float), 180.0)
    order = np.argsort(turned, kind="stable")
    gaps = np.diff(turned[order], append=turned[order[0]] + 180.0)
    usual = float(np.median(gaps[gaps > 1e-6])) if (gaps > 1e-6).any() else 180.0
    gaps = np.minimum(gaps, 3 * usual) if len(gaps) > 3 else gaps
    weights = np.empty(len(turned))
    weights[order] = np.deg2rad(0.5 * (gaps + np.roll(gaps, 1)))
    return weights


def ramp_filter(length: int, window: Window = "ramp") -> np.ndarray:
    """(length,) transfer function |v| (cycles/pixel) of the ramp sampled in real space, times a window.

    h[0] = 1/4, h[odd n] = -1 / (pi n)^2, else 0. Raises `InputError` for an unknown window.
    """
    n = np.rint(fft.fftfreq(length, 1 / length)).astype(int)
    h = np.zeros(length)
    h[0] = 0.25
    odd = n % 2 != 0
    h[odd] = -1 / (np.pi * n[odd]) ** 2
    v = fft.fftfreq(length)
    windows = {
        "ramp": np.ones(length), "hann": 0.5 + 0.5 * np.cos(2 * np.pi * v),
        "shepp-logan": np.sinc(v), "cosine": np.cos(np.pi * v),
    }  # fmt: skip
    if window not in windows:
        raise InputError(f"no filter called {window!r}", fix=f"Choose one of: {', '.join(windows)}.")
    return fft.fft(h).real * windows[window]


def spectrum_factor(beams: Beams, window: Window, first: tuple[float, float]) -> np.ndarray:
    """(angles, padded) complex64: ramp, weight of the angle, and the phase that moves the grid to its place.

    `first`: (y, x) of the sample, pixels from the axis, at which the grid's mode zero lies.
    """
    length = beams.padded
    v = fft.fftfreq(length)
    turn = np.deg2rad(beams.angles_deg)
    place = beams.centres + first[1] * np.cos(turn) + first[0] * np.sin(turn)
    ramp = ramp_filter(length, window) / length
    if length % 2 == 0:
        ramp[length // 2] = 0.0  # has no partner: would mix the two slices of a pair
    factor = np.empty((len(turn), length), np.complex64)
    for i, (s, w) in enumerate(zip(place, angle_weights(beams.angles_deg), strict=True)):
        factor[i] = w * ramp * np.exp(2j * np.pi * v * s)
    return factor


def frequencies(beams: Beams) -> tuple[np.ndarray, np.ndarray]:
    """(angles x padded,) float32 radians a pixel along y and x of every Fourier sample."""
    v = 2 * np.pi * fft.fftfreq(beams.padded)
    turn = np.deg2rad(beams.angles_deg)
    along_y, along_x = (np.outer(f(turn), v).astype(np.float32).reshape(-1) for f in (np.sin, np.cos))
    return along_y, along_x
