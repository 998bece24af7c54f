"""Contact and voids at the interface of lithium and a solid, with the blur of the image in the model.

A blurred image hides thin voids: the bright tail of the electrolyte fills them. Here each column is steel, lithium
up to b - t, a void of thickness t, solid above b. The face b and the thickness t are found together by
comparing the image with the blurred model, whose solid is the image's own (pores and grains included) beyond
one voxel from the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core.errors import InputError
from ..core.flags import Flag, flag_variable
from .column_rule import Electrode
from .surfaces import crossing
from .volume import check_volume, coordinates, quantity, same_voxel

TILE, MARGIN = 256, 14


@dataclass(frozen=True)
class LayerModel:
    """Grey values (of the volume) and blur (um, sigma) of steel, lithium, void and the solid at the interface.

    solid           the phase that touches lithium: the interphase, or the electrolyte where there is none
    noise           1-sigma of a voxel
    even            relative error of the solid's modelled tail; voxels near the face count less by it
    smooth_voxels   Gaussian over columns by which evidence is shared (z stays sharp)
    least_voxels    a void must be this thick somewhere near, to be called
    most_um         thickest void looked for
    """

    steel: float
    lithium: float
    void: float
    solid: float
    blur_um: float
    noise: float
    even: float = 0.02
    smooth_voxels: float = 1.0
    least_voxels: float = 1.0
    most_um: float = 12.0
    rounds: int = 6

    def __post_init__(self) -> None:
        if not self.void < self.lithium < self.solid < self.steel:
            raise InputError(
                "grey values must rise: void < lithium < solid < steel", where="LayerModel",
                fix="Take them from phase_greys; hold void at that of air.",
            )  # fmt: skip
        if not (self.noise > 0 and self.blur_um >= 0):
            raise InputError("noise must be positive and blur_um not negative", where="LayerModel")


def fit_void_layer(volume: xr.DataArray, model: LayerModel, electrode: Electrode = "bottom") -> xr.Dataset:
    """Face of the solid, thickness of voids before it, and contact, of one electrode.

    A column has a void where the model with the plateau thickness of its neighbours (largest within one voxel)
    explains the image, and its surroundings under a Gaussian of `smooth_voxels`, better than contact does: the
    edge of a void is where the blurred void is half as thick as its plateau, which blur does not move.

    volume   (z, y, x), steel of this electrode and at least a few voxels of the solid in it

    Over y, x: `face` (um above the lower side of the volume), `void` (um; blurred rims of voids kept, so that
    its sum is the volume; 0 in contact), each with `_err`, `contact` (1, 0; NaN not known), `gain` (how much
    likelier than contact, log), `flag` (NO_DATA no lithium or no solid; WINDOW_EDGE void as thick as looked
    for; OUTSIDE_CALIBRATION lithium thinner than the model needs). attrs: `evidence`, the signal to noise of a
    void of `least_voxels` in one smoothed column; under 3, or where the solid is over ten times as far from
    lithium as the void is (absorption without phase retrieval), contact and voids are not reliable and
    `reliable` is 0. Measured on the twin: see tests/recovery/test_tomography_contact.py.
    """
    volume = check_volume(volume.squeeze(), where="fit_void_layer")
    voxel = same_voxel(volume)
    flip = slice(None, None, -1 if electrode == "top" else 1)
    ny, nx = volume.sizes["y"], volume.sizes["x"]
    out = {n: np.full((ny, nx), np.nan) for n in ("face", "face_err", "void", "void_err", "contact", "gain")}
    flag = np.full((ny, nx), int(Flag.NO_DATA))
    for y in range(0, ny, TILE):
        for x in range(0, nx, TILE):
            wide = [slice(max(a - MARGIN, 0), min(a + TILE + MARGIN, n)) for a, n in ((y, ny), (x, nx))]
            grey = volume.isel(y=wide[0], x=wide[1]).values[flip].astype(np.float32)
            maps = fit_layer(grey, model, voxel)
            if maps is None:
                continue
            rows, columns = slice(y, min(y + TILE, ny)), slice(x, min(x + TILE, nx))
            inner = (slice(y - wide[0].start, rows.stop - wide[0].start),
                     slice(x - wide[1].start, columns.stop - wide[1].start))  # fmt: skip
            for name, values in out.items():
                values[rows, columns] = maps[name][inner]
            flag[rows, columns] = maps["flag"][inner]
    if (flag & int(Flag.NO_DATA)).all():
        raise InputError(
            "no column holds steel, lithium and solid in turn", where=f"fit_void_layer, {electrode}",
            fix="Check the grey values, the crop and which electrode it is.",
        )  # fmt: skip
    return _dataset(volume, model, electrode, voxel, out, flag)


def _dataset(volume, model, electrode, voxel, out, flag) -> xr.Dataset:
    if electrode == "top":
        out["face"] = volume.sizes["z"] - out["face"]
    evidence = (
        (model.lithium - model.void)
        / model.noise
        * np.sqrt(model.least_voxels * max(4 * np.pi * model.smooth_voxels**2, 1.0))
    )
    ratio = (model.solid - model.lithium) / (model.lithium - model.void)
    scale = {"face": voxel, "face_err": voxel, "void": voxel, "void_err": voxel}
    names = {"face": "face of the solid", "void": "thickness of the void", "contact": "lithium in contact"}
    data = {
        n: quantity(
            v * scale.get(n, 1.0), ("y", "x"), "um" if n in scale else "1", names.get(n, ""), voxel_um=voxel
        )
        for n, v in out.items()
    }
    attrs = {
        "electrode": electrode, "model": repr(model), "voxel_um": voxel, "evidence": float(evidence),
        "contrast_ratio": float(ratio), "reliable": int(evidence >= 3 and ratio <= 10),
    }  # fmt: skip
    result = xr.Dataset(data, coordinates(volume, "y", "x"), attrs)
    result["flag"] = flag_variable(flag, ("y", "x"))
    return result


def fit_layer(grey: np.ndarray, model: LayerModel, voxel: float) -> dict[str, np.ndarray] | None:
    """The maps of one tile in voxels, z = 0 at the collector; None where no column has the three layers."""
    from ._layer_fit import Tile

    above_steel = 0.5 * (model.steel + model.solid)
    share = (grey - model.solid) / (model.lithium - model.solid)
    steel_end, has_steel = crossing((grey >= above_steel).astype(np.float32), "first")
    z = np.arange(len(grey))[:, None, None]
    share = np.where(z < steel_end[None] + 1 + 3 * model.blur_um / voxel, 1.0, share).astype(np.float32)
    face, has_face = crossing(share, "first")
    good = has_steel & has_face & (face - steel_end > 2)
    if good.sum() < 16:
        return None
    tile = Tile(grey, model, voxel, face.astype(float), steel_end, good)
    for _ in range(model.rounds):
        tile.improve()
    return tile.result()
