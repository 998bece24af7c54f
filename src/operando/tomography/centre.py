"""The rotation centre found by two independent ways, and the error where they do not agree.

Pairs: images half a turn apart are mirror images of each other about the axis; they are registered to a fraction of a
pixel. Focus: slices are reconstructed at trial centres, and the sharpest wins. The first looks at few images and
knows nothing of reconstruction, the second uses all angles of a few slices.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter, median_filter

from ..core.errors import InputError
from .fourier_backproject import Backprojector
from .fourier_lines import Beams

log = logging.getLogger("operando.tomography")

MOST_PAIRS = 40
SMOOTH_PX = 1.5  # of images before registration: noise above that carries no position
BLUR_PX = 2.0  # of slices before their sharpness is taken: else the noise is what is sharp
COARSE_WIDTH, FINE_WIDTH = 256, 1024
SMALLEST_ERR_PX = 0.02
BACKGROUND = 11  # trial centres whose median is what a peak stands on
SECOND = 0.5  # of the peak: another one as high, elsewhere, makes the focus ambiguous


class CentreError(InputError):
    """No centre of rotation can be told from these data."""


@dataclass(frozen=True)
class Estimate:
    """A centre (column, 0 is the middle of the first pixel) with its 1-sigma error, both in pixels."""

    centre: float
    err: float
    way: str


@dataclass(frozen=True)
class Centre:
    """What was found: `value` with error, each way's own estimate, and by how much they differ (pixels)."""

    value: float
    err: float
    estimates: tuple[Estimate, ...]

    @property
    def disagreement(self) -> float:
        found = [e.centre for e in self.estimates]
        return max(found) - min(found) if found else 0.0

    def sentence(self) -> str:
        if not self.estimates:
            return f"{self.value:.2f} px (given)"
        ways = ", ".join(f"{e.way} {e.centre:.2f} ± {e.err:.2f}" for e in self.estimates)
        return f"{self.value:.2f} ± {self.err:.2f} px ({ways}; they differ by {self.disagreement:.2f})"


def opposite_pairs(angles_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images about half a turn apart: indices, indices, and how far from half a turn (degrees).

    Within three steps of it, the best pair of each image first, at most `MOST_PAIRS`; all pairs within where only
    the ends of a half turn meet.
    """
    angles = np.asarray(angles_deg, float)
    step = np.median(np.diff(np.sort(angles))) or 1.0
    off = np.mod(angles[None, :] - angles[:, None] - 180.0 + 180.0, 360.0) - 180.0
    i, j = np.nonzero(np.abs(off) <= 3.01 * max(step, 1e-6))
    once = i < j
    i, j = i[once], j[once]
    m = off[i, j]
    order = np.argsort(np.abs(m), kind="stable")
    if len(order) > MOST_PAIRS:  # a whole turn: the best ones, spread over it
        best = order[np.abs(m[order]) <= np.abs(m[order[0]]) + 0.5 * step]
        order = best[np.linspace(0, len(best) - 1, min(MOST_PAIRS, len(best))).astype(int)]
    return i[order], j[order], m[order]


def mirror_shift(image: np.ndarray, opposite: np.ndarray) -> tuple[float, np.ndarray]:
    """Columns d by which the mirrored opposite image is shifted, mirrored[k] = image[k + d]; and d of groups of rows.

    image, opposite (rows, columns). The maximum of the cross-correlation of smoothed gradients along the rows,
    evaluated between pixels as the trigonometric polynomial that it is.
    """
    columns = image.shape[1]
    mirrored = opposite[:, ::-1]
    shift, groups = _correlate(image, mirrored, 0.6 * columns)
    for _ in range(3):  # again on what both see: windows that cut the sample unevenly pull towards zero
        whole = int(np.rint(shift))
        both = slice(max(0, -whole), min(columns, columns - whole))
        moved = slice(both.start + whole, both.stop + whole)
        if both.stop - both.start < 8:
            break
        rest, groups = _correlate(image[:, moved], mirrored[:, both], 3.0)
        shift, groups = whole + rest, whole + groups
        if abs(rest) <= 0.5:
            break
    return shift, groups


def _correlate(image: np.ndarray, other: np.ndarray, furthest: float) -> tuple[float, np.ndarray]:
    """Shift of largest correlation, of all rows together and of up to eight groups of rows."""
    rows, columns = image.shape
    length = fft.next_fast_len(2 * columns)
    v = fft.rfftfreq(length)
    band = (2 * np.pi * v) ** 2 * np.exp(-((2 * np.pi * v * SMOOTH_PX) ** 2))
    a, b = (fft.rfft(_tapered(x), length, axis=1) for x in (image, other))
    cross = a * b.conj() * band
    whole = _peak(cross.sum(0), v, length, furthest)
    groups = np.array_split(np.arange(rows), min(rows, 8))
    return whole, np.array([_peak(cross[g].sum(0), v, length, 3.0, near=whole) for g in groups])


def _tapered(image: np.ndarray) -> np.ndarray:
    """Means taken off, borders brought to zero over an eighth of the width: a cut sample has no edge there."""
    n = image.shape[1]
    edge = max(1, n // 8)
    window = np.ones(n)
    window[:edge] = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
    window[-edge:] = window[:edge][::-1]
    border = 0.5 * (image[:, :1] + image[:, -1:])
    return (image - border) * window


def _peak(spectrum: np.ndarray, v: np.ndarray, length: int, furthest: float, near: float = 0.0) -> float:
    """Where sum of spectrum exp(2 pi i v d) is largest, by search on whole pixels and Newton steps from there."""
    curve = fft.irfft(spectrum, length)
    d = np.rint(fft.fftfreq(length, 1 / length))
    allowed = np.abs(d - near) <= furthest
    at = float(d[np.where(allowed, curve, -np.inf).argmax()])
    w = 2 * np.pi * v
    for _ in range(20):
        wave = spectrum * np.exp(1j * w * at)
        slope, bend = -(w * wave.imag).sum(), -(w * w * wave.real).sum()
        if bend >= 0:
            break
        step = float(np.clip(-slope / bend, -0.5, 0.5))
        at += step
        if abs(step) < 1e-4:
            break
    return at


def centre_by_pairs(images: np.ndarray, mismatch_deg: np.ndarray) -> Estimate:
    """Centre from pairs of opposite images, (pairs, 2, rows, columns) of attenuation.

    The sample turns on by the mismatch between the two images of a pair, which moves the match in proportion: the
    centre is that of a straight line in the mismatch at zero. The error is from the scatter of pairs and of rows.
    """
    columns = images.shape[-1]
    found = [mirror_shift(a, b) for a, b in images]
    shift, groups = np.array([f[0] for f in found]), np.array([f[1] for f in found])
    m = np.asarray(mismatch_deg, float)
    spread = np.ptp(m)
    design = np.stack([np.ones(len(m)), m], 1) if spread > 1e-3 and len(m) > 2 else np.ones((len(m), 1))
    solve = np.linalg.pinv(design)[0]
    of_rows = solve @ groups
    rows_err = of_rows.std(ddof=1) / np.sqrt(len(of_rows)) if len(of_rows) > 1 else 0.0
    left = shift - design @ (np.linalg.pinv(design) @ shift)
    free = len(m) - design.shape[1]
    pairs_err = np.sqrt((left**2).sum() / free) * np.linalg.norm(solve) if free > 0 else 0.0
    centre = 0.5 * (float(solve @ shift) + columns - 1)
    return Estimate(centre, max(0.5 * float(np.hypot(rows_err, pairs_err)), SMALLEST_ERR_PX), "pairs")


def sharpness(slices: np.ndarray, blur_px: float) -> np.ndarray:
    """(slices,) sum of |gradient|^3 of each blurred slice (slices, y, x): edges that are spread out give less."""
    smooth = gaussian_filter(slices, (0, blur_px, blur_px))
    gy, gx = np.gradient(smooth, axis=(1, 2))
    return ((gy**2 + gx**2) ** 1.5).sum((1, 2), dtype=float)


def centre_by_focus(sinograms: np.ndarray, angles_deg: np.ndarray, *, threads: int = 1) -> Estimate:
    """Centre from the sharpest reconstruction of a few slices, (slices, angles, columns) of attenuation.

    Searched over the middle 30 % of the columns at low resolution, then to a fraction of a pixel. The error is from
    the scatter of the slices. Raises `CentreError` where nothing stands out or the best is at the end of the search.
    """
    columns = sinograms.shape[-1]
    coarse = max(1, columns // COARSE_WIDTH)
    grid = np.arange(0.35 * columns, 0.65 * columns, coarse)
    few = max(1, len(angles_deg) // 360)
    curve = _focus_curve(sinograms[:4, ::few], angles_deg[::few], grid, coarse, threads).sum(0)
    above = curve - median_filter(curve, BACKGROUND, mode="nearest")
    best = int(above.argmax())
    others = above[np.abs(np.arange(len(grid)) - best) > BACKGROUND // 2]
    if best in (0, len(grid) - 1) or above[best] <= 0 or others.max(initial=0.0) > SECOND * above[best]:
        raise CentreError("no trial centre gives a sharper slice than the others", fix=GIVE)
    fine = max(1, columns // FINE_WIDTH)
    near = grid[best]
    for half_width in (1.5 * coarse, 1.0 * fine):
        trial = near + half_width * np.linspace(-1, 1, 9)
        each = _focus_curve(sinograms, angles_deg, trial, fine, threads)
        near = float(np.clip(_vertex(trial, each.sum(0)), trial[0], trial[-1]))
    alone = np.clip([_vertex(trial, c) for c in each], trial[0], trial[-1])  # a flat curve has no top
    err = float(alone.std(ddof=1) / np.sqrt(len(alone))) if len(alone) > 1 else 0.0
    return Estimate(near, max(err, SMALLEST_ERR_PX), "focus")


def _vertex(x: np.ndarray, y: np.ndarray) -> float:
    """Highest point of the parabola through nine points; the highest point itself where it does not bend down."""
    a, b, _ = np.polyfit(x - x.mean(), y / np.abs(y).max(), 2)
    return float(x.mean() - b / (2 * a)) if a < 0 else float(x[y.argmax()])


def _focus_curve(sinograms, angles_deg, centres: np.ndarray, bins: int, threads: int) -> np.ndarray:
    """(slices, centres) sharpness at trial centres, of columns added up in `bins`. Of the whole square: a mask that
    the sample moves out of makes the curve slope."""
    used = sinograms.shape[-1] // bins * bins
    small = sinograms[..., :used].reshape(*sinograms.shape[:2], -1, bins).mean(-1)
    out = np.empty((len(small), len(centres)))
    beams = Beams(angles_deg, small.shape[-1], (centres.mean() - (bins - 1) / 2) / bins)
    back = Backprojector(beams, threads=threads, window="hann", edge="extend")
    start, v = back.factor, fft.fftfreq(beams.padded)
    for k, centre in enumerate(centres):
        back.factor = start * np.exp(2j * np.pi * v * (centre - centres.mean()) / bins).astype(np.complex64)
        slices = back(np.asarray(small, np.float32))
        out[:, k] = sharpness(slices, BLUR_PX)
    return out


GIVE = "Look at the projections, or give the centre (--centre COLUMN) if you know it."


def combine(estimates: list[Estimate], tolerance_px: float, where: str) -> Centre:
    """The weighted mean of both ways.

    Raises `CentreError` where they differ by more than the tolerance and three times their joint error, or where
    the error itself is over the tolerance: never a silent choice.
    """
    c, e = np.array([x.centre for x in estimates]), np.array([x.err for x in estimates])
    weight = 1 / e**2
    value, err = float((c * weight).sum() / weight.sum()), float(weight.sum() ** -0.5)
    found = Centre(value, max(err, 0.5 * float(np.ptp(c))), tuple(estimates))
    apart = len(c) > 1 and np.ptp(c) > tolerance_px + 3 * float(np.hypot(*e[:2]))
    if apart or e.max() > tolerance_px:
        said = ", ".join(f"{x.way} {x.centre:.2f} ± {x.err:.2f}" for x in estimates)
        raise CentreError(f"the rotation centre is ambiguous: {said} px", where=where, fix=GIVE)
    return found
