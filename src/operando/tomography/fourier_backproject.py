"""Filtered back-projection by the non-uniform FFT.

By the slice theorem the Fourier transform of a projection at angle t is a radial line of the transform of the slice,
so   mu(x, y) = sum over t of w_t sum over v of |v| P_t(v) exp(2 pi i v (x cos t + y sin t))
is one non-uniform FFT of type 1 (finufft). The operator is real, so two slices travel as real and imaginary part of
one complex transform. The ramp |v| is the transform of its exact samples in real space (Kak and Slaney 1988,
eq. 3.29), which keeps the mean right; projections are padded so that the filter does not wrap around inside the circle
that every angle sees. Centre, half pixels of even sizes and the place of a region are phases: nothing is interpolated.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Literal

import numpy as np
from scipy import fft

from ..core.errors import InputError, require_extra
from .fourier_lines import Beams, Window, frequencies, spectrum_factor

Region = tuple[int, int, int, int]
MEASURE_FROM = 64  # pairs of slices from which a search for the fastest FFT pays
CM_PER_UM = 1e-4
EDGE_COLUMNS = 4  # whose mean continues a projection: one alone is noise


class Backprojector:
    """Filtered back-projection of many slices of one scan: plans are made once and used by all.

    region     (first y, end y, first x, end x), pixels of the full square of `columns` x `columns`, whose middle
               is the rotation axis; None is the whole square
    pixel_um   gives 1/cm; None gives 1/pixel
    edge       "extend": projections go on with their edge values, which takes away most of the bright rim where the
               sample is larger than the field of view or the air is not at zero (values are shifted all the same);
               "zero": nothing is there
    tolerance  relative error of the non-uniform FFT
    threads    worker threads, each with its own plan (`plan_bytes` each)
    device     "cpu", or "gpu" (cufinufft and cupy)

    Raises `InputError` for a centre off the detector or a region outside the square.
    """

    def __init__(
        self, beams: Beams, *, region: Region | None = None, pixel_um: float | None = None, window: Window = "ramp",
        edge: Literal["extend", "zero"] = "extend", tolerance: float = 1e-3, threads: int = 1, device: str = "cpu",
        slices: int = 1,
    ) -> None:  # fmt: skip
        _check_centre(beams)
        if edge not in ("extend", "zero"):
            raise InputError(f"no edge called {edge!r}", fix="Choose extend or zero.")
        self.beams, self.edge, self.threads = beams, edge, max(1, threads)
        self.region = check_region(region, beams.columns)
        y0, y1, x0, x1 = self.region
        self.shape = (y1 - y0, x1 - x0)
        middle = (beams.columns - 1) / 2
        first = (y0 + self.shape[0] // 2 - middle, x0 + self.shape[1] // 2 - middle)
        self.factor = spectrum_factor(beams, window, first)
        if pixel_um is not None:
            self.factor /= np.float32(pixel_um * CM_PER_UM)
        points = frequencies(beams)
        self._gpu = None
        if device == "gpu":
            from ._gpu import GpuPlan

            self._gpu = GpuPlan(self.shape, points, self.factor, tolerance)
            self.threads = 1
        else:
            measure = slices >= 2 * MEASURE_FROM * self.threads
            self._plans: SimpleQueue = SimpleQueue()
            for _ in range(self.threads):
                self._plans.put(_plan(self.shape, points, tolerance, measure))

    def __call__(self, sinograms: np.ndarray) -> np.ndarray:
        """(slices, angles, columns) line integrals to (slices, y, x) float32."""
        out = np.empty((len(sinograms), *self.shape), np.float32)
        for start, slices in self.stream(sinograms):
            out[start : start + len(slices)] = slices
        return out

    def stream(self, sinograms: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """(first slice, one or two slices) as they become ready, in order."""
        starts = range(0, len(sinograms), 2)
        if self.threads == 1:
            for start in starts:
                yield start, self._pair(sinograms[start : start + 2])
            return
        with ThreadPoolExecutor(self.threads) as pool:
            pairs = pool.map(lambda start: self._pair(sinograms[start : start + 2]), starts)
            yield from zip(starts, pairs, strict=True)

    def _pair(self, pair: np.ndarray) -> np.ndarray:
        padded = pad_pair(pair, self.beams.padded, self.edge)
        if self._gpu is not None:
            image = self._gpu(padded)
        else:
            spectrum = fft.fft(padded, n=self.beams.padded, axis=1, overwrite_x=True)
            spectrum *= self.factor
            plan = self._plans.get()
            try:
                image = plan.execute(spectrum.reshape(-1))
            finally:
                self._plans.put(plan)
        slices = np.empty((len(pair), *self.shape), np.float32)
        slices[0] = image.real
        if len(pair) == 2:
            slices[1] = image.imag
        return slices


def backproject(
    sinograms: np.ndarray, angles_deg: np.ndarray, centre: float | np.ndarray, **options
) -> np.ndarray:  # fmt: skip
    """Slices of line integrals: (slices, angles, columns), or one (angles, columns), to (slices, y, x) float32.

    Options are those of `Backprojector`. The axis lies at pixel ((columns - 1) / 2, (columns - 1) / 2); y grows with
    the row index. Values in 1/cm with `pixel_um`, else 1/pixel.
    """
    sinograms = np.asarray(sinograms)
    many = sinograms if sinograms.ndim == 3 else sinograms[None]
    if many.shape[1] != len(angles_deg):
        raise InputError(
            f"{len(angles_deg)} angles for sinograms of {many.shape[1]}",
            fix="Axes are (slices, angles, columns).",
        )
    slices = Backprojector(Beams(np.asarray(angles_deg, float), many.shape[2], centre), **options)(many)
    return slices if sinograms.ndim == 3 else slices[0]


def pad_pair(pair: np.ndarray, length: int, edge: str) -> np.ndarray:
    """One or two real sinograms as one complex64 array; padded to `length` where edges are extended."""
    angles, columns = pair.shape[1:]
    out = np.zeros((angles, columns if edge == "zero" else length), np.complex64)
    out.real[:, :columns] = pair[0]
    if len(pair) == 2:
        out.imag[:, :columns] = pair[1]
    if edge == "extend":  # from the last pixel to the first, round the back
        away = (np.arange(length - columns) + 1) / (length - columns + 1)
        step = 3 * away**2 - 2 * away**3
        near = min(EDGE_COLUMNS, columns)
        end, begin = (
            out[:, part].mean(1, keepdims=True) for part in (np.s_[columns - near : columns], np.s_[:near])
        )
        out[:, columns:] = end * (1 - step) + begin * step
    return out


def check_region(region: Region | None, columns: int) -> Region:
    """`region` or the whole square. Raises `InputError` for one that is empty or reaches out of it."""
    if region is None:
        return (0, columns, 0, columns)
    y0, y1, x0, x1 = (int(v) for v in region)
    if not (0 <= y0 < y1 <= columns and 0 <= x0 < x1 <= columns):
        raise InputError(
            f"region {tuple(region)} is empty or outside the slice of {columns} x {columns}",
            fix="Give first row, end row, first column, end column.",
        )
    return y0, y1, x0, x1


def outside_circle(columns: int, region: Region, radius_px: float) -> np.ndarray:
    """(y, x) bool: pixels that some angles do not see."""
    y0, y1, x0, x1 = region
    middle = (columns - 1) / 2
    y, x = np.arange(y0, y1) - middle, np.arange(x0, x1) - middle
    return np.add.outer(y**2, x**2) > radius_px**2


def _plan(shape: tuple[int, int], points: tuple[np.ndarray, np.ndarray], tolerance: float, measure: bool):
    finufft = require_extra("finufft", "tomo", "reconstruction")
    plan = finufft.Plan(
        1, shape, n_trans=1, eps=tolerance, isign=1, dtype="complex64", nthreads=1, upsampfac=1.25,
        spread_sort=1, fftw=0 if measure else 64,
    )  # fmt: skip
    plan.setpts(*points)
    return plan


def _check_centre(beams: Beams) -> None:
    low, high = beams.centres.min(), beams.centres.max()
    if not (0.2 * beams.columns < low and high < 0.8 * beams.columns):
        raise InputError(
            f"the rotation axis at column {low:.1f} is far from the middle of {beams.columns} columns",
            fix="Give another centre. Scans with the axis near one side (half acquisition) are not supported.",
        )
