"""A process that compiles the kernels of a run gives the same bits as one that finds them compiled."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FITS = """
import hashlib
import numpy as np
import xarray as xr
from operando import diffraction
from operando.core import Sums

rng = np.random.default_rng(0)
q = np.linspace(1.29, 1.40, 24)
centre = 1.345 + 0.003 * rng.standard_normal((400, 1))
counts = rng.poisson(3 + 40 * np.exp(-0.5 * ((q - centre) / 0.012) ** 2))
signal = xr.DataArray(counts, dims=("frame", "q"), coords={"q": q})
fits = diffraction.fit_peaks(Sums(signal, signal, xr.ones_like(signal, dtype=float)))
print({name: hashlib.md5(fits[name].values.tobytes()).hexdigest() for name in fits})
"""


TRANSPORT = """
import hashlib
import numpy as np
from scipy.ndimage import gaussian_filter
from operando import transport

grey = gaussian_filter(np.random.default_rng(0).standard_normal((40, 22, 24)), 2, mode="wrap")
labels = (grey > np.quantile(grey, 0.3)).astype(int) + (grey > np.quantile(grey, 0.6))
found = [
    transport.tortuosity_map(labels, (12, 11, 40), phase=(1, 2)),
    transport.effective_conductivity(labels, {0: 0.0, 1: 0.1, 2: 1.0}),
    transport.potential_field(labels, {0: 0.01, 1: 0.1, 2: 1.0}),
    transport.effective_stiffness(labels, {0: (0, 0), 1: (20, 0.3), 2: (150, 0.25)}),
]
print([{name: hashlib.md5(d[name].values.tobytes()).hexdigest() for name in d.data_vars} for d in found])
"""

FEATURES = """
import hashlib
import numpy as np
import xarray as xr
from operando.tomography.learn import FeatureSettings, pixel_features

grey = np.random.default_rng(0).standard_normal((6, 40, 44)).astype(np.float32)
image = xr.DataArray(grey, dims=("z", "y", "x"), attrs={"voxel_um": 1.0})
found = [pixel_features(image, FeatureSettings(dimensions=n)) for n in (2, 3)]
print("features", [hashlib.md5(one.values.tobytes()).hexdigest() for one in found])
"""


@pytest.mark.parametrize(
    ("code", "word"), [(FITS, "deviance"), (TRANSPORT, "tau_factor"), (FEATURES, "features")]
)
def test_cold_and_warm_cache_agree_to_the_bit(tmp_path, code, word):
    told = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        )  # fmt: skip
        told.append(done.stdout)
    assert list(tmp_path.rglob("*.nbc")), "nothing was compiled into the cache"
    assert told[0] == told[1]
    assert word in told[0]


def test_no_kernel_lets_the_compiler_reorder_sums():
    """fastmath is what made a compiling process differ from one that finds its kernels: no kernel asks for it."""
    import operando

    files = list(Path(operando.__file__).parent.rglob("*.py"))
    assert len(files) > 300
    assert [f.name for f in files if "fastmath=" in f.read_text(encoding="utf-8")] == []
