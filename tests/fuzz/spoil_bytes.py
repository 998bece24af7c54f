"""Ways to spoil any file: bytes and lines. Each takes a path and a random generator and says what it did."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

GARBAGE = {
    "png": b"\x89PNG\r\n\x1a\n" + bytes(40), "zip": b"PK\x03\x04" + bytes(60), "gzip": b"\x1f\x8b\x08" + bytes(30),
    "hdf5 and nothing": b"\x89HDF\r\n\x1a\n", "hdf5 and zeros": b"\x89HDF\r\n\x1a\n" + bytes(4096),
    "html": b"<html><body>404 not found</body></html>", "tiff and nothing": b"II*\0\x08\0\0\0", "nul": bytes(1000),
    "one byte": b"\xff", "line ends": b"\n" * 500, "spaces": b" " * 900, "brackets": b"[" * 5000, "quotes": b'"' * 999,
    "utf-16": "time;voltage\n1;2\n".encode("utf-16"), "a lfs pointer": b"version https://git-lfs.github.com/spec/v1\n",
}  # fmt: skip
TOKENS = ("nan", "NaN", "inf", "-inf", "1e308", "-1e308", "1e-320", "-1", "0", "", "abc", "99999999999999999999",
          "1e12", "1,5", "1.2.3", "0x10", "é", "漢字", "\x00", "--", "1e", "+-1", "true", "'", '"', "#", "1_000",
          "2025-13-45", "12:61:61")  # fmt: skip
NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?")


def flip_bytes(path: Path, rng) -> str:
    data = bytearray(path.read_bytes())
    if not data:
        return "nothing to flip"
    places = rng.integers(0, len(data), int(rng.choice([1, 1, 2, 5, 30, 200])))
    for place in places:
        data[place] = int(rng.integers(256))
    path.write_bytes(bytes(data))
    return f"{len(places)} bytes from {int(places[0])}"


def flip_early_bytes(path: Path, rng) -> str:
    """Headers are where the sizes are."""
    data = bytearray(path.read_bytes())
    if not data:
        return "nothing to flip"
    places = rng.integers(0, min(len(data), int(rng.choice([64, 512, 4096]))), int(rng.choice([1, 2, 4])))
    for place in places:
        data[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(bytes(data))
    return f"bits of bytes {places.tolist()}"


def set_word(path: Path, rng) -> str:
    """Sizes and offsets: a word of 2, 4 or 8 bytes becomes one that nothing can hold."""
    data = bytearray(path.read_bytes())
    size = int(rng.choice([2, 4, 8]))
    if len(data) < size:
        return "too short"
    place = int(rng.integers(0, min(len(data), 4096) - size + 1)) // size * size
    value = [b"\xff" * size, bytes(size), b"\xff" * (size - 1) + b"\x7f", b"\1" + bytes(size - 1)]
    data[place : place + size] = value[int(rng.integers(len(value)))]
    path.write_bytes(bytes(data))
    return f"word of {size} at {place}"


def cut(path: Path, rng) -> str:
    data = path.read_bytes()
    keep = int(len(data) * rng.choice([rng.uniform(0, 1), 1 - rng.uniform(0, 0.02), rng.uniform(0, 0.02)]))
    path.write_bytes(data[:keep])
    return f"cut at {keep} of {len(data)}"


def move_block(path: Path, rng) -> str:
    data = path.read_bytes()
    a, b = sorted(rng.integers(0, len(data) + 1, 2).tolist())
    b = min(b, a + 4096)
    block, what = data[a:b], int(rng.integers(4))
    middle = [b"", block + block, bytes(len(block)), rng.bytes(len(block))][what]
    path.write_bytes(data[:a] + middle + data[b:])
    return f"{('removed', 'doubled', 'zeroed', 'noise')[what]} {a}:{b}"


def replace(path: Path, rng) -> str:
    name = str(rng.choice(list(GARBAGE)))
    path.write_bytes(GARBAGE[name])
    return f"replaced by {name}"


def noise(path: Path, rng) -> str:
    path.write_bytes(rng.bytes(int(rng.choice([0, 1, 100, 5000]))))
    return "noise"


def not_a_file(path: Path, rng) -> str:
    what = int(rng.integers(4))
    path.unlink()
    if what == 0:
        path.mkdir()
    elif what == 1:
        path.symlink_to(path)
    elif what == 2:
        path.symlink_to("/proc/self/mem")
    return ("a folder", "a link to itself", "a link to memory", "gone")[what]


BYTES = (flip_bytes, flip_bytes, flip_early_bytes, set_word, cut, move_block, replace, noise, not_a_file)


def _lines(path: Path) -> list[str]:
    return path.read_bytes().decode("latin-1").split("\n")


def _keep(path: Path, lines: list[str], encoding: str = "latin-1") -> None:
    path.write_bytes("\n".join(lines).encode(encoding, "replace"))


def token(path: Path, rng) -> str:
    """One number, or all of one column, becomes something else."""
    lines = _lines(path)
    found = [i for i, line in enumerate(lines) if NUMBER.search(line)]
    if not found:
        return "no number"
    line, new = int(rng.choice(found)), str(rng.choice(TOKENS))
    spots = list(NUMBER.finditer(lines[line]))
    which = int(rng.integers(len(spots)))
    chosen = [i for i in found if i >= line] if rng.random() < 0.3 else [line]
    for i in chosen:
        here = list(NUMBER.finditer(lines[i]))
        if which < len(here):
            lines[i] = lines[i][: here[which].start()] + new + lines[i][here[which].end() :]
    _keep(path, lines, "utf-8")
    return f"line {line + 1}, number {which + 1}: {new!r} ({len(chosen)} lines)"


def scale(path: Path, rng) -> str:
    lines = _lines(path)
    factor = float(rng.choice([-1, 0, 1e3, 1e-3, 1e30, 1e-30]))
    line = int(rng.integers(len(lines)))
    lines[line] = NUMBER.sub(lambda m: f"{float(m[0].replace(',', '.')) * factor:g}", lines[line])
    _keep(path, lines)
    return f"line {line + 1} times {factor:g}"


def shuffle_lines(path: Path, rng) -> str:
    lines = _lines(path)
    first = int(rng.choice([0, 1, len(lines) // 2, max(len(lines) - 20, 0)]))
    rest = lines[first:]
    rng.shuffle(rest)
    _keep(path, lines[:first] + rest)
    return f"lines shuffled from {first}"


def lines_lost(path: Path, rng) -> str:
    lines = _lines(path)
    a, b = sorted(rng.integers(0, len(lines) + 1, 2).tolist())
    b = int(rng.choice([a + 1, b]))
    if rng.random() < 0.5:
        _keep(path, lines[:a] + lines[b:])
        return f"lines {a}:{b} gone"
    _keep(path, lines[:b] + lines[a:])
    return f"lines {a}:{b} doubled"


def separators(path: Path, rng) -> str:
    lines = _lines(path)
    old = max("\t,; ", key=lambda s: sum(line.count(s) for line in lines))
    new = str(rng.choice([",", ";", "\t", " ", "|", ""]))
    start = int(rng.choice([0, len(lines) // 2]))
    _keep(path, lines[:start] + [line.replace(old, new) for line in lines[start:]])
    return f"{old!r} to {new!r} from line {start}"


def decimals(path: Path, rng) -> str:
    lines = _lines(path)
    start = int(rng.choice([0, len(lines) // 2]))
    _keep(path, lines[:start] + [line.replace(".", ",") for line in lines[start:]])
    return f"decimal commas from line {start}"


def columns(path: Path, rng) -> str:
    """A column is lost, doubled or changes place with another, in all lines or from some line on."""
    lines = _lines(path)
    mark = max("\t,; ", key=lambda s: sum(line.count(s) for line in lines))
    wide = max(line.count(mark) for line in lines) + 1
    a, b, what = (int(v) for v in (*rng.integers(0, wide, 2), rng.integers(3)))
    start = int(rng.choice([0, 0, len(lines) // 2]))
    for i in range(start, len(lines)):
        cells = lines[i].split(mark)
        if len(cells) < wide - 1 or max(a, b) >= len(cells):
            continue
        if what == 0:
            del cells[a]
        elif what == 1:
            cells.insert(b, cells[a])
        else:
            cells[a], cells[b] = cells[b], cells[a]
        lines[i] = mark.join(cells)
    _keep(path, lines)
    return f"column {a} {('lost', 'doubled', 'swapped')[what]} ({b}) from line {start}"


def encoding(path: Path, rng) -> str:
    text = path.read_bytes().decode("latin-1")
    name = str(rng.choice(["utf-16", "utf-8-sig", "utf-32", "cp037", "utf-16-be"]))
    path.write_bytes(text.encode(name, "replace"))
    return name


def line_ends(path: Path, rng) -> str:
    end = (b"\r\n", b"\r", b"\n\n", b"")[int(rng.integers(4))]
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", end))
    return f"line ends {end!r}"


LINES = (token, token, token, scale, shuffle_lines, lines_lost, separators, decimals, columns, columns, encoding,
         line_ends)  # fmt: skip


def some(ways, path: Path, rng) -> str:
    """One way, now and then two."""
    told = []
    for _ in range(1 + int(rng.random() < 0.2)):
        way = ways[int(rng.integers(len(ways)))]
        if path.is_file() and not path.is_symlink():
            told.append(f"{way.__name__}: {way(path, rng)}")
    return " + ".join(told)


def spoil_bytes(path: Path, rng: np.random.Generator) -> str:
    return some(BYTES, path, rng)


def spoil_lines(path: Path, rng: np.random.Generator) -> str:
    return some(LINES if rng.random() < 0.75 else BYTES, path, rng)
