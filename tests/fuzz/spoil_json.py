"""Ways to spoil a JSON file: keys and values of its tree, or its text. Heads of zarr, strokes of a person."""

from __future__ import annotations

import json
from pathlib import Path

from spoil_bytes import spoil_lines
from spoil_toml import change


def spoil_json(path: Path, rng) -> str:
    """Mostly one change of the tree, sometimes several, sometimes of the text."""
    if rng.random() < 0.3:
        return spoil_lines(path, rng)
    tree = json.loads(path.read_text())
    told = [change(tree, rng) for _ in range(int(rng.choice([1, 1, 1, 2, 4])))]
    path.write_text(json.dumps(tree), encoding="utf-8", errors="replace")
    return "; ".join(told)
