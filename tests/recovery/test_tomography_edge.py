"""Collectors by the photons behind them, and light that is neither made nor lost, on the twin without noise."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

pytest.importorskip("xraylib")
pytest.importorskip("finufft")

from operando import tomography as tomo
from operando.core.errors import InputError
from operando.tomography import Backprojector, Beams, Projector
from operando.twin.symmetric_cell import SymmetricCell, truth
from operando.twin.symmetric_cell.rays import flux_divergence, transmission

STILL = {"angle_jitter_deg": 0.0, "axis_jitter_px": 0.0, "scans": 1}


@lru_cache(maxsize=2)
def seen():
    cell = SymmetricCell.tiny(
        steel_um=16.0, lithium_um=(22.0, 22.0), height=80, roughness_um=(0.8, 0.8), **STILL
    )
    paths = -np.log(transmission(cell, 0)).transpose(1, 0, 2)
    beams = Beams(np.linspace(0, 180, cell.projections), cell.columns, cell.centre_px)
    return cell, paths, Backprojector(beams, pixel_um=1.7), Projector(beams, pixel_um=1.7)


def section(cell):
    x = np.arange(cell.width) - (cell.width - 1) / 2
    return np.hypot(x[:, None], x) * cell.voxel_um <= cell.diameter_um / 2


@pytest.mark.parametrize("name", ["bottom", "top"])
def test_height_of_a_collector_to_a_tenth_of_a_voxel(name):
    cell, paths, back, project = seen()
    known = truth(cell).maps["surface_height"].isel(time=0).sel(surface=f"steel_{name}").values
    start = np.nanmean(known) / cell.voxel_um + 0.7
    for _ in range(2):
        found = tomo.edge_by_photons(
            paths, back, project, section(cell), start=start, voxel_um=cell.voxel_um, up=name == "bottom"
        )
        start = float(found["height"].median()) / cell.voxel_um
    inner = np.hypot(*(np.mgrid[: cell.width, : cell.width] - (cell.width - 1) / 2)) < 18
    off = (found["height"].values - known)[inner] / cell.voxel_um
    assert abs(off.mean()) < 0.03
    assert off.std() < 0.1
    assert np.std(known[inner]) / cell.voxel_um > 3 * off.std()


def test_what_photons_cannot_tell_is_refused():
    _, paths, back, project = seen()
    sample = np.ones((64, 64), bool)
    with pytest.raises(InputError, match="too near the border"):
        tomo.edge_by_photons(paths, back, project, sample, start=3.0, voxel_um=1.7)
    with pytest.raises(InputError, match="too little light"):
        tomo.edge_by_photons(
            np.where(paths > 0.3, 9.0, paths), back, project, sample, start=9.5, voxel_um=1.7
        )


def test_a_strong_edge_moves_the_light_that_there_is():
    path = np.zeros((12, 20), np.float32)
    path[:6] = 40.0
    light = np.where(path > 0, np.float32(0.3), np.float32(1.0))
    after = light + flux_divergence(light, path, 0.5)
    assert after.sum() == pytest.approx(light.sum(), rel=1e-5)
    assert after.min() >= -1e-6
    np.testing.assert_allclose(after[4:8, 10], [0.3, 0.0, 1.3, 1.0], atol=1e-6)
