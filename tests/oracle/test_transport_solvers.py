"""Tortuosity factors against an assembly in SciPy, and against taufactor where it is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

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
