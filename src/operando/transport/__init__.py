"""Voxel structures to effective conductivity, tortuosity, stiffness and constriction."""

from operando.core.lazy import lazy

_HOME = {
    "conductivity": ["effective_conductivity", "effective_conductivities"],
    "tortuosity": ["tortuosity_factor", "tortuosity_map"],
    "constriction": ["Slab", "contact_current", "constriction_series"],
}

__getattr__, __dir__, __all__ = lazy(__name__, _HOME)
