"""The image of one scan that the measures want: by electron density, or as given, with its grey values by phase."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from operando import tomography as tomo
from operando.core.errors import InputError

from . import tomography_outline as outlines
from .tomography_collectors import filled, flat, photon_edge, replaced
from .tomography_density import Optics, Outline, density_image, smeared
from .tomography_level import whole_by_layers
from .tomography_measures import ELECTRODES
from .tomography_rays import rays_of
from .tomography_retrieval import Retrieved, by_layers, improved, laid_back, retrieved
from .tomography_source import Volume

BLUR_VOXELS = 0.65  # of a reconstruction with the ramp filter from a detector of about half a pixel
#: error of a column's height between scans by the collectors and the retrieval, voxels: see docs/tomography.md
BENT_BY_PHOTONS, BENT_IN_VOLUME = 0.06, 0.35
MODEL_ROUNDS = 2  # in which the image is improved with the voids that were found in it
BLUR_OF_VOLUME = 0.75  # retrieved after reconstruction
SMOOTH_VOXELS = 0.5  # over which columns share evidence: the retrieved image has little noise
MARGIN_VOXELS = 10.0  # what lies beside the sample reaches so far into the image
METAL = 6.0  # grey value put into the collectors, in units of the solid's


@dataclass(frozen=True)
class ScanSettings:
    """What one scan is measured with; part of the key of its stage."""

    light: Optics | None
    greys: tuple[tuple[str, float], ...]
    thresholds: tuple[tuple[str, float], ...]
    blur_um: float | None
    margin_um: float | None
    motion: tuple[float, ...] = ()

    def margin(self, voxel_um: float) -> float:
        """Voxels from the edge of the sample inside of which nothing is measured."""
        return MARGIN_VOXELS if self.margin_um is None else self.margin_um / voxel_um


@dataclass
class Image:
    """A volume as the measures want it: grey values by phase for each electrode, collectors, columns used."""

    values: xr.DataArray
    greys: dict[str, dict[str, float]]
    noise: dict[str, float]
    collectors: dict[str, xr.Dataset]
    outline: Outline
    used: np.ndarray
    blur_um: float
    bent: float  # error of a collector's height by refraction, voxels
    limits: dict[str, float]  # thresholds set by hand
    smooth_voxels: float = 1.0  # over which columns share evidence


def image_of(volume: Volume, how: ScanSettings) -> Image:
    """By electron density where the optics are known, else as given."""
    return by_density(volume, how) if how.light is not None else as_given(volume, how)


def moved_back(volume: Volume, how: ScanSettings) -> np.ndarray:
    """The volume on the first one: shifted by whole and part voxels where `motion` says so (um; z, y, x)."""
    values = volume.read()
    if not any(how.motion):
        return values
    from scipy.ndimage import shift

    return shift(values, [-m / volume.voxel_um for m in how.motion], order=3, mode="nearest")


def by_density(volume: Volume, how: ScanSettings) -> Image:
    """The image by electron density: of the projections where they see the whole sample, all of which is asked for;
    else of the volume."""
    light, voxel = how.light, volume.voxel_um
    assert light is not None
    assert volume.source is not None
    if volume.source.settings.region is not None:
        return by_volume(volume, how)
    rays = rays_of(volume.source, volume.centre, voxel, volume.flip)
    values = rays.back(rays.paths)
    steel, sample = outlines.levels(values, dict(how.greys).get("steel"), volume.name)
    if outlines.cut_off(sample):
        return by_volume(volume, how)
    used = outlines.columns_used(sample, how.margin(voxel))
    _some(used, volume.name)
    sharp = smeared(values, light.collector_ratio)
    collectors = outlines.collector_heights(sharp, voxel, steel, light.lithium_mu, sample)
    outline = outlines.first_outline(values, voxel, collectors, sample, light)
    collectors = {n: photon_edge(rays, collectors[n], n, sample, used, voxel) for n in ELECTRODES}
    outline.lower, outline.upper = (filled(collectors[n], voxel) for n in ELECTRODES)
    found = retrieved(rays, outline, light, used)
    for _ in range(MODEL_ROUNDS):
        image = imaged(found, collectors, used, voxel, how)
        layers = {n: in_voxels(fit_layer(image, n, volume.name, 3), voxel) for n in ELECTRODES}
        inner = by_layers(found, layers, light, used, image.blur_um / voxel)
        found = improved(
            rays, found, inner, light, used, whole_by_layers(found.z, found.outline, layers, used)
        )
    found = laid_back(found, [m / voxel for m in how.motion], light.lithium)
    collectors = {n: replaced(collectors[n], found.outline, n, voxel) for n in ELECTRODES}
    used = outlines.columns_used(found.outline.sample, how.margin(voxel))
    planes = any("form" in c.attrs for c in collectors.values())
    return imaged(found, collectors, used, voxel, how, BENT_IN_VOLUME if planes else BENT_BY_PHOTONS)


def in_voxels(layer: xr.Dataset, voxel: float) -> tuple[np.ndarray, np.ndarray]:
    return layer["face"].values / voxel, layer["void"].values / voxel


def imaged(
    found: Retrieved, collectors: dict[str, xr.Dataset], used: np.ndarray, voxel: float, how: ScanSettings,
    bent: float = BENT_BY_PHOTONS,
) -> Image:  # fmt: skip
    """The image at its whole height, metal put in, with the grey values of each electrode."""
    light, outline = how.light, found.outline
    assert light is not None
    middle = outlines.middle(found.image)
    metal = METAL * max(abs(float(np.median(found.image[middle][outline.sample]))), light.lithium)
    image = whole_height(found, light.lithium, metal)
    given, greys, noise = dict(how.greys), {}, {}
    for k, name in enumerate(ELECTRODES):
        lithium = float(found.grey[k])
        grey = {"void": lithium - light.lithium, "lithium": lithium, "steel": metal}
        grey |= near_solid(image, outline, used, name)
        greys[name] = grey | {n: v for n, v in given.items() if n != "steel"}
        noise[name] = scatter(image, outline, used, name, grey["lithium"])
    array = xr.DataArray(image, dims=("z", "y", "x"), attrs={"units": "1/cm", "voxel_um": voxel})
    blur = how.blur_um or (BLUR_OF_VOLUME if not found.seen.size else BLUR_VOXELS) * voxel
    share = SMOOTH_VOXELS if found.seen.size else 1.0
    return Image(array, greys, noise, collectors, outline, used, blur, bent, dict(how.thresholds), share)


def by_volume(volume: Volume, how: ScanSettings) -> Image:
    """The image by electron density of an attenuation volume, see `tomography_density`: blunter."""
    light, voxel = how.light, volume.voxel_um
    assert light is not None
    values = moved_back(volume, how)
    steel, sample = outlines.levels(values, dict(how.greys).get("steel"), volume.name)
    sharp = smeared(values, light.collector_ratio)
    collectors = outlines.collector_heights(sharp, voxel, steel, light.lithium_mu, sample)
    outline = outlines.first_outline(values, voxel, collectors, sample, light)
    used = outlines.columns_used(sample, how.margin(voxel))
    _some(used, volume.name)
    metal = METAL * max(abs(float(np.median(sharp[outlines.middle(values)][sample]))), light.lithium)
    image, grey = density_image(values, outline, light, metal, used)
    planes = {n: flat(collectors[n], used) for n in ELECTRODES}
    seen = np.zeros((len(image), 0, 0), np.float32)
    return imaged(
        Retrieved(image, 0, len(image), grey, outline, seen, len(image)),
        planes,
        used,
        voxel,
        how,
        BENT_IN_VOLUME,
    )


def as_given(volume: Volume, how: ScanSettings) -> Image:
    """A volume whose grey values the user knows: taken as they are, refined by `phase_greys`."""
    values = moved_back(volume, how)
    given, voxel = dict(how.greys), volume.voxel_um
    _, sample = outlines.levels(values, given["steel"], volume.name)
    array = xr.DataArray(values, dims=("z", "y", "x"), attrs={"units": "1/cm", "voxel_um": voxel})
    used = outlines.columns_used(sample, how.margin(voxel))
    _some(used, volume.name)
    inner = array if sample.all() else array[:, *box(sample)]
    found = tomo.phase_greys(inner, given, held=("void",))
    grey = {str(n): float(v) for n, v in zip(found["phase"].values, found["grey"].values, strict=True)}
    grey.setdefault("interphase", grey["electrolyte"])
    collectors = outlines.collector_heights(values, voxel, grey["steel"], grey["lithium"], sample)
    light = Optics(1.0, grey["lithium"], grey["lithium"], 0.0, 0.0)
    outline = outlines.first_outline(values, voxel, collectors, sample, light)
    blur = how.blur_um
    if blur is None:
        edge = collectors["bottom"].assign(height=collectors["bottom"]["height"].where(used))
        blur = float(tomo.edge_blur(array, edge)["blur"])
    noise = float(found.attrs["noise"])
    return Image(
        array, dict.fromkeys(ELECTRODES, grey), dict.fromkeys(ELECTRODES, noise), collectors, outline, used,
        max(blur, 0.1 * voxel), 0.0, dict(how.thresholds),
    )  # fmt: skip


def _some(used: np.ndarray, scan: str) -> None:
    if used.sum() < 256:
        raise InputError(f"{int(used.sum())} columns are left inside of the margin", where=scan,
                         fix="Choose a smaller margin_um, or check the region.")  # fmt: skip


def box(sample: np.ndarray) -> tuple[slice, slice]:
    """The largest centred square within a round section, about."""
    rows, columns = np.flatnonzero(sample.any(1)), np.flatnonzero(sample.any(0))
    cut = [int(0.15 * len(i)) for i in (rows, columns)]
    return (
        slice(int(rows[0]) + cut[0], int(rows[-1]) + 1 - cut[0]),
        slice(int(columns[0]) + cut[1], int(columns[-1]) + 1 - cut[1]),
    )


def near_solid(image: np.ndarray, outline: Outline, used: np.ndarray, name: str) -> dict[str, float]:
    """Grey value of the solid 1.5 to 4 voxels behind its face (`interphase`), and of its inner half (`electrolyte`)."""
    z = np.arange(len(image))[:, None, None] + 0.5
    depth = z - outline.bottom if name == "bottom" else outline.top - z
    skin = image[(depth > 1.5) & (depth < 4) & used]
    middle = len(image) // 2
    core = image[middle - 3 : middle + 3][:, used]
    return {"interphase": float(np.median(skin)), "electrolyte": float(np.median(core))}


def scatter(image: np.ndarray, outline: Outline, used: np.ndarray, name: str, lithium: float) -> float:
    """1-sigma of lithium's grey value 3 to 9 voxels from the solid, from the upper half of them."""
    z = np.arange(len(image))[:, None, None] + 0.5
    depth = outline.bottom - z if name == "bottom" else z - outline.top
    values = image[(depth > 3) & (depth < 9) & used]
    above = values[values > lithium] - lithium
    return float(np.median(above) / 0.6745) if len(above) > 20 else 0.1 * abs(lithium)


def whole_height(found: Retrieved, lithium: float, metal: float) -> np.ndarray:
    """The retrieved rows between rows of lithium and metal."""
    outline = found.outline
    z = np.arange(found.height, dtype=np.float32)[:, None, None] + np.float32(0.5)
    beyond = ((z < outline.lower) | (z > outline.upper)) & outline.sample
    image = np.where(beyond, np.float32(metal), np.float32(lithium))
    image[found.first : found.last] = found.image
    return image


def fit_layer(image: Image, name: str, scan: str, rounds: int = 6) -> xr.Dataset:
    """Face, voids and contact of one electrode."""
    grey = image.greys[name]
    model = tomo.LayerModel(
        steel=grey["steel"], lithium=grey["lithium"], void=grey["void"], solid=grey["interphase"],
        blur_um=image.blur_um, noise=image.noise[name], smooth_voxels=image.smooth_voxels,
        rounds=rounds,
    )  # fmt: skip
    try:
        return outlines.fitted(image.values, image.used, model, name)
    except InputError as error:
        raise InputError(error.what, where=f"{scan}, {name} electrode", fix=error.fix) from error
