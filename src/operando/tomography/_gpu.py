"""The same transform on a GPU through cufinufft and cupy, where they are installed."""

from __future__ import annotations

import numpy as np

from ..core.errors import require_extra

PURPOSE = "reconstruction on a GPU"


def available() -> bool:
    """Whether cufinufft and cupy can be imported and a device answers."""
    try:
        import cufinufft  # noqa: F401
        import cupy

        return int(cupy.cuda.runtime.getDeviceCount()) > 0
    except Exception:  # a driver that is missing or too old shows itself in many ways
        return False


class GpuPlan:
    """FFT along the detector, filter and non-uniform FFT of one pair of slices, all on the device."""

    def __init__(self, shape: tuple[int, int], points, factor: np.ndarray, tolerance: float) -> None:
        self.cupy = require_extra("cupy", "tomo", PURPOSE)
        cufinufft = require_extra("cufinufft", "tomo", PURPOSE)
        self.factor = self.cupy.asarray(factor)
        self.plan = cufinufft.Plan(1, shape, n_trans=1, eps=tolerance, isign=1, dtype="complex64")
        self.points = [self.cupy.asarray(p) for p in points]
        self.plan.setpts(*self.points)

    def __call__(self, padded: np.ndarray) -> np.ndarray:
        """(angles, columns or padded) complex64 of two slices to (y, x) complex64."""
        spectrum = self.cupy.fft.fft(self.cupy.asarray(padded), n=self.factor.shape[1], axis=1)
        spectrum = (spectrum * self.factor).astype(np.complex64)
        return self.cupy.asnumpy(self.plan.execute(spectrum.reshape(-1)))
