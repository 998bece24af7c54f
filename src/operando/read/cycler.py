"""Any cycler file to the one table of the contract."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import xarray as xr

from operando.core.errors import InputError, ReadError
from operando.core.trust import reads

from .biologic import MAGIC, read_mpr, read_mpt
from .joined import join_tables
from .tables import Recorded, cycler_table
from .text_table import text_columns
from .times import parse_zone


@reads("this record")
def cycler(
    path: str | Path | Sequence[str | Path], *, zone: str | None = None, start: str | datetime | None = None,
    current_sign: int = 1, columns: Mapping[str, str] | None = None,
) -> xr.Dataset:  # fmt: skip
    """Read one cycler file, or several that follow each other, as one table over `record`.

    Formats: BioLogic .mpr and .mpt, Neware .nda and .ndax, Arbin .res, Battery Data Format csv and
    parquet, and any csv whose columns have names with units.

    path          file, or files of one cell in any order (they need absolute times)
    zone          time zone of the cycler's clock, for formats that do not store it ("Europe/Paris", "+01:00")
    start         absolute start of the first row's clock (ISO 8601), where the file has none
    current_sign  -1 where the instrument counts discharge positive
    columns       for plain csv: which column is what, {"voltage": "E_cell (V)", ...}

    Returns a Dataset with time (s), utc (s since 1970, NaN where unknown), voltage (V), current (A,
    positive on charge), capacity (mAh, net charge since the first row, positive on charge), step,
    cycle, and all other columns under cleaned names. attrs: source, format, technique, start (ISO
    8601 with zone, or ""), start_local, zone, warnings (list of sentences: every repair made).

    Raises `ReadError` for a file that cannot be read, and says why; `ExtraMissing` where a format
    needs an optional package.
    """
    if not isinstance(path, (str, Path)):
        tables = [cycler(p, zone=zone, start=start, current_sign=current_sign, columns=columns) for p in path]
        return join_tables(tables)
    if zone is not None:
        parse_zone(zone, str(path))  # a wrong zone is refused also where the file needs none
    recorded = _recorded(Path(path), columns)
    return cycler_table(recorded, zone=zone, start=start, current_sign=current_sign)


def _recorded(path: Path, columns: Mapping[str, str] | None) -> Recorded:
    if not path.exists():
        raise ReadError("no such file", where=str(path))
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        raise ReadError("the file is empty", where=str(path), fix="Has the measurement begun?")
    if head.startswith(MAGIC):
        return read_mpr(path)
    if b"ASCII FILE" in head:
        return read_mpt(path)
    reader = _READERS.get(path.suffix.lower(), _plain if _is_text(head) else None)
    if reader is None:
        raise ReadError(
            f"not a known cycler file (it ends in {path.suffix!r} and begins with {head[:16]!r})", where=str(path),
            fix="Known are .mpr, .mpt, .nda, .ndax, .res, .csv, .txt and .parquet.",
        )  # fmt: skip
    recorded = reader(path)
    if columns:
        _check_given(recorded, columns)
        recorded.given = dict(columns)
    return recorded


def _is_text(head: bytes) -> bool:
    return b"\x00" not in head.replace(b"\xff\xfe", b"") or head.startswith((b"\xff\xfe", b"\xfe\xff"))


def _neware(path: Path) -> Recorded:
    from .neware import read_neware

    return read_neware(path)


def _arbin(path: Path) -> Recorded:
    from .arbin import read_res

    return read_res(path)


def _parquet(path: Path) -> Recorded:
    from .bdf import read_parquet

    return read_parquet(path)


def _plain(path: Path) -> Recorded:
    """A csv with named columns; the separator (comma, semicolon or tab) and the decimal sign are found."""
    encoding = _encoding(path)
    with path.open(encoding=encoding) as file:
        lines = [file.readline() for _ in range(40)]
    skip, separator = _header_line(lines, path)
    names = next(csv.reader([lines[skip].rstrip("\r\n")], delimiter=separator))
    if names and not names[-1].strip():
        names = names[:-1]
    found, warnings = text_columns(path, names, skip=skip + 1, separator=separator, encoding=encoding)
    name = "Battery Data Format csv" if {"Test Time / s", "test_time_second"} & set(names) else "csv"
    return Recorded(str(path), name, found, warnings=warnings, free_names=True)


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        sample = file.read(65536)
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if sample.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    try:
        (sample[:-4] if len(sample) == 65536 else sample).decode(
            "utf-8"
        )  # the cut may fall inside a character
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _header_line(lines: list[str], path: Path) -> tuple[int, str]:
    """Index of the line that names the columns, and the separator: the first line in which a voltage is found."""
    from .labels import find_role, parse_label

    for index, line in enumerate(lines):
        for separator in ("\t", ";", ","):
            labels = [parse_label(text) for text in line.strip().split(separator) if text.strip()]
            if len(labels) > 1 and any(find_role(labels, r) for r in ("voltage", "current")):
                return index, separator
    raise ReadError(
        "no line with column names: none of the first 40 lines names a voltage or a current", where=str(path),
        fix="Name the columns with their units, for example: Test Time / s, Voltage / V, Current / A.",
    )  # fmt: skip


_QUANTITIES = ("time", "utc", "voltage", "current", "capacity", "step", "cycle")


def _check_given(recorded: Recorded, columns: Mapping[str, str]) -> None:
    for role, name in columns.items():
        if role in _QUANTITIES and name in recorded.columns:
            continue
        raise InputError(
            f"columns = {{{role} = {name!r}}}: "
            + (f"no column {name!r}" if role in _QUANTITIES else f"{role!r} is not a quantity of the table"),
            where=recorded.path,
            fix=f"Columns of the file: {', '.join(recorded.columns)}. Quantities: {', '.join(_QUANTITIES)}.",
        )


_READERS: dict[str, Callable[[Path], Recorded]] = {
    ".mpr": read_mpr,
    ".nda": _neware, ".ndax": _neware, ".res": _arbin, ".parquet": _parquet, ".csv": _plain, ".txt": _plain,
    ".tsv": _plain, ".dat": _plain,
}  # fmt: skip
