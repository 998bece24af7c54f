"""Several experiments in one file: the sections of each, with paths that hold from a common folder."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .experiment import Experiment
from .sections import Section
from .sections.own_cell import OwnCell
from .toml_text import to_toml


def joined(folder: Path, parts: Sequence[tuple[str, Sequence[str]]], title: str, **more: Any) -> str:
    """TOML of an experiment that takes `sections` of `folder`/<part>/experiment.toml, for each (part, sections).

    The parts are different cells: [cell] and [cycler] are the first's; techniques of the others say `other_cell` and
    bring their own `cell` and `cycler`. Sections that this version does not know are left out. `more` are further
    sections as plain data.
    """
    data: dict[str, Any] = {"title": title}
    for part, sections in parts:
        own = tomllib.loads((folder / part / "experiment.toml").read_text(encoding="utf-8"))
        for name in sections:
            if name in own and name in Experiment.model_fields:
                kind = _kind(name)
                data[name] = _moved(own[name], kind, part)
                if part != parts[0][0] and kind is not None and issubclass(kind, OwnCell):
                    data[name] |= _own(own, part)
    return to_toml(data | {k: v for k, v in more.items() if k in Experiment.model_fields})


def _own(sections: dict[str, Any], part: str) -> dict[str, Any]:
    """What a technique of another cell says of itself."""
    brought = {
        name: _moved(sections[name], _kind(name), part) for name in ("cell", "cycler") if name in sections
    }
    return {"other_cell": True} | brought


def _kind(name: str) -> type[Section] | None:
    """The class of a section, of its items where it is a list or a dict of sections."""
    return _section_in(Experiment.model_fields[name].annotation)


def _section_in(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type):
        return annotation if issubclass(annotation, Section) else None
    found = (_section_in(one) for one in getattr(annotation, "__args__", ()))
    return next((one for one in found if one is not None), None)


def _moved(value: Any, kind: type[Section] | None, part: str) -> Any:
    """A section's data with its relative paths below `part`."""
    if kind is None:
        return value
    if isinstance(value, list):
        return [_moved(one, kind, part) for one in value]
    if not isinstance(value, dict):
        return value
    if not set(value) & set(kind.model_fields):  # a dict of sections by name
        return {key: _moved(one, kind, part) for key, one in value.items()}
    out = {}
    for key, one in value.items():
        inside = kind.model_fields.get(key)
        words = kind.paths.get(key, ())
        if key in kind.paths or key in kind.patterns:
            many = [one] if isinstance(one, str) else one
            moved = [item if item in words else f"{part}/{item}" for item in many]
            out[key] = moved[0] if isinstance(one, str) else moved
        else:
            out[key] = _moved(one, _section_in(inside.annotation) if inside else None, part)
    return out
