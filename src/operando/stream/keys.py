"""Names for settings: what a compiled program and a checkpoint are found by."""

from __future__ import annotations

import pickle
from dataclasses import fields, is_dataclass
from hashlib import blake2b

import numpy as np

from ..core import Frames, digest


def frames_key(reductions, frames: Frames) -> str:
    return settings_digest(
        list(reductions), frames.shape, np.dtype(frames.dtype).str, frames.dead_value, frames.mask
    )


def settings_digest(*items) -> str:
    """Digest of settings; reductions of a user's own that `core.digest` does not know go by their pickle."""
    try:
        return digest("stream 1", _facts(items, {}))
    except TypeError:
        return blake2b(pickle.dumps(items), digest_size=16).hexdigest()


def _facts(item, seen: dict[int, str]):
    """The item with every array replaced by its digest: a mask that many reductions share is read once."""
    if isinstance(item, (list, tuple)):
        return [_facts(entry, seen) for entry in item]
    if is_dataclass(item) and not isinstance(item, type):
        return [type(item).__name__, {f.name: _facts(getattr(item, f.name), seen) for f in fields(item)}]
    if isinstance(item, np.ndarray):
        if id(item) not in seen:
            seen[id(item)] = digest(item)
        return seen[id(item)]
    return item
