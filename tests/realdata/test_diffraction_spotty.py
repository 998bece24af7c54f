"""The same detector with a spotty and a smooth sample: spots in the one, none in the other."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from operando.core import Geometry, Sums
from operando.diffraction import azimuth_profile, check_orientation, find_ring_spots

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "xrd_spotty"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/data/xrd_spotty is not here"),
]
RINGS = (1.563, 1.953, 2.289, 2.536)  # strong and apart, 1/angstrom
HALF, AZIMUTHS, BINS = 0.05, 720, 40


@pytest.fixture(scope="module")
def frames():
    import h5py

    with h5py.File(FOLDER / "spotty_and_powder.h5") as file:
        images = {name: file[name][()] for name in ("powder", "spotty")}
    geometry = Geometry.from_poni(FOLDER / "Spotty_calib.poni").for_shape(images["powder"].shape)
    return images, geometry


def around(image, geometry, q0):
    """Sums of a ring window, (azimuth, q)."""
    q, azimuth, weight = geometry.q(), geometry.azimuth(), geometry.solid_angle()
    near = np.abs(q - q0) < HALF
    where = ((0, 360), (q0 - HALF, q0 + HALF))
    sums = [
        np.histogram2d(azimuth[near], q[near], (AZIMUTHS, BINS), where, weights=v[near])[0]
        for v in (image.astype(float), weight)
    ]
    coords = {
        "azimuth": (np.arange(AZIMUTHS) + 0.5) * 360 / AZIMUTHS,
        "q": q0 - HALF + 2 * HALF / BINS * (np.arange(BINS) + 0.5),
    }
    signal, total = (xr.DataArray(s, dims=("azimuth", "q"), coords=coords) for s in sums)
    return Sums(signal, signal, total)


def test_spots_in_the_spotty_frame_and_none_in_the_smooth_one(frames):
    images, geometry = frames
    number = {}
    for name, image in images.items():
        profiles = [azimuth_profile(around(image, geometry, q0)) for q0 in RINGS]
        assert (
            sum(int(np.isfinite(p["intensity"]).sum()) for p in profiles) > 300
        )  # half-degree bins of the four arcs
        found = [find_ring_spots(p, noise="measured", sigma_deg=(0.5, 1.0, 2.0)) for p in profiles]
        number[name] = sum(f.sizes["spot"] for f in found)
    assert number["powder"] <= 1
    assert number["spotty"] >= 5


def test_spotty_rings_still_tell_the_orientation(frames):
    images, geometry = frames
    assert check_orientation(images["spotty"], geometry).verdict == "right"
