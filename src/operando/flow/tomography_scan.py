"""One scan of a symmetric cell measured: collectors, faces, voids, contact, thickness, pores, sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando import tomography as tomo
from operando.core.flags import Flag
from operando.tomography.void_layer import LayerModel
from operando.tomography.volume import quantity

from .stage import versioned
from .tomography_image import Image, ScanSettings, fit_layer, image_of
from .tomography_measures import ELECTRODES, pores, roughness, sections, summary
from .tomography_source import Volume

if TYPE_CHECKING:
    from .running import Run

THIN = 9.5  # voxels of lithium between a void and a collector whose height is told by photons
THIN_ERROR = 0.08  # voxels of the collector's height, for each voxel less
FACE_OFF, VOID_OFF = 0.05, 0.15  # voxels by which a face, and the thickness of a void, are off


def measured(job: Run, volume: Volume, how: ScanSettings) -> dict[str, xr.Dataset]:
    job.listener.say("tomography", f"{volume.name}: collectors, faces, voids")
    return job.stages.stage(tomography_scan, {"volume": volume}, {"how": how})


@versioned("4")
def tomography_scan(volume: Volume, *, how: ScanSettings) -> dict[str, xr.Dataset]:
    """`maps`, `voids`, `roughness`, `porosity`, `sections`, `summary` of one volume."""
    image = image_of(volume, how)
    found = {name: electrode(image, name, volume.name) for name in ELECTRODES}
    maps = xr.concat([found[n]["maps"] for n in ELECTRODES], "electrode", combine_attrs="drop_conflicts")
    maps = maps.assign_coords(electrode=list(ELECTRODES))
    maps["inside"] = quantity(image.outline.sample.astype(np.uint8), ("y", "x"), "1", "section of the sample")
    maps["height_systematic"] = quantity(
        image.bent, (), "1", "voxels a collector's height may be off by refraction"
    )
    maps["used"] = quantity(image.used.astype(np.uint8), ("y", "x"), "1", "columns that are measured")
    stack = tomo.stack_thickness(
        image.collectors["bottom"]["height"].where(xr.DataArray(image.used, dims=("y", "x"))),
        image.collectors["top"]["height"],
    )  # fmt: skip
    return {
        "maps": maps, "voids": joined([found[n]["voids"] for n in ELECTRODES]), "roughness": roughness(image, maps),
        **pores(image, maps), "sections": sections(image, maps), "summary": summary(image, maps, stack),
    }  # fmt: skip


def electrode(image: Image, name: str, scan: str) -> dict[str, xr.Dataset]:
    """Maps of one electrode, and its voids as objects."""
    layer = fit_layer(image, name, scan)
    thick = tomo.electrode_thickness(layer.where(xr.DataArray(image.used, dims=("y", "x"))).assign(flag=layer["flag"]),
                                     image.collectors[name])  # fmt: skip
    used = xr.DataArray(image.used, dims=("y", "x"))
    maps = xr.merge([layer[["face", "face_err", "void", "void_err", "contact", "gain"]], thick], join="override",
                    combine_attrs="drop_conflicts").where(used)  # fmt: skip
    for each in maps.data_vars.values():
        each.attrs.setdefault("voxel_um", layer.attrs["voxel_um"])
    maps["void_err"] = maps["void_err"].clip(max=LayerModel.most_um).assign_attrs(maps["void_err"].attrs)
    maps["flag"] = layer["flag"]
    if "form" not in image.collectors[name].attrs and image.bent:
        with_systematics(maps, layer.attrs["voxel_um"])
    for what in ("evidence", "contrast_ratio", "reliable"):
        maps[what] = quantity(float(layer.attrs[what]), (), "1", what)
    share = tomo.layer_voids(layer, image.values).where(used, 0)
    voids = tomo.void_objects(share > 0, share=share, least_voxels=8).drop_vars("label")
    voids["electrode"] = quantity(
        np.full(voids.sizes["void"], ELECTRODES.index(name)), "void", "1", "0 bottom, 1 top"
    )
    return {"maps": maps.drop_vars("lithium_flag"), "voids": voids}


def with_systematics(maps: xr.Dataset, voxel: float) -> None:
    """Errors of a column beyond counting noise, by face, void and collector; measured on the twin.

    `height_extra` (um) and a flag where a void lies so near to the collector that its fringes are taken for the
    collector's. `face_err` stays that of the noise, which roughness is freed of.
    """
    void = maps["void"] > 0
    thin = (THIN - maps["lithium"] / voxel).clip(min=0).where(void, 0.0).fillna(0.0)
    extra = THIN_ERROR * voxel * thin
    maps["height_extra"] = extra.assign_attrs(units="um", long_name="error of the collector by voids near it")
    face = together(extra, extra * 0 + FACE_OFF * voxel)
    for what in ("lithium_err", "gap_err", "level_err"):
        maps[what] = together(maps[what], face)
    in_void = VOID_OFF * voxel * void
    for what in ("lithium_err", "void_err"):
        maps[what] = together(maps[what], in_void)
    doubt = xr.where(extra > 0, int(Flag.OUTSIDE_CALIBRATION), 0).astype(maps["flag"].dtype)
    maps["flag"] = (maps["flag"] | doubt).assign_attrs(maps["flag"].attrs)


def together(error: xr.DataArray, more: xr.DataArray) -> xr.DataArray:
    return ((error**2 + more**2) ** 0.5).assign_attrs(error.attrs)


def joined(tables: list[xr.Dataset]) -> xr.Dataset:
    return xr.concat(tables, "void", combine_attrs="drop_conflicts")
