"""A process that compiles the fit kernels gives the same bits as one that finds them compiled."""

import os
import subprocess
import sys

CODE = """
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


def test_cold_and_warm_cache_agree_to_the_bit(tmp_path):
    told = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=300,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        )  # fmt: skip
        told.append(done.stdout)
    assert list(tmp_path.rglob("*.nbc")), "nothing was compiled into the cache"
    assert told[0] == told[1]
    assert "deviance" in told[0]
