"""Models that explain the images: grain selection, phase field, interlayer, film electrode, symmetric cell."""

from operando.core.lazy import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {})
