"""The image by electron density, from projections: retrieval of each projection before its logarithm is taken.

Transport of intensity, I_z = I + (z / k) div(I grad phi) with I = exp(-M), is solved exactly by one filter where the
phase goes with the attenuation (Paganin et al. 2002). Let d be the electron density in units in which the solid
keeps its attenuation, and N the line integral of d - mu, which is zero in the solid and known in lithium. With
W = exp(-M - N)

    W = 1 / (1 + ratio u^2)  [ I_z exp(-N) - W ratio / (4 pi^2) grad N . grad(M + N) ]

holds for all materials together, and also where log I_z is far from linear in the phase. N is projected from the
image itself, by repetition. Rows at the collectors are taken to go on as the lithium beside them. What the rim of the
sample leaves is the same in all rows: the known grey value of lithium tells it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter, gaussian_filter1d, median_filter, shift

from operando.core.errors import InputError
from operando.core.units import LI_MOLAR_VOLUME_CM3_PER_MOL
from operando.tomography.phase import reach_of

from .tomography_density import FRINGE, LIGHT, REACH, Optics, Outline
from .tomography_level import EDGE_ROWS, Layers, Whole, local_level, rim_field, whole_lithium
from .tomography_rays import Rays

ROUNDS = 5
FACES_AFTER = 2  # rounds, after which the faces of the solid are taken from the image
LEAST_ROWS = 16
SKIN = 1.0  # voxels of the solid whose grey value blur mixes with lithium's
UPTAKE_REACH = 14.0  # voxels under a face where lithium is looked for in the solid
INTERPHASE_LI_CM3_MOL = 6.1  # partial molar volume of lithium in it: that of S + 2 Li to Li2S


@dataclass
class Retrieved:
    """image (z, y, x) of rows `first` to `last` of the volume, `grey` of lithium (bottom, top), outline with faces.

    seen: (z, angles, columns) I/I0 of these rows; height: of the volume
    """

    image: np.ndarray
    first: int
    last: int
    grey: np.ndarray
    outline: Outline
    seen: np.ndarray
    height: int

    @property
    def z(self) -> np.ndarray:
        """(z, 1, 1) middles of the rows, voxels above the lower side of the volume."""
        return np.arange(self.first, self.last, dtype=np.float32)[:, None, None] + np.float32(0.5)


def free_rows(outline: Outline, height: int) -> tuple[int, int]:
    """Rows between the fringes of both collectors. Raises `InputError` where hardly any are left."""
    low, high = outline.lower[outline.sample], outline.upper[outline.sample]
    first = int(np.ceil(np.percentile(low, 99.5))) + FRINGE
    last = min(int(np.floor(np.percentile(high, 0.5))) - FRINGE, height)
    if last - first < LEAST_ROWS:
        raise InputError(f"{last - first} rows lie between the collectors", where="tomography")
    return first, last


def retrieved(rays: Rays, outline: Outline, light: Optics, used: np.ndarray) -> Retrieved:
    """Electron density between the collectors; `used`: columns (y, x) that tell lithium's grey value."""
    first, last = free_rows(outline, len(rays.paths))
    seen = np.exp(-rays.paths[first:last])
    extra = np.float32(light.lithium - light.lithium_mu)
    inner = np.where(outline.sample, outline.lithium(len(rays.paths))[first:last] * extra, np.float32(0))
    found = Retrieved(np.zeros(0), first, last, np.full(2, light.lithium), outline, seen, len(rays.paths))
    for turn in range(ROUNDS):
        if turn:
            inner = by_image(found, light)
        found = improved(rays, found, inner, light, used)
        if turn + 1 >= FACES_AFTER:
            found.outline = faces(found.image, first, found.outline, light.lithium)
    return found


def improved(
    rays: Rays, found: Retrieved, inner: np.ndarray, light: Optics, used: np.ndarray, whole: Whole | None = None
) -> Retrieved:  # fmt: skip
    """The image with d - mu (`inner`: z, y, x) taken into account, levelled by whole lithium.

    whole: where lithium of the bottom and of the top is known to be whole; else what lies deep enough
    """
    lines = rays.project(inner)
    seen = filtered(found.seen * np.exp(-lines), light.solid_ratio)
    product = slopes_product(lines, -np.log(np.maximum(seen, 1e-6)))
    seen -= filtered(np.float32(light.solid_ratio / (4 * np.pi**2)) * seen * product, light.solid_ratio)
    image = rays.back(-np.log(np.maximum(seen, 1e-6)))
    sure = whole or whole_lithium(found.z, found.outline)
    field = rim_field(image, sure, found.outline, used, light.lithium)
    image = image + np.where(found.outline.sample, field, 0).astype(np.float32)
    if whole is not None:
        image = image + np.where(
            found.outline.sample, local_level(image, whole, light.lithium), np.float32(0)
        )
    grey = np.array([float(np.median(image[part & used])) for part in sure])
    return replace(found, image=image, grey=grey)


def by_image(found: Retrieved, light: Optics) -> np.ndarray:
    """d - mu outside of the solid from the grey values themselves, kept between void and lithium."""
    outline, extra = found.outline, np.float32(light.lithium - light.lithium_mu)
    zone = outline.lithium(found.last)[found.first :]
    share = np.clip(found.image / np.float32(light.lithium), 0, 1)
    sure = np.logical_or(*whole_lithium(found.z, outline))
    inner = zone * np.where(sure, np.float32(1), share) * extra
    around = ~outline.sample
    inner[:, around] = LIGHT * np.maximum(found.image[:, around], 0)
    return inner


def by_layers(
    found: Retrieved, layers: Layers, light: Optics, used: np.ndarray, blur: float
) -> np.ndarray:  # fmt: skip
    """d - mu as the blurred model of faces and voids has it, where columns are used; else as `by_image`.

    layers: (face, void) of bottom and top, in voxels; NaN where they are not known
    """
    extra = np.float32(light.lithium - light.lithium_mu)
    z = found.z - np.float32(0.5)
    share = np.zeros(found.image.shape, np.float32)
    known = used.copy()
    for name, (face, void) in layers.items():
        end = face - void if name == "bottom" else face + void
        known &= np.isfinite(end)
        end = np.nan_to_num(end)
        share += np.clip(end - z, 0, 1) if name == "bottom" else np.clip(z + 1 - end, 0, 1)
    plain = by_image(found, light)
    sharp = np.where(known, share * extra, plain)
    return np.where(known, gaussian_filter(sharp, blur, mode="nearest"), plain) + taken_up(found, light, used)


def taken_up(found: Retrieved, light: Optics, used: np.ndarray) -> np.ndarray:
    """d - mu in solid that has taken up lithium (interphase), by its mean grey value at each depth under its faces.

    Solid of which a share a is left holds lithium b = (1 - a) V / V_i, with V and V_i the volume of lithium as metal
    and in the interphase. Its d = a d_e + b d_Li tells b, with d_e that of the solid in the middle; d - mu is
    b (d_Li - mu_Li). Medians over the section, so that pores do not count.
    """
    z, outline = found.z, found.outline
    middle = len(found.image) // 2
    core = float(np.median(found.image[middle - 3 : middle + 3][:, used]))
    swell = LI_MOLAR_VOLUME_CM3_PER_MOL / INTERPHASE_LI_CM3_MOL
    result = np.zeros(found.image.shape, np.float32)
    for depth in (z - outline.bottom, outline.top - z):
        at = np.arange(SKIN + 0.5, min(UPTAKE_REACH, middle - 4))
        profile = np.array([np.median(found.image[used & (np.abs(depth - a) < 0.5)]) for a in at])
        lost = np.clip((core - profile) / max(core - swell * light.lithium, 1e-3), 0, 0.5)
        per_voxel = np.interp(depth, at, swell * lost, right=0.0) * np.clip(depth + 0.5, 0, 1)
        result += (per_voxel * (light.lithium - light.lithium_mu)).astype(np.float32)
    return np.where(outline.sample, result, np.float32(0))


def laid_back(found: Retrieved, motion: list[float], lithium: float) -> Retrieved:
    """Shifted back by what moved since the first scan (voxels; z, y, x; may be empty)."""
    if not any(motion):
        return found
    outline, room = found.outline, int(np.ceil(abs(motion[0]))) + 1
    first, last = max(found.first - room, 0), min(found.last + room, found.height)
    whole = np.full((last - first, *found.image.shape[1:]), np.float32(lithium))
    whole[found.first - first : found.last - first] = found.image
    image = shift(whole, [-m for m in motion], order=3, mode="nearest")
    flat = {
        n: shift(getattr(outline, n).astype(float), [-m for m in motion[1:]], order=1, mode="nearest")
        for n in ("lower", "upper", "bottom", "top", "sample")
    }
    sample = flat.pop("sample") > 0.5
    moved = Outline(**{n: v - motion[0] for n, v in flat.items()}, sample=sample)
    return replace(found, image=image, first=first, last=last, outline=moved)


def filtered(light: np.ndarray, ratio: float) -> np.ndarray:
    """(rows, angles, columns) intensities under 1 / (1 + ratio u^2), projection by projection; u in cycles a pixel.

    Beyond the first and last rows the mean of three goes on, so that their noise is not spread.
    """
    rows, angles, columns = light.shape
    pad = reach_of(ratio, max(rows, columns), REACH)
    shape = tuple(fft.next_fast_len(n + 2 * pad, real=True) for n in (rows, columns))
    square = np.add.outer(fft.fftfreq(shape[0]) ** 2, fft.rfftfreq(shape[1]) ** 2)
    response = (1 / (1 + ratio * square)).astype(np.float32)
    ends = (light[:EDGE_ROWS].mean(0), light[-EDGE_ROWS:].mean(0))
    beyond = (pad + rows + shape[0]) // 2  # rows after this one, round the back, go with the first
    out = np.empty_like(light)
    wide = np.empty((shape[0], columns), np.float32)
    sides = (pad, shape[1] - columns - pad)
    for angle in range(angles):
        wide[pad : pad + rows] = light[:, angle]
        wide[:pad], wide[beyond:] = ends[0][angle], ends[0][angle]
        wide[pad + rows : beyond] = ends[1][angle]
        spectrum = fft.rfft2(np.pad(wide, ((0, 0), sides), mode="edge"))
        spectrum *= response
        out[:, angle] = fft.irfft2(spectrum, shape)[pad : pad + rows, pad : pad + columns]
    return out


def slopes_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """grad a . grad b over rows and columns of (rows, angles, columns), per pixel squared: mean of both sides."""
    out = np.zeros_like(a)
    for axis in (0, 2):
        part = np.diff(a, axis=axis) * np.diff(b, axis=axis) / 2
        for side in (np.s_[:-1], np.s_[1:]):
            out[(slice(None),) * axis + (side,)] += part
    return out


def faces(image: np.ndarray, first: int, outline: Outline, lithium: float) -> Outline:
    """The outline with faces where the image passes half way from lithium to the solid, in parts of a voxel."""
    middle = len(image) // 2
    solid = float(np.median(image[middle - 3 : middle + 3][:, outline.sample]))
    smooth = gaussian_filter1d(image, 0.7, axis=0)
    half = 0.5 * (lithium + solid)
    found = []
    for part in (smooth[:middle], smooth[middle:][::-1]):  # from the lithium inwards: pores lie behind
        over = part >= half
        k = np.clip(over.argmax(0), 1, None)
        before, after = (np.take_along_axis(part, (k - i)[None], 0)[0] for i in (1, 0))
        step = np.clip((half - before) / np.where(after > before, after - before, 1), 0, 1)
        found.append(np.where(over.any(0) & ~over[0], k - 0.5 + step, np.nan))
    bottom, top = first + found[0], first + len(image) - found[1]
    new = [
        median_filter(np.where(np.isfinite(v), v, old), 3)
        for v, old in ((bottom, outline.bottom), (top, outline.top))
    ]  # fmt: skip
    return Outline(outline.lower, outline.upper, new[0], new[1], outline.sample)
