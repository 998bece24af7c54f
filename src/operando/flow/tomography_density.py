"""The image by electron density, from a reconstruction without phase retrieval: void, lithium and solid at their own
grey values, also beside each other.

Free propagation adds the Laplacian of the refractive decrement to what a reconstruction (-ln I/I0) shows:

    g = mu - rho lap D,     D = 2 k delta,  k = 2 pi / lambda,  rho = lambda z / (4 pi)

One delta/beta for all (Paganin 2002) gives mu wherever D = delta_beta mu, but lithium has 20 times the solid's: its
edges come out too sharp, on a ground that the solid and the collector smear over. With Y = 1 / (1 + rho delta_beta u^2)
and d = D / delta_beta the same equation reads

    d = Y g + Y (d - mu)

whose last term is zero in the solid, a known constant in lithium, and is found by repetition outside of the sample.
The collector, which is too strong for a linear equation, is replaced by lithium before. Linear in the volume: the
order of log and filter is other than Paganin's, the same for weak objects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from operando.core.errors import InputError, require_extra
from operando.core.units import energy_to_wavelength
from operando.tomography.phase import reach_of

REACH = 5.0  # decay lengths of the filter
FRINGE = 4  # voxels beside the collector that its fringes reach
LIGHT = 0.93  # share of d that is no attenuation in light material outside of the sample (casing)
ROUNDS = 4
GROUND = 5.0  # voxels over the section, of lithium's own grey value
LITHIUM_G_CM3 = 0.534


@dataclass(frozen=True)
class Optics:
    """What the materials do: `lithium` (grey value of Li in the image, 1/cm), `lithium_mu`, filters in voxels squared.

    solid_ratio, collector_ratio   4 pi^2 rho delta_beta / voxel^2 of the solid, and of an edge of collector and lithium
    """

    delta_beta: float
    lithium: float
    lithium_mu: float
    solid_ratio: float
    collector_ratio: float

    @property
    def length(self) -> float:
        """Voxels over which the filter of the solid decays."""
        return float(np.sqrt(self.solid_ratio) / (2 * np.pi))


def optics(
    energy_keV: float, distance_mm: float, voxel_um: float, *, delta_beta: float | None, electrolyte: str | None,
    collector: str,
) -> Optics:  # fmt: skip
    """Constants of lithium and collector (xraylib), and delta/beta of the electrolyte: given, or of its formula."""
    xraylib = require_extra("xraylib", "tomo", "delta and beta of a material")
    wavelength_um = energy_to_wavelength(energy_keV) * 1e-4
    wave = 2 * np.pi / wavelength_um * 1e4  # 1/cm

    def both(formula: str, density: float) -> tuple[float, float]:
        try:
            index = 1 - xraylib.Refractive_Index_Re(formula, energy_keV, density)
            return 2 * wave * index, xraylib.CS_Total_CP(formula, energy_keV) * density
        except ValueError as error:
            raise InputError(
                f"{formula!r} is no chemical formula",
                where="tomography",
                fix='For example electrolyte = "Li6PS5Cl".',
            ) from error

    light, light_mu = both("Li", LITHIUM_G_CM3)
    if delta_beta is None:
        if electrolyte is None:
            raise InputError(
                "neither delta_beta nor the electrolyte's formula is known", where="tomography.distance_mm",
                fix='Write electrolyte = "Li6PS5Cl" or delta_beta = 200, or leave distance_mm out: no phase retrieval.',
            )  # fmt: skip
        strong, weak = both(electrolyte, 1.0)
        delta_beta = strong / weak
    metal, metal_mu = both(collector, _density(collector))
    unit = np.pi * wavelength_um * distance_mm * 1e3 / voxel_um**2
    edge = (metal - light) / (metal_mu - light_mu)
    reach_of(unit * max(delta_beta, abs(edge)))
    return Optics(float(delta_beta), light / delta_beta, light_mu, unit * delta_beta, unit * edge)


def _density(collector: str) -> float:
    """g/cm3 of a metal; it hardly matters for the ratio of its edge with lithium."""
    return {"Fe": 7.87, "Ni": 8.9, "Cu": 8.96, "Al": 2.7, "Ti": 4.5, "W": 19.3, "Pt": 21.4}.get(
        collector, 8.0
    )


def smeared(values: np.ndarray, ratio: float) -> np.ndarray:
    """`values` (z, y, x) under 1 / (1 + ratio u^2), u in cycles a voxel; continued at its borders."""
    from scipy import fft

    if not ratio > 0:
        return values
    pad = reach_of(ratio, max(values.shape), REACH)
    shape = [fft.next_fast_len(n + 2 * pad, real=True) for n in values.shape]
    room = [(pad, s - n - pad) for n, s in zip(values.shape, shape, strict=True)]
    wide = np.pad(values.astype(np.float32, copy=False), room, mode="edge")
    z, y = (fft.fftfreq(n)[:, None] ** 2 for n in shape[:2])
    square = z[:, :, None] + y[None] + fft.rfftfreq(shape[2]) ** 2
    spectrum = fft.rfftn(wide)
    spectrum /= (1 + ratio * square).astype(np.float32)
    return fft.irfftn(spectrum, shape)[tuple(slice(pad, pad + n) for n in values.shape)]


@dataclass
class Outline:
    """Where things are in a volume, in voxels above its lower side (y, x): collectors, faces of the solid, and which
    columns hold sample."""

    lower: np.ndarray
    upper: np.ndarray
    bottom: np.ndarray
    top: np.ndarray
    sample: np.ndarray

    def lithium(self, height: int) -> np.ndarray:
        """Share of every voxel that lies outside of the solid, between its faces and the ends of the volume."""
        z = np.arange(height)[:, None, None]
        low = np.clip(self.bottom - z, 0, 1)
        high = np.clip(z + 1 - self.top, 0, 1)
        return (low + high).astype(np.float32)


def density_image(
    attenuation: np.ndarray, outline: Outline, light: Optics, collector: float, used: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """d (z, y, x): electron density in units where the solid keeps its attenuation; `collector` in the collectors.

    Where lithium may be, d is kept between void and lithium while the last term is found. `used`: columns (y, x) that
    tell lithium's grey value. Also (bottom, top) grey value of lithium within some voxels of the solid.
    """
    height = len(attenuation)
    z = np.arange(height)[:, None, None] + 0.5
    near = ((z < outline.lower + FRINGE) | (z > outline.upper - FRINGE)) & outline.sample
    source = smeared(np.where(near, np.float32(light.lithium_mu), attenuation), light.solid_ratio)
    zone = np.where(near, np.float32(1), outline.lithium(height))
    share, around = zone, ~outline.sample
    image = source
    grey = np.full(2, light.lithium)
    for turn in range(ROUNDS):
        inner = np.where(outline.sample, share * np.float32(light.lithium - light.lithium_mu), np.float32(0))
        if turn:
            inner[:, around] = LIGHT * np.maximum(image[:, around], 0)
        image = source + smeared(inner, light.solid_ratio)
        ground = lithium_ground(image, outline, used, light.lithium)
        grey = np.array([np.median(g[used]) for g in ground])
        image += leveled(ground, grey, outline, height)
        level = np.where(z < height / 2, *grey).astype(np.float32) - np.float32(light.lithium)
        full = np.clip((image - level) / np.float32(light.lithium), 0, 1)
        share = np.where(near, np.float32(1), zone * full)
    metal = ((z < outline.lower) | (z > outline.upper)) & outline.sample
    return np.where(metal, np.float32(collector), image).astype(np.float32), grey


def lithium_ground(image: np.ndarray, outline: Outline, used: np.ndarray, start: float) -> np.ndarray:
    """(bottom and top, y, x) grey value of lithium 4 to 10 voxels from the solid, smooth over the section.

    Voids are left out as what is darker than the median; NaN-free: `start` where no lithium lies so deep.
    """
    from scipy.ndimage import gaussian_filter

    z = np.arange(len(image))[:, None, None] + 0.5
    found = []
    for depth, room in ((outline.bottom - z, z - outline.lower), (z - outline.top, outline.upper - z)):
        deep = (depth > 4) & (depth < 10) & (room > FRINGE + 1) & used
        if deep.sum() < 50:
            found.append(np.full(used.shape, start, np.float32))
            continue
        middle = float(np.median(image[deep]))
        excess = np.where(deep & (image > middle - 0.4 * start), image - middle, 0.0).sum(0)
        count = (deep & (image > middle - 0.4 * start)).sum(0).astype(float)
        weight = gaussian_filter(count, GROUND)
        found.append(middle + gaussian_filter(excess, GROUND) / np.maximum(weight, 1e-3))
    return np.array(found)


def leveled(ground: np.ndarray, grey: np.ndarray, outline: Outline, height: int) -> np.ndarray:
    """What to add (z, y, x) so that lithium is even over the section: all of it at an electrode, linear between."""
    low, high = float(np.median(outline.bottom)), float(np.median(outline.top))
    z = np.arange(height, dtype=np.float32)[:, None, None] + 0.5
    up = np.clip((z - low) / max(high - low, 1), 0, 1)
    return ((1 - up) * (grey[0] - ground[0]) + up * (grey[1] - ground[1])).astype(np.float32)
