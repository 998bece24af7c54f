"""The rows of an inspection for an experiment file: its tables, and whether the files that it names are there."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from ..core.errors import ReadError
from .inspection import Inspection, Row

#: keys that name files, with the words that they take besides
FILES: dict[str, tuple[str, ...]] = {
    "file": (), "files": (), "scans": (), "geometry": (), "mask": ("detector", "none"), "cif": (), "regions": (),
    "flat": (), "dark": (),
}  # fmt: skip
SHOWN = 3


def experiment_file(path: Path) -> Inspection:
    """Title, tables, and the files that are named: how many of them are there. Keys are checked by `operando run`."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ReadError(f"not valid TOML: {error}", where=str(path), fix="Mend the line.") from error
    rows: list[Row] = []
    gone: list[str] = []
    for name, table in data.items():
        if not isinstance(table, (dict, list)):
            continue
        named = list(_named(table))
        missing = [text for text in named if not _there(path.parent, text)]
        gone += missing
        keys = ", ".join(table) if isinstance(table, dict) else f"{len(table)} entries"
        rows.append(("table", f"[{name}]", keys if len(keys) <= 100 else f"{keys[:97]}..."))
        if named:
            shown = ", ".join(named[:SHOWN]) + (
                f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
            )
            rows.append(
                ("files", "", f"{shown}: {'all there' if not missing else f'{len(missing)} missing'}")
            )
    why = ""
    if gone:
        many = f"{', '.join(gone[:SHOWN])}{', ...' if len(gone) > SHOWN else ''}"
        why = f"files that are not there: {many}\nPaths start at the folder of the experiment file."
    title = data.get("title", "")
    return Inspection(f"{path} · experiment file · {title}", tuple(rows), not gone, why)


def _named(value: Any, key: str = "") -> Iterator[str]:
    """Paths named below a table, in order."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _named(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from _named(one, key)
    elif isinstance(value, str) and key in FILES and value not in FILES[key]:
        yield value


def _there(folder: Path, text: str) -> bool:
    place = Path(text).expanduser()
    place = place if place.is_absolute() else folder / place
    return place.exists() or (has_magic(text) and bool(glob(str(place))))
