"""Projections to volumes, and volumes to interfaces, contact, voids, thickness and local current density."""

from operando.core.lazy import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {})
