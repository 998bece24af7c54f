"""Voxel structures to effective conductivity, tortuosity, stiffness and constriction."""

from operando.core.lazy import lazy

_HOME = {
    "constriction": ["Slab", "contact_current", "constriction_series"],
}

__getattr__, __dir__, __all__ = lazy(__name__, _HOME)
