"""EDAX .ang: text, angles in radians, crystal x along a."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np

from operando.core.errors import ReadError

from .ebsd_points import Crystal, Points

#: Laue group by the number after "Symmetry"
SYMMETRY = {
    "43": "m-3m", "23": "m-3", "62": "6/mmm", "6": "6/m", "42": "4/mmm", "4": "4/m", "32": "-3m", "3": "-3",
    "22": "mmm", "2": "2/m", "20": "2/m", "121": "2/m", "1": "-1",
}  # fmt: skip
#: a point that was not indexed: EDAX writes 4 pi as its angles, or a confidence below zero
UNINDEXED = 4 * np.pi


def read_ang(path: Path) -> Points:
    """Points of an .ang file; columns phi1 Phi phi2 x y quality confidence phase."""
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    head = [line for line in lines if line.startswith("#")]
    body = "\n".join(line for line in lines if line and not line.startswith("#"))
    if not body:
        raise ReadError("no table of at least eight columns", where=str(path), fix="Export it as .ang again.")
    try:
        table = np.loadtxt(io.StringIO(body), ndmin=2)
    except ValueError as error:
        raise ReadError(f"a row does not hold numbers as the others do ({error})", where=str(path),
                        fix="The file is cut short or mixed up: export it again.") from error  # fmt: skip
    if table.shape[1] < 8:
        raise ReadError("no table of at least eight columns", where=str(path), fix="Export it as .ang again.")
    crystals = _crystals(head, path)
    phase = table[:, 7].astype(int)
    if len(crystals) == 1:
        phase[phase == 0] = 1  # files of one phase number it 0
    phase[(np.abs(table[:, 0] - UNINDEXED) < 1e-3) | (table[:, 6] < 0)] = 0
    rows, columns = int(_number(head, "NROWS", path)), int(_number(head, "NCOLS_ODD", path))
    even = int(_number(head, "NCOLS_EVEN", path))
    hexagonal = any("hexgrid" in line.lower() for line in head)
    euler, quality = table[:, :3], {"image_quality": table[:, 5], "confidence": table[:, 6]}
    if hexagonal and even == columns - 1:  # short rows: fill their last place
        place = np.concatenate(
            [r * columns + np.arange(columns if r % 2 == 0 else even) for r in range(rows)]
        )
        if len(place) != len(table):
            raise ReadError(f"{len(table)} points, but the header says {len(place)}", where=str(path),
                            fix="The file is cut short: export it again.")  # fmt: skip
        size = rows * columns
        euler, phase = _spread(euler, place, size, np.nan), _spread(phase, place, size, 0)
        quality = {name: _spread(values, place, size, np.nan) for name, values in quality.items()}
    return Points(
        euler, phase, crystals, rows, columns, _number(head, "XSTEP", path), _number(head, "YSTEP", path), "EDAX ang",
        hexagonal, quality,
    )  # fmt: skip


def _spread(values: np.ndarray, place: np.ndarray, size: int, missing) -> np.ndarray:
    out = np.full((size, *values.shape[1:]), missing, values.dtype)
    out[place] = values
    return out


def _crystals(head: list[str], path: Path) -> list[Crystal]:
    found: list[Crystal] = []
    name, symmetry = "", ""
    for line in head:
        words = line.lstrip("# ").split()
        if not words:
            continue
        if words[0] == "MaterialName":
            name, symmetry = " ".join(words[1:]), ""
        elif words[0] == "Symmetry" and len(words) > 1:
            symmetry = SYMMETRY.get(words[1], "")
        elif words[0] == "LatticeConstants":
            found.append(Crystal(name or f"phase {len(found) + 1}", symmetry, _cell(words[1:7], path)))
    return found


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _cell(words: list[str], path: Path) -> tuple[float, float, float, float, float, float]:
    try:
        a, b, c, alpha, beta, gamma = map(float, words)
    except ValueError as error:
        raise ReadError(
            f"lattice constants {' '.join(words)!r} are not six numbers",
            where=str(path),
            fix="Mend the header.",
        ) from error
    return a, b, c, alpha, beta, gamma


def _number(head: list[str], key: str, path: Path) -> float:
    for line in head:
        match = re.match(rf"#\s*{key}:?\s+([-+.\deE]+)", line)
        if match and _is_number(match[1]):
            return float(match[1])
    raise ReadError(f"the header has no {key}", where=str(path), fix="Export it as .ang again.")
