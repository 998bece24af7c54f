"""Oxford .ctf (text, degrees) and .cpr/.crc (settings and binary records, radians).

Oxford's crystal frame of hexagonal and trigonal cells has x along a*: it is turned by 30 degrees to x along a.
"""

from __future__ import annotations

import configparser
import io
from pathlib import Path

import numpy as np

from operando.core.errors import ReadError

from .ebsd_points import LAUE, Crystal, Points

#: fields of a .crc record by the number that the .cpr gives: name and type; others are four bytes
FIELDS = {
    1: ("x", "<f4"), 2: ("y", "<f4"), 3: ("phi1", "<f4"), 4: ("Phi", "<f4"), 5: ("phi2", "<f4"),
    6: ("mean_angular_deviation", "<f4"), 7: ("band_contrast", "u1"), 8: ("band_slope", "u1"), 9: ("unknown", "u1"),
    10: ("bands", "u1"), 11: ("error", "u1"), 12: ("reliability", "u1"),
}  # fmt: skip
QUALITY = ("mean_angular_deviation", "band_contrast", "band_slope", "bands")


def read_ctf(path: Path) -> Points:
    """Points of a .ctf file; angles in degrees, phase 0 where not indexed."""
    lines = path.read_text(encoding="latin-1").splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("Phase\t")), None)
    if start is None:
        raise ReadError(
            "no line of column names that begins with Phase", where=str(path), fix="Export it as .ctf again."
        )
    head = {words[0]: words[1] for line in lines[:start] if len(words := line.split("\t")) > 1}
    try:
        table = np.genfromtxt(
            io.StringIO("\n".join(lines[start:]).replace(",", ".")), names=True, delimiter="\t"
        )
        crystals = _ctf_crystals(lines[:start])
        size = int(head["YCells"]), int(head["XCells"])
        step = float(head["XStep"].replace(",", ".")), float(head["YStep"].replace(",", "."))
    except (ValueError, KeyError, IndexError) as error:
        raise ReadError(f"header or table is not that of a .ctf file ({error})", where=str(path),
                        fix="The file is cut short or mixed up: export it again.") from error  # fmt: skip
    euler = np.radians(np.stack([table[name] for name in ("Euler1", "Euler2", "Euler3")], 1))
    phase = table["Phase"].astype(int)
    names = {"MAD": "mean_angular_deviation", "BC": "band_contrast", "BS": "band_slope", "Bands": "bands"}
    quality = {new: table[old] for old, new in names.items() if old in (table.dtype.names or ())}
    return Points(turned(euler, phase, crystals), phase, crystals, *size, *step, "Oxford ctf", False, quality)


def _ctf_crystals(lines: list[str]) -> list[Crystal]:
    at = next(i for i, line in enumerate(lines) if line.startswith("Phases"))
    found = []
    for line in lines[at + 1 : at + 1 + int(lines[at].split("\t")[1])]:
        lengths, angles, name, laue = line.split("\t")[:4]
        cell = [float(v.replace(",", ".")) for part in (lengths, angles) for v in part.split(";")]
        found.append(Crystal(name, laue_of(laue), tuple(cell)))  # type: ignore[arg-type]
    return found


def read_crc(path: Path) -> Points:
    """Points of a .cpr file with the .crc of the same name beside it (either may be named)."""
    settings, records = path.with_suffix(".cpr"), path.with_suffix(".crc")
    for needed in (settings, records):
        if not needed.is_file():
            raise ReadError(f"needs {needed.name} beside it", where=str(path), fix="Copy both files.")
    told = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        told.read_string(settings.read_text(encoding="latin-1"))
        job = told["Job"]
        size = (int(job["ycells"]), int(job["xcells"]))
        step = (float(job["griddistx"]), float(job["griddisty"]))
        crystals = [_cpr_crystal(told[f"Phase{n + 1}"]) for n in range(int(told["Phases"]["count"]))]
        numbers = [int(told["Fields"][f"field{n + 1}"]) for n in range(int(told["Fields"]["count"]))]
    except (configparser.Error, KeyError, ValueError) as error:
        raise ReadError(f"settings are missing or not as expected ({error})", where=str(settings),
                        fix="Export both files again.") from error  # fmt: skip
    kind = np.dtype([("phase", "u1"), *(FIELDS.get(n, (f"field{n}", "<f4")) for n in numbers)])
    raw = np.frombuffer(records.read_bytes()[: records.stat().st_size // kind.itemsize * kind.itemsize], kind)
    missing = [name for name in ("phi1", "Phi", "phi2") if name not in (kind.names or ())]
    if missing:
        raise ReadError(
            f"records without {missing[0]}", where=str(records), fix="Export it with orientations."
        )
    euler = np.stack([raw[name].astype(float) for name in ("phi1", "Phi", "phi2")], 1)
    phase = raw["phase"].astype(int)
    quality = {name: raw[name].astype(float) for name in QUALITY if name in (kind.names or ())}
    return Points(turned(euler, phase, crystals), phase, crystals, *size, *step, "Oxford crc", False, quality)


def _cpr_crystal(section) -> Crystal:
    cell = tuple(float(section[key]) for key in ("a", "b", "c", "alpha", "beta", "gamma"))
    return Crystal(section["structurename"], laue_of(section.get("lauegroup", "")), cell)  # type: ignore[arg-type]


def laue_of(number: str) -> str:
    """Laue group of a number of the Channel files; empty for others."""
    return LAUE[int(number) - 1] if number.strip().isdigit() and 1 <= int(number) <= len(LAUE) else ""


def turned(euler: np.ndarray, phase: np.ndarray, crystals: list[Crystal]) -> np.ndarray:
    """Angles with the crystal's x along a, where the file has it along a*."""
    for number, crystal in enumerate(crystals, 1):
        if crystal.laue in ("-3", "-3m", "6/m", "6/mmm"):
            euler[phase == number, 2] -= np.pi / 6
    return euler
