"""Short names for contents: what a cache key is made of."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np


def digest(*items) -> str:
    """BLAKE2 of any nesting of arrays (with dtype and shape), datasets, dataclasses, models and plain values.

    Returns 32 hexadecimal characters. Raises `TypeError` for what has no stable form.
    """
    state = hashlib.blake2b(digest_size=16)
    for item in items:
        _feed(state, item)
    return state.hexdigest()


def _feed(state, item) -> None:
    if isinstance(item, np.ndarray):
        state.update(f"array {item.dtype.str} {item.shape} ".encode())
        state.update(np.ascontiguousarray(item).view(np.uint8).reshape(-1).data if item.size else b"")
    elif isinstance(item, np.generic):
        _feed(state, item.item())
    elif hasattr(item, "variables") and hasattr(item, "attrs"):  # xarray.Dataset
        for name in sorted(map(str, item.variables)):
            variable = item[name]
            state.update(f"variable {name} {variable.dims} ".encode())
            _feed(
                state, np.asarray(variable.values) if variable.dtype != object else variable.values.tolist()
            )
    elif dataclasses.is_dataclass(item) and not isinstance(item, type):
        state.update(f"{type(item).__name__} ".encode())
        for entry in dataclasses.fields(item):
            state.update(f"{entry.name} ".encode())
            _feed(state, getattr(item, entry.name))
    elif hasattr(item, "model_dump"):
        _feed(state, item.model_dump(mode="json"))
    elif isinstance(item, dict):
        for key in sorted(item, key=str):
            state.update(f"key {key} ".encode())
            _feed(state, item[key])
    elif isinstance(item, (list, tuple)):
        state.update(f"list {len(item)} ".encode())
        for entry in item:
            _feed(state, entry)
    elif isinstance(item, (str, int, float, bool, type(None), Path)):
        state.update(f"{type(item).__name__} {json.dumps(str(item))} ".encode())
    else:
        raise TypeError(f"{type(item).__name__} has no stable form for a digest")
