"""Forward models that write raw files and a Truth. Written apart from the analysis they test.

`operando.twin.film`: the thin-film LCO, LiPON, Li, Ti cell under a scanning micro-beam.
`operando.twin.symmetric_cell`: the Li, solid electrolyte, Li cell under tomography.
"""

from typing import Any

__all__ = ["FilmCell", "Truth", "film_frames", "film_rings", "simulate"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import film

        return getattr(film, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
