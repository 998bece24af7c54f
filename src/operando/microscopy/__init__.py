"""Orientation maps (EBSD): grains, texture statistics, pole figures."""

from operando.core.lazy import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {})
