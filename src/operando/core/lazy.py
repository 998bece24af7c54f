"""Names of a room, imported from its modules on first use: kernels and libraries take seconds to load."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazy(
    room: str, home: dict[str, list[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of the package `room`, whose module names map to the names they give.

    No function may have the name of its module: the loaded module would hide it.
    """
    where = {name: module for module, names in home.items() for name in names}

    def getattr_(name: str) -> Any:
        if name in where:
            return getattr(import_module(f".{where[name]}", room), name)
        if name in home:
            return import_module(f".{name}", room)
        raise AttributeError(f"module {room!r} has no attribute {name!r}")

    return getattr_, lambda: sorted(where), sorted(where)
