"""The solid under an interface that tomography found, as labels: pore 0, solid 1, unknown 2; z from the face on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.core.errors import ExperimentError

from .sections.transport import TransportSection
from .stage import versioned
from .tomography import settings_of
from .tomography_image import ScanSettings, image_of
from .tomography_motion import held_fixed
from .tomography_source import Volume, series
from .transport_source import LabelVolume

if TYPE_CHECKING:
    from .running import Run

PORE, SOLID, UNKNOWN = 0, 1, 2
SKIN = 2.0  # of the point spread's sigma: so far under the face, a void beside it still darkens voxels of the solid


def from_tomography(job: Run, section: TransportSection, groups: dict[str, xr.Dataset]) -> list[LabelVolume]:
    """One label volume a scan: `depth_um` of the solid under the `interface`, flattened on it.

    Raises `ExperimentError` where the phases are not those two labels, or a map of the face is missing.
    """
    tomography, maps = job.experiment.tomography, groups.get("tomography/maps")
    assert tomography is not None
    if {phase.label for phase in section.phases.values()} != {PORE, SOLID}:
        raise ExperimentError(
            "of [tomography] the solid has two labels: 0 pore, 1 solid", where="transport.phases",
            fix="Give phases of these labels, or labels = FILE with your own segmentation.",
        )  # fmt: skip
    if maps is None:
        raise ExperimentError("[tomography] found no faces", where="transport.interface")
    volumes = series(job)
    how = settings_of(job, tomography, volumes[0])
    found = []
    for k, one in enumerate(volumes):
        motion = held_fixed(job, tomography, volumes[0], one, how)["taken_out"]
        faces = maps[["face"]].isel(time=k).reset_coords(drop=True).drop_attrs(deep=False)
        inputs = {"volume": one, "faces": faces}
        settings = {
            "how": how,
            "motion": motion,
            "interface": section.interface,
            "depth_um": section.depth_um,
        }
        labels = job.stages.stage(transport_solid, inputs, settings)["label"].values
        unknown = UNKNOWN if (labels == UNKNOWN).any() else None
        found.append(LabelVolume(one.name, labels, (one.voxel_um,) * 3, unknown))
    names = section.names or [v.name for v in found]
    if len(names) != len(found):
        raise ExperimentError(
            f"{len(names)} names for {len(found)} scans", where="transport.names", fix="Name every scan."
        )
    return [LabelVolume(n, v.labels, v.voxel_um, v.unknown) for n, v in zip(names, found, strict=True)]


@versioned("2")
def transport_solid(
    volume: Volume, faces: xr.Dataset, *, how: ScanSettings, motion: tuple, interface: str, depth_um: float
) -> xr.Dataset:
    """`label` (z, y, x) of the solid from `SKIN` sigmas under its face on; pores by the threshold of `[tomography]`.

    Columns that are not used, and what lies beyond the solid, are unknown.
    """
    from dataclasses import replace

    how = replace(how, motion=motion)
    image = image_of(volume, how)
    grey, voxel = image.greys[interface], volume.voxel_um
    limit = image.limits.get("pore", 0.5 * (grey["void"] + grey["electrolyte"]))
    count = max(1, round(depth_um / voxel))
    near, far = (
        nearest(faces["face"].sel(electrode=n).values, image.used) / voxel for n in ("bottom", "top")
    )
    sign = 1
    if interface == "top":  # the same upside down
        near, far, sign = len(image.values) - far, len(image.values) - near, -1
    grey_values = image.values.values[::sign]
    labels = flattened(grey_values, near, far, SKIN * image.blur_um / voxel, count, float(limit))
    about = {"units": "1", "long_name": "0 pore, 1 solid, 2 unknown", "pore_threshold": float(limit)}
    return xr.Dataset({"label": (("z", "y", "x"), labels, about)})


def nearest(face: np.ndarray, used: np.ndarray) -> np.ndarray:
    """The face (y, x), where it is not known inside of `used` that of the nearest column; NaN outside of `used`."""
    from scipy.ndimage import distance_transform_edt

    known = np.isfinite(face)
    if not known.any():
        return np.full(face.shape, np.nan)
    place = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.where(used, face[tuple(place)], np.nan)


def flattened(
    values: np.ndarray, near: np.ndarray, far: np.ndarray, skin: float, count: int, limit: float
) -> np.ndarray:
    """Labels of `count` voxels upwards from `skin` above the face `near`, unknown from `skin` under the face `far` on.

    near, far (y, x): in voxels from the volume's first border; NaN: not known.
    """
    known = np.isfinite(near) & np.isfinite(far)
    index = np.ceil(np.where(known, near, 0) + skin).astype(int)[None] + np.arange(count)[:, None, None]
    inside = known & (index >= 0) & (index + 1 <= np.where(known, far, 0) - skin) & (index < len(values))
    grey = np.take_along_axis(values, np.clip(index, 0, len(values) - 1), axis=0)
    return np.where(inside, np.where(grey < limit, PORE, SOLID), UNKNOWN).astype(np.uint8)
