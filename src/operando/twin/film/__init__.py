"""The thin-film cell: settings in, raw files and a Truth out.

Example::

    cell = FilmCell.demo(seed=3)
    truth = simulate(cell, "demo")            # raw/, calib/, echem/, experiment.toml, truth.h5
    frames = film_frames(cell, map_index=0)   # the same frames in memory
    ring = film_rings(cell, 0, "LCO003")      # no images: one ring in azimuth and q, at once
"""

from .cell import FilmCell
from .frames import film_frames
from .rings import film_rings
from .truth import Truth
from .write import simulate

__all__ = ["FilmCell", "Truth", "film_frames", "film_rings", "simulate"]
