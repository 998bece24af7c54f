"""What `inspect` says of a file."""

from __future__ import annotations

from dataclasses import dataclass

#: what, where in the file, detail
Row = tuple[str, str, str]


@dataclass(frozen=True)
class Inspection:
    """Rows for a terminal table, and the verdict.

    headline  file, kind, start
    rows      (what, where in the file, detail)
    readable  whether operando can use the file; `why` not, and what to do
    engine    "fast" or "weighted", with the reason, for files of frames; "" for others
    """

    headline: str
    rows: tuple[Row, ...] = ()
    readable: bool = True
    why: str = ""
    engine: str = ""
