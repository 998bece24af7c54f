"""Impedance spectra of BioLogic, Gamry, ZPlot, Autolab, Parstat, VersaStudio, CH Instruments, Powersuite, csv."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from operando.core.errors import ReadError
from operando.core.trust import reads

from .biologic import MAGIC, read_mpr, read_mpt
from .tables import Recorded, as_numbers
from .times import absolute_start, parse_zone

ZPLOT_COLUMNS = {"frequency": 0, "z_re": 4, "z_im": 5, "time": 3}
NAMES = {
    "frequency": r"freq(uency)?(\(hz\)|/hz)?",
    "z_re": r"(re\(z\)|z'(\(a\))?|zre(al)?|z?real)(/ohm|\(ohms?\))?",
    "z_im": r"(-?im\(z\)|z''(\(b\))?|z\"|zima?g?|z?imag)(/ohm|\(ohms?\))?",
    "time": r"(time|elapsedtime)(\(s(ec)?\)|/s)?",
}


@dataclass
class Columns:
    """Raw columns of one file; `frequency` of zero marks rows without impedance."""

    format: str
    frequency: np.ndarray
    z_re: np.ndarray
    z_im: np.ndarray
    extra: dict[str, np.ndarray]
    recorded: Recorded | None = None


#: what no instrument measures is a damaged number: its row is left out
POSSIBLE_HZ, POSSIBLE_OHM = (1e-9, 1e12), (1e-15, 1e15)


@reads("this spectrum")
def impedance(path: str | Path, *, zone: str | None = None) -> list[xr.Dataset]:
    """Every impedance spectrum of a file, in order.

    Each is a Dataset over `frequency` (Hz, in the order measured) with z_re and z_im (Ohm; capacitive is negative),
    and time (s since the start) where the file has it. attrs: source, format, and for BioLogic files voltage (V)
    and utc (s) of the middle of the spectrum, the latter where the zone of the cycler's clock is given.

    A file that was broken off gives the rows that are there. Raises `ReadError` when there is no frequency, or no
    impedance, in the file.
    """
    if zone is not None:
        parse_zone(zone, str(path))
    columns = _columns(Path(path))
    low, high = POSSIBLE_HZ
    with np.errstate(over="ignore", invalid="ignore"):
        used = (columns.frequency >= low) & (columns.frequency <= high)
        size = np.abs(columns.z_re) + np.abs(columns.z_im)
        used &= (size > POSSIBLE_OHM[0]) & (size < POSSIBLE_OHM[1])
    if not used.any():
        raise ReadError(
            "no row with a frequency and an impedance", where=str(path), fix="Was the spectrum measured?"
        )
    rows = np.flatnonzero(used)
    return [
        _spectrum(columns, part, str(path), zone) for part in np.split(rows, _breaks(columns.frequency, rows))
    ]


def _breaks(frequency: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Where one spectrum ends and the next begins: a row between them, or a jump back of the frequency."""
    log = np.log(frequency[rows])
    step = np.diff(log)
    trend = np.sign(np.median(step)) if len(step) else -1
    back = (np.sign(step) == -trend) & (np.abs(step) > 5 * max(float(np.median(np.abs(step))), 1e-9))
    return np.flatnonzero((np.diff(rows) > 1) | back) + 1 if len(step) else np.array([], int)


def _spectrum(columns: Columns, rows: np.ndarray, path: str, zone: str | None) -> xr.Dataset:
    data = {
        "z_re": (
            "frequency",
            columns.z_re[rows],
            {"units": "Ohm", "long_name": "real part of the impedance"},
        ),
        "z_im": (
            "frequency",
            columns.z_im[rows],
            {"units": "Ohm", "long_name": "imaginary part of the impedance"},
        ),
    }
    attrs: dict[str, object] = {"source": path, "format": columns.format}
    if "time" in columns.extra:
        time = columns.extra["time"][rows]
        data["time"] = ("frequency", time, {"units": "s"})
        if columns.recorded is not None:
            moment, _ = absolute_start(columns.recorded.start, None, zone, path)
            if moment is not None and moment.tzinfo is not None:
                attrs["utc"] = moment.timestamp() + float(0.5 * (time[0] + time[-1]))
    if "voltage" in columns.extra:
        attrs["voltage"] = float(np.mean(columns.extra["voltage"][rows]))
    frequency = ("frequency", columns.frequency[rows], {"units": "Hz", "long_name": "frequency"})
    return xr.Dataset(data, coords={"frequency": frequency}, attrs=attrs)


def _columns(path: Path) -> Columns:
    if not path.exists():
        raise ReadError("no such file", where=str(path))
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        raise ReadError("the file is empty", where=str(path), fix="Has the measurement begun?")
    if head.startswith(MAGIC) or b"ASCII FILE" in head:
        return _biologic(read_mpr(path) if head.startswith(MAGIC) else read_mpt(path))
    lines = path.read_text(encoding="latin-1").replace("\x00", "").splitlines()
    text = lines[0].lower() if lines else ""
    if "zplot2" in text:
        return _zplot(lines, path)
    if lines and lines[0].startswith("EXPLAIN"):
        return _gamry(lines, path)
    if any(line.startswith("Definition=") for line in lines):
        return _versastudio(lines, path)
    return _named(lines, path)


def _biologic(recorded: Recorded) -> Columns:
    def column(name: str) -> np.ndarray:
        return as_numbers(recorded.columns[name], name, recorded.path)

    missing = [n for n in ("freq/Hz", "Re(Z)/Ohm", "-Im(Z)/Ohm") if n not in recorded.columns]
    if not missing:
        re, im = column("Re(Z)/Ohm"), -column("-Im(Z)/Ohm")
    elif {"freq/Hz", "|Z|/Ohm", "Phase(Z)/deg"} <= set(recorded.columns):
        phase = np.deg2rad(column("Phase(Z)/deg"))
        re, im = column("|Z|/Ohm") * np.cos(phase), column("|Z|/Ohm") * np.sin(phase)
    else:
        raise ReadError(
            f"no column {', '.join(missing)} in this file", where=recorded.path,
            fix="Export the spectrum again with freq/Hz, Re(Z)/Ohm and -Im(Z)/Ohm.",
        )  # fmt: skip
    extra = {"time": column("time/s")} if "time/s" in recorded.columns else {}
    for name in ("<Ewe>/V", "Ewe/V"):
        if name in recorded.columns and "voltage" not in extra:
            extra["voltage"] = column(name)
    return Columns(recorded.format, column("freq/Hz"), re, im, extra, recorded)


def _zplot(lines: list[str], path: Path) -> Columns:
    end = next((i for i, line in enumerate(lines) if line.strip() == "End Comments"), None)
    if end is None:
        raise ReadError(
            "the header does not end (no line End Comments)", where=str(path), fix="Is the file complete?"
        )
    return _from_rows("ZPlot", [line.split() for line in lines[end + 1 :]], ZPLOT_COLUMNS)


def _gamry(lines: list[str], path: Path) -> Columns:
    begin = next((i for i, line in enumerate(lines) if line.startswith("ZCURVE")), None)
    if begin is None or begin + 2 >= len(lines):
        raise ReadError("no table ZCURVE", where=str(path), fix="Was the spectrum measured before the abort?")
    names = lines[begin + 1].split("\t")
    place = _places(names, path)
    rows = []
    for line in lines[begin + 3 :]:
        if not line.startswith("\t"):
            break
        rows.append(line.split("\t"))
    return _from_rows("Gamry", rows, place)


def _versastudio(lines: list[str], path: Path) -> Columns:
    begin = next(i for i, line in enumerate(lines) if line.startswith("Definition="))
    names = [name.strip() for name in lines[begin].removeprefix("Definition=").split(",")]
    place = _places([n.replace("Z Real", "Zreal").replace("Z Imag", "Zimag") for n in names], path)
    rows = []
    for line in lines[begin + 1 :]:
        if line.startswith("<"):
            break
        rows.append(line.split(","))
    return _from_rows("VersaStudio", rows, place)


def _named(lines: list[str], path: Path) -> Columns:
    """Any text table with a line that names its columns, or three bare columns: frequency, real, imaginary."""
    for index, line in enumerate(lines[:400]):
        bare = line.strip().lstrip("ï»¿").strip('"')
        for separator in ("\t", ",", ";", r"\s{2,}"):
            names = [
                n
                for n in (re.split(separator, bare) if len(separator) > 1 else bare.split(separator))
                if n.strip()
            ]
            place = _find(names)
            if {"frequency", "z_re", "z_im"} <= set(place):
                rows = [re.split(r"[\t,;]\s*|\s{2,}", row.strip()) for row in lines[index + 1 :]]
                return _from_rows("text", rows, place)
    rows = [re.split(r"[\t,;\s]+", row.strip()) for row in lines]
    if rows and len(rows[0]) >= 3 and all(_number(cell) is not None for cell in rows[0][:3]):
        return _from_rows("text without names", rows, {"frequency": 0, "z_re": 1, "z_im": 2})
    raise ReadError(
        "no column of frequency, real and imaginary part is named in this file", where=str(path),
        fix="Write a table with the columns freq/Hz, Re(Z)/Ohm, -Im(Z)/Ohm.",
    )  # fmt: skip


def _places(names: list[str], path: Path) -> dict[str, int]:
    place = _find(names)
    missing = {"frequency", "z_re", "z_im"} - set(place)
    if missing:
        raise ReadError(
            f"no column for {', '.join(sorted(missing))} among: {', '.join(names)}", where=str(path)
        )
    return place


def _find(names: list[str]) -> dict[str, int]:
    place: dict[str, int] = {}
    for index, name in enumerate(names):
        reduced = name.lower().replace(" ", "").strip('"')
        reduced = name.lower().replace(" ", "") if reduced == "z" else reduced
        for role, pattern in NAMES.items():
            if role not in place and re.fullmatch(pattern, reduced):
                place[role] = index
                if role == "z_im" and reduced.startswith("-"):
                    place["negative"] = 1
    return place


def _from_rows(format: str, rows: list[list[str]], place: dict[str, int]) -> Columns:
    wanted = [place["frequency"], place["z_re"], place["z_im"]] + ([place["time"]] if "time" in place else [])
    found = []
    for row in rows:
        cells = [_number(row[i]) if i < len(row) else None for i in wanted]
        if None not in cells:
            found.append(cells)
    table = np.array(found, float).reshape(len(found), len(wanted))
    sign = -1.0 if place.get("negative") else 1.0
    extra = {"time": table[:, 3]} if len(wanted) > 3 else {}
    return Columns(format, table[:, 0], table[:, 1], sign * table[:, 2], extra)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
