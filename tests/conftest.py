"""Fixtures that every test may use."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

# background jobs of a shell are started deaf to Ctrl-C, and the commands that tests start would inherit that
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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
