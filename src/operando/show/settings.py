"""Settings as TOML text, and sizes of Datasets as words."""

from __future__ import annotations

import json
from typing import Any

import xarray as xr


def as_toml(settings: dict[str, Any]) -> str:
    """The experiment as TOML: plain values first, tables after, short inline tables in lists."""
    return "\n".join(_table(settings, "")).strip() + "\n"


def _table(values: dict[str, Any], path: str) -> list[str]:
    plain = {k: v for k, v in values.items() if v is not None and (not isinstance(v, dict) or _short(v))}
    lines = [f"{key} = {_value(value)}" for key, value in plain.items()]
    for key, value in values.items():
        if isinstance(value, dict) and not _short(value):
            name = f"{path}.{key}" if path else key
            lines += ["", f"[{name}]", *_table(value, name)]
    return lines


def _short(value: dict[str, Any]) -> bool:
    return bool(value) and len(_value(value)) < 72 and not any(isinstance(v, dict) for v in value.values())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in value.items() if v is not None) + " }"
            if value
            else "{}"
        )
    if isinstance(value, list | tuple):
        parts = [_value(v) for v in value]
        if any(isinstance(v, dict) for v in value):
            return "[\n  " + ",\n  ".join(parts) + ",\n]"
        return "[" + ", ".join(parts) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False, default=str)


def contents(groups: dict[str, xr.Dataset]) -> list[dict[str, str]]:
    """Where each number is in results.nxs."""
    return [
        {
            "path": f"/entry/{name}",
            "size": " × ".join(f"{dim} {size}" for dim, size in dataset.sizes.items()),
            "variables": ", ".join(str(v) for v in dataset.data_vars if not str(v).endswith("_err")),
        }
        for name, dataset in groups.items()
    ]
