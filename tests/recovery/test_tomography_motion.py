"""Displacement of the electrolyte and drift of the sample against the symmetric-cell twin."""

from __future__ import annotations

import numpy as np
import pytest
import tomography_twin as twin
from scipy.ndimage import uniform_filter

from operando import tomography as tomo
from operando.twin.symmetric_cell.measures import rise_um

HOW = tomo.Correlation(window=17, spacing=8, search=4)


@pytest.fixture(scope="module")
def moved():
    settings = twin.cell()
    return settings, tomo.displacement_field(twin.image(settings, 0), twin.image(settings, 2), HOW)


def whole_windows(settings, field):
    """Truth of the rise at the nodes (um), and whether the whole window is electrolyte."""
    z = (np.arange(settings.height) + 0.5) * settings.voxel_um
    rise = rise_um(settings, 2, z) - rise_um(settings, 0, z)
    inside = uniform_filter(np.isfinite(rise).astype(float), HOW.window) > 0.999
    at = np.ix_(*(np.round(field[a].values / settings.voxel_um - 0.5).astype(int) for a in "zyx"))
    return rise[at], inside[at]


def test_displacement_within_0_05_voxel_where_there_is_texture(moved):
    settings, field = moved
    known, inside = whole_windows(settings, field)
    good = inside & (field["flag"].values == 0)
    assert good.sum() > 0.9 * inside.sum() > 100
    off = (field["u_z"].values - known)[good] / settings.voxel_um
    assert np.sqrt((off**2).mean()) < 0.05
    for axis in "yx":
        assert np.sqrt((field[f"u_{axis}"].values[good] ** 2).mean()) / settings.voxel_um < 0.05
        assert 0.7 < (field[f"u_{axis}"] / field[f"u_{axis}_err"]).values[good].std() < 1.4


def test_steel_without_texture_is_flagged():
    settings = twin.cell(steel_um=60.0, lithium_um=(20.0, 20.0), electrolyte_um=30.0)
    pair = [twin.image(settings, scan).isel(z=slice(0, 32)) for scan in (0, 1)]
    field = tomo.displacement_field(*pair, tomo.Correlation(window=13, spacing=6, search=2))
    assert (field["flag"].values[0] != 0).all()


def test_drift_is_found_on_the_steel_and_nothing_else_is_taken_out():
    settings = twin.cell(drift_um_per_h=(0.0, 0.0, 1.0))
    still = twin.cell()
    first, last = twin.image(settings, 0), twin.image(settings, 3)
    shift = twin.known(settings).scans["drift"].sel(axis="z")
    known = float(shift[3] - shift[0])
    held = tomo.held_slab(first, (0.0, 22.0))
    motion = tomo.register_rigid(first, last, held, name="lower collector")
    found = motion["motion"].sel(freedom="z")
    assert float(found) == pytest.approx(known, abs=0.05)
    assert motion.attrs["held"] == "lower collector"
    back = tomo.apply_motion(last, motion)
    grey = twin.greys(settings)
    tops = [
        tomo.surface_heights(v.fillna(grey["steel"]), grey["lithium"], grey["steel"], z_um=(120, 160))[
            "height"
        ]
        for v in (first, back)
    ]
    rise = twin.known(still).scans["collector_rise"]
    assert float((tops[1] - tops[0]).mean()) == pytest.approx(float(rise[3] - rise[0]), abs=0.1)


def test_stack_thickness_and_molar_volume_of_lithium_in_the_interphase():
    settings = twin.cell()
    known = twin.known(settings).scans
    grey = twin.greys(settings)
    found = []
    for scan in range(3):
        volume = twin.image(settings, scan)
        lower = tomo.surface_heights(volume, grey["steel"], grey["lithium"], z_um=(0, 40))
        upper = tomo.surface_heights(volume, grey["lithium"], grey["steel"], z_um=(115, 160))
        found.append(float(tomo.stack_thickness(lower["height"], upper["height"])["thickness"]))
    assert found == pytest.approx(list(known["stack_thickness"].values[:3]), abs=0.02)
