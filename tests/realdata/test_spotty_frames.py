"""A spotty and a smooth powder on one detector: spots in the first, none beyond the stated rate in the second.

The pixels are dealt out to two interleaved halves. The smooth frame's one half is the spot-free reference for the
other half of either frame. Weak rings are taken: the bright rings of the smooth powder are grainy themselves, and
steep enough for the two halves to sample them differently, so that they are no null.
"""

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from operando.core import Sums
from operando.diffraction.grains import GrainSearch, find_spots

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "xrd_spotty"
WINDOWS = (1.72, 1.75, 2.42)  # middle of 0.1 1/angstrom
FALSE_RATE = 0.01
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FOLDER.exists(), reason="no ../shared/data/xrd_spotty beside the checkout"),
]


@pytest.fixture(scope="module")
def detector():
    import pyFAI

    geometry, shape = pyFAI.load(str(FOLDER / "Spotty_calib.poni")), (2083, 4150)
    q = geometry.array_from_unit(shape, unit="q_A^-1")
    azimuth = np.degrees(geometry.center_array(shape, "chi_rad")) % 360
    half = np.add.outer(np.arange(shape[0]), np.arange(shape[1])) % 2
    with h5py.File(FOLDER / "spotty_and_powder.h5") as file:
        frames = {name: file[name][()] for name in ("spotty", "powder")}
    return frames, q, azimuth, half


def cake(detector, name, part, middle):
    """Summed detector units and pixels (720 azimuths, 10 q) of one half of the pixels of a frame."""
    frames, q, azimuth, half = detector
    edges = np.linspace(0, 360, 721), np.linspace(middle - 0.05, middle + 0.05, 11)
    good = (frames[name] < 65535) & (half == part) & (q > edges[1][0]) & (q < edges[1][-1])
    counts = np.histogram2d(azimuth[good], q[good], edges, weights=frames[name][good].astype(float))[0]
    pixels = np.histogram2d(azimuth[good], q[good], edges)[0]
    return counts, np.where(pixels < 20, 0, pixels), edges


def spots(detector, name, part, middle):
    counts, pixels, edges = cake(detector, name, part, middle)
    smooth, smooth_pixels, _ = cake(detector, "powder", 1 - part, middle)
    own, own_pixels, _ = cake(detector, "powder", part, middle)
    both = (own_pixels > 0) & (smooth_pixels > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = own / own_pixels - smooth / smooth_pixels
        z = (z / np.sqrt(own / own_pixels**2 + smooth / smooth_pixels**2))[both]
    units = (1.4826 * np.median(np.abs(z - np.median(z)))) ** 2  # variance of a detector unit
    centres = [(e[1:] + e[:-1]) / 2 for e in edges]
    coords = {"z": [0.0], "x": [0.0], "azimuth": centres[0], "q": centres[1]}

    def sums(values, weight):
        signal = xr.DataArray(values[None, None], dims=("z", "x", "azimuth", "q"), coords=coords)
        return Sums(signal, signal * units, xr.DataArray(weight, dims=("azimuth", "q")))

    search = GrainSearch(false_rate=FALSE_RATE, scale="image")
    return find_spots(sums(counts, pixels), sums(smooth, smooth_pixels), search)


def test_the_smooth_frame_has_no_spots(detector):
    found = [len(spots(detector, "powder", part, w).table) for w in WINDOWS for part in (0, 1)]
    assert sum(found) == 0  # six images at 0.01 each


def test_the_spotty_frame_has_spots_where_the_other_half_of_the_pixels_has_them(detector):
    """Spots overlap in this frame, and up to a third are parted differently in the two halves; most must coincide.

    Unrelated spots, 5 to 14 over 50 degrees, would lie some degrees from the nearest of the other half.
    """
    for window in WINDOWS:
        one, two = (spots(detector, "spotty", part, window).column("azimuth") / 2 for part in (0, 1))
        assert len(one) >= 5
        assert len(two) >= 5
        assert np.median(np.abs((one[:, None] - two + 180) % 360 - 180).min(1)) < 0.2
