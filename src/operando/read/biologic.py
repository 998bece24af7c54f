"""BioLogic EC-Lab files: binary `.mpr` and exported `.mpt`."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from operando.core.errors import ReadError

from ._mpr_columns import COLUMNS, FLAGS, TECHNIQUES
from .tables import Recorded
from .text_table import text_columns
from .times import local_moment, ole_moment

MAGIC = b"BIO-LOGIC MODULAR FILE"
#: version of the data module -> byte at which the records begin
DATA_START = {2: 405, 3: 406, 11: 1007}
START_IN_LOG = 585
DATES = (
    "%m/%d/%Y %H:%M:%S.%f", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S.%f", "%d/%m/%Y %H:%M:%S",
    "%d.%m.%Y %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S",
)  # fmt: skip
LONG_NAMES = {
    "galvanostatic cycling with potential limitation": "GCPL", "chronopotentiometry": "CP",
    "chronoamperometry": "CA", "open circuit voltage": "OCV", "potentio electrochemical impedance": "PEIS",
    "galvano electrochemical impedance": "GEIS", "linear sweep voltammetry": "LSV", "cyclic voltammetry": "CV",
    "modulo bat": "MB",
}  # fmt: skip


@dataclass(frozen=True)
class Module:
    """One module of an `.mpr` file: its name, version, announced length, and the bytes that are there."""

    name: str
    version: int
    length: int
    data: memoryview

    @property
    def complete(self) -> bool:
        """Whether the file holds all bytes that the module announces."""
        return len(self.data) >= self.length


def read_mpr(path: str | Path) -> Recorded:
    """Columns of an EC-Lab binary file under EC-Lab's own names.

    A file that was cut off (the cycler is still writing) gives its complete rows and a warning. Raises
    `ReadError` for another kind of file, no data module, or columns of unknown number that cannot be stepped over.
    """
    raw = Path(path).read_bytes()
    if not raw:
        raise ReadError("the file is empty", where=str(path), fix="Has the measurement begun?")
    if not raw.startswith(MAGIC):
        raise ReadError(
            f"not a BioLogic .mpr file: it begins with {raw[:22]!r}", where=str(path),
            fix="Was it renamed, or broken on the way? An EC-Lab file begins with BIO-LOGIC MODULAR FILE.",
        )  # fmt: skip
    modules = {module.name: module for module in _modules(memoryview(raw))}
    if "VMP data" not in modules:
        raise ReadError(
            "no data module (the file ends before it)", where=str(path), fix="Has the measurement begun?"
        )
    warnings: list[str] = []
    columns = _records(modules["VMP data"], str(path), warnings)
    settings = modules.get("VMP Set")
    technique = TECHNIQUES.get(settings.data[0], f"technique {settings.data[0]}") if settings else ""
    log = modules.get("VMP LOG")
    start = None
    if log is not None and len(log.data) >= START_IN_LOG + 8:
        days = struct.unpack_from("<d", log.data, START_IN_LOG)[0]
        start = ole_moment(days) if 30_000 < days < 80_000 else None
    return Recorded(str(path), "BioLogic mpr", columns, start, technique, warnings)


def _modules(raw: memoryview):
    """Each module in turn; the header has two layouts, the newer marked by a length of 2^32 - 1."""
    place = 52
    while place + 57 <= len(raw) and bytes(raw[place : place + 6]) == b"MODULE":
        name = bytes(raw[place + 6 : place + 16]).decode("latin-1").strip()
        length, version = struct.unpack_from("<II", raw, place + 41)
        begin = place + 57
        if length == 0xFFFFFFFF:
            if place + 65 > len(raw):
                return
            length, version = struct.unpack_from("<QI", raw, place + 45)
            begin = place + 65
        yield Module(name, version, length, raw[begin : begin + length])
        place = begin + length


def _records(module: Module, path: str, warnings: list[str]) -> dict[str, np.ndarray]:
    data, version = module.data, module.version
    if len(data) < 6:
        raise ReadError("the file ends before the first row", where=path, fix="Has the measurement begun?")
    rows = struct.unpack_from("<I", data, 0)[0]
    count, begin = (struct.unpack_from("<H", data, 4)[0], 6) if version >= 10 else (data[4], 5)
    if len(data) < begin + 2 * count:
        raise ReadError("the file ends before the first row", where=path, fix="Has the measurement begun?")
    numbers = struct.unpack_from(f"<{count}H", data, begin)
    start = DATA_START.get(version)
    if start is None:
        raise ReadError(
            f"version {version} of the data module is not known", where=path,
            fix="Export the file from EC-Lab as text (.mpt) and give that; please report the version.",
        )  # fmt: skip
    record = _record_type(numbers, module, rows, start, path, warnings)
    there = max(len(data) - start, 0) // record.itemsize
    if there < rows:
        warnings.append(f"the file is cut off: {there} complete rows of {rows} announced")
    table = np.frombuffer(data, record, min(rows, there), start) if min(rows, there) else np.empty(0, record)
    return _columns(table, numbers)


def _record_type(numbers, module: Module, rows: int, start: int, path: str, warnings: list[str]) -> np.dtype:
    """The layout of one record; the columns before and after unknown ones are kept where its size is known."""
    fields: list[tuple[int, str]] = []  # (column number, type); all flags share the byte of the first
    for number in numbers:
        if number in FLAGS:
            if not any(n in FLAGS for n, _ in fields):
                fields.append((number, "u1"))
        else:
            fields.append((number, COLUMNS.get(number, ("", ""))[1]))
    unknown = [number for number, kind in fields if not kind]
    known_size = sum(np.dtype(kind).itemsize for _, kind in fields if kind)
    if not unknown:
        return _dtype(fields, known_size)
    size, rest = divmod(module.length - start, rows) if rows else (0, 1)
    left = size - known_size
    listed = ", ".join(map(str, unknown))
    if rest or not module.complete or left < len(unknown):
        raise ReadError(
            f"columns of unknown number: {listed}; the size of a record cannot be told, so nothing can be kept",
            where=path, fix="Export the file from EC-Lab as text (.mpt) and give that; please report the numbers.",
        )  # fmt: skip
    if len(unknown) == 1 and left in (2, 4, 8):
        kind = {2: "<u2", 4: "<f4", 8: "<f8"}[left]
        warnings.append(f"column of unknown number {listed}: kept as unknown_{listed}")
        return _dtype([(n, k or kind) for n, k in fields], size)
    warnings.append(f"columns of unknown number {listed}: left out, with all columns between them")
    return _dtype(fields, size)


def _dtype(fields: list[tuple[int, str]], size: int) -> np.dtype:
    """Fields counted from the front up to the first unknown one, and from the back down to the last."""
    names, formats, offsets = [], [], []
    for ordered, forward in ((fields, True), (fields[::-1], False)):
        place = 0 if forward else size
        for number, kind in ordered:
            if not kind:
                break
            width = np.dtype(kind).itemsize
            place -= 0 if forward else width
            if str(number) not in names:
                names.append(str(number))
                formats.append(kind)
                offsets.append(place)
            place += width if forward else 0
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})


def _columns(table: np.ndarray, numbers) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    flags = next((str(n) for n in numbers if n in FLAGS), None)
    for number in numbers:
        if number in FLAGS:
            if flags in (table.dtype.names or ()):
                name, bits = FLAGS[number]
                columns[name] = (table[flags] & bits) // (bits & -bits)
        elif str(number) in (table.dtype.names or ()):
            name = COLUMNS[number][0] if number in COLUMNS else f"unknown_{number}"
            columns[name] = np.ascontiguousarray(table[str(number)])
    return columns


def read_mpt(path: str | Path) -> Recorded:
    """Columns of an EC-Lab text export: Latin-1, decimal point or comma, long or one-line header.

    An incomplete last line (the cycler is still writing) is left out and said. Raises `ReadError` for
    another kind of file or a header without rows.
    """
    head, names, skip = _mpt_head(Path(path))
    columns, warnings = text_columns(Path(path), names, skip=skip, separator="\t", encoding="latin-1")
    text = "\n".join(head)
    found = re.search(r"^Acquisition started on\s*:\s*(.+)$", text, re.MULTILINE)
    start = local_moment(found[1], DATES) if found else None
    if found and start is None:
        warnings.append(f"the start of the acquisition is not readable: {found[1].strip()!r}")
    lowered = text.lower()
    technique = next((short for long, short in LONG_NAMES.items() if long in lowered), "")
    if "time/s" in columns and not np.issubdtype(columns["time/s"].dtype, np.number):
        columns["time/s"], start = _absolute_times(columns["time/s"], start, str(path))
    return Recorded(str(path), "BioLogic mpt", columns, start, technique, warnings)


def _mpt_head(path: Path) -> tuple[list[str], list[str], int]:
    """Header lines, column names, and how many lines lie before the first row."""
    with path.open(encoding="latin-1") as file:
        first = file.readline()
        if not first:
            raise ReadError("the file is empty", where=str(path), fix="Has the measurement begun?")
        if "ASCII FILE" not in first:
            raise ReadError(
                f"not a BioLogic .mpt file: it begins with {first[:40]!r}", where=str(path),
                fix="A text export of EC-Lab begins with EC-Lab ASCII FILE.",
            )  # fmt: skip
        count = re.search(r":\s*(\d+)", file.readline())
        lines = int(count[1]) if count else 3
        head = [file.readline().rstrip("\r\n") for _ in range(max(lines - 3, 0))]
        names = file.readline().rstrip("\r\n").split("\t")
    if names and not names[-1].strip():
        names = names[:-1]
    if not names or not any(name.strip() for name in names):
        raise ReadError(
            "the header ends before the column names", where=str(path), fix="Has the measurement begun?"
        )
    return head, names, lines


def _absolute_times(stamps: np.ndarray, start, path: str):
    """Seconds since the start of a time column that was exported as dates."""
    import pandas as pd

    known = next((f for f in DATES if local_moment(str(stamps[0]), (f,)) is not None), None)
    if known is None:
        raise ReadError(
            f"the times are not readable: {stamps[0]!r}", where=path, fix="Export relative times in s."
        )
    moments = pd.to_datetime(pd.Series(stamps.astype(str)).str.strip(), format=known)
    start = start or moments.iloc[0].to_pydatetime()
    return (moments - pd.Timestamp(start)).dt.total_seconds().to_numpy(), start
