"""Links of grains in time against a known crowd of sightings: who is who, and how often the odds are wrong."""

import numpy as np
import pytest
import xarray as xr

from operando.core.errors import InputError
from operando.diffraction import TrackSearch, link_grains, track_table

STEP, COLUMNS, MAPS = 33.0, 20, 40


def crowd(seed: int, turn_deg: float) -> tuple[xr.Dataset, np.ndarray]:
    """Sightings of grains that begin 12 a map at six favoured azimuths, most of them short-lived; whose they are."""
    rng = np.random.default_rng(seed)
    born = np.repeat(np.arange(-10, MAPS), 12)
    life = np.where(
        rng.random(born.size) < 0.6, rng.integers(1, 3, born.size), rng.integers(3, 16, born.size)
    )
    first = 60 * rng.integers(0, 6, born.size) + 6 * rng.standard_normal(born.size)
    rate, place = turn_deg * rng.standard_normal(born.size), rng.uniform(0, COLUMNS * STEP, born.size)
    light = 100 * np.exp(0.7 * rng.standard_normal(born.size))
    rows = [(t, k) for k in range(born.size) for t in range(max(born[k], 0), min(born[k] + life[k], MAPS))]
    when, who = np.array(sorted(rows)).T
    error = rng.uniform(0.05, 0.2, when.size)
    azimuth = first[who] + rate[who] * (when - born[who]) + error * rng.standard_normal(when.size)
    column, wide = np.floor(place[who] / STEP), rng.random(born.size)[who] < 0.4
    columns = {
        "map_index": when, "azimuth": azimuth % 360, "azimuth_err": error, "x_min": column * STEP,
        "x_max": (column + wide) * STEP, "x": np.where(wide, place[who] + rng.normal(size=when.size), column * STEP),
        "z": np.full(when.size, 4.0), "z_min": np.full(when.size, 3.0), "z_max": np.full(when.size, 5.0),
        "intensity": light[who] * np.exp(0.2 * rng.standard_normal(when.size)), "log10_p": np.full(when.size, -50.0),
    }  # fmt: skip
    found = xr.Dataset({name: ("grain", values) for name, values in columns.items()})
    found = found.assign(
        map_flag=("time", np.zeros(MAPS, np.uint16)), flag=("grain", np.zeros(when.size, np.uint16))
    )
    found = found.assign_coords(time=("time", 300.0 * np.arange(MAPS)))
    return found.assign_attrs(z_step_um=1.0, x_step_um=STEP, columns=COLUMNS, log10_p_limit=-7.0), who


@pytest.mark.parametrize("turn_deg", [0.1, 0.5])
def test_links_are_of_one_grain_and_their_chance_of_error_is_what_it_says(turn_deg):
    links = switches = again = kept = 0
    expected = 0.0
    for seed in range(3):
        found, who = crowd(seed, turn_deg)
        linked = link_grains(found)
        track = linked["track"].values
        order = np.lexsort((found["map_index"].values, track))
        same = np.diff(track[order]) == 0
        links, switches = links + same.sum(), switches + (same & (np.diff(who[order]) != 0)).sum()
        order = np.lexsort((found["map_index"].values, who))
        same = np.diff(who[order]) == 0
        again, kept = again + same.sum(), kept + (same & (np.diff(track[order]) == 0)).sum()
        expected += float(np.nansum(linked["link_chance"].values))
    assert switches < 0.02 * links
    assert kept > 0.94 * again
    assert (
        0.2 * expected < switches < 1.5 * expected
    )  # seen: 0.7 to 0.9; a wrong density of births is off by tens


def test_a_link_over_a_missed_map_is_more_doubtful_for_a_grain_that_could_not_be_missed():
    found, _ = crowd(0, 0.1)
    rows = found.isel(grain=np.zeros(5, int)).assign(map_index=("grain", np.array([1, 2, 3, 5, 6])))
    dim = rows.assign(log10_p=("grain", np.full(5, -8.0)))
    doubt = [link_grains(one)["link_chance"].values for one in (rows, dim)]
    assert np.isnan(doubt[0][0])
    assert doubt[0][3] > 3 * doubt[1][3] > 0
    mixed = track_table(link_grains(dim))["mixed_chance"].values
    np.testing.assert_allclose(mixed, 1 - np.prod(1 - doubt[1][1:]))


def test_a_map_that_was_not_recorded_is_none_that_a_grain_missed():
    found, _ = crowd(0, 0.1)
    rows = found.isel(grain=np.zeros(5, int)).assign(map_index=("grain", np.array([1, 2, 3, 5, 6])))
    lost = rows.assign(map_flag=("time", np.where(np.arange(MAPS) == 4, 1, 0)))
    missed, unrecorded = (link_grains(one)["link_chance"].values[3] for one in (rows, lost))
    assert missed > 20 * unrecorded > 0


def test_two_grains_that_cross_where_nothing_tells_them_apart_are_not_linked():
    found, _ = crowd(0, 0.1)
    rows = found.isel(grain=np.zeros(4, int)).assign(map_index=("grain", np.array([1, 1, 2, 2])))
    assert (link_grains(rows)["track"].values == np.arange(4)).all()
    apart = rows.assign(azimuth=("grain", np.array([60.0, 64.0, 60.1, 64.1])))
    assert list(link_grains(apart)["track"].values) == [0, 1, 0, 1]


def test_chance_of_a_link_must_be_a_chance():
    with pytest.raises(InputError, match="most_chance"):
        TrackSearch(most_chance=1.5)
