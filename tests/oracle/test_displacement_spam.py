"""Displacement beside spam (GPL, optional): the same volumes, the same windows, both against the known motion."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter, map_coordinates

pytest.importorskip("spam.DIC", reason="spam is not installed (extra spam, GPL)")

from operando import tomography as tomo

HOW = tomo.Correlation(window=15, spacing=9, search=3)


def pair(rng, noise):
    """Texture moved by a shift and a stretch of 2 % along z: u_z = 0.4 + 0.02 (z - 24), u_y = -0.3, u_x = 0.7 voxel."""
    values = gaussian_filter(rng.standard_normal((50, 50, 50)), 1.5)
    values /= values.std()
    z, y, x = np.indices(values.shape).astype(float)
    from_ = (z - 0.4 + 0.02 * 24) / 1.02, y + 0.3, x - 0.7  # of the material that is at z, y, x afterwards
    moved = map_coordinates(values, from_, order=5, mode="nearest")
    return [
        xr.DataArray(
            (v + noise * rng.standard_normal(v.shape)).astype(np.float32),
            dims=("z", "y", "x"),
            attrs={"voxel_um": 1.0},
        )
        for v in (values, moved)
    ]


@pytest.mark.parametrize("noise", [0.05, 0.2])
def test_both_find_the_known_motion_and_ours_is_no_worse(rng, noise):
    volumes = pair(rng, noise)
    rms = {}
    for method in ("own", "spam"):
        field = tomo.displacement_field(*volumes, HOW, method=method)
        good = field["flag"].values == 0
        assert good.mean() > 0.9
        known = {"z": 0.4 + 0.02 * (field["z"].values[:, None, None] - 0.5 - 24), "y": -0.3, "x": 0.7}
        off = [(field[f"u_{a}"].values - known[a])[good] for a in "zyx"]
        rms[method] = np.sqrt(np.mean(np.square(off)))
    assert rms["own"] < 0.05
    assert rms["spam"] < 0.05
    assert rms["own"] < 1.1 * rms["spam"]
