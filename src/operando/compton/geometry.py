"""The pinhole camera: which place of the sheet a pixel sees, and at which scattering angle."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import GeometryError
from .kinematics import compton_energy, energy_per_degree


@dataclass(frozen=True)
class Pinhole:
    """A sheet beam along +y seen by a pixel detector through a pinhole: the image is inverted.

    energy_keV      of the beam
    shape           (rows, columns) of the stored image
    pitch_mm        pixel
    angle_deg       scattering angle on the axis of the camera
    distance_mm     from the sheet to the pinhole; None: so far that all pixels share one angle
    magnification   pinhole to detector over sheet to pinhole: 1 in the paper
    centre_px       (row, column) on the axis; left out: the middle of the image
    pinhole_mm      diameter
    inverted        False when the stored image was turned upright already
    """

    energy_keV: float
    shape: tuple[int, int]
    pitch_mm: float = 0.25
    angle_deg: float = 90.0
    distance_mm: float | None = None
    magnification: float = 1.0
    centre_px: tuple[float, float] | None = None
    pinhole_mm: float = 0.2
    inverted: bool = True

    def __post_init__(self) -> None:
        if self.energy_keV <= 0 or not 0 < self.angle_deg < 180:
            raise GeometryError(
                f"energy {self.energy_keV} keV and angle {self.angle_deg} degrees cannot be", where="Pinhole",
                fix="Give the beam's energy in keV and an angle between 0 and 180 degrees.",
            )  # fmt: skip
        if self.distance_mm is not None and self.distance_mm <= 0:
            raise GeometryError("the pinhole must be above the sheet", where="Pinhole", fix="distance_mm > 0")
        field_mm = max(self.shape) * self.pitch_mm / self.magnification
        if self.blur_mm() > field_mm:
            raise GeometryError(
                f"a pinhole of {self.pinhole_mm:g} mm blurs over {self.blur_mm():g} mm, all that the detector sees is "
                f"{field_mm:g} mm", where="Pinhole", fix="Give its diameter in mm, and the detector's pitch_mm.",
            )  # fmt: skip

    def places_mm(self) -> tuple[np.ndarray, np.ndarray]:
        """(y along the rows, x along the columns): the place in the sheet that each row and column sees, mm."""
        rows, columns = self.shape
        centre = self.centre_px or ((rows - 1) / 2, (columns - 1) / 2)
        sign = (-1 if self.inverted else 1) * self.pitch_mm / self.magnification
        return sign * (np.arange(rows) - centre[0]), sign * (np.arange(columns) - centre[1])

    def angles(self) -> np.ndarray:
        """(rows, columns) scattering angle, degrees: of the line from each place in the sheet to the pinhole."""
        if self.distance_mm is None:
            return np.full(self.shape, self.angle_deg)
        y, x = self.places_mm()
        axis = np.deg2rad(self.angle_deg)
        along = self.distance_mm * np.cos(axis) - y[:, None]
        up = self.distance_mm * np.sin(axis)
        return np.rad2deg(np.arccos(along / np.sqrt(x[None, :] ** 2 + along**2 + up**2)))

    def solid_angles(self) -> np.ndarray:
        """(rows, columns) solid angle of the pinhole from each place, sr. Needs `distance_mm`."""
        if self.distance_mm is None:
            raise GeometryError(
                "the distance of the pinhole is not known", where="Pinhole", fix="Give distance_mm."
            )
        y, x = self.places_mm()
        slant2 = 1 + (y[:, None] ** 2 + x[None, :] ** 2) / self.distance_mm**2
        return np.pi * (self.pinhole_mm / 2) ** 2 / self.distance_mm**2 * slant2**-1.5

    def blur_mm(self) -> float:
        """Diameter, in the sheet, of the disc that one pixel's middle sees: d (1 + 1 / M)."""
        return self.pinhole_mm * (1 + 1 / self.magnification)

    def upright(self, image: np.ndarray) -> np.ndarray:
        """An image (last two axes y, x) turned so that rows run along the beam and columns to the right."""
        return image[..., ::-1, ::-1] if self.inverted else image


def refine_pinhole(
    pinhole: Pinhole, peak_keV: np.ndarray, peak_err_keV: np.ndarray
) -> tuple[Pinhole, dict[str, float]]:
    """Angle and distance of a pinhole camera from the energy of the Compton peak in every pixel.

    peak_keV, peak_err_keV   (rows, columns) measured peak and its 1-sigma error; NaN where there is none

    Returns the better camera and its numbers: angle_deg, angle_err_deg, distance_mm, distance_err_mm, chi2 (reduced).
    Gauss-Newton on E2(theta(pixel)). Raises `GeometryError` with fewer than ten pixels.
    """
    good = np.isfinite(peak_keV) & np.isfinite(peak_err_keV) & (peak_err_keV > 0)
    if good.sum() < 10:
        raise GeometryError(
            f"only {int(good.sum())} pixels have a Compton peak",
            where="refine_pinhole",
            fix="Sum more exposures.",
        )
    now = pinhole if pinhole.distance_mm is not None else replace(pinhole, distance_mm=1e4)
    cov = np.full((2, 2), np.nan)
    for _ in range(8):
        assert now.distance_mm is not None
        residual = (peak_keV - compton_energy(now.energy_keV, now.angles()))[good] / peak_err_keV[good]
        slope = energy_per_degree(now.energy_keV, now.angles())
        near = replace(now, distance_mm=1 / (1 / now.distance_mm + 1e-6))
        columns = [slope, slope * (near.angles() - now.angles()) / 1e-6]
        design = np.stack([c[good] / peak_err_keV[good] for c in columns], axis=1)
        cov = np.linalg.inv(design.T @ design)
        step = cov @ (design.T @ residual)
        inverse = max(1 / now.distance_mm + step[1], 1e-6)
        now = replace(now, angle_deg=now.angle_deg + float(step[0]), distance_mm=float(1 / inverse))
    assert now.distance_mm is not None
    chi2 = float((residual**2).sum() / max(good.sum() - 2, 1))
    return now, {
        "angle_deg": now.angle_deg, "angle_err_deg": float(np.sqrt(cov[0, 0])), "distance_mm": now.distance_mm,
        "distance_err_mm": float(np.sqrt(cov[1, 1]) * now.distance_mm**2), "chi2": chi2,
    }  # fmt: skip
