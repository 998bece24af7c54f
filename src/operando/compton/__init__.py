"""Energy-resolved Compton images: energy scale, electron momentum, components, lithium content."""

from operando.core.lazy import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {})
