"""Voxel structures to effective conductivity, tortuosity, stiffness and constriction."""

from operando.core.lazy import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {})
