"""Absorption on both ways, and what the sheet holds, from the labels of a tomogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from .geometry import Pinhole
from .kinematics import compton_energy
from .theory import attenuation

COMPONENTS = ("cathode", "separator", "anode")


@dataclass(frozen=True)
class Material:
    """What a label of the tomogram is made of: label value, formula, density."""

    label: int
    formula: str
    density_g_cm3: float


@dataclass(frozen=True)
class Tomogram:
    """Labels (z, y, x) on the axes of the beam: y along the beam, z towards the detector.

    z_um         (z,) middles of the planes, from the same zero as the heights of the sheet; ascending, even
    lateral_um   voxel along y and x; the middle of the volume is on the axis of the camera
    materials    of the labels, by name; labels that are not named are void
    """

    labels: np.ndarray
    z_um: np.ndarray
    lateral_um: float
    materials: dict[str, Material]

    def __post_init__(self) -> None:
        if self.labels.ndim != 3 or self.labels.shape[0] != len(self.z_um):
            raise InputError(
                f"labels of shape {self.labels.shape} for {len(self.z_um)} planes", where="Tomogram",
                fix="Axes are z, y, x.",
            )  # fmt: skip
        steps = np.diff(self.z_um)
        if not (len(steps) and steps.mean() > 0 and np.allclose(steps, steps.mean(), rtol=1e-3, atol=0)):
            raise InputError(
                "the planes of the tomogram are not two or more at even, ascending z", where="Tomogram",
                fix="Give the middles of the planes in um, from the bottom up.",
            )  # fmt: skip
        if not 0 < self.lateral_um < np.inf:
            raise InputError(
                f"voxels of {self.lateral_um:g} um along y and x", where="Tomogram", fix="Give um above 0."
            )
        missing = [name for name in COMPONENTS if name not in self.materials]
        if missing:
            raise InputError(
                f"no material for {', '.join(missing)}", where="Tomogram", fix="Name all three components."
            )

    @property
    def z_step_um(self) -> float:
        return float(self.z_um[1] - self.z_um[0])

    def sheet(self, height_um: float, sheet_um: float) -> np.ndarray:
        """(z,) part of each plane that is in a sheet whose bottom is at `height_um`; adds up to the sheet."""
        half = self.z_step_um / 2
        inner = np.minimum(self.z_um + half, height_um + sheet_um) - np.maximum(self.z_um - half, height_um)
        part = np.clip(inner, 0, None)
        if abs(part.sum() - sheet_um) > 0.01 * sheet_um:
            raise InputError(
                f"the sheet at {height_um:g} um leaves the tomogram ({self.z_um[0]:g} to {self.z_um[-1]:g} um)",
                where="Tomogram.sheet", fix="Check the heights of the sheet, or use a taller volume.",
            )  # fmt: skip
        return part / sheet_um

    def attenuations(self, energy_keV: float) -> np.ndarray:
        """(z, y, x) linear attenuation coefficient, 1/cm, float32."""
        table = np.zeros(
            max(int(self.labels.max()), *(m.label for m in self.materials.values())) + 1, np.float32
        )
        for material in self.materials.values():
            table[material.label] = attenuation(material.formula, energy_keV, material.density_g_cm3)
        return table[self.labels]


def beam_transmission(mu_per_cm: np.ndarray, voxel_um: float, axis: int = 1) -> np.ndarray:
    """Share of the beam that reaches the middle of each voxel, going up along `axis`: exp(-sum of mu)."""
    depth = np.cumsum(mu_per_cm, axis=axis, dtype=np.float32) - mu_per_cm / 2
    return np.exp(-depth * np.float32(voxel_um * 1e-4))


def exit_transmission(mu_per_cm: np.ndarray, voxel_um: float) -> np.ndarray:
    """Share of the photons of each voxel that leave the volume upwards, along axis 0 (z).

    Ways towards a pinhole are up to some degrees oblique; that is left out (0.5 % of the way at 6 degrees).
    """
    flipped = mu_per_cm[::-1]
    depth = np.cumsum(flipped, axis=0, dtype=np.float32) - flipped / 2
    return np.exp(-depth[::-1] * np.float32(voxel_um * 1e-4))


def sheet_shares(
    tomogram: Tomogram, heights_um: tuple[float, float, float], sheet_um: float, *, pinhole: Pinhole | None = None,
    absorption: bool = True,
) -> np.ndarray:  # fmt: skip
    """(3 regions, 4: cathode, separator, anode, void; y, x): share of the sheet, times its light where wanted.

    absorption  True: each voxel counts with the share of the beam that reaches it and of photons that leave; the void's
                share is then that of the volume. False: volumes alone, which add up to one.

    On the tomogram's own lateral grid, upright. `pinhole` gives energy and angle; needed for absorption.
    """
    light = np.ones((1, 1, 1), np.float32)
    if absorption:
        if pinhole is None:
            raise InputError(
                "absorption needs the beam's energy and angle", where="sheet_shares", fix="Pass pinhole=."
            )
        out_keV = float(compton_energy(pinhole.energy_keV, pinhole.angle_deg))
        light = beam_transmission(tomogram.attenuations(pinhole.energy_keV), tomogram.lateral_um)
        light = light * exit_transmission(tomogram.attenuations(out_keV), tomogram.z_step_um)
    found = np.empty((3, 4, *tomogram.labels.shape[1:]))
    for r, height in enumerate(heights_um):
        part = tomogram.sheet(height, sheet_um)
        planes = np.flatnonzero(part)
        span = slice(planes[0], planes[-1] + 1)
        labels = tomogram.labels[span]
        lit = light[span] if absorption else light
        void = np.ones(labels.shape[1:])
        for c, name in enumerate(COMPONENTS):
            here = labels == tomogram.materials[name].label
            found[r, c] = np.tensordot(part[span], here * lit, 1)
            void -= np.tensordot(part[span], here.astype(np.float32), 1)
        found[r, 3] = void
    return found


def through_pinhole(maps: np.ndarray, lateral_um: float, pinhole: Pinhole) -> np.ndarray:
    """Maps (..., y, x) on a fine upright grid as the pixels of a pinhole camera see them (inverted as stored).

    Blurred by the pinhole's disc and the pixel, taken at the middle of each pixel; the mean over what it sees.
    """
    from scipy.ndimage import map_coordinates

    step = lateral_um * 1e-3
    y, x = pinhole.places_mm()
    rows, columns = maps.shape[-2:]
    v, u = y / step + (rows - 1) / 2, x / step + (columns - 1) / 2
    at = np.array(np.meshgrid(v, u, indexing="ij"))
    flat = maps.reshape(-1, rows, columns)
    seen = [map_coordinates(pixel_blur(m, lateral_um, pinhole), at, order=1, mode="nearest") for m in flat]
    return np.array(seen).reshape(*maps.shape[:-2], *pinhole.shape)


def pixel_blur(image: np.ndarray, lateral_um: float, pinhole: Pinhole) -> np.ndarray:
    """An image blurred by the pinhole's disc and by the pixel, both as they are in the sheet."""
    from scipy.ndimage import convolve1d
    from scipy.signal import fftconvolve

    step = lateral_um * 1e-3
    reach = pinhole.blur_mm() / 2 / step
    pixel = pinhole.pitch_mm / pinhole.magnification / step
    image = np.asarray(image, float)
    if reach > 0.5:
        place = np.arange(-int(reach) - 1, int(reach) + 2)
        away = np.hypot(place[:, None], place[None, :])
        disc = np.clip(reach + 0.5 - away, 0, 1)
        padded = np.pad(image, len(place), mode="edge")
        cut = slice(len(place), -len(place))
        image = fftconvolve(padded, disc / disc.sum(), "same")[cut, cut]
    place = np.arange(-int(pixel / 2) - 1, int(pixel / 2) + 2)
    box = np.clip(
        np.minimum(place + 0.5, pixel / 2) - np.maximum(place - 0.5, -pixel / 2), 0, None
    )  # symmetric
    for axis in (0, 1):
        image = convolve1d(image, box / box.sum(), axis=axis, mode="nearest")
    return image


def cathode_transmission(seen: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """(y, x) light of the cathode in region 1, relative to its best place: what its counts are divided by.

    seen, volume  `sheet_shares` with and without absorption, through the pinhole; NaN where there is no cathode
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(volume[0, 0] > 0.02 * volume[0, 0].max(), seen[0, 0] / volume[0, 0], np.nan)
    return ratio / np.nanmax(ratio)
