"""operando: from detector frames and a cycler file to maps of what lithium does in a working battery.

`import operando as op` gives the nouns (`op.Geometry`, `op.Phase`, `op.ScanGrid` ...) and the rooms (`op.read`,
`op.stream`, `op.diffraction`, `op.tomography`, `op.compton`, `op.microscopy`, `op.echem`, `op.models`, `op.transport`,
`op.twin`, `op.flow`, `op.show`). Everything is loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

ROOMS = (
    "compton", "core", "diffraction", "echem", "flow", "microscopy", "models", "read", "show", "stream",
    "tomography", "transport", "twin",
)  # fmt: skip
NOUNS = (
    "ArrayFrames", "Beam", "Cell", "Flag", "FrameBlock", "Frames", "Geometry", "Layer", "OperandoError", "Phase",
    "Reflection", "Scan", "ScanGrid", "Sums", "merge",
)  # fmt: skip

__all__ = [*ROOMS, *NOUNS]


def __getattr__(name: str) -> Any:
    if name in ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in NOUNS:
        return getattr(importlib.import_module(f"{__name__}.core"), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("operando")
    raise AttributeError(f"module 'operando' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
