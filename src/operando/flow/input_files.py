"""The files that an experiment names, and digests that tell whether they are still what they were."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .sections import Section

#: larger files go by size and time of change; the frames in them have digests of their own (`Process.inputs`)
SMALL_BYTES = 64 * 2**20
#: keys that hold raw data, which may be terabytes
RAW = ("scans", "volumes")


def file_digests(experiment: Section) -> dict[str, str]:
    """By path: digest of the content of small files, size and time of change of large and raw ones."""
    return {str(path): file_digest(path, raw=raw) for path, raw in _files(experiment)}


def file_digest(path: Path, *, raw: bool = False) -> str:
    """ "" for a file that is not there."""
    try:
        about = path.stat()
        if path.is_dir():
            names = sorted(f"{one.name} {one.stat().st_size}" for one in path.iterdir())
            return (
                f"{len(names)} files {hashlib.blake2b(' '.join(names).encode(), digest_size=16).hexdigest()}"
            )
        if raw or about.st_size > SMALL_BYTES:
            return f"{about.st_size} bytes of {about.st_mtime_ns}"
        with open(path, "rb") as file:
            return hashlib.blake2b(file.read(), digest_size=16).hexdigest()
    except OSError:
        return ""


def _files(section: Section) -> Iterator[tuple[Path, bool]]:
    """Paths of a table of a resolved experiment and of all tables in it, and whether each holds raw data."""
    for key in (*section.paths, *section.patterns):
        for value in _listed(getattr(section, key)):
            if isinstance(value, str) and value not in section.paths.get(key, ()):
                yield Path(value), key in RAW
    for name in type(section).model_fields:
        for value in _listed(getattr(section, name)):
            if isinstance(value, Section):
                yield from _files(value)


def _listed(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]
