"""Who is who among grains of one azimuth side by side: tables of sightings, no images."""

import numpy as np
import xarray as xr

from operando.diffraction import link_grains

STEP = 33.0


def sightings(rows: list[tuple[int, float, int, int]]) -> xr.Dataset:
    """Rows of (map, azimuth, first column, last column), all of one height and brightness."""
    when, azimuth, first, last = (np.array(v, float) for v in zip(*rows, strict=True))
    maps = int(when.max()) + 1
    columns = {
        "map_index": when.astype(int), "azimuth": azimuth, "azimuth_err": np.full(when.size, 0.1),
        "x_min": first * STEP, "x_max": last * STEP, "x": 0.5 * (first + last) * STEP,
        "z": np.full(when.size, 4.0), "z_min": np.full(when.size, 3.0), "z_max": np.full(when.size, 5.0),
        "intensity": np.full(when.size, 100.0), "log10_p": np.full(when.size, -50.0),
    }  # fmt: skip
    found = xr.Dataset({name: ("grain", values) for name, values in columns.items()})
    return found.assign(map_flag=("time", np.zeros(maps, np.uint16))).assign_attrs(
        z_step_um=1.0, x_step_um=STEP
    )


def test_a_grain_that_begins_beside_one_that_ends_is_another():
    rows = [(t, 60.0, 3, 3) for t in range(3)] + [(t, 60.8, 4, 4) for t in range(3, 6)]
    track = link_grains(sightings(rows))["track"].values
    assert len(set(track[:3])) == len(set(track[3:])) == 1
    assert track[0] != track[3]


def test_a_grain_that_grows_by_a_column_stays_itself():
    rows = [(t, 60.0 + 0.3 * t, 3, 3) for t in range(3)] + [(t, 60.0 + 0.3 * t, 3, 4) for t in range(3, 6)]
    assert len(set(link_grains(sightings(rows))["track"].values)) == 1


def test_after_two_grains_were_seen_as_one_the_one_that_stays_is_still_itself():
    rows = [(t, 60.0, 3, 3) for t in range(3)] + [(t, 60.5, 4, 4) for t in range(3)]
    rows += [(3, 60.2, 3, 4), (4, 60.5, 4, 4), (5, 60.5, 4, 4)]
    track = link_grains(sightings(rows))["track"].values
    assert track[-1] == track[-2] == track[3]
