"""Docstrings as they are written: the first sentence as text, the rest (equations, tables of arguments) as it is."""

from __future__ import annotations

import griffe


class Plain(griffe.Extension):
    """Put what follows the first paragraph of a docstring into a block whose spaces count."""

    def on_object(self, *, obj: griffe.Object, loader, **kwargs) -> None:
        if obj.docstring is None or obj.docstring.value.startswith("<!--"):
            return
        head, _, rest = obj.docstring.value.partition("\n\n")
        head = head.replace("<", "&lt;").replace("|", "&#124;").replace("*", "&#42;").replace("_", "&#95;")
        obj.docstring.value = f"<!-- plain -->{head}" + (f"\n\n```text\n{rest}\n```" if rest.strip() else "")
