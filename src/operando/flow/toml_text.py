"""Plain data as TOML."""

from __future__ import annotations

import json
from typing import Any


def to_toml(data: dict[str, Any]) -> str:
    """Plain data as TOML: top-level tables as [tables], everything below inline."""

    def value(item: Any) -> str:
        if isinstance(item, dict):
            return "{ " + ", ".join(f"{key(k)} = {value(v)}" for k, v in item.items()) + " }"
        if isinstance(item, (list, tuple)):
            return "[" + ", ".join(value(v) for v in item) + "]"
        if isinstance(item, str):
            return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007f")
        return json.dumps(item)

    def key(name: str) -> str:
        return (
            name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)
        )

    lines = [f"{key(name)} = {value(item)}" for name, item in data.items() if not isinstance(item, dict)]
    for name, table in data.items():
        if isinstance(table, dict):
            lines += ["", f"[{key(name)}]", *(f"{key(k)} = {value(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"
