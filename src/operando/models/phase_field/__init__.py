"""Phase field of a growing polycrystalline film: which grains win, layer by layer."""

from operando.core.lazy import lazy

_HOME = {
    "film": ["FilmModel", "Growth", "consistent", "as_printed", "step_limit", "substeps"],
    "seeds": ["Seeds", "random_nuclei", "seeds_from_map", "nearest_pole"],
    "run": ["grow", "time_error", "deposition_rate"],
    "measures": ["orientation_shares", "grain_widths", "survivors"],
    "meeting": ["survivor_score"],
    "theory": ["front_speed", "boundary_mobility", "empty_front_speed", "drag_speed"],
    "sweeps": ["Case", "sweep", "grown_case"],
}

__getattr__, __dir__, __all__ = lazy(__name__, _HOME)
