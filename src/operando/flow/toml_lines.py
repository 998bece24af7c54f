"""Say where in a TOML file a wrong value stands, and what was expected there."""

from __future__ import annotations

import difflib
import re
import typing

from pydantic import BaseModel, ValidationError

_HEADER = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]\]?")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\-\"'.]+)\s*=")

Location = tuple[int | str, ...]

#: endings of keys that name a unit
UNITS = ("um", "cm2", "deg", "s", "mm", "nm")


def line_of(text: str, loc: Location) -> int:
    """1-based line of the deepest part of `loc` that can be found; 1 when nothing can."""
    best_line, best_depth = 1, 0
    for number, path in _keys(text):
        depth = 0
        for mine, theirs in zip(path, _named(loc), strict=False):
            if mine != theirs:
                break
            depth += 1
        if depth == len(path) and depth > best_depth:
            best_line, best_depth = number, depth
    return _inside(text, best_line, loc)


def _named(loc: Location) -> list[str]:
    return [part for part in loc if isinstance(part, str)]


def _keys(text: str):
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = [part.strip(" \"'") for part in header[1].split(".")]
            yield number, table
        elif key := _KEY.match(line):
            yield number, table + [part.strip(" \"'") for part in key[1].split(".")]


def _inside(text: str, start: int, loc: Location) -> int:
    """Within an array of inline tables that is written one to a line, the line of the item."""
    index = next((part for part in loc if isinstance(part, int)), None)
    if index is None:
        return start
    lines = text.splitlines()
    items = [n for n in range(start, len(lines)) if lines[n].lstrip().startswith("{")]
    return items[index] + 1 if lines[start - 1].rstrip().endswith("[") and index < len(items) else start


def describe(error: ValidationError, model: type[BaseModel]) -> tuple[str, Location, str]:
    """What is wrong (one sentence), where in the data, and what to do, for the first error found.

    A misspelt key comes before the key that is then missing; what a list holds before that it could be a word.
    """
    first = min(
        error.errors(), key=lambda found: (found["type"] != "extra_forbidden", _of_another_kind(found))
    )
    loc: Location = tuple(part for part in first["loc"] if not _is_branch(part))
    key = ".".join(map(str, loc))
    if first["type"] == "extra_forbidden":
        return f"unknown key {key}", loc, _near(str(loc[-1]), _fields(model, loc[:-1]))
    if first["type"] == "missing" and isinstance(loc[-1], int):
        return (
            f"{'.'.join(map(str, loc[:-1]))}: too few values, the list ends before number {loc[-1] + 1}",
            loc,
            "",
        )
    if first["type"] in ("model_type", "dict_type"):
        return (
            f"{key} must be a table of keys",
            loc,
            f"Write [{key}] with its keys below, or {key} = {{ ... }}.",
        )
    if first["type"] == "missing":
        return f"{key} is missing", loc[:-1], f"Add {loc[-1]} = ..."
    message = re.sub(r"^(Value error|Assertion failed), ", "", first["msg"])
    unit = str(loc[-1]).rsplit("_", 1)[-1] if loc and "_" in str(loc[-1]) else ""
    unit = f" in {unit}" if unit in UNITS else ""
    fix = f"Write a plain number{unit}." if first["type"].startswith(("float_", "int_")) else ""
    found = first.get("input")
    shown = f", found {found!r}" if isinstance(found, (str, int, float, bool)) else ""
    return (f"{key}: {message}{shown}" if key else message), loc, fix


def _of_another_kind(found) -> bool:
    """Whether an error says of a table or list that it is not one of some words."""
    return found["type"] == "literal_error" and isinstance(found.get("input"), (list, dict))


def _is_branch(part: int | str) -> bool:
    """pydantic puts the tried member of a union into the location: that is no key of the file."""
    return isinstance(part, str) and (
        part in ("float", "str", "int") or part.startswith(("literal[", "list[", "constrained-"))
    )


def _models(kind: object):
    """The tables that a type may hold, however deep in unions and lists."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for inner in typing.get_args(kind):
        yield from _models(inner)


def _fields(model: type[BaseModel], loc: Location) -> list[str]:
    current: object = model
    for part in _named(loc):
        if isinstance(current, type) and issubclass(current, BaseModel):
            if part not in current.model_fields:
                return []
            current = current.model_fields[part].annotation
        current = next(_models(current), current)
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _near(key: str, known: list[str]) -> str:
    stem = key.rsplit("_", 1)[0]
    same_stem = [name for name in known if name.rsplit("_", 1)[0] == stem and name != key]
    near = same_stem or difflib.get_close_matches(key, known, n=1)
    if near:
        return (
            f"Did you mean {near[0]}? The unit is part of the name."
            if same_stem
            else f"Did you mean {near[0]}?"
        )
    return f"Known keys here: {', '.join(known)}." if known else ""
