"""The coin cell under Compton imaging: settings in, raw files and a CoinTruth out.

Example::

    cell = CoinCell.demo(seed=3)
    truth = simulate_coin_cell(cell, "demo")      # raw/, tomogram.h5, echem/, experiment.toml, truth.h5
    cube = coin_cell_cube(cell, state=0, region=0)  # the same photons in memory
    sums = summed_spectra(cell, seed=5)             # no images: all exposures summed along x, at once
"""

from operando.core.lazy import lazy

_HOME = {
    "cell": ["SLOW", "CoinCell", "State"],
    "measure": ["coin_cell_cube", "expected", "summed_spectra"],
    "truth": ["CoinTruth"],
    "write": ["simulate_coin_cell"],
}
__getattr__, __dir__, __all__ = lazy(__name__, _HOME)
