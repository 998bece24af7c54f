"""Line integrals of slices by the non-uniform FFT: the counterpart of `fourier_backproject`, on the same lines.

By the slice theorem the transform of a projection is a radial line of the transform of the slice, so line integrals
are a non-uniform FFT of type 2 and short transforms back. A filtered back-projection of them gives the slice again.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from ..core.errors import require_extra
from .fourier_lines import Beams, frequencies

CM_PER_UM = 1e-4


class Projector:
    """Line integrals of whole squares of `columns` x `columns` pixels, whose middle is the rotation axis.

    pixel_um   slices in 1/cm give pure numbers; None: slices in 1/pixel
    tolerance  relative error of the non-uniform FFT

    A pixel counts as a point that is smoothed to the resolution of the grid. The slice must vanish at its border.
    """

    def __init__(self, beams: Beams, *, pixel_um: float | None = None, tolerance: float = 1e-3) -> None:
        finufft = require_extra("finufft", "tomo", "projection of a volume")
        self.beams, self.shape = beams, (beams.columns, beams.columns)
        length = beams.padded
        v, turn = fft.fftfreq(length), np.deg2rad(beams.angles_deg)
        first = beams.columns // 2 - (beams.columns - 1) / 2
        place = beams.centres + first * (np.cos(turn) + np.sin(turn))
        step = 1.0 if pixel_um is None else pixel_um * CM_PER_UM
        self.factor = (step * np.exp(-2j * np.pi * np.outer(place, v))).astype(np.complex64)
        if length % 2 == 0:
            self.factor[:, length // 2] = 0
        self._plan = finufft.Plan(
            2, self.shape, n_trans=1, eps=tolerance, isign=-1, dtype="complex64", nthreads=1, upsampfac=1.25,
            spread_sort=1,
        )  # fmt: skip
        self._plan.setpts(*frequencies(beams))

    def __call__(self, slices: np.ndarray) -> np.ndarray:
        """(slices, y, x) to (slices, angles, columns) float32, two slices in one complex transform."""
        out = np.empty((len(slices), len(self.beams.angles_deg), self.beams.columns), np.float32)
        for start in range(0, len(slices), 2):
            pair = slices[start].astype(np.complex64)
            if start + 1 < len(slices):
                pair.imag = slices[start + 1]
            lines = self._plan.execute(pair).reshape(self.factor.shape) * self.factor
            along = fft.ifft(lines, axis=1, overwrite_x=True)[:, : self.beams.columns]
            out[start] = along.real
            if start + 1 < len(slices):
                out[start + 1] = along.imag
        return out
