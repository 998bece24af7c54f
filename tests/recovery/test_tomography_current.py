"""Local current density, its noise floor and hot spots against the symmetric-cell twin."""

from __future__ import annotations

import numpy as np
import pytest
import tomography_twin as twin
import xarray as xr
from test_tomography_contact import electrode

from operando import tomography as tomo


def currents(settings, name, *, smooth_um=0.0, scans=range(4)):
    maps = [electrode(settings, scan, name)[2] for scan in scans]
    times = twin.known(settings).maps["time"].values[list(scans)]
    thickness = xr.concat([m["level"] for m in maps], "time").assign_coords(time=times)
    again = electrode(settings, 0, name, 9)[2]
    floor = tomo.noise_floor(maps[0]["level"], again["level"], smooth_um=smooth_um)
    return tomo.local_current_density(thickness, floor, molar_volume=13.02), floor


@pytest.mark.parametrize("name", ["bottom", "top"])
def test_local_current_density_within_its_error(name):
    settings = twin.cell()
    found, _ = currents(settings, name)
    known = twin.known(settings).maps["current_density_prescribed"].sel(electrode=name).values
    pull = (found["current_density"].values - known) / found["current_density_err"].values
    for one in pull:
        assert 0.8 < one.std() < 1.2
        assert abs(one.mean()) < 1  # what all columns share: bias of the mean void


@pytest.mark.parametrize("name", ["bottom", "top"])
def test_no_hot_spot_where_there_is_none(name):
    found, floor = currents(twin.cell(), name)
    spots = tomo.find_hot_spots(found, floor)
    assert spots.sizes["spot"] == 0
    assert spots.attrs["false_per_map"] == 0.05


def test_a_hot_spot_is_found_where_it_is_and_followed():
    settings = twin.cell(hot_spot_gain=4.0)
    found, floor = currents(settings, "top", scans=range(3))
    spots = tomo.find_hot_spots(found, floor)
    assert spots.sizes["spot"] == 1
    middle = settings.width * settings.voxel_um / 2
    place = float(spots["peak_x"][0]) - middle, float(spots["peak_y"][0]) - middle
    assert np.hypot(place[0] - settings.hot_spot_um[0], place[1] - settings.hot_spot_um[1]) < 10
    assert float(spots["last"][0]) >= float(spots["first"][0]) + 1
    assert float(spots["significance"][0]) > spots.attrs["level_sigma"]


def test_images_without_current_show_no_current():
    settings = twin.cell()
    maps = [electrode(settings, 0, "top", seed)[2]["level"] for seed in (0, 9, 10, 11)]
    floor = tomo.noise_floor(maps[0], maps[1])
    pair = xr.concat(maps[2:], "time").assign_coords(time=[0.0, 1800.0])
    found = tomo.local_current_density(pair, floor)
    pull = found["current_density"] / found["current_density_err"]
    assert 0.8 < float(pull.std()) < 1.2
    assert abs(float(found["mean"][0])) < 4 * float(found["mean_err"][0])
    assert tomo.find_hot_spots(found, floor).sizes["spot"] == 0
    assert float((found["current_density_flag"] != 0).mean()) > 0.9  # not told apart from no current
