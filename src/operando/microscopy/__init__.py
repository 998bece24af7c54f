"""Orientation maps (EBSD): grains, shares near poles, pole figures. Maps come from `operando.read.orientation_map`."""

from operando.core.lazy import lazy

_HOME = {
    "rotations": ["crystal_directions", "disorientation", "equivalent_directions", "symmetry"],
    "grains": ["find_grains", "grain_sizes"],
    "shares": ["compare_shares", "pole_shares", "random_share"],
    "texture": ["direction_colours", "inverse_pole_figure", "into_sector", "pole_figure", "sector"],
}

__getattr__, __dir__, __all__ = lazy(__name__, _HOME)
