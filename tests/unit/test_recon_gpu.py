"""The GPU path with numpy and finufft in place of cupy and cufinufft: its arithmetic, not the device."""

import sys
import types

import numpy as np
import pytest

finufft = pytest.importorskip("finufft", reason="needs the extra tomo")

from operando.core.errors import ExtraMissing  # noqa: E402
from operando.tomography.fourier_backproject import backproject  # noqa: E402
from operando.tomography.slabs import choose_device  # noqa: E402


@pytest.fixture
def stand_in(monkeypatch):
    cupy = types.SimpleNamespace(asarray=np.asarray, asnumpy=np.asarray, fft=np.fft)
    cufinufft = types.SimpleNamespace(Plan=finufft.Plan)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cufinufft", cufinufft)


def test_same_slices_as_on_the_cpu(stand_in, rng):
    angles = np.linspace(0, 180, 60, endpoint=False)
    sinograms = rng.random((3, 60, 48)).astype(np.float32)
    gpu = backproject(sinograms, angles, 23.7, device="gpu", pixel_um=2.0)
    cpu = backproject(sinograms, angles, 23.7, pixel_um=2.0)
    np.testing.assert_allclose(gpu, cpu, rtol=0, atol=2e-3 * np.abs(cpu).max())


def test_without_the_packages(monkeypatch):
    monkeypatch.setitem(sys.modules, "cufinufft", None)
    assert choose_device("auto") == "cpu"
    with pytest.raises(ExtraMissing, match="GPU"):
        backproject(np.ones((4, 16), np.float32), np.arange(4) * 45.0, 7.5, device="gpu")
