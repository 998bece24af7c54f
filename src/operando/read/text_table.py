"""Text tables with known column names, also while they are still being written."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from operando.core.errors import ReadError

if TYPE_CHECKING:
    import pandas as pd


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
    beyond = [f"\0{i}" for i in range(max(sample.count(separator) + 1 - len(unique), 1))]
    try:
        frame = pd.read_csv(
            _source(path, encoding), sep=separator, skiprows=skip, header=None, names=[*unique, *beyond],
            index_col=False, encoding=encoding, decimal=decimal, low_memory=False, skip_blank_lines=True,
            on_bad_lines="error",
        )  # fmt: skip
    except pd.errors.ParserError as error:
        raise _more_than_names(path, f"{len(unique)} columns, but: {' '.join(str(error).split())}") from error
    _check_beyond(frame[beyond], path, len(unique))
    warnings += _short_rows(frame[unique[-1]], last is not None)
    if last is not None and _is_cut(last, before, len(unique), separator) and len(frame):
        frame = frame.iloc[:-1]
        warnings.append("the file is cut off: its last line is incomplete and left out")
    return {name: frame[name].to_numpy() for name in unique}, warnings


def _source(path: Path, encoding: str):
    """The file, its line ends made those that pandas counts where they are of the old kind (carriage returns)."""
    with path.open("rb") as file:
        head = file.read(65536)
    if b"\r" not in head or b"\n" in head:
        return path
    return io.StringIO(path.read_text(encoding=encoding, errors="replace"))


def _check_beyond(more: pd.DataFrame, path: Path, names: int) -> None:
    """Raise `ReadError` where rows hold more values than there are names: nobody knows which is which."""
    held = more.notna().to_numpy()
    rows = np.flatnonzero(held.any(1))
    if not len(rows):
        return
    blank = more.iloc[rows].map(lambda value: not str(value).strip()).to_numpy(bool) | ~held[rows]
    if not blank.all():
        row = int(rows[~blank.all(1)][0])
        raise _more_than_names(path, f"{names} columns, but row {row + 1} below the names holds more values")


def _more_than_names(path: Path, what: str) -> ReadError:
    return ReadError(
        f"the table names {what}", where=str(path),
        fix="Is a name missing, or the decimal sign the separator of columns too? Nobody knows which value is which: "
        "export the file again.",
    )  # fmt: skip


def _short_rows(last_column: pd.Series, cut: bool) -> list[str]:
    """A last column that is empty in some rows only: they may be short of any of their values."""
    empty = np.flatnonzero(last_column.isna().to_numpy())
    empty = empty[empty < len(last_column) - 1] if cut else empty
    if not len(empty) or len(empty) == len(last_column):
        return []
    return [
        f"{len(empty)} rows end before the last column (the first is row {empty[0] + 1}): are they whole?"
    ]


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
