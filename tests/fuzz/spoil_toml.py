"""Ways to spoil an experiment file: keys and values of its tree, or its text."""

from __future__ import annotations

import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

from spoil_bytes import spoil_lines

from operando.flow.toml_text import to_toml

VALUES: tuple[Any, ...] = (
    0, -1, 1, 2, 3, 1e308, -1e308, 1e-308, 10**9, 10**12, 10**18, 10**30, -(10**18), 0.0, -0.5, 0.1, float("nan"),
    float("inf"), -float("inf"), True, False, "", " ", "abc", "none", "find", "recorded", "detector", "é漢字🔋",
    "../../etc", "/etc/passwd", "/dev/zero", "*", "**", "[", "raw/*", "..", "/", "~", "a/b", "x" * 5000, "\u0000",
    "\ud7ff", "nan", [], [[]], [0], [0, 0], [1, 2, 3], [1e300, 1e-300], [-1, -1, -1], ["a"], [[1, 2], [3, 4]],
    [None] * 0, {}, {"a": 1}, {"": ""}, [{}], list(range(3000)), "2025-03-04T00:00:00", "Europe/Paris", "UTC", "+25:00",
    "R-3m", "P1", "Fm-3m", 180, 360, 89.999999, 1e-12, 20_000, 10_000_000,
)  # fmt: skip


def _places(item: Any, path: tuple = ()) -> list[tuple]:
    """Every key and index of a tree of tables and lists."""
    inside = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    found = []
    for key, value in inside:
        found += [(*path, key), *_places(value, (*path, key))]
    return found


def _at(tree: Any, path: tuple) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def change(tree: dict, rng) -> str:
    places = _places(tree)
    path = places[int(rng.integers(len(places)))]
    holder, key = _at(tree, path[:-1]), path[-1]
    what = int(rng.choice(9, p=[0.1, 0.32, 0.1, 0.06, 0.06, 0.06, 0.06, 0.08, 0.16]))
    name = ".".join(map(str, path))
    if what == 0:
        del holder[key]
        return f"{name} gone"
    if what == 1:
        holder[key] = deepcopy(VALUES[int(rng.integers(len(VALUES)))])
        return f"{name} = {holder[key]!r:.60}"
    if what == 2:
        holder[key] = _other_type(holder[key])
        return f"{name} as {holder[key]!r:.60}"
    if what == 3:
        holder[key] = [holder[key]]
    elif what == 4:
        holder[key] = {"a": holder[key]}
    elif what == 5 and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    elif what == 6 and isinstance(holder, list):
        holder.extend([holder[key]] * int(rng.choice([1, 3, 100])))
    elif what == 7:
        other = places[int(rng.integers(len(places)))]
        holder[key] = deepcopy(_at(tree, other)) if path[: len(other)] != other else "itself"
        return f"{name} as {'.'.join(map(str, other))}"
    elif isinstance(holder[key], (int, float)):
        factor = float(rng.choice([1e-9, 1e-3, 0.5, 2, 1e3, 1e6, -1]))
        holder[key] = type(holder[key])(holder[key] * factor)
        return f"{name} times {factor:g}"
    return f"{name} in another shape ({what})"


def _other_type(value: Any) -> Any:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, bool):
        return "true"
    return str(value) if isinstance(value, (int, float)) else repr(value)


def spoil_toml(path: Path, rng) -> str:
    """Mostly one change of the tree, sometimes several, sometimes of the text."""
    if rng.random() < 0.15:
        return spoil_lines(path, rng)
    tree = tomllib.loads(path.read_text())
    told = [change(tree, rng) for _ in range(int(rng.choice([1, 1, 1, 2, 4])))]
    path.write_text(_text(tree), encoding="utf-8", errors="replace")
    return "; ".join(told)


def _text(tree: dict) -> str:
    """The writer of operando for what it can write, with TOML's own words for what JSON lacks."""
    text = to_toml(tree)
    return text.replace("NaN", "nan").replace("-Infinity", "-inf").replace("Infinity", "inf")
