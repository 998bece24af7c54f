"""Voltage model on the tomography twin: the end of a half cycle needs the constriction of the contact maps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from volume_solver import face_voltage

from operando import models
from operando.twin.symmetric_cell import SymmetricCell as TwinCell
from operando.twin.symmetric_cell import truth

CELL = models.SymmetricCell(electrolyte_um=62.0, interphase_S_per_cm=2e-5, exchange_mA_per_cm2=5.0)
PATCH, DENSITY = slice(30, 54), 2.0


@pytest.fixture(scope="module")
def stripped():
    """Contact maps and interphase of the stripped electrode of the twin, start and end of the half cycle."""
    twin = TwinCell.demo().block(
        width=96, contact_start=(0.6, 0.35), contact_loss=0.1, half_cycle_s=10800.0, scan_period_s=3000.0, scans=4,
        interphase_um_per_mAh_cm2=3.0, void_correlation_um=10.0,
    )  # fmt: skip
    known = truth(twin)
    maps = known.maps.contact.sel(electrode="top").isel(time=[0, 2], y=PATCH, x=PATCH).values >= 0.5
    thick = known.scans.interphase_thickness.sel(electrode="top").isel(time=[0, 2]).values
    return maps, thick, twin.voxel_um


@pytest.fixture(scope="module")
def volume(stripped):
    """The voltage of the face by an independent solve in the volume, extrapolated to fine voxels."""
    maps, thick, voxel = stripped
    one, two = (
        np.array([face_voltage(m, voxel, CELL, t, DENSITY, n) for m, t in zip(maps, thick, strict=True)])
        for n in (1, 2)
    )
    return 2 * two - one


def face(interface, thick, cell=CELL, density=DENSITY):
    """Voltage of the stripped face of the cell model."""
    other = models.Interface(cell.area_cm2)
    found = models.cell_voltage(cell, np.arange(len(thick)), interface, other, current_mA_per_cm2=density)
    return (found.voltage - found.kinetic_bottom - found.electrolyte / 2).values


def test_end_polarisation_with_constriction_is_within_a_tenth(stripped, volume):
    maps, thick, voxel = stripped
    solved = models.interface_from_maps(CELL, maps, voxel, DENSITY, interphase_um=thick)
    ours = face(solved, thick)
    np.testing.assert_allclose(ours, volume, rtol=0.10)
    assert (ours[-1] - ours[0]) / (volume[-1] - volume[0]) == pytest.approx(1.0, abs=0.10)


def test_without_constriction_it_fails(stripped, volume):
    maps, thick, _ = stripped
    plain = face(models.Interface(maps.mean((1, 2)) * CELL.area_cm2, thick), thick)
    assert plain[-1] < 0.9 * volume[-1]
    assert plain[-1] - plain[0] < 0.7 * (volume[-1] - volume[0])


def test_contact_lost_step_by_step():
    """Maps of our own, finer voxels: the spectral solve is within 2 % of the volume, the plain model ever worse."""
    cell = CELL.changed(electrolyte_um=120.0)
    smooth = gaussian_filter(np.random.default_rng(5).normal(size=(10, 10)), 1.0)
    maps = [smooth > np.quantile(smooth, 1 - share) for share in (0.6, 0.25, 0.04)]
    thick, density = np.array([20.0, 30.0, 40.0]), 1.0
    two, four = (
        np.array([face_voltage(m, 20.0, cell, t, density, n) for m, t in zip(maps, thick, strict=True)])
        for n in (3, 6)
    )
    exact = 2 * four - two
    fine = [np.kron(m, np.ones((8, 8), bool)) for m in maps]
    solved = models.interface_from_maps(cell, fine, 20.0 / 8, density, interphase_um=thick)
    even = models.Interface(solved.contact_cm2, thick)
    ours, plain = (face(one, thick, cell, density) for one in (solved, even))
    np.testing.assert_allclose(ours, exact, rtol=0.02)
    assert (np.diff(plain / exact) < 0).all()
