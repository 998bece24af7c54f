"""One scan of a symmetric cell measured: collectors, faces, voids, contact, thickness, pores, sections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando import tomography as tomo
from operando.core.errors import InputError
from operando.tomography.volume import quantity

from . import tomography_outline as outlines
from .stage import versioned
from .tomography_density import Optics, Outline, density_image, smeared
from .tomography_measures import ELECTRODES, pores, roughness, sections, summary
from .tomography_source import Volume

if TYPE_CHECKING:
    from .running import Run

BLUR_VOXELS = 0.75  # of a reconstruction with the ramp filter from a detector of about half a pixel
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
    bent: bool  # the edges of the collectors, by refraction
    limits: dict[str, float]  # thresholds set by hand


def measured(job: Run, volume: Volume, how: ScanSettings) -> dict[str, xr.Dataset]:
    job.listener.say("tomography", f"{volume.name}: collectors, faces, voids")
    return job.stages.stage(tomography_scan, {"volume": volume}, {"how": how})


@versioned("1")
def tomography_scan(volume: Volume, *, how: ScanSettings) -> dict[str, xr.Dataset]:
    """`maps`, `voids`, `roughness`, `porosity`, `sections`, `summary` of one volume."""
    values = moved_back(volume, how)
    image = by_density(values, volume, how) if how.light is not None else as_given(values, volume, how)
    found = {name: electrode(image, name, volume.name) for name in ELECTRODES}
    maps = xr.concat([found[n]["maps"] for n in ELECTRODES], "electrode", combine_attrs="drop_conflicts")
    maps = maps.assign_coords(electrode=list(ELECTRODES))
    maps["inside"] = quantity(image.outline.sample.astype(np.uint8), ("y", "x"), "1", "section of the sample")
    maps["used"] = quantity(image.used.astype(np.uint8), ("y", "x"), "1", "columns that are measured")
    stack = tomo.stack_thickness(
        image.collectors["bottom"]["height"].where(xr.DataArray(image.used, dims=("y", "x"))),
        image.collectors["top"]["height"],
    )  # fmt: skip
    return {
        "maps": maps, "voids": joined([found[n]["voids"] for n in ELECTRODES]), "roughness": roughness(image, maps),
        **pores(image, maps), "sections": sections(image, maps), "summary": summary(image, maps, stack),
    }  # fmt: skip


def moved_back(volume: Volume, how: ScanSettings) -> np.ndarray:
    """The volume on the first one: shifted by whole and part voxels where `motion` says so (um; z, y, x)."""
    values = volume.read()
    if not any(how.motion):
        return values
    from scipy.ndimage import shift

    return shift(values, [-m / volume.voxel_um for m in how.motion], order=3, mode="nearest")


def by_density(values: np.ndarray, volume: Volume, how: ScanSettings) -> Image:
    """The image by electron density of an attenuation volume, see `tomography_density`."""
    light, voxel = how.light, volume.voxel_um
    assert light is not None
    given = dict(how.greys)
    steel, sample = outlines.levels(values, given.get("steel"), volume.name)
    sharp = smeared(values, light.collector_ratio)
    collectors = outlines.collector_heights(sharp, voxel, steel, light.lithium_mu, sample)
    outline = outlines.first_outline(values, voxel, collectors, sample, light)
    used = outlines.columns_used(sample, how.margin(voxel))
    _some(used, volume.name)
    ground = float(np.median(sharp[outlines.middle(values)][sample]))
    metal = METAL * max(abs(ground), light.lithium)
    image, lithium = density_image(values, outline, light, metal, used)
    greys, noise = {}, {}
    for k, name in enumerate(ELECTRODES):
        grey = {"void": float(lithium[k] - light.lithium), "lithium": float(lithium[k]), "steel": metal}
        grey |= near_solid(image, outline, used, name)
        greys[name] = grey | {n: v for n, v in given.items() if n != "steel"}
        noise[name] = scatter(image, outline, used, name, grey["lithium"])
    planes = {n: flat(collectors[n], used) for n in ELECTRODES}
    array = xr.DataArray(image, dims=("z", "y", "x"), attrs={"units": "1/cm", "voxel_um": voxel})
    return Image(
        array,
        greys,
        noise,
        planes,
        outline,
        used,
        how.blur_um or BLUR_VOXELS * voxel,
        True,
        dict(how.thresholds),
    )


def as_given(values: np.ndarray, volume: Volume, how: ScanSettings) -> Image:
    """A volume whose grey values the user knows: taken as they are, refined by `phase_greys`."""
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
        max(blur, 0.1 * voxel), False, dict(how.thresholds),
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


def flat(collector: xr.Dataset, used: np.ndarray) -> xr.Dataset:
    """The mean plane of a collector: refraction at its edge bends its image by more than its roughness."""
    height = collector["height"]
    form = height - tomo.remove_form(height.where(xr.DataArray(used, dims=("y", "x"))), "plane")
    rest = float(np.nanstd((height - form).values[used]))
    y, x = (np.linspace(-1, 1, n) for n in height.shape)
    known = np.isfinite(form.values)
    yy, xx = np.meshgrid(y, x, indexing="ij")
    design = np.stack([np.ones(known.sum()), yy[known], xx[known]], 1)
    c = np.linalg.lstsq(design, form.values[known], rcond=None)[0]
    result = collector.copy()
    result["height"] = height.copy(data=c[0] + c[1] * yy + c[2] * xx)
    result["height_err"] = collector["height_err"].copy(
        data=np.full(height.shape, rest / np.sqrt(used.sum() / 100))
    )
    result["height_flag"] = collector["height_flag"].copy(data=np.zeros(height.shape, np.uint16))
    return result.assign_attrs(form="plane", rest_um=rest)


def electrode(image: Image, name: str, scan: str) -> dict[str, xr.Dataset]:
    """Maps of one electrode, and its voids as objects."""
    grey = image.greys[name]
    model = tomo.LayerModel(
        steel=grey["steel"], lithium=grey["lithium"], void=grey["void"], solid=grey["interphase"],
        blur_um=image.blur_um, noise=image.noise[name],
    )  # fmt: skip
    try:
        layer = outlines.fitted(image.values, image.used, model, name)
    except InputError as error:
        raise InputError(error.what, where=f"{scan}, {name} electrode", fix=error.fix) from error
    thick = tomo.electrode_thickness(layer.where(xr.DataArray(image.used, dims=("y", "x"))).assign(flag=layer["flag"]),
                                     image.collectors[name])  # fmt: skip
    used = xr.DataArray(image.used, dims=("y", "x"))
    maps = xr.merge([layer[["face", "face_err", "void", "void_err", "contact", "gain"]], thick], join="override",
                    combine_attrs="drop_conflicts").where(used)  # fmt: skip
    for each in maps.data_vars.values():
        each.attrs.setdefault("voxel_um", layer.attrs["voxel_um"])
    maps["void_err"] = maps["void_err"].clip(max=model.most_um).assign_attrs(maps["void_err"].attrs)
    maps["flag"] = layer["flag"]
    for what in ("evidence", "contrast_ratio", "reliable"):
        maps[what] = quantity(float(layer.attrs[what]), (), "1", what)
    share = tomo.layer_voids(layer, image.values).where(used, 0)
    voids = tomo.void_objects(share > 0, share=share, least_voxels=8).drop_vars("label")
    voids["electrode"] = quantity(
        np.full(voids.sizes["void"], ELECTRODES.index(name)), "void", "1", "0 bottom, 1 top"
    )
    return {"maps": maps.drop_vars("lithium_flag"), "voids": voids}


def joined(tables: list[xr.Dataset]) -> xr.Dataset:
    return xr.concat(tables, "void", combine_attrs="drop_conflicts")
