"""Text tables with known column names, also while they are still being written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from operando.core.errors import ReadError


def text_columns(
    path: Path, names: list[str], *, skip: int, separator: str, encoding: str, decimal: str | None = None
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Rows of a text table under given names; an incomplete last line is left out and said."""
    import pandas as pd

    warnings: list[str] = []
    last, before, sample = _edge_lines(path, skip, encoding)
    if sample is None:
        raise ReadError("a header without rows", where=str(path), fix="Has the measurement begun?")
    if decimal is None:
        decimal = "," if separator != "," and re.search(r"\d,\d", sample) else "."
    unique = _unique(names)
    try:
        frame = pd.read_csv(
            path, sep=separator, skiprows=skip, header=None, names=unique, usecols=range(len(unique)), index_col=False,
            encoding=encoding, decimal=decimal, low_memory=False, skip_blank_lines=True, on_bad_lines="warn",
        )  # fmt: skip
    except pd.errors.ParserError as error:
        raise ReadError(
            f"the table is damaged ({error})", where=str(path), fix="Export or copy it again."
        ) from error
    if last is not None and _is_cut(last, before, len(unique), separator) and len(frame):
        frame = frame.iloc[:-1]
        warnings.append("the file is cut off: its last line is incomplete and left out")
    return {name: frame[name].to_numpy() for name in unique}, warnings


def _edge_lines(path: Path, skip: int, encoding: str) -> tuple[str | None, str | None, str | None]:
    """The last line if it does not end in a line break, the line before it, and the first row."""
    with path.open(encoding=encoding, errors="replace") as text:
        for _ in range(skip):
            text.readline()
        sample = text.readline()
    if not sample.strip():
        return None, None, None
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 65536) // 2 * 2)
        tail = file.read().decode("utf-16-le" if encoding == "utf-16" else encoding, "replace")
    lines = tail.splitlines()
    if tail.endswith(("\n", "\r")) or len(lines) < 2:
        return None, None, sample
    return lines[-1], lines[-2], sample


def _is_cut(last: str, before: str | None, fields: int, separator: str) -> bool:
    parts = last.split(separator)
    if len(parts) < fields:
        return True
    earlier = (before or "").split(separator)
    return len(earlier) >= fields and len(parts[fields - 1]) < len(earlier[fields - 1])


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    result = []
    for name in names:
        name = name.strip().strip('"') or "unnamed"
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return result
