"""Tortuosity against an assembly in SciPy and taufactor, stiffness against muSpectre, where they are installed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from operando import transport

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from tortuosity import blobs, reference


@pytest.mark.parametrize("porosity", [0.05, 0.5, 0.65])
def test_factors_are_those_of_a_direct_assembly(porosity):
    """Domains of 15 x 15 x 60 (four a porosity), the stopping rule as it comes: within 0.01 %."""
    volume = blobs((60, 30, 30), 2.0, porosity, 11)
    found = transport.tortuosity_map(volume, (15, 15, 60))["tau_factor"].values.ravel()
    true = [
        reference(volume[:, 15 * j : 15 * j + 15, 15 * i : 15 * i + 15]) for j in range(2) for i in range(2)
    ]
    assert np.array_equal(np.isfinite(found), np.isfinite(true))
    np.testing.assert_allclose(found, true, rtol=1e-4)


def test_factor_of_taufactor():
    taufactor = pytest.importorskip("taufactor", reason="taufactor (needs torch) is not installed")
    solid = blobs((40, 30, 30), 2.0, 0.4, 3)
    theirs = taufactor.Solver(solid.astype(int), device="cpu").solve(verbose=False, conv_crit=1e-3)[0]
    ours = transport.tortuosity_factor(solid, directions="z")["tau_factor"][0]
    assert float(ours) == pytest.approx(theirs, rel=2e-3)


def test_stiffness_of_muspectre():
    """All constants of three random phases on a 13 x 12 x 11 grid: muSpectre with the same (rotated) gradient."""
    msp = pytest.importorskip("muSpectre", reason="muSpectre is not installed")
    from muFFT import Stencils3D

    grey = gaussian_filter(np.random.default_rng(0).standard_normal((11, 12, 13)), 1.2, mode="wrap")
    labels = (grey > np.quantile(grey, 0.3)).astype(int) + (grey > np.quantile(grey, 0.7))
    moduli = {0: (5.0, 0.3), 1: (150.0, 0.26), 2: (60.0, 0.2)}
    size = labels.shape[::-1]
    gradient = Stencils3D.averaged_upwind
    cell = msp.Cell(size, [float(n) for n in size], msp.Formulation.small_strain, gradient)
    make = msp.material.MaterialLinearElastic1_3d.make
    materials = {label: make(cell, f"phase {label}", *given) for label, given in moduli.items()}
    for number, (x, y, z) in cell.pixels.enumerate():
        materials[int(labels[z, y, x])].add_pixel(number)
    cell.initialise()
    quiet = msp.Verbosity.Silent
    solver, voigt = (
        msp.solvers.KrylovSolverCG(cell, 1e-10, 2000, quiet),
        [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)],
    )
    columns = []
    for i, j in voigt:
        strain = np.zeros((3, 3))
        strain[i, j] += 0.5
        strain[j, i] += 0.5
        found = msp.solvers.newton_cg(cell, strain, solver, 1e-7, 1e-7, quiet)
        stress = np.asarray(found.stress).reshape((3, 3, -1), order="F").mean(-1)
        columns.append([stress[pair] for pair in voigt])
    ours = transport.effective_stiffness(labels, moduli, tolerance=1e-8, precision="float64")[
        "stiffness"
    ].values
    np.testing.assert_allclose(ours, np.array(columns).T, atol=1e-5 * ours.max())
