"""Grains that follow a layer first and lie anywhere later: p-values over the last maps show when that ends."""

from types import SimpleNamespace

import numpy as np
import xarray as xr

from operando.flow.relation import _over_maps

PREDICTED = np.arange(0.0, 360.0, 60.0)
SECTION = SimpleNamespace(min_grains=10, width_deg=3.0)


def grains_of(per_map: list[np.ndarray]) -> xr.Dataset:
    """Each grain is seen once."""
    azimuth = np.concatenate(per_map)
    where = np.repeat(np.arange(len(per_map)), [len(a) for a in per_map])
    return xr.Dataset(
        {
            "azimuth": ("grain", azimuth), "map_index": ("grain", where), "track": ("grain", np.arange(azimuth.size)),
            "coverage": (("time", "azimuth_bin"), np.ones((len(per_map), 360))),
        },
        {"time": np.arange(len(per_map)) * 300.0, "azimuth_bin": np.arange(360) + 0.5},
    )  # fmt: skip


def test_when_grains_stop_to_follow_is_seen_in_the_last_maps_and_not_in_the_sum():
    rng = np.random.default_rng(1)
    early = [rng.choice(PREDICTED, 4) + rng.normal(0, 1, 4) for _ in range(8)]
    late = [rng.uniform(0, 360, 4) for _ in range(8)]
    found = _over_maps(grains_of(early + late), PREDICTED, SECTION)
    recent, so_far = found["recent_p"].values, found["so_far_p"].values
    assert np.isnan(recent[:2]).all()  # four and eight grains
    assert (recent[2:8] < 0.01).all()
    assert (so_far[2:] < 0.01).all()
    assert np.median(recent[11:]) > 0.1
    assert (
        found["recent_number"].values[2:] == 12
    ).all()  # three maps of four hold the ten that a test needs
    np.testing.assert_array_equal(found["so_far_number"].values, 4 * np.arange(1, 17))


def test_grains_seen_again_are_counted_once():
    azimuth = np.full(6, 60.0)
    grains = grains_of([azimuth, azimuth])
    grains["track"] = ("grain", np.tile(np.arange(6), 2))
    found = _over_maps(grains, PREDICTED, SECTION)
    assert found["so_far_number"].values.tolist() == [6, 6]
    assert np.isnan(found["so_far_p"].values).all()
