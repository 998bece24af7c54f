"""Where the tomogram is in the Compton image: turn, shift, and whether the pinhole inverted the image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import InputError
from .absorption import pixel_blur
from .geometry import Pinhole


@dataclass(frozen=True)
class Registration:
    """A point (x, y) of the beam's axes is found at R(turn) (x, y) + shift on the tomogram's; 1-sigma errors beside.

    inverted     whether the stored image is upside down, as a pinhole makes it
    chi2         a degree of freedom, of this orientation; chi2_other of the other one
    """

    turn_deg: float
    shift_mm: tuple[float, float]
    turn_err_deg: float
    shift_err_mm: tuple[float, float]
    inverted: bool
    chi2: float
    chi2_other: float

    @property
    def ambiguous(self) -> bool:
        """The image fits both ways about as well: the sample is too symmetric to tell."""
        return self.chi2_other < 1.2 * self.chi2

    def to_tomogram(self, x, y):
        """Places on the tomogram's axes (u, v), mm."""
        turn = np.deg2rad(self.turn_deg)
        u = np.cos(turn) * x - np.sin(turn) * y + self.shift_mm[0]
        return u, np.sin(turn) * x + np.cos(turn) * y + self.shift_mm[1]

    def align(self, volume: np.ndarray, lateral_um: float) -> np.ndarray:
        """Labels (..., y, x) of the tomogram brought to the beam's axes, same grid; nearest label, zero outside."""
        rows, columns = volume.shape[-2:]
        step = lateral_um * 1e-3
        y, x = np.meshgrid(
            (np.arange(rows) - (rows - 1) / 2) * step,
            (np.arange(columns) - (columns - 1) / 2) * step,
            indexing="ij",
        )
        u, v = self.to_tomogram(x, y)
        i = np.rint(v / step + (rows - 1) / 2).astype(int)
        j = np.rint(u / step + (columns - 1) / 2).astype(int)
        inside = (i >= 0) & (i < rows) & (j >= 0) & (j < columns)
        moved = volume[..., np.clip(i, 0, rows - 1), np.clip(j, 0, columns - 1)]
        return np.where(inside, moved, 0).astype(volume.dtype)


def register_image(
    image: np.ndarray, templates: np.ndarray, lateral_um: float, pinhole: Pinhole, *, error: np.ndarray | None = None,
    turn_reach_deg: float = 8.0, shift_reach_mm: float = 1.5,
) -> Registration:  # fmt: skip
    """Find turn and shift between a Compton image and maps from the tomogram, in both orientations.

    image      (y, x) counts as stored, for example of region 1; NaN where a pixel is bad
    templates  (k, v, u) maps on the tomogram's lateral grid whose mixture makes the image, as the volume shares of
               cathode, separator and anode in the sheet; void may be left out, a constant is added
    error      (y, x) 1-sigma; left out: square root of the counts

    Each template's brightness, and its slope along the beam (absorption), is free and solved for; turn and shift by
    least squares from a grid of starts. Raises `InputError` when the image holds nothing.
    """
    good = np.isfinite(image) & (
        np.ones(image.shape, bool) if error is None else np.isfinite(error) & (error > 0)
    )
    if good.sum() < 20 or np.ptp(image[good]) == 0:
        raise InputError(
            "the image has no structure to register", where="register_image", fix="Sum more exposures."
        )
    sigma = np.sqrt(np.maximum(image, 1.0)) if error is None else error
    blurred = [pixel_blur(t, lateral_um, pinhole) for t in templates]
    both = [
        _fit(
            image,
            sigma,
            good,
            blurred,
            lateral_um,
            replace(pinhole, inverted=inverted),
            turn_reach_deg,
            shift_reach_mm,
        )
        for inverted in (True, False)
    ]
    best = 0 if both[0][2] <= both[1][2] else 1
    q, cov, chi2 = both[best]
    widen = max(chi2, 1.0)
    err = np.sqrt(np.diag(cov) * widen)
    return Registration(
        float(q[0]), (float(q[1]), float(q[2])), float(err[0]), (float(err[1]), float(err[2])), best == 0, float(chi2),
        float(both[1 - best][2]),
    )  # fmt: skip


def _fit(
    image, sigma, good, blurred, lateral_um: float, pinhole: Pinhole, turn_reach: float, shift_reach: float
):
    from scipy.ndimage import map_coordinates
    from scipy.optimize import least_squares

    y, x = np.meshgrid(*pinhole.places_mm(), indexing="ij")
    y, x, n, s = y[good], x[good], image[good], sigma[good]
    along = y / max(np.abs(y).max(), 1e-9)
    rows, columns = blurred[0].shape
    step = lateral_um * 1e-3

    def residual(q: np.ndarray) -> np.ndarray:
        turn = np.deg2rad(q[0])
        u = (np.cos(turn) * x - np.sin(turn) * y + q[1]) / step + (columns - 1) / 2
        v = (np.sin(turn) * x + np.cos(turn) * y + q[2]) / step + (rows - 1) / 2
        seen = [map_coordinates(b, [v, u], order=1, mode="nearest") for b in blurred]
        design = np.stack([*seen, *(b * along for b in seen), np.ones_like(n)], axis=1) / s[:, None]
        normal = design.T @ design
        normal[np.diag_indices_from(normal)] *= 1 + 1e-12  # a template may vanish in the image
        amount = np.linalg.lstsq(normal, design.T @ (n / s), rcond=None)[0]
        return n / s - design @ amount

    starts = [
        np.array([turn, a, b])
        for turn in np.linspace(-0.6, 0.6, 3) * turn_reach
        for a in np.linspace(-0.5, 0.5, 3) * shift_reach
        for b in np.linspace(-0.5, 0.5, 3) * shift_reach
    ]
    start = min(starts, key=lambda q: float((residual(q) ** 2).sum()))
    bound = np.array([turn_reach, shift_reach, shift_reach])
    best = least_squares(
        residual,
        start,
        bounds=(-bound, bound),
        x_scale=[1.0, 0.1, 0.1],
        diff_step=np.array([2e-2, 2e-2, 2e-2]),
    )
    cov = np.linalg.pinv(best.jac.T @ best.jac)
    return best.x, cov, 2 * best.cost / max(len(n) - 3 - 2 * len(blurred) - 1, 1)
