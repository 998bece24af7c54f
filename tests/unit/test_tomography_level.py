"""The level of the retrieved image from lithium around voids, and the errors of columns where voids are near."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.core.flags import Flag
from operando.flow.tomography_density import Outline
from operando.flow.tomography_level import local_level, whole_by_layers
from operando.flow.tomography_scan import with_systematics
from operando.flow.tomography_series import column_errors

LITHIUM, SOLID = 1.6, 7.0
SHAPE = (60, 40, 40)


def cell():
    """Lithium to z = 20 and from 40 on, solid between; under the lower face a void 4 thick in the middle."""
    flat = np.full(SHAPE[1:], 1.0)
    outline = Outline(0 * flat, 60 * flat, 20 * flat, 40 * flat, flat > 0)
    void = np.where(np.hypot(*np.meshgrid(np.arange(40) - 20, np.arange(40) - 20)) < 10, 4.0, 0.0)
    z = np.arange(60, dtype=np.float32)[:, None, None] + np.float32(0.5)
    image = np.where((z > 20) & (z < 40), SOLID, LITHIUM) * np.ones(SHAPE)
    image = np.where((z < 20) & (z > 20 - void), 0.0, image)
    layers = {"bottom": (outline.bottom, void), "top": (outline.top, 0 * void)}
    return image.astype(np.float32), z, outline, layers, void


def test_whole_lithium_keeps_two_voxels_from_voids_and_faces():
    image, z, outline, layers, void = cell()
    bottom, top = whole_by_layers(z, outline, layers, np.ones(SHAPE[1:], bool))
    assert (image[bottom] == np.float32(LITHIUM)).all()
    assert (image[top] == np.float32(LITHIUM)).all()
    assert bottom[:18, 0, 0].all()
    assert not bottom[18:40, 0, 0].any()
    assert bottom[13, 20, 20]
    assert not bottom[14:, 20, 20].any()  # void from 16 on
    beside = np.flatnonzero(void[20] > 0)[0] - 1
    assert not bottom[15, 20, beside]


def test_a_slow_change_of_level_is_taken_out_of_voids_too():
    image, z, outline, layers, void = cell()
    y = np.arange(40)[None, :, None]
    slow = 0.15 * np.sin(y / 12) + 0.1 * np.cos(z / 9)
    whole = whole_by_layers(z, outline, layers, np.ones(SHAPE[1:], bool))
    found = image + slow + local_level((image + slow).astype(np.float32), whole, LITHIUM)
    inside = void > 0
    assert np.abs(found[17:19, inside]).max() < 0.06
    assert np.abs(found[5:15, inside] - LITHIUM).max() < 0.05
    assert np.abs(found[25:35] - image[25:35] - slow[25:35]).max() < 0.2  # far from lithium: hardly touched


def test_columns_with_a_void_near_the_collector_are_flagged_with_larger_errors():
    voxel, dims = 2.0, ("y", "x")
    lithium = np.array([[20.0, 12.0, 12.0, np.nan]])
    void = np.array([[3.0, 3.0, 0.0, np.nan]])
    maps = xr.Dataset({"lithium": (dims, lithium), "void": (dims, void)})
    for what in ("lithium_err", "gap_err", "level_err", "void_err"):
        maps[what] = (dims, np.full((1, 4), 0.01), {"units": "um"})
    maps["flag"] = (dims, np.zeros((1, 4), np.uint16))
    with_systematics(maps, voxel)
    np.testing.assert_allclose(maps["height_extra"].values, [[0, 0.08 * voxel * 3.5, 0, 0]])
    np.testing.assert_array_equal(maps["flag"].values, [[0, int(Flag.OUTSIDE_CALIBRATION), 0, 0]])
    np.testing.assert_allclose(maps["level_err"].values[0, 0], np.hypot(0.01, 0.1))
    assert maps["lithium_err"].values[0, 0] > maps["lithium_err"].values[0, 2]
    assert maps["lithium_err"].attrs["units"] == "um"


def test_errors_of_columns_grow_towards_the_axis_and_near_voids():
    extra = np.zeros((2, 1, 41, 41))
    extra[0, 0, 5, 5] = 0.4
    maps = xr.Dataset({"height_extra": (("time", "electrode", "y", "x"), extra)}, {"electrode": ["bottom"]})
    found = column_errors(maps.assign_attrs(voxel_um=2.0), "bottom", 0.1)
    assert found.shape == (2, 41, 41)
    assert found[1, 20, 20] == found[1].max() > 0.2
    assert found[1, 0, 0] < 0.11
    assert found[0, 5, 5] > 0.4
    assert column_errors(xr.Dataset(), "bottom", 0.1) is None
