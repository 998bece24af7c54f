"""The dashboard: one page in the browser over a run folder, served from this machine by the standard library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operando.core.lazy import lazy

if TYPE_CHECKING:
    from .data import RunData as RunData
    from .server import Dashboard as Dashboard

_HOME = {"data": ["RunData"], "server": ["Dashboard"]}
__getattr__, __dir__, __all__ = lazy(__name__, _HOME)
