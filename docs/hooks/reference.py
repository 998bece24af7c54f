"""Fill the pages of docs/reference with the public names of a room, in the order in which the room lists them.

A line `api: operando.tomography` becomes one mkdocstrings block for each name. Names are loaded on first use, so a
static look at the room does not see them; `__all__` and where each name is defined are asked of the package itself.
"""

from __future__ import annotations

import importlib
import re

LINE = re.compile(r"^api: (operando[\w.]*)$", re.MULTILINE)


def on_page_markdown(markdown: str, page, config, files) -> str:
    """What mkdocs calls for each page."""
    return LINE.sub(lambda match: blocks(match[1]), markdown)


def blocks(room: str) -> str:
    """mkdocstrings blocks of the names that a room offers; submodules are left out."""
    module = importlib.import_module(room)
    found: dict[str, int] = {}
    for name in module.__all__:
        thing = getattr(module, name)
        home = getattr(thing, "__module__", None)
        if home and home.startswith("operando.") and getattr(thing, "__qualname__", "") == name:
            found[f"{home}.{name}"] = 2
            if isinstance(thing, type):
                found |= {f"{home}.{name}.{method}": 3 for method in methods(thing)}
    return "\n\n".join(
        f"::: {path}\n    options:\n      heading_level: {level}" for path, level in found.items()
    )


def methods(thing: type) -> list[str]:
    """Public methods and properties that a class defines itself and describes."""
    return [
        name for name, value in vars(thing).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, property | classmethod)) and value.__doc__
    ]  # fmt: skip
