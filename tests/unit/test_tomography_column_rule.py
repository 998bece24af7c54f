"""The column rule of paper 004: equal to its literal reading, right where it can be, clear where it cannot."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from column_rule_literal import literal_column

from operando.core.errors import InputError
from operando.tomography import ColumnRule, column_segmentation

RULE = ColumnRule(steel=160.0, lithium=65.0, void=25.0, interphase=80.0)


def cell(rng, shape=(60, 4, 33), noise=6.0):
    """Steel, lithium, voids before a third of the interphase, interphase, electrolyte with pores."""
    nz, ny, nx = shape
    z = np.arange(nz)[:, None, None]
    end = 25 + rng.integers(-3, 4, (ny, nx))
    void = np.where(rng.random((ny, nx)) < 0.3, rng.integers(1, 7, (ny, nx)), 0)
    grey = np.where(z < end, 40.0, np.where(z < end + 5, 90.0, 130.0))
    grey = np.where((z >= end - void) & (z < end), 10.0, grey)
    grey = np.where((rng.random(shape) < 0.03) & (z > end + 8), 10.0, grey)
    grey = np.where(z < 8, 200.0, grey)
    return np.clip(grey + noise * rng.standard_normal(shape), 0, 255), end, void


def by_columns(grey, rule):
    label, contact = np.zeros(grey.shape, np.uint8), np.zeros(grey.shape[1:], np.uint8)
    limits = [np.float32(v) for v in (rule.steel, rule.lithium, rule.void, rule.interphase)]
    for y, x in np.ndindex(contact.shape):  # interpreted: compiling takes longer
        contact[y, x] = literal_column.py_func(grey[:, y, x], *limits, rule.ahead, rule.depth, label[:, y, x])
    return label, contact


def volume(grey):
    return xr.DataArray(grey, dims=("z", "y", "x"), attrs={"voxel_um": 1.7, "units": "1"})


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(("ahead", "electrode"), [(3, "bottom"), (4, "top"), (5, "top"), (2, "bottom")])
def test_equal_to_the_literal_rule_voxel_by_voxel(rng, dtype, ahead, electrode):
    rule = ColumnRule(160.0, 65.5, 25.3, 80.0, ahead=ahead)
    grey = cell(rng, noise=14.0)[0].astype(dtype)
    label, contact = by_columns(grey, rule)
    seen = column_segmentation(volume(grey if electrode == "bottom" else grey[::-1].copy()), rule, electrode)
    found = seen["label"].values if electrode == "bottom" else seen["label"].values[::-1]
    np.testing.assert_array_equal(found, label)
    np.testing.assert_array_equal(seen["contact"].values, contact == 1)
    np.testing.assert_array_equal(seen["lithium"].values, contact != 2)


def test_noise_alone_as_input_is_still_equal(rng):
    grey = rng.uniform(0, 255, (40, 3, 70)).astype(np.float32)
    label, _ = by_columns(grey, RULE)
    np.testing.assert_array_equal(column_segmentation(volume(grey), RULE)["label"].values, label)


def test_sharp_volume_is_segmented_exactly(rng):
    grey, end, void = cell(rng, noise=0.0)
    found = column_segmentation(volume(grey.astype(np.float32)), RULE)
    np.testing.assert_array_equal(found["last"].values, end - 1)
    np.testing.assert_array_equal(found["contact"].values, void == 0)
    voids = (found["label"].values & 2) > 0
    np.testing.assert_array_equal(voids.sum(0), void)  # pores of the bulk are not among them


@pytest.mark.parametrize("electrode", ["bottom", "top"])
def test_a_volume_on_disk_in_slabs_is_the_same(rng, monkeypatch, tmp_path, electrode):
    from operando.tomography import column_rule

    grey = volume(cell(rng, (60, 37, 33))[0].astype(np.float32)[:: 1 if electrode == "bottom" else -1])
    whole = column_segmentation(grey, RULE, electrode)
    grey.to_dataset(name="grey").to_netcdf(tmp_path / "grey.h5", engine="scipy")
    monkeypatch.setattr(column_rule, "SLAB_VOXELS", 60 * 33 * 5)
    with xr.open_dataset(tmp_path / "grey.h5", engine="scipy") as kept:
        lazy = kept["grey"]
        assert len(column_rule._slabs(lazy)) == 8
        xr.testing.assert_equal(column_segmentation(lazy, RULE, electrode), whole)


def test_bad_input_is_one_clear_error(rng):
    grey = volume(cell(rng)[0].astype(np.float32))
    with pytest.raises(InputError, match="no column holds lithium"):
        column_segmentation(grey * 0 + 200, RULE)
    with pytest.raises(InputError, match="not finite"):
        column_segmentation(grey.where(grey > 5).assign_attrs(grey.attrs), RULE)
    with pytest.raises(InputError, match="voxel size"):
        column_segmentation(xr.DataArray(grey.values, dims=("z", "y", "x")), RULE)
    with pytest.raises(InputError, match="not z, y, x"):
        column_segmentation(grey.rename(z="depth"), RULE)
    with pytest.raises(InputError, match="must rise"):
        ColumnRule(steel=60.0, lithium=65.0, void=25.0, interphase=80.0)
