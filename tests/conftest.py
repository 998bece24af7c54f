"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture
def real_data():
    """The folder of measurements by others; the test is skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip("real measurements (../shared/data) are not on this machine")
    return DATA


@pytest.fixture
def rng():
    return np.random.default_rng(20250304)
